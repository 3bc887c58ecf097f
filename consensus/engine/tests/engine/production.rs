//! The engine's loop.

use crate::support::{
    Genesis, Node, call, copy_dir, encoded, hashes, signer, transfer, unix_seconds, validator_key,
};
use alloy_primitives::Bytes;
use peruri_engine::{Engine, EngineError, SelfValidation, SignStateError, SignStore};
use peruri_storage::{CanonStateNotification, ExecutedBlock};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::broadcast::Receiver, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longest wait for what must come; a loaded machine may be slow.
const SOON: Duration = Duration::from_secs(60);
/// How long something that must not come is waited for: many periods of 20 ms.
const QUIET: Duration = Duration::from_millis(400);

/// An engine at work.
struct Running {
    blocks: Receiver<CanonStateNotification>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), EngineError>>,
}

impl Running {
    fn start(node: &Node) -> Self {
        Self::of(node, node.engine())
    }

    fn of(node: &Node, engine: Engine) -> Self {
        let blocks = node.provider.subscribe_to_canonical_state();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(engine.run(shutdown.clone()));
        Self { blocks, shutdown, task }
    }

    async fn next(&mut self) -> Arc<ExecutedBlock> {
        timeout(SOON, self.blocks.recv()).await.expect("a block").unwrap().tip().clone()
    }

    async fn stays_quiet(&mut self) -> bool {
        timeout(QUIET, self.blocks.recv()).await.is_err()
    }

    async fn ended(self) -> Result<(), EngineError> {
        timeout(SOON, self.task).await.expect("the engine ends").unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await.unwrap();
    }
}

/// A chain with a block every 20 ms and these further keys.
fn fast(more: Value) -> Genesis {
    let mut ibft2 = json!({"xblockperiodmilliseconds": 20});
    ibft2.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Genesis::ibft2(ibft2)
}

/// The same without empty blocks, for as long as a test lasts.
fn on_demand() -> Genesis {
    Genesis { timestamp: unix_seconds(), ..fast(json!({"emptyblockperiodseconds": 3_600})) }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_in_order_and_carry_transactions() {
    let node = Node::new(&fast(json!({})));
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
    let node = Node::new(&fast(json!({})));
    for _ in 0..5 {
        let mut engine = Running::start(&node);
        engine.next().await;
        engine.stop().await;
        // Whatever was signed is committed too.
        let (store, resumed) = node.resume().unwrap();
        assert_eq!(resumed, None);
        assert_eq!((store.record().height, store.record().block_hash), node.head());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_start_produces_nothing() {
    let node = Node::new(&fast(json!({})));
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    node.engine().run(shutdown).await.unwrap();
    assert_eq!(node.head().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signed_block_is_on_disk_when_the_block_is_announced() {
    let node = Node::new(&on_demand());
    let mut engine = Running::start(&node);
    for nonce in 0..3 {
        node.add(vec![transfer(0, nonce)]);
        // No further block comes before the next transaction.
        let block = engine.next().await;
        let sign = node.path("sign");
        let on_disk = fs::read(sign.join(format!("{}.block", block.hash()))).unwrap();
        assert_eq!(on_disk, encoded(&block));
        // A copy of the folder, as it was at this moment, opens and names the block.
        let copy = node.path(&format!("copy-{nonce}"));
        copy_dir(&sign, &copy);
        let address = validator_key().address();
        let store = SignStore::open(&copy, node.spec.genesis_hash(), address).unwrap();
        let record = store.record();
        assert_eq!((record.height, record.block_hash), (block.number(), block.hash()));
        assert_eq!(node.provider.sign_record_seq().unwrap(), Some(record.sequence));
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_empty_block_before_its_time_and_a_transaction_ends_the_wait() {
    let node = Node::new(&on_demand());
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
    let genesis = fast(json!({"emptyblockperiodseconds": 1}));
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
    let mut genesis = on_demand();
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
    let node = Node::new(&Genesis { validators, ..fast(json!({})) });
    let mut engine = Running::start(&node);
    assert!(engine.stays_quiet().await);
    engine.stop().await;
    assert_eq!(node.sign_store().unwrap().record().height, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_no_validator_produces_nothing() {
    let validators = vec![signer(1).address()];
    let node = Node::new(&Genesis { validators, ..fast(json!({})) });
    let mut engine = Running::start(&node);
    assert!(engine.stays_quiet().await);
    engine.stop().await;
    assert_eq!(node.head().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_production_until_there_is_space() {
    let node = Node::new(&fast(json!({})));
    // A file system without a free byte, and later one with some.
    let (watched, next) = (node.path("watched"), node.path("next"));
    symlink(Path::new("/proc"), &watched).unwrap();
    let mut engine = Running::of(&node, node.engine_with(watched.clone(), 1));
    assert!(engine.stays_quiet().await);
    symlink(node.dir.path(), &next).unwrap();
    fs::rename(&next, &watched).unwrap();
    assert_eq!(engine.next().await.number(), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_of_the_sign_state_stops_the_engine_before_anything_is_shown() {
    let node = Node::new(&fast(json!({})));
    // The next record goes to the other slot; a folder there cannot be written, not even by root.
    fs::create_dir(node.path("sign").join("slot-0")).unwrap();
    let engine = node.sign_store();
    assert!(engine.is_err(), "a slot that cannot be read is an error at the start");
    fs::remove_dir(node.path("sign").join("slot-0")).unwrap();

    let engine = node.engine();
    fs::create_dir(node.path("sign").join("slot-0")).unwrap();
    let running = Running::of(&node, engine);
    let error = running.ended().await.unwrap_err();
    assert!(matches!(error, EngineError::SignState(SignStateError::Io { .. })), "{error}");
    assert!(error.forbids_signing());
    assert_eq!(node.head().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_block_is_tried_again() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = attempts.clone();
    let validation: SelfValidation = Box::new(move |_: &_, _: &_, _: &_| {
        let attempt = counter.fetch_add(1, Ordering::Relaxed);
        if attempt < 6 { Err("not yet".to_owned()) } else { Ok(()) }
    });
    let node = Node::with_validation(&fast(json!({})), Some(validation));
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
    let node = Node::new(&on_demand());
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
