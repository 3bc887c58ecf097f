//! Narrow links.

use crate::{Namespaces, Result};

/// Nodes whose sending is limited; [`Bandwidth::lift`] ends it.
#[derive(Debug)]
pub struct Bandwidth(Vec<usize>);

impl Bandwidth {
    /// Each of `group` sends at most `kbit` kilobits a second, RPC answers included.
    ///
    /// # Errors
    /// [`crate::TestnetError::Command`] with tc's message.
    pub fn limit(network: &Namespaces, group: &[usize], kbit: u32) -> Result<Self> {
        for node in group {
            let line = format!(
                "tc qdisc add dev eth0 root tbf rate {kbit}kbit burst 32kbit latency 400ms"
            );
            network.run(*node, &line)?;
        }
        Ok(Self(group.to_vec()))
    }

    /// Takes the limits back.
    ///
    /// # Errors
    /// As [`Bandwidth::limit`].
    pub fn lift(self, network: &Namespaces) -> Result<()> {
        self.0.iter().try_for_each(|node| network.run(*node, "tc qdisc del dev eth0 root"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::echo::{Echo, transfer};
    use crate::topology::tests::namespaces;
    use std::time::Duration;

    #[test]
    fn a_narrow_link_takes_as_long_as_its_width_says() {
        let Some(network) = namespaces(2) else { return };
        let _echo = Echo::start(&network, 1);
        let bytes = 128 << 10;
        let free = transfer(&network, 0, 1, bytes);
        let limit = Bandwidth::limit(&network, &[0], 1_000).expect("limit");
        let narrow = transfer(&network, 0, 1, bytes);
        // 1 Mbit at 1 Mbit/s, less the burst.
        assert!(narrow > Duration::from_millis(700), "{narrow:?}, without limit {free:?}");
        limit.lift(&network).expect("lifted");
        let lifted = transfer(&network, 0, 1, bytes);
        assert!(lifted < narrow / 3, "{lifted:?}, with limit {narrow:?}");
    }
}
