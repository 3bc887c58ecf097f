//! No fork: one hash per height, on all nodes, ever.

use super::Chain;
use crate::Observations;
use alloy_primitives::B256;
use std::collections::BTreeMap;

/// Heights with two hashes, in the chains at the end and in everything that was seen before, and blocks
/// that do not name the block before them.
pub fn forks(chains: &[Chain], seen: &Observations) -> Vec<String> {
    let mut found = Vec::new();
    let mut first: BTreeMap<u64, (B256, &str)> = BTreeMap::new();
    for chain in chains {
        for (height, block) in (0..).zip(&chain.blocks) {
            let (hash, node) = *first.entry(height).or_insert((block.hash, &chain.node));
            if hash != block.hash {
                let (other, name) = (block.hash, &chain.node);
                found.push(format!("block {height} is {hash} on {node}, {other} on {name}"));
            }
        }
        for (height, pair) in (1..).zip(chain.blocks.windows(2)) {
            if pair[1].parent != pair[0].hash {
                found.push(format!("block {height} of {} has another parent", chain.node));
            }
        }
    }
    for ((node, height), hash) in &seen.blocks {
        match first.get(height) {
            Some((now, _)) if now == hash => {}
            Some((now, _)) => {
                found.push(format!("node {node} showed {hash} as block {height}, now it is {now}"));
            }
            None => found.push(format!("block {height}, shown by node {node}, is on no node")),
        }
    }
    found.extend(seen.contradictions.iter().cloned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::chain::tests::chain;

    #[test]
    fn equal_chains_of_different_length_are_no_fork() {
        let chains = [chain("a", 5), chain("b", 3)];
        let mut seen = Observations::default();
        seen.note_block(1, 4, chains[0].blocks[4].hash, &[]);
        assert!(forks(&chains, &seen).is_empty());
    }

    #[test]
    fn a_fork_is_found_wherever_it_shows() {
        let seen = Observations::default();
        let mut forked = [chain("a", 5), chain("b", 5)];
        forked[1].blocks[3].hash = B256::repeat_byte(0xff);
        let found = forks(&forked, &seen);
        assert!(found.iter().any(|it| it.starts_with("block 3 is")), "{found:?}");
        assert!(found.iter().any(|it| it == "block 4 of b has another parent"), "{found:?}");

        let chains = [chain("a", 3)];
        let mut seen = Observations::default();
        seen.note_block(2, 1, B256::repeat_byte(0xff), &[]);
        seen.note_block(2, 9, B256::repeat_byte(0xff), &[]);
        assert_eq!(forks(&chains, &seen).len(), 2);
    }
}
