//! What an engine does after a stop at any step, and after folders were put back or lost. Blocks of
//! these chains come when a transaction does, so that nothing happens while folders are copied.

use crate::support::{
    Genesis, Node, Running, block_file, copy_dir, encoded, importer, messages_of, newest_slot,
    sign_files, signed, signer, transfer, validator_key,
};
use alloy_primitives::B256;
use peruri_engine::{EngineError, LocalStatus, SignStateError, SignStore};
use peruri_ibft2::{Block, Message, MessageKind, RoundId, SealDigest};
use peruri_storage::ExecutedBlock;
use serde_json::json;
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

fn node() -> Node {
    Node::new(&Genesis::on_demand())
}

/// Lets an engine run for as many blocks as there are nonces, each with a transaction.
async fn produce(node: &Node, nonces: std::ops::Range<u64>) -> Vec<Arc<ExecutedBlock>> {
    let mut engine = Running::start(node);
    let mut blocks = Vec::new();
    for nonce in nonces {
        node.add(vec![transfer(0, nonce)]);
        blocks.push(engine.next().await);
    }
    engine.crash(node).await;
    blocks
}

fn sign(node: &Node) -> PathBuf {
    node.path("sign")
}

/// What the node has sent that it has signed, all starts together.
fn sent(node: &Node) -> Vec<Message> {
    messages_of(&node.path("messages"), node.key.address())
}

fn checkpoint(node: &Node, name: &str) {
    node.provider.checkpoint(&node.path(name)).unwrap();
}

/// Runs an engine that must be in doubt: it has work, and signs nothing.
async fn signs_nothing_in_doubt(node: &Node) {
    let (files, sent_before, head) = (sign_files(&sign(node)), sent(node), node.head());
    let mut engine = Running::start(node);
    node.add(vec![transfer(3, 0)]);
    assert!(engine.stays_quiet().await);
    assert!(engine.round_state().await.in_doubt);
    engine.stop().await;
    assert_eq!((sent(node), node.head()), (sent_before, head));
    assert_eq!(sign_files(&sign(node)), files, "no record was written");
}

/// Runs an engine until it has stored `block` again without being asked, and one more.
async fn finishes(node: &Node, block: &ExecutedBlock) {
    assert_eq!(node.head().0 + 1, block.number());
    let mut engine = Running::start(node);
    let again = engine.next().await;
    assert_eq!(again.hash(), block.hash());
    assert_eq!(node.stored(block.number()), encoded(block), "byte for byte");
    node.add(vec![transfer(4, 0)]);
    assert_eq!(engine.next().await.number(), block.number() + 1);
    assert!(!engine.round_state().await.in_doubt);
    engine.stop().await;
    assert_no_contradiction(&sent(node));
}

