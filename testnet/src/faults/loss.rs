//! Random loss.

use super::rules::{Drop, Rules};
use crate::{Namespaces, Result};

/// Each of `group` loses this share of what arrives from any other of `nodes`.
///
/// # Errors
/// [`crate::TestnetError::Command`].
pub fn lose(network: &Namespaces, nodes: usize, group: &[usize], share: f64) -> Result<Rules> {
    let rules = group.iter().flat_map(|at| {
        let others = (0..nodes).filter(move |from| from != at);
        others.map(|from| Drop { at: *at, from, probability: Some(share) })
    });
    Rules::apply(network, rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::echo::{Echo, reaches, udp_share};
    use crate::topology::tests::namespaces;

    #[test]
    fn about_the_given_share_is_lost() {
        let Some(network) = namespaces(2) else { return };
        let _echo = Echo::start(&network, 1);
        let rules = lose(&network, 2, &[1], 0.3).expect("rules");
        let share = udp_share(&network, 0, 1, 400);
        // Four standard deviations of 400 throws.
        assert!((0.6..0.8).contains(&share), "{share}");
        assert!(reaches(&network, 0, 1), "TCP sends again");
        rules.lift(&network).expect("lifted");
        assert!(udp_share(&network, 0, 1, 100) > 0.95);
    }
}
