//! The engine's loop.

use crate::support::{
    Genesis, Node, Running, call, copy_dir, encoded, hashes, messages_of, signer, transfer,
    unix_seconds, validator_key,
};
use alloy_primitives::Bytes;
use peruri_engine::{
    Engine, EngineError, EngineParts, LocalStatus, SelfValidation, SignStateError, SignStore,
};
use peruri_ibft2::SignRecord;
use serde_json::json;
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// What an engine of a node on its own works with.
fn parts(node: &Node) -> EngineParts {
    node.parts(None, Arc::new(LocalStatus::new(&node.spec)))
}

fn record(node: &Node) -> SignRecord {
    SignStore::peek(&node.path("sign")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_in_order_and_carry_transactions() {
    let node = Node::new(&Genesis::fast(json!({})));
    let mut engine = Running::start(&node);
    let mut parent = node.spec.genesis_hash();
    for number in 1..=5 {
        let block = engine.next().await;
        assert_eq!((block.number(), block.parent_hash()), (number, parent));
        parent = block.hash();
    }
    let sent = node.add(vec![transfer(0, 0), transfer(0, 1), transfer(1, 0)]);
    let mut mined = Vec::new();
    while mined.len() < sent.len() {
        mined.extend(hashes(&*engine.next().await));
    }
    mined.sort();
    let mut sent = sent;
    sent.sort();
    assert_eq!(mined, sent);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_block_in_hand() {
    let node = Node::new(&Genesis::fast(json!({})));
    for _ in 0..5 {
        let mut engine = Running::start(&node);
        engine.next().await;
        engine.stop().await;
        // Whatever was signed is committed too.
        let record = record(&node);
        let signed = record.proposal().unwrap().block.0;
        assert_eq!((record.position().height, signed), node.head());
        assert!(record.commit().is_some());
        assert_eq!(node.provider.sign_record_seq().unwrap(), Some(record.sequence));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_start_produces_nothing() {
    let node = Node::new(&Genesis::fast(json!({})));
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    Engine::new(parts(&node)).0.run(shutdown).await.unwrap();
    assert_eq!(node.head().0, 0);
    assert_eq!(messages_of(&node.path("messages"), node.key.address()), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signed_block_is_on_disk_when_the_block_is_announced() {
    let node = Node::new(&Genesis::on_demand());
    let mut engine = Running::start(&node);
    for nonce in 0..3 {
        node.add(vec![transfer(0, nonce)]);
        // No further block comes before the next transaction.
        let block = engine.next().await;
        let sign = node.path("sign");
        // A copy of the folder, as it was at this moment, opens and names the block.
        let copy = node.path(&format!("copy-{nonce}"));
        copy_dir(&sign, &copy);
        let record = SignStore::peek(&copy).unwrap();
        assert_eq!(record.position().height, block.number());
        assert_eq!(record.proposal().unwrap().block.0, block.hash());
        assert_eq!(node.provider.sign_record_seq().unwrap(), Some(record.sequence));
        // The block on disk and the recorded seal are the block that was announced.
        let address = validator_key().address();
        let found = SignStore::open(&copy, node.spec.genesis_hash(), address).unwrap();
        let seal = record.commit().unwrap().payload.seal;
        let sealed = found.blocks[0].sealed(0, vec![seal]).unwrap();
        assert_eq!(alloy_rlp::encode(&sealed), encoded(&block));
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_empty_block_before_its_time_and_a_transaction_ends_the_wait() {
    let node = Node::new(&Genesis::on_demand());
    let mut engine = Running::start(&node);
    assert!(engine.stays_quiet().await);
    for nonce in 0..3 {
        let sent = node.add(vec![transfer(0, nonce), transfer(1, nonce)]);
        let block = engine.next().await;
        assert_eq!(block.number(), nonce + 1);
        assert_eq!(hashes(&block), sent);
        // What was announced before does not count as new work.
        assert!(engine.stays_quiet().await);
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_block_comes_when_it_is_due() {
    let genesis = Genesis::fast(json!({"emptyblockperiodseconds": 1}));
    let node = Node::new(&Genesis { timestamp: unix_seconds(), ..genesis });
    let mut engine = Running::start(&node);
    let mut before = node.spec.genesis_header().timestamp;
    for _ in 0..2 {
        let header = engine.next().await.recovered_block.header().clone();
        assert!(header.timestamp > before, "{} after {before}", header.timestamp);
        before = header.timestamp;
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_fits_no_block_causes_no_empty_ones() {
    let mut genesis = Genesis::on_demand();
    genesis.ibft2["maxproposalbytes"] = json!(40_000);
    let node = Node::new(&genesis);
    let mut engine = Running::start(&node);
    node.add(vec![call(0, 0, Bytes::from(vec![0; 60_000]), 2_000_000)]);
    assert!(engine.stays_quiet().await);
    let sent = node.add(vec![transfer(1, 0)]);
    assert_eq!(hashes(&*engine.next().await), sent);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_validators_produces_nothing() {
    let validators = vec![validator_key().address(), signer(1).address()];
    let node = Node::new(&Genesis { validators, ..Genesis::fast(json!({})) });
    let mut engine = Running::start(&node);
    assert!(engine.stays_quiet().await);
    engine.stop().await;
    assert_eq!(record(&node).position().height, 0);
    assert_eq!(messages_of(&node.path("messages"), node.key.address()), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_no_validator_produces_nothing() {
    let validators = vec![signer(1).address()];
    let node = Node::new(&Genesis { validators, ..Genesis::fast(json!({})) });
    let mut engine = Running::start(&node);
    assert!(engine.stays_quiet().await);
    engine.stop().await;
    assert_eq!(node.head().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_production_until_there_is_space() {
    // A round in which nothing is proposed ends after a second.
    let timeouts = json!({"requesttimeoutseconds": 1, "roundtimeoutcapseconds": 1});
    let node = Node::new(&Genesis::fast(timeouts));
    // A file system without a free byte, and later one with some.
    let (watched, next) = (node.path("watched"), node.path("next"));
    symlink(Path::new("/proc"), &watched).unwrap();
    let mut engine =
        Running::of(EngineParts { data_dir: watched.clone(), min_free_bytes: 1, ..parts(&node) });
    assert!(engine.stays_quiet().await);
    symlink(node.dir.path(), &next).unwrap();
    fs::rename(&next, &watched).unwrap();
    assert_eq!(engine.next().await.number(), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_of_the_sign_state_stops_the_engine_before_anything_is_shown() {
    let node = Node::new(&Genesis::fast(json!({})));
    // The next record goes to the other slot; a folder there cannot be written, not even by root.
    let other = node.path("sign").join("slot-1");
    fs::create_dir(&other).unwrap();
    assert!(node.sign_state().is_err(), "a slot that cannot be read is an error at the start");
    fs::remove_dir(&other).unwrap();

    let parts = parts(&node);
    fs::create_dir(&other).unwrap();
    let running = Running::of(parts);
    let error = running.ended().await.unwrap_err();
    assert!(matches!(error, EngineError::SignState(SignStateError::Io { .. })), "{error}");
    assert!(!error.is_transient());
    assert_eq!(node.head().0, 0);
    assert_eq!(messages_of(&node.path("messages"), node.key.address()), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_block_is_tried_again() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = attempts.clone();
    let validation: SelfValidation = Box::new(move |_: &_, _: &_, _: &_| {
        let attempt = counter.fetch_add(1, Ordering::Relaxed);
        if attempt < 6 { Err("not yet".to_owned()) } else { Ok(()) }
    });
    let timeouts = json!({"requesttimeoutseconds": 1, "roundtimeoutcapseconds": 1});
    let node = Node::with_validation(&Genesis::fast(timeouts), Some(validation));
    let mut engine = Running::start(&node);
    assert_eq!(engine.next().await.number(), 1);
    engine.stop().await;
    assert!(attempts.load(Ordering::Relaxed) > 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_does_not_stop_production() {
    let genesis = Genesis::after_the_clock_was_set_back();
    let (node, timestamp) = (Node::new(&genesis), genesis.timestamp);
    let mut engine = Running::start(&node);
    for number in 1..=2 {
        let block = engine.next().await;
        let header = block.recovered_block.header();
        assert_eq!((header.number, header.timestamp), (number, timestamp + number));
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_is_committed_and_the_rounds_are_recorded() {
    let node = Node::new(&Genesis::on_demand());
    let mut engine = Running::start(&node);
    node.add(vec![transfer(0, 0)]);
    let block = engine.next().await;
    assert_eq!(node.head(), (1, block.hash()));
    let rounds = node.provider.rounds(1).unwrap().unwrap();
    assert_eq!((rounds.round, rounds.proposer), (0, validator_key().address()));
    assert_eq!(rounds.committed, [validator_key().address()]);
    assert!(rounds.started_ms <= rounds.committed_ms);
    engine.stop().await;
}
