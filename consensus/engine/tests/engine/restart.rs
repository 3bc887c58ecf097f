//! What a start does after a stop at any step, and after folders were put back or lost.

use crate::support::{
    Genesis, Node, copy_dir, encoded, importer, open_db, persist, signer, transfer, validator_key,
};
use alloy_primitives::B256;
use peruri_engine::{EngineError, SignStateError, SignStore, resume};
use peruri_primitives::Block;
use std::{fs, path::Path};

/// Names of the slot files, the newest last.
fn slots(path: &Path) -> Vec<std::path::PathBuf> {
    let mut slots: Vec<_> = [0, 1].map(|i| path.join(format!("slot-{i}"))).into();
    slots.retain(|slot| slot.exists());
    slots.sort_by_key(|slot| fs::metadata(slot).unwrap().modified().unwrap());
    slots
}

fn refusal(node: &Node) -> SignStateError {
    match node.resume().unwrap_err() {
        EngineError::SignState(error) => error,
        error => panic!("{error}"),
    }
}

/// The stored block, as bytes.
fn stored(node: &Node, number: u64) -> Vec<u8> {
    let block: Block = node.provider.block_by_number(number).unwrap().unwrap();
    alloy_rlp::encode(block)
}

#[test]
fn a_new_chain_goes_on() {
    let node = Node::new(&Genesis::default());
    let (store, resumed) = node.resume().unwrap();
    assert_eq!((resumed, store.record().height), (None, 0));
}

#[test]
fn a_block_that_was_sealed_but_not_written_never_existed() {
    let node = Node::new(&Genesis::default());
    drop(node.sealed());
    let node = node.restart();
    let (mut store, resumed) = node.resume().unwrap();
    assert_eq!(resumed, None);
    assert_eq!(node.produce(&mut store).number(), 1);
}

#[test]
fn a_block_file_without_a_record_never_existed() {
    let node = Node::new(&Genesis::default());
    let block = node.sealed();
    let orphan = node.path("sign").join(format!("{}.block", block.hash()));
    fs::write(&orphan, encoded(&block)).unwrap();
    let node = node.restart();
    let (store, resumed) = node.resume().unwrap();
    assert_eq!((resumed, store.record().height), (None, 0));
    assert!(!orphan.exists());
}

#[test]
fn a_signed_block_is_committed_byte_for_byte() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    node.produce(&mut store);
    node.add(vec![transfer(0, 0), transfer(1, 0)]);
    let block = node.sealed();
    persist(&mut store, &block);
    drop(store);
    // The pool is empty after the restart: a block built anew would be another one.
    let node = node.restart();
    assert_eq!(node.head().0, 1);
    let (mut store, resumed) = node.resume().unwrap();
    assert_eq!((resumed, node.head()), (Some(2), (2, block.hash())));
    assert_eq!(stored(&node, 2), encoded(&block));
    assert!(matches!(store.may_sign(2), Err(SignStateError::HeightFalls { newest: 2, .. })));
    assert_eq!(node.provider.sign_record_seq().unwrap(), Some(store.record().sequence));
    assert_eq!(node.produce(&mut store).number(), 3);
}

#[test]
fn resuming_twice_changes_nothing() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    let block = node.sealed();
    persist(&mut store, &block);
    drop(store);
    assert_eq!(node.resume().unwrap().1, Some(1));
    assert_eq!(node.resume().unwrap().1, None);
    let node = node.restart();
    assert_eq!((node.resume().unwrap().1, node.head()), (None, (1, block.hash())));
}

#[test]
fn a_committed_block_needs_nothing() {
    let node = Node::new(&Genesis::default());
    let block = node.produce(&mut node.sign_store().unwrap());
    let node = node.restart();
    assert_eq!((node.resume().unwrap().1, node.head()), (None, (1, block.hash())));
}

