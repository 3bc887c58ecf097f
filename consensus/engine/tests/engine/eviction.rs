//! Transactions that break the node's own blocks.

use crate::support::{Genesis, Node, call, hashes, transfer};
use alloy_primitives::{Bytes, TxHash};
use parking_lot::Mutex;
use peruri_engine::{EngineError, SelfValidation, SignStore};
use peruri_ibft2::ValidatorSet;
use peruri_primitives::SealedHeader;
use peruri_storage::ExecutedBlock;
use peruri_txpool::TransactionPool;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A node whose self-validation is `refuse`, given the hashes of the block.
fn node(refuse: impl Fn(&[TxHash]) -> bool + Send + Sync + 'static) -> Node {
    let validation: SelfValidation = Box::new(
        move |_: &SealedHeader, _: &ValidatorSet, block: &ExecutedBlock| {
            if refuse(&hashes(block)) { Err("refused".to_owned()) } else { Ok(()) }
        },
    );
    Node::with_validation(&Genesis::default(), Some(validation))
}

/// A node that refuses blocks with any of these transactions.
fn node_that_refuses() -> (Node, Arc<Mutex<Vec<TxHash>>>) {
    let culprits = Arc::new(Mutex::new(Vec::new()));
    let list = culprits.clone();
    let refuse = move |block: &[TxHash]| {
        let list = list.lock();
        block.iter().any(|hash| list.contains(hash))
    };
    (node(refuse), culprits)
}

#[test]
fn the_culprit_is_found_wherever_it_stands() {
    for place in 0..7 {
        let (node, culprits) = node_that_refuses();
        let all = node.add((0..7).map(|n| transfer(n, 0)).collect());
        culprits.lock().push(all[place]);
        let block = node.propose().unwrap();
        let rest: Vec<_> = all.iter().copied().filter(|hash| *hash != all[place]).collect();
        assert_eq!(hashes(&block), rest);
        assert!(!node.pool.contains(&all[place]));
        assert!(rest.iter().all(|hash| node.pool.contains(hash)), "only the culprit goes");
    }
}

#[test]
fn an_evicted_transaction_does_not_come_back_at_once() {
    let (node, culprits) = node_that_refuses();
    let evil = node.add(vec![transfer(0, 0)]);
    culprits.lock().push(evil[0]);
    assert!(hashes(&node.propose().unwrap()).is_empty());
    let origin = peruri_txpool::TransactionOrigin::Local;
    let again = node.pool.add_transactions(origin, vec![transfer(0, 0)]);
    assert!(again[0].is_err());
}

#[test]
fn several_culprits_go_one_after_the_other() {
    let (node, culprits) = node_that_refuses();
    let all = node.add((0..8).map(|n| transfer(n, 0)).collect());
    culprits.lock().extend([all[1], all[4], all[7]]);
    let block = node.propose().unwrap();
    assert_eq!(hashes(&block), [all[0], all[2], all[3], all[5], all[6]]);
}

#[test]
fn a_culprits_descendants_wait_and_later_blocks_go_on() {
    let (node, culprits) = node_that_refuses();
    let evil = node.add(vec![transfer(0, 0), transfer(0, 1)]);
    let good = node.add(vec![transfer(1, 0)]);
    culprits.lock().push(evil[0]);
    assert_eq!(hashes(&node.propose().unwrap()), good);
    assert!(node.pool.contains(&evil[1]));
}

#[test]
fn when_there_is_no_end_of_culprits_an_empty_block_is_proposed() {
    let (node, culprits) = node_that_refuses();
    let all = node.add((0..10).map(|n| transfer(n, 0)).collect());
    culprits.lock().extend(&all);
    assert!(hashes(&node.propose().unwrap()).is_empty());
    let left = all.iter().filter(|hash| node.pool.contains(hash)).count();
    assert_eq!(left, 2, "no more than eight transactions are evicted for one block");
}

#[test]
fn a_rule_about_the_length_finds_some_culprit_and_ends() {
    let node = node(|block| block.len() > 3);
    node.add((0..5).map(|n| transfer(n, 0)).collect());
    assert_eq!(hashes(&node.propose().unwrap()).len(), 3);
}

#[test]
fn refusing_everything_blames_no_transaction_and_signs_nothing() {
    let node = node(|_| true);
    let all = node.add((0..3).map(|n| transfer(n, 0)).collect());
    let error = node.propose().unwrap_err();
    assert!(matches!(error, EngineError::EmptyBlockRefused { parent: 0, .. }), "{error}");
    assert!(error.is_transient(), "nothing was signed: the next attempt is allowed");
    assert!(all.iter().all(|hash| node.pool.contains(hash)));
    let record = SignStore::peek(&node.path("sign")).unwrap();
    assert_eq!((record.position().height, node.head().0), (0, 0));
}

#[test]
fn bisection_takes_few_steps() {
    let checks = Arc::new(AtomicUsize::new(0));
    let culprit = Arc::new(Mutex::new(None));
    let (count, list) = (checks.clone(), culprit.clone());
    let node = node(move |block| {
        count.fetch_add(1, Ordering::Relaxed);
        list.lock().is_some_and(|hash| block.contains(&hash))
    });
    let all = node.add((0..64).map(|i| transfer(i % 4, i / 4)).collect());
    *culprit.lock() = Some(all[40]);
    assert_eq!(hashes(&node.propose().unwrap()).len(), 64 - 1 - 5, "without its descendants");
    // The block, the empty prefix, six halvings, the block without the culprit.
    assert_eq!(checks.load(Ordering::Relaxed), 9);
}

#[test]
fn a_transaction_larger_than_a_proposal_stays_out() {
    let genesis = Genesis::ibft2(serde_json::json!({"maxproposalbytes": 40_000}));
    let node = Node::new(&genesis);
    let big = node.add(vec![call(0, 0, Bytes::from(vec![0; 60_000]), 2_000_000)]);
    let small = node.add(vec![transfer(1, 0)]);
    assert_eq!(hashes(&node.propose().unwrap()), small);
    assert!(node.pool.contains(&big[0]));
}

#[test]
fn a_preview_touches_neither_pool_nor_database() {
    let (node, culprits) = node_that_refuses();
    let all = node.add(vec![transfer(0, 0), transfer(1, 0)]);
    culprits.lock().extend(&all);
    let parent = node.provider.last_header().unwrap();
    let block = node.proposer.preview(&node.validators(), &parent, node.key.address()).unwrap();
    assert_eq!(hashes(&block), all);
    assert!(all.iter().all(|hash| node.pool.contains(hash)));
    assert_eq!(node.head().0, 0);
}
