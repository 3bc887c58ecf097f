//! Equal roots on all nodes.

use super::Chain;

/// Heights at which two nodes have different state, receipts or transactions roots.
pub fn differing_roots(chains: &[Chain]) -> Vec<String> {
    let mut found = Vec::new();
    let Some(longest) = chains.iter().max_by_key(|chain| chain.blocks.len()) else { return found };
    for chain in chains {
        for (height, (block, other)) in chain.blocks.iter().zip(&longest.blocks).enumerate() {
            let names = ["state", "receipts", "transactions"];
            for (name, (one, other)) in names.iter().zip(block.roots.iter().zip(&other.roots)) {
                if one != other {
                    found.push(format!(
                        "{name} root of block {height}: {one} on {}, {other} on {}",
                        chain.node, longest.node
                    ));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::chain::tests::chain;
    use alloy_primitives::B256;

    #[test]
    fn a_differing_root_is_named() {
        let mut chains = [chain("a", 5), chain("b", 3)];
        assert!(differing_roots(&chains).is_empty());
        chains[1].blocks[2].roots[1] = B256::ZERO;
        let found = differing_roots(&chains);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("receipts root of block 2: "), "{found:?}");
    }
}