#[test]
fn a_record_torn_while_it_was_written_leaves_the_height_free() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    node.produce(&mut store);
    persist(&mut store, &node.sealed());
    drop(store);
    // The write of the record was cut: persist never returned, nothing was committed or shown.
    let newest = slots(&node.path("sign")).pop().unwrap();
    fs::write(&newest, &fs::read(&newest).unwrap()[..20]).unwrap();
    let node = node.restart();
    let (mut store, resumed) = node.resume().unwrap();
    assert_eq!((resumed, store.record().height), (None, 1));
    assert_eq!(node.produce(&mut store).number(), 2);
}

#[test]
fn a_record_damaged_after_its_block_was_committed_forbids_signing() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    node.produce(&mut store);
    node.produce(&mut store);
    drop(store);
    let newest = slots(&node.path("sign")).pop().unwrap();
    fs::write(&newest, b"junk").unwrap();
    let error = refusal(&node);
    assert!(matches!(error, SignStateError::BehindDatabase { expected: 3, got: 2 }), "{error}");
}

#[test]
fn an_old_sign_state_put_back_forbids_signing() {
    let node = Node::new(&Genesis::default());
    let (sign, backup) = (node.path("sign"), node.path("backup"));
    node.produce(&mut node.sign_store().unwrap());
    copy_dir(&sign, &backup);
    node.produce(&mut node.sign_store().unwrap());
    fs::remove_dir_all(&sign).unwrap();
    copy_dir(&backup, &sign);
    let node = node.restart();
    let error = refusal(&node);
    assert!(matches!(error, SignStateError::BehindDatabase { .. }), "{error}");
}

#[test]
fn a_database_one_block_old_gets_the_signed_block_back() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    node.produce(&mut store);
    node.provider.checkpoint(&node.path("old")).unwrap();
    let block = node.produce(&mut store);
    drop(store);
    let (spec, dir) = node.crash();
    let node = Node::start(spec, dir, "old", None);
    assert_eq!(node.resume().unwrap().1, Some(2));
    assert_eq!(node.head(), (2, block.hash()));
    assert_eq!(stored(&node, 2), encoded(&block));
}

#[test]
fn an_older_database_forbids_signing_until_the_blocks_are_back() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    node.provider.checkpoint(&node.path("old")).unwrap();
    let blocks: Vec<_> = (0..3).map(|_| node.produce(&mut store)).collect();
    drop(store);
    let (spec, dir) = node.crash();
    let node = Node::start(spec, dir, "old", None);
    let error = refusal(&node);
    assert!(matches!(error, SignStateError::AheadOfDatabase { signed: 3, head: 0 }), "{error}");
    let missing = blocks
        .iter()
        .take(2)
        .map(|block| Ok::<_, EngineError>(block.recovered_block.sealed_block().clone_block()));
    importer(&node.spec, &node.provider).import(missing, |_| {}).unwrap();
    assert_eq!(node.resume().unwrap().1, Some(3));
    assert_eq!(node.head(), (3, blocks[2].hash()));
}

#[test]
fn a_lost_sign_state_forbids_signing_also_when_made_anew() {
    let node = Node::new(&Genesis::default());
    node.produce(&mut node.sign_store().unwrap());
    fs::remove_dir_all(node.path("sign")).unwrap();
    let error = refusal(&node);
    assert!(matches!(error, SignStateError::Missing { .. }), "{error}");
    let address = validator_key().address();
    SignStore::create(&node.path("sign"), node.spec.genesis_hash(), address).unwrap();
    let error = refusal(&node);
    assert!(matches!(error, SignStateError::BehindDatabase { expected: 2, got: 1 }), "{error}");
}

#[test]
fn a_fresh_sign_state_on_an_imported_chain_forbids_signing() {
    let node = Node::new(&Genesis::default());
    let block = node.sealed();
    // As an import would: without a sign record.
    node.commit(&block, None);
    let error = refusal(&node);
    assert!(matches!(error, SignStateError::BehindChain { head: 1, signed: 0 }), "{error}");
}

