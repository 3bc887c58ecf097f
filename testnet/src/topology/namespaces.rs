//! One network namespace per node, joined by a bridge that lies in a namespace of its own.
//!
//! ```text
//!   machine ── veth ── hub: bridge ── veth ── node 0
//!                             ├────── veth ── node 1
//!                             └────── …
//! ```
//!
//! The bridge is not among the machine's interfaces, where firewall rules (Docker's, for one) would
//! apply to what it forwards; the machine has one interface, with the address .1. Deleting the
//! namespaces removes everything.

use super::{host_part, run_number, spare_host_part};
use crate::{
    Result, TestnetError,
    command::{find_program, output_words, run_words},
};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

/// Subnets to choose from: 198.18.0.0/15, which RFC 2544 sets aside for tests of networks.
const SUBNETS: u32 = 512;

/// Why namespaces cannot be made here; `None` if they can.
pub fn namespaces_obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it makes network namespaces: run as root".to_owned());
    }
    for (program, package) in [
        ("ip", "iproute2"),
        ("tc", "iproute2"),
        ("nsenter", "util-linux"),
        ("iptables-legacy", "iptables"),
    ] {
        if find_program(program).is_none() {
            return Some(format!("{program} is missing ({package})"));
        }
    }
    let trial = Namespaces::create(1);
    trial.err().map(|reason| format!("network namespaces cannot be made: {reason}"))
}

/// Names of what was made: enough to remove it, also from another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceRecord {
    /// The machine's interface.
    pub interface: String,
    /// First three bytes of all addresses.
    pub subnet: [u8; 3],
    /// The namespace of the bridge, then those of the nodes.
    pub namespaces: Vec<String>,
}

impl NamespaceRecord {
    fn new(nodes: usize) -> Result<Self> {
        let (process, network) = run_number();
        // At most 15 bytes: the limit of interface names.
        let id = format!("p{process:x}n{network}");
        let hub = format!("{id}-hub");
        let nodes = (0..nodes).map(|index| format!("{id}-{index}"));
        Ok(Self {
            subnet: free_subnet(process.wrapping_add(network))?,
            namespaces: std::iter::once(hub).chain(nodes).collect(),
            interface: id,
        })
    }

    /// Removes everything that is still there.
    ///
    /// # Errors
    /// [`TestnetError::Command`] with `ip`'s message.
    pub fn remove(&self) -> Result<()> {
        // The machine's end first: a namespace lives on as long as a socket in it is closing.
        if Path::new("/sys/class/net").join(&self.interface).exists() {
            run_words(&format!("ip link del {}", self.interface))?;
        }
        for name in &self.namespaces {
            if Path::new("/run/netns").join(name).exists() {
                run_words(&format!("ip netns del {name}"))?;
            }
        }
        Ok(())
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, host)
    }
}

/// The first subnet from `start` on that this machine has no address in.
fn free_subnet(start: u32) -> Result<[u8; 3]> {
    let addresses = output_words("ip -o -4 addr show")?;
    (0..SUBNETS)
        .map(|offset| {
            let [.., x, y] = (start.wrapping_add(offset) % SUBNETS).to_be_bytes();
            [198, 18 | x, y]
        })
        .find(|[a, b, c]| !addresses.contains(&format!(" {a}.{b}.{c}.")))
        .ok_or_else(|| TestnetError::Answer {
            method: "ip addr show".to_owned(),
            expected: "a free subnet of 198.18.0.0/15",
            got: "none".to_owned(),
        })
}

/// Namespaces of a network's nodes. Removed when dropped.
#[derive(Debug)]
pub struct Namespaces {
    record: NamespaceRecord,
}

impl Namespaces {
    /// Makes the bridge and a namespace for each of `nodes` nodes; needs root.
    ///
    /// # Errors
    /// [`TestnetError::Command`] with `ip`'s message.
    pub fn create(nodes: usize) -> Result<Self> {
        // Made before anything else, so that a failure half way removes what is there.
        let this = Self { record: NamespaceRecord::new(nodes)? };
        this.make_hub()?;
        for index in 0..nodes {
            this.make_node(index)?;
        }
        Ok(this)
    }

    fn make_hub(&self) -> Result<()> {
        let NamespaceRecord { interface, .. } = &self.record;
        let hub = self.hub();
        for line in [
            format!("ip netns add {hub}"),
            format!("ip -n {hub} link add bridge type bridge"),
            format!("ip -n {hub} link set bridge up"),
            format!("ip link add {interface} type veth peer name machine netns {hub}"),
            format!("ip -n {hub} link set machine master bridge up"),
            format!("ip addr add {}/24 dev {interface}", self.record.address(1)),
            format!("ip link set {interface} up"),
        ] {
            run_words(&line)?;
        }
        Ok(())
    }

    fn make_node(&self, index: usize) -> Result<()> {
        let (hub, name) = (self.hub(), self.name(index));
        for line in [
            format!("ip netns add {name}"),
            format!("ip -n {hub} link add node{index} type veth peer name eth0 netns {name}"),
            format!("ip -n {hub} link set node{index} master bridge up"),
            format!("ip -n {name} addr add {}/24 dev eth0", self.ip(index)),
            format!("ip -n {name} link set eth0 up"),
            format!("ip -n {name} link set lo up"),
        ] {
            run_words(&line)?;
        }
        Ok(())
    }

    fn hub(&self) -> &str {
        &self.record.namespaces[0]
    }

    /// Name of the namespace of the node `index`.
    pub fn name(&self, index: usize) -> &str {
        &self.record.namespaces[index + 1]
    }

    /// Address of the node `index`.
    pub fn ip(&self, index: usize) -> IpAddr {
        self.record.address(host_part(index)).into()
    }

    /// Gives the machine one more address in the subnet; it goes with the machine's interface.
    pub(super) fn add_spare_ip(&self, index: usize) -> Result<IpAddr> {
        let address = self.record.address(spare_host_part(index));
        run_words(&format!("ip addr add {address}/24 dev {}", self.record.interface))?;
        Ok(address.into())
    }

    /// Names of what was made.
    pub const fn record(&self) -> &NamespaceRecord {
        &self.record
    }

    /// Runs `line` in the namespace of the node `index`.
    pub(crate) fn run(&self, index: usize, line: &str) -> Result<()> {
        run_words(&format!("ip netns exec {} {line}", self.name(index)))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        if let Err(error) = self.record.remove() {
            eprintln!("left behind: {error}");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Namespaces for a test, or `None` after saying why there are none.
    pub(crate) fn namespaces(nodes: usize) -> Option<Namespaces> {
        if let Some(reason) = namespaces_obstacle() {
            eprintln!("skipped: {reason}");
            return None;
        }
        Some(Namespaces::create(nodes).expect("namespaces"))
    }

    #[test]
    fn everything_is_removed_also_by_the_record_alone() {
        let Some(network) = namespaces(2) else { return };
        let record = network.record().clone();
        let interface = Path::new("/sys/class/net").join(&record.interface);
        let exists = |name: &String| Path::new("/run/netns").join(name).exists();
        assert!(interface.exists() && record.namespaces.iter().all(exists));
        // As after a crash of the process that made them.
        std::mem::forget(network);
        record.remove().expect("removed");
        assert!(!interface.exists() && !record.namespaces.iter().any(exists));
        record.remove().expect("nothing to do");
    }

    #[test]
    fn networks_do_not_share_a_subnet() {
        let (Some(one), Some(other)) = (namespaces(1), namespaces(1)) else { return };
        assert_ne!(one.record().subnet, other.record().subnet);
    }
}
