use std::sync::Arc;

use alloy_primitives::{Address, B256};

use super::support::{ADD, Edit, RICH, TestChain, assert_state, code, execute};
use crate::{BlockExecutionOutput, CommitExtras, ProviderError, RoundRecord};

#[test]
fn a_committed_block_survives_a_drop_without_close() {
    let mut chain = TestChain::new();
    for number in 1..20u64 {
        chain.commit(&[Edit::Account(Address::with_last_byte(number as u8), number, 5)]);
    }
    let chain = chain.reopen();
    assert_eq!(chain.factory.best_block_number().unwrap(), 19);
    assert_state(&chain.factory.latest().unwrap(), &chain.model, &[]);
}

#[test]
fn only_the_heads_child_is_taken() {
    let mut chain = TestChain::new();
    let (first, _) = chain.execute(&[Edit::Account(RICH, 1, 1)]);
    chain.commit(&[Edit::Account(RICH, 2, 2)]);
    assert!(matches!(
        chain.factory.commit_block(&first),
        Err(ProviderError::UnexpectedNumber { expected: 2, got: 1 })
    ));
    let state = chain.factory.latest().unwrap();
    let stranger = (1, B256::repeat_byte(9));
    let (block, _) = execute(&state, stranger, &chain.model, &[], 0, vec![], vec![]);
    assert!(matches!(
        chain.factory.commit_block(&block),
        Err(ProviderError::UnexpectedParent { number: 2, .. })
    ));
    assert_eq!(chain.factory.best_block_number().unwrap(), 1);
}

#[test]
fn a_wrong_state_root_is_refused() {
    let chain = TestChain::new();
    let (mut block, _) = chain.execute(&[Edit::Account(RICH, 1, 1)]);
    let mut trie = (*block.trie).clone();
    trie.root = B256::repeat_byte(1);
    block.trie = Arc::new(trie);
    assert!(matches!(
        chain.factory.commit_block(&block),
        Err(ProviderError::StateRootMismatch { number: 1, .. })
    ));
}

#[test]
fn subscribers_hear_of_blocks_in_order_and_after_the_write() {
    let mut chain = TestChain::new();
    let mut events = chain.factory.subscribe_to_canonical_state();
    for nonce in 1..4 {
        chain.commit(&[Edit::Account(RICH, nonce, 1)]);
    }
    for number in 1..4 {
        let event = events.try_recv().unwrap();
        assert_eq!(event.tip().number(), number);
        assert_eq!(chain.factory.block_number(event.tip().hash()).unwrap(), Some(number));
    }
    assert!(events.try_recv().is_err());
}

#[test]
fn several_blocks_in_one_batch_equal_one_by_one() {
    let edits = [
        vec![Edit::Account(RICH, 1, 9), Edit::Recreate(Address::with_last_byte(1), 1, 5)],
        vec![Edit::Slot(Address::with_last_byte(1), 1, 6), Edit::Slot(RICH, 3, 1)],
        vec![Edit::Destroy(Address::with_last_byte(1)), Edit::Destroy(Address::repeat_byte(0xcc))],
        vec![Edit::Recreate(Address::with_last_byte(1), 2, 7), Edit::Slot(RICH, 3, 0)],
        vec![Edit::Recreate(Address::with_last_byte(1), 3, 8)],
    ];
    let mut one_by_one = TestChain::new();
    let mut models = vec![one_by_one.model.clone()];
    let blocks: Vec<_> = edits
        .iter()
        .map(|edits| {
            let block = one_by_one.commit(edits);
            models.push(one_by_one.model.clone());
            block
        })
        .collect();
    let batched = TestChain::new();
    batched.factory.commit_blocks(&blocks).unwrap();
    for (number, model) in models.iter().enumerate() {
        for chain in [&one_by_one, &batched] {
            let state = chain.factory.history_by_block_number(number as u64).unwrap();
            assert_state(&state, model, &[Address::with_last_byte(1)]);
            state.proof(RICH, &[B256::with_last_byte(3)]).unwrap();
        }
    }
    for chain in [&one_by_one, &batched] {
        let report = chain.factory.verify_state(&mut crate::NoProgress).unwrap();
        assert!(report.is_clean(), "{report:?}");
        let report = chain.factory.verify_history(&mut crate::NoProgress).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

#[test]
fn extras_go_into_the_same_batch() {
    let chain = TestChain::new();
    let (block, _) = chain.execute(&[]);
    let rounds = RoundRecord { round: 2, proposer: RICH, ..Default::default() };
    let extras = CommitExtras {
        rounds: Some(rounds.clone()),
        sign_record_seq: Some(77),
        late_seals: Vec::new(),
    };
    chain.factory.commit_block_with(&block, &extras).unwrap();
    assert_eq!(chain.factory.rounds(1).unwrap(), Some(rounds));
    assert_eq!(chain.factory.sign_record_seq().unwrap(), Some(77));
    assert_eq!(chain.factory.rounds(2).unwrap(), None);
}

#[test]
fn late_seals_must_keep_the_hash() {
    let mut chain = TestChain::new();
    let block = chain.commit(&[]);
    let mut header = block.recovered_block.header().clone();
    header.gas_used = 1;
    let late = peruri_primitives::SealedHeader::seal_slow(header);
    let (next, _) = chain.execute(&[]);
    let extras = CommitExtras { late_seals: vec![late], ..Default::default() };
    assert!(matches!(
        chain.factory.commit_block_with(&next, &extras),
        Err(ProviderError::HeaderMismatch { number: 1, .. })
    ));
    let same = block.recovered_block.clone_sealed_header();
    let extras = CommitExtras { late_seals: vec![same], ..Default::default() };
    chain.factory.commit_block_with(&next, &extras).unwrap();
}

#[test]
fn new_code_is_readable_before_and_after_commit() {
    let chain = TestChain::new();
    let (mut block, _) = chain.execute(&[Edit::Account(RICH, 1, 1)]);
    let (hash, code) = code(9);
    let bytecodes = [(hash, code.clone())].into_iter().collect();
    block.execution_output = Arc::new(BlockExecutionOutput { bytecodes, ..Default::default() });
    let overlay = chain.factory.overlay(block.hash(), vec![Arc::new(block.clone())]).unwrap();
    assert_eq!(overlay.bytecode_by_hash(&hash).unwrap(), Some(code.clone()));
    assert_eq!(chain.factory.latest().unwrap().bytecode_by_hash(&hash).unwrap(), None);
    chain.factory.commit_block(&block).unwrap();
    let read = chain.factory.latest().unwrap().bytecode_by_hash(&hash).unwrap().unwrap();
    assert_eq!(read.original_byte_slice(), code.original_byte_slice());
}

#[test]
fn a_failed_write_closes_the_store() {
    let mut chain = TestChain::new();
    chain.commit(&[Edit::Account(RICH, 1, 1)]);
    let (block, _) = chain.execute(&[Edit::Account(RICH, 2, 1)]);
    chain.factory.db().poison();
    let error = chain.factory.commit_block(&block).unwrap_err();
    assert!(error.is_fatal());
    assert!(chain.factory.is_poisoned());
    assert!(chain.factory.put_vote(RICH, ADD).unwrap_err().is_fatal());
    let chain = chain.reopen();
    assert_eq!(chain.factory.best_block_number().unwrap(), 1);
    chain.factory.commit_block(&block).unwrap();
}