#[test]
fn the_sign_state_of_another_validator_or_chain_is_refused() {
    let node = Node::new(&Genesis::default());
    let (sign, genesis) = (node.path("sign"), node.spec.genesis_hash());
    let error = SignStore::open(&sign, genesis, signer(3).address()).unwrap_err();
    assert!(matches!(error, SignStateError::WrongValidator { .. }), "{error}");
    let error = SignStore::open(&sign, B256::ZERO, validator_key().address()).unwrap_err();
    assert!(matches!(error, SignStateError::WrongChain { .. }), "{error}");
}

#[test]
fn another_block_at_the_signed_height_forbids_signing() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    persist(&mut store, &node.sealed());
    drop(store);
    node.add(vec![transfer(0, 0)]);
    let other = node.sealed();
    node.commit(&other, None);
    let error = refusal(&node);
    assert!(
        matches!(error, SignStateError::Conflict { height: 1, stored, .. } if stored == other.hash()),
        "{error}"
    );
}

#[test]
fn a_signed_block_that_was_changed_on_disk_is_not_committed() {
    let node = Node::new(&Genesis::default());
    let mut store = node.sign_store().unwrap();
    let block = node.sealed();
    persist(&mut store, &block);
    node.add(vec![transfer(0, 0)]);
    let other = node.sealed();
    drop(store);
    let file = node.path("sign").join(format!("{}.block", block.hash()));
    for bytes in [vec![1, 2, 3], encoded(&other), encoded(&block)[1..].to_vec()] {
        fs::write(&file, bytes).unwrap();
        let error = node.resume().unwrap_err();
        assert!(matches!(error, EngineError::SignedBlock { .. }), "{error}");
        assert_eq!(node.head().0, 0);
    }
    // A block without its seal has the same hash and fails the rules instead.
    let mut unsealed = block.recovered_block.sealed_block().clone_block();
    unsealed.header = peruri_ibft2::sealing::seal_header(&unsealed.header, 0, vec![]).unwrap();
    fs::write(&file, alloy_rlp::encode(&unsealed)).unwrap();
    let error = node.resume().unwrap_err();
    assert!(matches!(error, EngineError::Refused { number: 1, .. }), "{error}");
    assert_eq!(node.head().0, 0);
}

#[test]
fn a_clock_set_back_does_not_keep_the_signed_block_from_being_committed() {
    let genesis = Genesis::after_the_clock_was_set_back();
    let node = Node::new(&genesis);
    let block = node.sealed();
    assert_eq!(block.recovered_block.header().timestamp, genesis.timestamp + 1);
    persist(&mut node.sign_store().unwrap(), &block);
    let node = node.restart();
    assert_eq!(node.resume().unwrap().1, Some(1));
    assert_eq!(node.head(), (1, block.hash()));
}

#[test]
fn a_database_of_a_chain_without_ibft2_is_not_resumed_into() {
    let node = Node::new(&Genesis::default());
    persist(&mut node.sign_store().unwrap(), &node.sealed());
    let plain = r#"{"config": {"chainId": 5, "terminalTotalDifficulty": 0, "shanghaiTime": 0},
        "difficulty": "0x0", "gasLimit": "0x1c9c380", "timestamp": "0x0", "alloc": {}}"#;
    let plain = peruri_chainspec::ChainSpec::from_genesis_json(plain).unwrap().0.into();
    let provider = open_db(&node.path("plain"), &plain);
    let store = node.sign_store().unwrap();
    let error = resume(&store, &provider, &importer_of(&plain, &provider)).unwrap_err();
    assert!(matches!(error, EngineError::NotIbft2), "{error}");
}

/// An importer by Ethereum's rules.
fn importer_of(
    spec: &std::sync::Arc<peruri_chainspec::ChainSpec>,
    provider: &peruri_storage::ProviderFactory,
) -> peruri_engine::BlockImporter {
    let consensus = peruri_validation::EthereumConsensus::new(
        spec.clone(),
        std::sync::Arc::new(provider.clone()),
    );
    peruri_engine::BlockImporter::new(
        spec.clone(),
        provider.clone(),
        peruri_evm::PeruriEvmConfig::new(spec.clone()),
        std::sync::Arc::new(consensus),
    )
}
