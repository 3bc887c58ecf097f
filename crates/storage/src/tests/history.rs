use alloy_primitives::{Address, B256};

use super::support::{Edit, RICH, TestChain, assert_state};
use crate::{DbOptions, Direction, HistoryWindows, NoProgress, ProviderError, db::Column};

fn windows(state: Option<u64>, proofs: Option<u64>) -> DbOptions {
    let history = HistoryWindows { state, proofs, receipts: None };
    DbOptions { history, ..DbOptions::default() }
}

fn edits(number: u64) -> Vec<Edit> {
    let address = Address::with_last_byte((number % 5) as u8);
    match number % 4 {
        0 => vec![Edit::Destroy(address)],
        1 => vec![Edit::Recreate(address, 1, number), Edit::Account(RICH, number, 1)],
        2 => vec![Edit::Account(address, number, number), Edit::Slot(RICH, 2, number)],
        _ => vec![Edit::Slot(Address::repeat_byte(0xcc), (number % 7) as u8, number % 3)],
    }
}

#[test]
fn a_state_window_is_enforced_and_pruned() {
    let mut chain = TestChain::with_options(windows(Some(5), Some(128)));
    let mut models = vec![chain.model.clone()];
    for number in 1..=40 {
        chain.commit(&edits(number));
        models.push(chain.model.clone());
    }
    let oldest = chain.factory.windows().unwrap().state;
    assert_eq!(oldest, 35);
    for number in oldest..=40 {
        let state = chain.factory.history_by_block_number(number).unwrap();
        assert_state(&state, &models[number as usize], &[]);
        state.proof(RICH, &[]).unwrap();
    }
    match chain.factory.history_by_block_number(34) {
        Err(ProviderError::OutsideWindow { what: "state", requested: 34, oldest: 35 }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        chain.factory.history_by_block_number(41),
        Err(ProviderError::BlockNotFound(41))
    ));
    assert!(chain.factory.verify_history(&mut NoProgress).unwrap().is_clean());
}

#[test]
fn a_shortened_window_is_reached_in_steps() {
    let mut chain = TestChain::with_options(windows(None, Some(0)));
    let mut models = vec![chain.model.clone()];
    for number in 1..=60 {
        chain.commit(&edits(number));
        models.push(chain.model.clone());
    }
    let TestChain { dir, factory, model, .. } = chain;
    drop(factory);
    let factory = crate::ProviderFactory::open(
        dir.path().join("db"),
        super::support::chain_spec(1),
        windows(Some(2), Some(0)),
    )
    .unwrap();
    let mut chain = TestChain::with_options(windows(Some(2), Some(0)));
    chain.dir = dir;
    chain.factory = factory;
    chain.model = model;
    for number in 61..=100 {
        chain.commit(&edits(number));
        models.push(chain.model.clone());
        let oldest = chain.factory.windows().unwrap().state;
        let state = chain.factory.history_by_block_number(oldest).unwrap();
        assert_state(&state, &models[oldest as usize], &[]);
    }
    assert_eq!(chain.factory.windows().unwrap().state, 98);
    assert!(chain.factory.verify_history(&mut NoProgress).unwrap().is_clean());
}