/// Two messages of one round that contradict each other are never signed, by no start.
fn assert_no_contradiction(sent: &[Message]) {
    let mut signed: BTreeMap<(RoundId, MessageKind), Option<SealDigest>> = BTreeMap::new();
    for message in sent {
        let payload = message.signed_payload();
        let first = signed.entry((payload.id(), payload.kind())).or_insert(payload.digest());
        assert_eq!(*first, payload.digest(), "{:?} of {}", payload.kind(), payload.id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_chain_goes_on() {
    let node = node();
    let blocks = produce(&node, 0..1).await;
    assert_eq!(node.head(), (1, blocks[0].hash()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_was_built_but_not_signed_never_existed() {
    let node = node();
    node.add(vec![transfer(1, 0)]);
    drop(node.sealed());
    let node = node.restart().await;
    let blocks = produce(&node, 0..1).await;
    assert_eq!((blocks[0].number(), sent(&node)[0].id()), (1, RoundId::new(1, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_file_without_a_record_never_existed() {
    let node = node();
    let mut store = node.sign_state().unwrap().store;
    store.stage(&signed(&node.sealed())).unwrap();
    drop(store);
    let mut engine = Running::start(&node);
    assert!(engine.stays_quiet().await);
    engine.stop().await;
    assert_eq!((node.head().0, sent(&node)), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_block_is_committed_byte_for_byte() {
    let node = node();
    produce(&node, 0..1).await;
    checkpoint(&node, "old");
    let block = produce(&node, 1..2).await.pop().unwrap();
    // The pool is empty after the restart: a block built anew would be another one.
    let node = node.restart_on("old").await;
    finishes(&node, &block).await;
    let record = SignStore::peek(&sign(&node)).unwrap();
    assert_eq!(node.provider.sign_record_seq().unwrap(), Some(record.sequence));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_without_its_commit_is_offered_again() {
    let node = node();
    produce(&node, 0..1).await;
    checkpoint(&node, "old");
    let block = produce(&node, 1..2).await.pop().unwrap();
    // The write of the Commit's record was cut. No database names it, so it was never shown.
    let newest = newest_slot(&sign(&node));
    fs::write(&newest, &fs::read(&newest).unwrap()[..20]).unwrap();
    let record = SignStore::peek(&sign(&node)).unwrap();
    assert!(record.proposal().is_some() && record.commit().is_none());
    let node = node.restart_on("old").await;
    finishes(&node, &block).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_twice_changes_nothing() {
    let node = node();
    checkpoint(&node, "old");
    let block = produce(&node, 0..1).await.pop().unwrap();
    let files = sign_files(&sign(&node));
    let mut node = node.restart_on("old").await;
    for expected in [Some(block.number()), None, None] {
        let mut engine = Running::start(&node);
        match expected {
            Some(number) => assert_eq!(engine.next().await.number(), number),
            None => assert!(engine.stays_quiet().await),
        }
        engine.crash(&node).await;
        assert_eq!(node.head(), (1, block.hash()));
        assert_eq!(sign_files(&sign(&node)), files, "what is signed is not signed again");
        node = node.restart_on("old").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_block_needs_nothing() {
    let node = node();
    let block = produce(&node, 0..1).await.pop().unwrap();
    let (files, sent_before) = (sign_files(&sign(&node)), sent(&node));
    let node = node.restart().await;
    let mut engine = Running::start(&node);
    assert!(engine.stays_quiet().await);
    assert!(!engine.round_state().await.in_doubt);
    engine.stop().await;
    assert_eq!(node.head(), (1, block.hash()));
    assert_eq!((sign_files(&sign(&node)), sent(&node)), (files, sent_before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_torn_while_it_was_written_leaves_the_height_free() {
    let node = node();
    produce(&node, 0..1).await;
    // The write of a first record of height 2 was cut.
    let other = newest_slot(&sign(&node));
    let other = sign(&node).join(if other.ends_with("slot-0") { "slot-1" } else { "slot-0" });
    fs::write(&other, &fs::read(&other).unwrap()[..20]).unwrap();
    let node = node.restart().await;
    let blocks = produce(&node, 1..2).await;
    assert_eq!((blocks[0].number(), node.head().0), (2, 2));
    assert_no_contradiction(&sent(&node));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_damaged_after_its_block_was_committed_forbids_signing() {
    let node = node();
    produce(&node, 0..2).await;
    fs::write(newest_slot(&sign(&node)), b"junk").unwrap();
    let node = node.restart().await;
    signs_nothing_in_doubt(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_state_without_a_whole_slot_forbids_signing() {
    let node = node();
    produce(&node, 0..1).await;
    for slot in ["slot-0", "slot-1"] {
        fs::write(sign(&node).join(slot), b"junk").unwrap();
    }
    let node = node.restart().await;
    signs_nothing_in_doubt(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_sign_state_put_back_forbids_signing() {
    let node = node();
    let backup = node.path("backup");
    produce(&node, 0..1).await;
    copy_dir(&sign(&node), &backup);
    produce(&node, 1..2).await;
    fs::remove_dir_all(sign(&node)).unwrap();
    copy_dir(&backup, &sign(&node));
    let node = node.restart().await;
    signs_nothing_in_doubt(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_one_block_old_gets_the_signed_block_back() {
    let node = node();
    let mut engine = Running::start(&node);
    node.add(vec![transfer(0, 0)]);
    engine.next().await;
    // While the engine runs, as a snapshot of the file system would.
    checkpoint(&node, "old");
    node.add(vec![transfer(0, 1)]);
    let block = engine.next().await;
    engine.crash(&node).await;
    let node = node.restart_on("old").await;
    finishes(&node, &block).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_forbids_signing_until_the_blocks_are_back() {
    let node = node();
    checkpoint(&node, "old");
    let blocks = produce(&node, 0..3).await;
    let node = node.restart_on("old").await;
    // Not in doubt: it knows what it has signed, and that the heights below are not its to sign.
    let (files, sent_before) = (sign_files(&sign(&node)), sent(&node));
    let mut engine = Running::start(&node);
    node.add(vec![transfer(3, 0)]);
    assert!(engine.stays_quiet().await);
    let state = engine.round_state().await;
    assert_eq!((state.id.height, state.in_doubt), (1, false));
    engine.stop().await;
    assert_eq!((sign_files(&sign(&node)), sent(&node)), (files, sent_before));
    let missing = blocks
        .iter()
        .take(2)
        .map(|block| Ok::<_, EngineError>(block.recovered_block.sealed_block().clone_block()));
    importer(&node.spec, &node.provider).import(missing, |_| {}).unwrap();
    let node = node.restart_on("old").await;
    finishes(&node, &blocks[2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_sign_state_forbids_signing_also_when_made_anew() {
    let node = node();
    produce(&node, 0..1).await;
    fs::remove_dir_all(sign(&node)).unwrap();
    fs::create_dir(sign(&node)).unwrap();
    let node = node.restart().await;
    signs_nothing_in_doubt(&node).await;
    assert!(matches!(SignStore::peek(&sign(&node)), Err(SignStateError::Missing { .. })));
    Node::initialise(&node.spec, node.dir.path(), &node.key);
    let node = node.restart().await;
    signs_nothing_in_doubt(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_sign_state_on_an_imported_chain_forbids_signing() {
    let node = node();
    node.add(vec![transfer(0, 0)]);
    // As an import would: without a sign record.
    node.produce();
    assert_eq!(node.provider.sign_record_seq().unwrap(), None);
    signs_nothing_in_doubt(&node).await;
}

#[test]
fn the_sign_state_of_another_validator_or_chain_is_refused() {
    let node = node();
    let (sign, genesis) = (sign(&node), node.spec.genesis_hash());
    let error = SignStore::open(&sign, genesis, signer(3).address()).unwrap_err();
    assert!(matches!(error, SignStateError::WrongValidator { .. }), "{error}");
    let error = SignStore::open(&sign, B256::ZERO, validator_key().address()).unwrap_err();
    assert!(matches!(error, SignStateError::WrongChain { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_block_at_the_signed_height_is_never_sealed_by_this_node_too() {
    let node = node();
    checkpoint(&node, "old");
    let block = produce(&node, 0..1).await.pop().unwrap();
    let mut node = node.restart_on("old").await;
    // Somebody with the same key has finished the height with another block.
    node.add(vec![transfer(1, 0)]);
    let other = node.produce();
    assert_ne!(other.hash(), block.hash());
    node = node.restart_on("old").await;
    let mut engine = Running::start(&node);
    node.add(vec![transfer(1, 1)]);
    assert_eq!(engine.next().await.number(), 2);
    engine.stop().await;
    assert_no_contradiction(&sent(&node));
    let at_one = sent(&node).into_iter().filter(|message| message.id().height == 1);
    let digests = at_one.map(|message| message.signed_payload().digest());
    let signed = peruri_ibft2::seal_digest(block.recovered_block.header()).unwrap();
    assert!(digests.into_iter().all(|digest| digest == Some(signed)));
}

/// A node whose record names a signed block that its database does not have, and that block.
async fn behind_its_record() -> (Node, Arc<ExecutedBlock>, PathBuf) {
    let node = node();
    checkpoint(&node, "old");
    let block = produce(&node, 0..1).await.pop().unwrap();
    let node = node.restart_on("old").await;
    let file = block_file(&sign(&node), &signed(&block));
    (node, block, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_lost_block_beside_the_record_forbids_signing() {
    let (mut node, block, file) = behind_its_record().await;
    node.add(vec![transfer(1, 0)]);
    let other = node.sealed();
    for bytes in
        [Some(vec![1, 2, 3]), Some(encoded(&other)), Some(encoded(&block)[1..].to_vec()), None]
    {
        match bytes {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        node = node.restart_on("old").await;
        signs_nothing_in_doubt(&node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoiled_body_beside_the_record_is_not_committed() {
    // The block hash is that of the header, so that it is the right block by its name.
    let (node, block, file) = behind_its_record().await;
    let sent_before = sent(&node);
    let spoiled = Block { body: Block::EMPTY_BODY, ..signed(&block) };
    fs::remove_file(&file).unwrap();
    let mut store = node.sign_state().unwrap().store;
    store.stage(&spoiled).unwrap();
    drop(store);
    let error = Running::start(&node).ended().await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { number: 1, .. }), "{error}");
    assert_eq!(node.head().0, 0);
    assert_no_contradiction(&[sent_before, sent(&node)].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_does_not_keep_the_signed_block_from_being_committed() {
    let genesis =
        Genesis::after_the_clock_was_set_back().with(json!({"emptyblockperiodseconds": 3_600}));
    let node = Node::new(&genesis);
    checkpoint(&node, "old");
    let block = produce(&node, 0..1).await.pop().unwrap();
    assert_eq!(block.recovered_block.header().timestamp, genesis.timestamp + 1);
    let node = node.restart_on("old").await;
    finishes(&node, &block).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_again_and_again_never_contradicts_itself() {
    let mut node = Node::new(&Genesis::fast(json!({})));
    let mut last = 0;
    for cut in 0..20 {
        let mut engine = Running::start(&node);
        let block = engine.next().await;
        assert!(block.number() > last, "the chain goes on");
        last = block.number();
        // Another step of the next block each time.
        for _ in 0..cut * 40 {
            tokio::task::yield_now().await;
        }
        engine.crash(&node).await;
        node = node.restart().await;
    }
    assert_no_contradiction(&sent(&node));
    let record = SignStore::peek(&sign(&node)).unwrap();
    assert!(record.position().height <= node.head().0 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_from_before_the_start_are_work() {
    let node = node();
    let sent = node.add(vec![transfer(0, 0)]);
    let mut engine = Running::start(&node);
    assert_eq!(crate::support::hashes(&*engine.next().await), sent);
    engine.stop().await;
}

#[test]
fn a_sign_state_is_open_once() {
    let node = node();
    let parts = node.parts(None, Arc::new(LocalStatus::new(&node.spec)));
    assert!(matches!(node.sign_state(), Err(SignStateError::Locked { .. })));
    drop(parts);
    node.sign_state().unwrap();
}
