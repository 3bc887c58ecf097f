//! A loopback address per node. All of 127.0.0.0/8 is local on Linux, without any setup.

use super::{host_part, run_number, spare_host_part};
use std::net::{IpAddr, Ipv4Addr};

/// Addresses 127.x.y.10 and up, with x and y of this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loopback {
    subnet: [u8; 3],
}

impl Loopback {
    /// Addresses that no other network of this process has.
    pub(super) fn new() -> Self {
        let (process, network) = run_number();
        // 127.64 to 127.127, 256 subnets each: away from 127.0.0.1 and systemd's 127.0.0.53.
        let [.., x, y] = process.wrapping_mul(7).wrapping_add(network).to_be_bytes();
        Self { subnet: [127, 64 | (x & 63), y] }
    }

    pub(super) fn ip(self, index: usize) -> IpAddr {
        self.address(host_part(index))
    }

    pub(super) fn spare_ip(self, index: usize) -> IpAddr {
        self.address(spare_host_part(index))
    }

    fn address(self, host: u8) -> IpAddr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, host).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn networks_and_nodes_have_addresses_of_their_own() {
        let (one, other) = (Loopback::new(), Loopback::new());
        assert_ne!(one.ip(0), other.ip(0));
        assert_ne!(one.ip(0), one.ip(1));
        assert_ne!(one.ip(0), one.spare_ip(0));
        assert!(one.ip(0).is_loopback());
        TcpListener::bind((one.ip(3), 0)).expect("an address of this machine");
    }
}
