use alloy_primitives::{Address, B256};
use proptest::prelude::*;

use super::support::{Edit, Model, TestChain, execute};
use crate::{DbOptions, NoProgress, StateProviderBox};

/// Views that are held while blocks are committed.
const HELD: usize = 4;

fn edit() -> impl Strategy<Value = Edit> {
    let address = any::<u8>().prop_map(Address::with_last_byte);
    prop_oneof![
        8 => (address.clone(), 0u64..4, 0u64..9).prop_map(|(a, n, b)| Edit::Account(a, n, b)),
        8 => (Just(Address::ZERO), any::<u8>(), 0u64..4).prop_map(|(a, s, v)| Edit::Slot(a, s, v)),
        2 => address.prop_map(Edit::Destroy),
        1 => (any::<u8>(), 0u64..4).prop_map(|(s, v)| Edit::Recreate(Address::ZERO, s, v)),
    ]
}

fn edits(count: usize) -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec(edit(), count)
}

/// A view, its block, and the model of its state.
type Held = (StateProviderBox, (u64, B256), Model);

fn hold(chain: &TestChain) -> Held {
    let head = chain.factory.last_header().unwrap();
    (chain.factory.latest().unwrap(), (head.number, head.hash()), chain.model.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// `execute` compares the root of what it is given with a full computation.
    #[test]
    fn views_of_all_ages_read_their_own_nodes(
        kib in prop_oneof![Just(0usize), Just(8), Just(1024)],
        first in edits(600),
        blocks in proptest::collection::vec((edits(30), edits(30)), 1..16),
    ) {
        let options = DbOptions { node_cache_bytes: kib << 10, ..DbOptions::default() };
        let mut chain = TestChain::with_options(options);
        chain.commit(&first);
        let mut held: Vec<Held> = Vec::new();
        for (edits, others) in &blocks {
            held.push(hold(&chain));
            chain.commit(edits);
            held.drain(..held.len().saturating_sub(HELD));
            for (view, block, model) in &held {
                execute(view, *block, model, others, 0, vec![], vec![]);
            }
        }
    }
}

#[test]
fn a_repaired_trie_is_read_again() {
    let mut chain = TestChain::new();
    let all: Vec<_> = (0..=255).map(|n| Edit::Account(Address::with_last_byte(n), 1, 1)).collect();
    chain.commit(&all);
    // A commit that leaves wrong nodes behind, in memory and on disk.
    let (mut block, model) = chain.execute(&[Edit::Account(Address::ZERO, 7, 7)]);
    let mut trie = (*block.trie).clone();
    for node in trie.updates.account_nodes.iter_mut().filter_map(|(_, node)| node.as_mut()) {
        node.hashes = node.hashes.iter().map(|_| B256::ZERO).collect();
    }
    block.trie = trie.into();
    chain.factory.commit_block(&block).unwrap();
    chain.model = model;
    let report = chain.factory.repair_trie(false, &mut NoProgress).unwrap();
    assert!(report.repaired > 0);
    chain.commit(&[Edit::Account(Address::with_last_byte(9), 8, 8)]);
}
