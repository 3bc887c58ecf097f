use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use revm::{Database, DatabaseRef};

use super::support::{Edit, Model, RICH, TestChain, assert_state, execute};
use crate::{CandidateChain, ExecutedBlock, ProviderError, StateProviderDatabase};

fn edits(number: u64) -> Vec<Edit> {
    let address = Address::with_last_byte((number % 3) as u8);
    vec![
        Edit::Account(Address::with_last_byte(number as u8), number, number),
        Edit::Recreate(address, (number % 4) as u8, number),
        Edit::Slot(RICH, (number % 5) as u8, number % 2),
    ]
}

/// A chain of candidates on the head.
fn candidates(chain: &TestChain, count: u64, salt: u8) -> Vec<(Arc<ExecutedBlock>, Model)> {
    let head = chain.factory.last_header().unwrap();
    let mut parent = (head.number, head.hash());
    let mut blocks: Vec<Arc<ExecutedBlock>> = Vec::new();
    let mut out: Vec<(Arc<ExecutedBlock>, Model)> = Vec::new();
    for step in 0..count {
        let state = chain.factory.overlay(parent.1, blocks.clone()).unwrap();
        let model = out.last().map_or(&chain.model, |(_, model)| model);
        let number = parent.0 + 1;
        let edits = edits(number * 7 + u64::from(salt) + step);
        let (block, model) = execute(&state, parent, model, &edits, salt, vec![], vec![]);
        parent = (number, block.hash());
        blocks.push(Arc::new(block.clone()));
        out.push((Arc::new(block), model));
    }
    out
}

#[test]
fn overlay_reads_equal_committed_reads() {
    let mut chain = TestChain::new();
    for number in 1..5 {
        chain.commit(&edits(number));
    }
    let made = candidates(&chain, 6, 1);
    let blocks: Vec<_> = made.iter().map(|(block, _)| Arc::clone(block)).collect();
    for (depth, (block, model)) in made.iter().enumerate() {
        let state = chain.factory.overlay(block.hash(), blocks[..=depth].to_vec()).unwrap();
        assert_state(&state, model, &[Address::ZERO]);
        let proof = state.proof(RICH, &[B256::with_last_byte(1)]).unwrap();
        proof.verify(block.trie.root).unwrap();
        assert_eq!(state.block_hash(block.number()).unwrap(), Some(block.hash()));
        assert_eq!(state.block_hash(1).unwrap(), chain.factory.block_hash(1).unwrap());
        assert_eq!(state.block_hash(block.number() + 1).unwrap(), None);
    }
    for (depth, (block, model)) in made.iter().enumerate() {
        chain.factory.commit_block(block).unwrap();
        assert_state(&chain.factory.latest().unwrap(), model, &[Address::ZERO]);
        // The same overlay, asked for after part of it was committed.
        let tip = made.last().unwrap();
        let state = chain.factory.overlay(tip.0.hash(), blocks.clone()).unwrap();
        assert_state(&state, &tip.1, &[]);
        let _ = depth;
    }
}

#[test]
fn siblings_do_not_see_each_other() {
    let mut chain = TestChain::new();
    chain.commit(&edits(1));
    let left = candidates(&chain, 3, 1);
    let right = candidates(&chain, 3, 2);
    for made in [&left, &right] {
        let (tip, model) = made.last().unwrap();
        let blocks: CandidateChain =
            made.iter().map(|(block, _)| Arc::clone(block)).collect::<Vec<_>>().into();
        assert_state(&chain.factory.overlay(tip.hash(), blocks).unwrap(), model, &[]);
    }
}

#[test]
fn a_side_chain_on_an_older_block_is_executed_inside_the_proof_window() {
    let mut chain = TestChain::new();
    for number in 1..4 {
        chain.commit(&edits(number));
    }
    let side = candidates(&chain, 2, 9);
    for number in 4..8 {
        chain.commit(&edits(number));
    }
    let blocks: Vec<_> = side.iter().map(|(block, _)| Arc::clone(block)).collect();
    let (tip, model) = side.last().unwrap();
    let state = chain.factory.overlay(tip.hash(), blocks.clone()).unwrap();
    assert_state(&state, model, &[]);
    let parent = (tip.number(), tip.hash());
    let (next, next_model) = execute(&state, parent, model, &edits(50), 9, vec![], vec![]);
    let mut longer = blocks;
    longer.push(Arc::new(next.clone()));
    assert_state(&chain.factory.overlay(next.hash(), longer).unwrap(), &next_model, &[]);
}