#[test]
fn proofs_hold_inside_their_window_only() {
    let mut chain = TestChain::with_options(windows(None, Some(8)));
    let mut roots = vec![chain.factory.last_header().unwrap().state_root];
    for number in 1..=30 {
        let block = chain.commit(&edits(number));
        roots.push(block.trie.root);
    }
    assert_eq!(chain.factory.windows().unwrap().proofs, 22);
    let targets = [RICH, Address::repeat_byte(0xcc), Address::with_last_byte(1), Address::ZERO];
    for number in 22..=30u64 {
        let state = chain.factory.history_by_block_number(number).unwrap();
        for target in targets {
            let proof = state.proof(target, &[B256::with_last_byte(2), B256::ZERO]).unwrap();
            proof.verify(roots[number as usize]).unwrap();
        }
    }
    let old = chain.factory.history_by_block_number(21).unwrap();
    assert!(old.account(&RICH).unwrap().is_some());
    match old.proof(RICH, &[]) {
        Err(ProviderError::OutsideWindow { what: "proofs", requested: 21, oldest: 22 }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_proof_window_only_the_head_is_proved() {
    let mut chain = TestChain::with_options(windows(None, Some(0)));
    for number in 1..=3 {
        chain.commit(&edits(number));
    }
    assert!(chain.factory.latest().unwrap().proof(RICH, &[]).is_ok());
    let old = chain.factory.history_by_block_number(2).unwrap();
    assert!(matches!(old.proof(RICH, &[]), Err(ProviderError::OutsideWindow { .. })));
}

#[test]
fn compaction_drops_node_versions_behind_the_window() {
    let mut chain = TestChain::with_options(windows(None, Some(4)));
    for number in 1..=120 {
        chain.commit(&edits(number));
    }
    let db = chain.factory.db();
    let count = || {
        let view = crate::db::ReadView::new(std::sync::Arc::clone(db));
        let mut rows = view.cursor(Column::TrieVersions).unwrap();
        let mut count = 0;
        let mut oldest = u64::MAX;
        let mut row = rows.first().unwrap();
        while let Some((key, _)) = row {
            oldest = oldest.min(crate::codecs::keys::trie_version_number(key).unwrap());
            count += 1;
            row = rows.next().unwrap();
        }
        (count, oldest)
    };
    let (before, oldest) = count();
    assert_eq!(oldest, 1);
    let cf = db.cf(Column::TrieVersions).unwrap();
    db.raw().flush_cf(cf).unwrap();
    db.raw().compact_range_cf(cf, None::<&[u8]>, None::<&[u8]>);
    let (after, oldest) = count();
    assert!(after < before);
    // Window of 4 behind block 120, less the slack for proofs under way.
    assert!((52..=56).contains(&oldest), "{oldest}");
    for number in 116..=120 {
        let state = chain.factory.history_by_block_number(number).unwrap();
        state.proof(RICH, &[]).unwrap();
    }
}

#[test]
fn block_hashes_up_to_the_states_block() {
    let mut chain = TestChain::new();
    let hashes: Vec<_> = std::iter::once(chain.factory.best_block_hash().unwrap())
        .chain((1..=5).map(|number| chain.commit(&edits(number)).hash()))
        .collect();
    let state = chain.factory.history_by_block_number(3).unwrap();
    for number in 0..=3u64 {
        assert_eq!(state.block_hash(number).unwrap(), Some(hashes[number as usize]));
    }
    assert_eq!(state.block_hash(4).unwrap(), None);
    assert_eq!(chain.factory.latest().unwrap().block_hash(5).unwrap(), Some(hashes[5]));
    let by_hash = chain.factory.state_by_block_hash(hashes[2]).unwrap();
    assert_eq!(by_hash.block_hash(2).unwrap(), Some(hashes[2]));
}

#[test]
fn changes_of_an_account_are_found_both_ways() {
    let mut chain = TestChain::new();
    let address = Address::repeat_byte(0x77);
    for number in 1..=9 {
        chain.commit(&[match number {
            3 | 9 => Edit::Account(address, number, 1),
            6 => Edit::Slot(address, 1, number),
            _ => Edit::Account(RICH, number, 1),
        }]);
    }
    for (number, older, newer) in [
        (1, None, Some(3)),
        (3, Some(3), Some(3)),
        (4, Some(3), Some(6)),
        (8, Some(6), Some(9)),
        (u64::MAX, Some(9), None),
    ] {
        let find = |direction| chain.factory.account_change(address, number, direction).unwrap();
        assert_eq!((find(Direction::Older), find(Direction::Newer)), (older, newer), "{number}");
    }
    let nobody = Address::repeat_byte(0x78);
    assert_eq!(chain.factory.account_change(nobody, 9, Direction::Older).unwrap(), None);
}
