//! Whom a fault hits.

use rand::{rngs::StdRng, seq::IndexedRandom};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Whom a fault hits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// One node.
    Node(usize),
    /// These nodes.
    Nodes(Vec<usize>),
    /// Decided when it happens.
    Word(Word),
}

/// A target that is decided when the fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// One of the validators that nothing happens to; to be voted in, one of the followers.
    Random,
    /// The validator whose turn it is.
    Proposer,
    /// All nodes.
    All,
}

impl Default for Target {
    fn default() -> Self {
        Self::Word(Word::Random)
    }
}

/// Who is there when a target is chosen.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Nodes that the fault may hit.
    pub(super) eligible: BTreeSet<usize>,
    /// Nodes that something of the same sort happens to.
    pub(super) busy: BTreeSet<usize>,
    /// All started nodes.
    pub(super) started: BTreeSet<usize>,
    /// The validator whose turn it is, if it is known.
    pub(super) proposer: Option<usize>,
}

impl Target {
    /// The nodes, where the file names them.
    pub fn fixed(&self) -> Vec<usize> {
        match self {
            Self::Node(node) => vec![*node],
            Self::Nodes(nodes) => nodes.clone(),
            Self::Word(_) => Vec::new(),
        }
    }

    /// The nodes that are hit now.
    ///
    /// # Errors
    /// Why nobody can be hit: something happens to them already, or nobody is left.
    pub(super) fn choose(
        &self,
        candidates: &Candidates,
        random: &mut StdRng,
    ) -> Result<Vec<usize>, String> {
        let chosen = match self {
            Self::Word(Word::Random) => {
                let free: Vec<_> = candidates.eligible.difference(&candidates.busy).collect();
                vec![**free.choose(random).ok_or("no node is free for it")?]
            }
            Self::Word(Word::Proposer) => {
                vec![candidates.proposer.ok_or("the proposer is not known")?]
            }
            Self::Word(Word::All) => candidates.started.iter().copied().collect(),
            fixed => fixed.fixed(),
        };
        match chosen.iter().find(|node| candidates.busy.contains(node)) {
            Some(node) => Err(format!("something happens to node {node} already")),
            None => Ok(chosen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn candidates() -> Candidates {
        Candidates {
            eligible: [0, 1, 2].into(),
            busy: [1].into(),
            started: [0, 1, 2, 3].into(),
            proposer: Some(2),
        }
    }

    #[test]
    fn random_targets_are_free_and_repeatable() {
        let random = Target::default();
        let mut chosen = BTreeSet::new();
        for seed in 0..50 {
            let once = random.choose(&candidates(), &mut StdRng::seed_from_u64(seed));
            let again = random.choose(&candidates(), &mut StdRng::seed_from_u64(seed));
            assert_eq!(once, again);
            chosen.extend(once.expect("somebody"));
        }
        assert_eq!(chosen, [0, 2].into());
        let nobody = Candidates { busy: [0, 1, 2].into(), ..candidates() };
        assert!(random.choose(&nobody, &mut StdRng::seed_from_u64(0)).is_err());
    }

    #[test]
    fn who_is_busy_is_left_alone() {
        let mut random = StdRng::seed_from_u64(0);
        let mut choose = |target: &Target| target.choose(&candidates(), &mut random);
        assert_eq!(choose(&Target::Word(Word::Proposer)), Ok(vec![2]));
        assert_eq!(choose(&Target::Nodes(vec![0, 3])), Ok(vec![0, 3]));
        assert!(choose(&Target::Node(1)).is_err());
        assert!(choose(&Target::Word(Word::All)).is_err());
    }
}