/// As an import does it: blocks are added while older ones of the chain are committed and dropped.
#[test]
fn a_chain_of_candidates_grows_at_one_end_and_is_committed_at_the_other() {
    let mut chain = TestChain::new();
    chain.commit(&edits(1));
    let made = candidates(&chain, 12, 1);
    let mut candidates = CandidateChain::default();
    for (at, (block, model)) in made.iter().enumerate() {
        candidates.push(Arc::clone(block));
        let state = chain.factory.overlay(block.hash(), candidates.clone()).unwrap();
        assert_state(&state, model, &[]);
        let proof = state.proof(RICH, &[B256::with_last_byte(1)]).unwrap();
        proof.verify(block.trie.root).unwrap();
        drop(state);
        // Two of three blocks are committed at once; the chain learns of it a block later.
        match at % 3 {
            1 => {
                let group = candidates.blocks().iter().take(2).map(|block| (**block).clone());
                chain.factory.commit_blocks(&group.collect::<Vec<_>>()).unwrap();
            }
            2 => candidates.drop_oldest(2),
            _ => {}
        }
    }
    assert_eq!(candidates.blocks().len(), 4);
}

#[test]
fn unconnected_blocks_are_refused() {
    let mut chain = TestChain::new();
    let made = candidates(&chain, 3, 1);
    let block = |at: usize| Arc::clone(&made[at].0);
    let gap = chain.factory.overlay(made[2].0.hash(), vec![block(0), block(2)]);
    assert!(matches!(gap, Err(ProviderError::Disconnected { .. })));
    let wrong_tip = chain.factory.overlay(B256::ZERO, vec![block(0)]);
    assert!(matches!(wrong_tip, Err(ProviderError::Disconnected { .. })));
    let rootless = chain.factory.overlay(made[2].0.hash(), vec![block(1), block(2)]);
    assert!(matches!(rootless, Err(ProviderError::HashNotFound(_))));
    let unknown = chain.factory.overlay(B256::ZERO, CandidateChain::default());
    assert!(matches!(unknown, Err(ProviderError::HashNotFound(_))));
    chain.commit(&[]);
}

#[test]
fn a_view_keeps_its_state_while_blocks_are_committed() {
    let mut chain = TestChain::new();
    chain.commit(&edits(1));
    let model = chain.model.clone();
    let state = chain.factory.latest().unwrap();
    for number in 2..6 {
        chain.commit(&edits(number));
    }
    assert_state(&state, &model, &[]);
    state.proof(RICH, &[]).unwrap();
}

#[test]
fn the_evm_reads_through_the_database_adapter() {
    let mut chain = TestChain::new();
    chain.commit(&edits(1));
    let contract = Address::repeat_byte(0xcc);
    let mut db = StateProviderDatabase::new(chain.factory.latest().unwrap());
    let info = db.basic(contract).unwrap().unwrap();
    assert_eq!(info.nonce, 1);
    assert_eq!(db.code_by_hash(info.code_hash).unwrap().original_byte_slice().len(), 5);
    assert_eq!(Database::storage(&mut db, contract, U256::from(1)).unwrap(), U256::from(0xff));
    assert_eq!(db.basic_ref(Address::repeat_byte(0xee)).unwrap(), None);
    assert_eq!(Some(db.block_hash(1).unwrap()), chain.factory.block_hash(1).unwrap());
    assert_eq!(db.block_hash(2).unwrap(), B256::ZERO);
    assert!(matches!(
        db.code_by_hash_ref(B256::repeat_byte(1)),
        Err(ProviderError::CodeNotFound(_))
    ));
    assert!(db.code_by_hash_ref(peruri_trie::KECCAK_EMPTY).unwrap().is_empty());
}
