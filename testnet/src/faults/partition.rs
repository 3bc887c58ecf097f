//! Partitions: groups that do not hear each other, or one side that does not hear.

use super::rules::{Drop, Rules};
use crate::{Namespaces, Result};

/// `group` and the others of `nodes` do not hear each other.
///
/// # Errors
/// [`crate::TestnetError::Command`].
pub fn partition(network: &Namespaces, nodes: usize, group: &[usize]) -> Result<Rules> {
    let silent = |at, from| Drop { at, from, probability: None };
    let rules =
        pairs(nodes, group).flat_map(|(one, other)| [silent(one, other), silent(other, one)]);
    Rules::apply(network, rules)
}

/// `group` is heard by the others but does not hear them.
///
/// # Errors
/// [`crate::TestnetError::Command`].
pub fn deafen(network: &Namespaces, nodes: usize, group: &[usize]) -> Result<Rules> {
    let rules = pairs(nodes, group).map(|(at, from)| Drop { at, from, probability: None });
    Rules::apply(network, rules)
}

/// Each of `group` with each that is not in it.
fn pairs(nodes: usize, group: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let outside = move || (0..nodes).filter(|node| !group.contains(node));
    group.iter().flat_map(move |one| outside().map(|other| (*one, other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::echo::{Echo, reaches, udp_share};
    use crate::topology::tests::namespaces;

    #[test]
    fn pairs_cross_the_border_only() {
        let found: Vec<_> = pairs(4, &[1, 3]).collect();
        assert_eq!(found, [(1, 0), (1, 2), (3, 0), (3, 2)]);
    }

    #[test]
    fn a_partition_stops_both_protocols_and_heals() {
        let Some(network) = namespaces(3) else { return };
        let _echoes = [0, 1, 2].map(|node| Echo::start(&network, node));
        assert!(reaches(&network, 0, 1) && reaches(&network, 0, 2));
        assert!(udp_share(&network, 0, 1, 20) > 0.9);
        let rules = partition(&network, 3, &[0]).expect("rules");
        assert!(!reaches(&network, 0, 1) && !reaches(&network, 2, 0));
        assert!(reaches(&network, 1, 2), "inside a group");
        assert!(udp_share(&network, 0, 1, 20) < 0.01);
        rules.lift(&network).expect("lifted");
        assert!(reaches(&network, 0, 1) && reaches(&network, 2, 0));
    }

    #[test]
    fn the_deaf_are_heard() {
        let Some(network) = namespaces(2) else { return };
        let echo = Echo::start(&network, 1);
        let rules = deafen(&network, 2, &[0]).expect("rules");
        assert!(udp_share(&network, 0, 1, 10) < 0.01, "no answer is heard");
        assert_eq!(echo.datagrams(), 10, "every datagram arrived");
        rules.lift(&network).expect("lifted");
        assert!(udp_share(&network, 0, 1, 10) > 0.9);
    }
}
