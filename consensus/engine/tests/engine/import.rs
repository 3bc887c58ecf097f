//! Blocks of our own, checked in full by another node.

use crate::support::{Genesis, Node, Running, consensus, importer, open_db, seal, transfer};
use alloy_consensus::BlockHeader;
use peruri_engine::{
    EngineError, ImportSummary, ValidatorSigner,
    chain_file::{BlockReader, write_block},
};
use peruri_ibft2::{ExtraData, Seal, seal_digest, sealing};
use peruri_primitives::Block;
use peruri_storage::ProviderFactory;
use peruri_validation::HeaderValidator;
use std::sync::Arc;

/// A chain of `count` blocks, some of them with transactions.
fn chain(count: u64) -> Node {
    let node = Node::new(&Genesis::default());
    for number in 0..count {
        if number % 10 == 0 {
            node.add((0..3).map(|n| transfer(n, number / 10)).collect());
        }
        node.produce();
    }
    node
}

fn blocks(node: &Node) -> Vec<Block> {
    (1..=node.head().0).map(|n| node.provider.block_by_number(n).unwrap().unwrap()).collect()
}

fn file(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in blocks {
        write_block(block, &mut bytes).unwrap();
    }
    bytes
}

/// A second database of the same chain.
fn other(node: &Node) -> ProviderFactory {
    open_db(&node.path("other"), &node.spec)
}

fn import(
    node: &Node,
    provider: &ProviderFactory,
    bytes: &[u8],
) -> Result<ImportSummary, EngineError> {
    importer(&node.spec, provider).import(BlockReader::new(bytes), |_| {})
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_imports_what_this_one_produced() {
    let node = Node::new(&Genesis::default());
    let mut engine = Running::start(&node);
    for nonce in 0..7 {
        node.add((0..3).map(|n| transfer(n, nonce)).collect());
        while engine.next().await.number() < (nonce + 1) * 10 {}
    }
    engine.stop().await;
    let produced = node.head().0;
    let bytes = file(&blocks(&node));
    let other = other(&node);
    let summary = import(&node, &other, &bytes).unwrap();
    let expected =
        ImportSummary { imported: produced, known: 0, transactions: 21, gas_used: 21 * 21_000 };
    assert_eq!(summary, expected);
    let (ours, theirs) = (node.provider.last_header().unwrap(), other.last_header().unwrap());
    assert_eq!(ours, theirs);
    assert_eq!(ours.state_root(), theirs.state_root());
    for number in 1..=produced {
        let receipts = |provider: &ProviderFactory| provider.receipts_by_block(number).unwrap();
        assert_eq!(receipts(&node.provider), receipts(&other));
    }

    let again = import(&node, &other, &bytes).unwrap();
    assert_eq!(again, ImportSummary { known: produced, ..ImportSummary::default() });
    assert_eq!(other.last_header().unwrap(), ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_produced_header_carries_one_seal_of_the_validator() {
    let node = Node::new(&Genesis::default());
    let mut engine = Running::start(&node);
    let block = engine.next().await;
    engine.stop().await;
    let header = node.provider.sealed_header(1).unwrap().unwrap();
    let parent = node.provider.sealed_header(0).unwrap().unwrap();
    consensus(&node.spec, &node.provider).validate_header_against_parent(&header, &parent).unwrap();
    let extra = ExtraData::decode(&header.extra_data).unwrap();
    assert_eq!((extra.round, extra.seals.len()), (0, 1));
    let digest = seal_digest(&header).unwrap();
    assert_eq!(extra.seals[0].recover(digest).unwrap(), node.key.address());
    assert_eq!(header.beneficiary, node.key.address());
    // Sealing keeps the block hash and is deterministic.
    assert_eq!(block.recovered_block.header().hash_slow(), block.hash());
    let again = [(); 2].map(|()| ValidatorSigner::new(node.key.clone()).sign(digest.0).unwrap());
    assert_eq!(again.map(Seal::from), [extra.seals[0]; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_bound_headers_carry_the_genesis_hash_as_vanity() {
    let genesis = Genesis::fast(serde_json::json!({"chainBoundSignatures": true}));
    let node = Node::new(&genesis);
    let mut engine = Running::start(&node);
    let block = engine.next().await;
    engine.stop().await;
    let parent = node.provider.last_header().unwrap();
    let preview = node.proposer.preview(&node.validators(), &parent, node.key.address()).unwrap();
    for block in [&*block, &preview] {
        let extra = ExtraData::decode(&block.recovered_block.header().extra_data).unwrap();
        assert_eq!(extra.vanity.as_ref(), node.spec.genesis_hash().as_slice());
    }
}

#[test]
fn a_block_without_its_seal_is_refused_and_those_before_it_stay() {
    let node = chain(4);
    let mut blocks = blocks(&node);
    blocks[2].header = sealing::seal_header(&blocks[2].header, 0, Vec::new()).unwrap();
    let other = other(&node);
    let error = import(&node, &other, &file(&blocks)).unwrap_err();
    assert!(matches!(error, EngineError::Refused { number: 3, .. }), "{error}");
    assert_eq!(other.best_block_number().unwrap(), 2);
    let missing = file(&self::blocks(&node));
    let summary = import(&node, &other, &missing).unwrap();
    assert_eq!((summary.known, summary.imported), (2, 2));
}

#[test]
fn a_block_with_a_wrong_state_root_is_refused() {
    let node = chain(1);
    // Sealed by the right key, but not what execution gives.
    let mut unsealed = node.propose().unwrap();
    let block = Arc::make_mut(&mut unsealed.recovered_block).clone();
    let (mut block, senders) = block.split();
    block.header.0.state_root = alloy_primitives::B256::repeat_byte(1);
    let block = peruri_primitives::RecoveredBlock::new_unhashed(block, senders);
    unsealed.recovered_block = Arc::new(block);
    let sealed = seal(unsealed, std::slice::from_ref(&node.key));
    let sealed = sealed.recovered_block.sealed_block().clone_block();
    let error = importer(&node.spec, &node.provider).check(sealed).unwrap_err();
    assert!(matches!(error, EngineError::Execution { number: 2, .. }), "{error}");
}

#[test]
fn a_block_from_the_future_is_refused_by_others() {
    let genesis = Genesis::after_the_clock_was_set_back();
    let node = Node::new(&genesis);
    node.produce();
    let error = import(&node, &other(&node), &file(&blocks(&node))).unwrap_err();
    assert!(matches!(error, EngineError::Refused { number: 1, .. }), "{error}");
}

#[test]
fn a_file_that_ends_inside_a_block_keeps_the_whole_ones() {
    let node = chain(3);
    let bytes = file(&blocks(&node));
    let other = other(&node);
    let error = import(&node, &other, &bytes[..bytes.len() - 1]).unwrap_err();
    assert!(matches!(error, EngineError::ChainFile { index: 2, .. }), "{error}");
    assert_eq!(other.best_block_number().unwrap(), 2);
}

#[test]
fn a_file_with_a_gap_is_refused_at_the_gap() {
    let node = chain(3);
    let mut blocks = blocks(&node);
    blocks.remove(1);
    let other = other(&node);
    let error = import(&node, &other, &file(&blocks)).unwrap_err();
    assert!(matches!(error, EngineError::Refused { number: 3, .. }), "{error}");
    assert_eq!(other.best_block_number().unwrap(), 1);
}

#[test]
fn progress_names_each_block_in_order() {
    let node = chain(3);
    let mut seen = Vec::new();
    let bytes = file(&blocks(&node));
    let other = other(&node);
    importer(&node.spec, &other)
        .import(BlockReader::new(bytes.as_slice()), |number| seen.push(number))
        .unwrap();
    assert_eq!(seen, [1, 2, 3]);
}
