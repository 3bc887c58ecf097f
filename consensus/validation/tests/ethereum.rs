//! Ethereum's header, body and ommer rules.
#![allow(clippy::unwrap_used)]

use std::{collections::HashMap, sync::Arc};

use alloy_consensus::{
    EMPTY_ROOT_HASH, EthereumTxEnvelope, Header as EthHeader, Signed, TxLegacy,
    proofs::{calculate_ommers_root, calculate_transaction_root},
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{B64, B256, Signature, U256, bytes};
use peruri_chainspec::{ChainSpec, ChainSpecBuilder};
use peruri_primitives::{Block, BlockBody, Header, SealedBlock, SealedHeader};
use peruri_storage::ProviderResult;
use peruri_validation::{
    AncestorSource, Consensus, ConsensusError, EthereumConsensus, HeaderValidator, OmmerError,
    RejectionClass, difficulty,
};

#[derive(Debug, Default)]
struct Ancestors(HashMap<B256, Block>);

impl AncestorSource for Ancestors {
    fn ancestor(&self, hash: &B256) -> ProviderResult<Option<Block>> {
        Ok(self.0.get(hash).cloned())
    }
}

fn spec(fork: EthereumHardfork) -> Arc<ChainSpec> {
    let at = if fork >= EthereumHardfork::Shanghai {
        ForkCondition::Timestamp(0)
    } else {
        ForkCondition::Block(0)
    };
    let builder = ChainSpecBuilder {
        chain_id: 1,
        forks: [(fork, at)].into_iter().collect(),
        ..ChainSpecBuilder::default()
    };
    Arc::new(builder.build().unwrap())
}

fn consensus(fork: EthereumHardfork) -> EthereumConsensus {
    EthereumConsensus::new(spec(fork), Arc::new(Ancestors::default()))
}

fn seal(header: EthHeader) -> SealedHeader {
    SealedHeader::seal_slow(Header::from(header))
}

/// A header of Prague and its parent.
fn prague() -> (EthHeader, SealedHeader) {
    let parent = seal(EthHeader {
        number: 9,
        gas_limit: 30_000_000,
        gas_used: 15_000_000,
        timestamp: 1000,
        base_fee_per_gas: Some(1_000),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..EthHeader::default()
    });
    let header = EthHeader {
        parent_hash: parent.hash(),
        number: 10,
        gas_used: 0,
        timestamp: 1012,
        ..parent.header().0.clone()
    };
    (header, parent)
}

fn check(change: impl FnOnce(&mut EthHeader)) -> Result<(), ConsensusError> {
    let (mut header, parent) = prague();
    change(&mut header);
    let header = seal(header);
    let consensus = consensus(EthereumHardfork::Prague);
    consensus.validate_header(&header)?;
    consensus.validate_header_against_parent(&header, &parent)
}

fn field(error: ConsensusError) -> &'static str {
    assert_eq!(error.class(), Some(RejectionClass::Header), "{error}");
    match error {
        ConsensusError::FieldPresence { field, .. }
        | ConsensusError::FieldValue { field, .. }
        | ConsensusError::FieldHash { field, .. }
        | ConsensusError::FieldRange { field, .. } => field,
        ConsensusError::UnknownParent(_) => "parentHash",
        ConsensusError::BlobGasNotMultiple(_) => "blobGasUsed",
        other => panic!("{other}"),
    }
}

#[test]
fn a_good_header_passes() {
    check(|_| ()).unwrap();
}

type Change = fn(&mut EthHeader);

#[test]
fn each_rule_of_merged_headers_is_checked() {
    let cases: [(&str, Change); 22] = [
        ("parentHash", |h| h.parent_hash = B256::ZERO),
        ("number", |h| h.number = 11),
        ("timestamp", |h| h.timestamp = 1000),
        ("gasUsed", |h| h.gas_used = h.gas_limit + 1),
        ("gasLimit", |h| h.gas_limit = 4_999),
        ("gasLimit", |h| h.gas_limit = 1 << 63),
        ("gasLimit", |h| h.gas_limit += h.gas_limit / 1024),
        ("gasLimit", |h| h.gas_limit -= h.gas_limit / 1024),
        ("extraData length", |h| h.extra_data = vec![0; 33].into()),
        ("baseFeePerGas", |h| h.base_fee_per_gas = Some(1_001)),
        ("baseFeePerGas", |h| h.base_fee_per_gas = None),
        ("difficulty", |h| h.difficulty = U256::from(1)),
        ("nonce", |h| h.nonce = B64::with_last_byte(1)),
        ("sha3Uncles", |h| h.ommers_hash = B256::ZERO),
        ("withdrawalsRoot", |h| h.withdrawals_root = None),
        ("blobGasUsed", |h| h.blob_gas_used = None),
        ("blobGasUsed", |h| h.blob_gas_used = Some(1)),
        ("excessBlobGas", |h| h.excess_blob_gas = None),
        ("excessBlobGas", |h| h.excess_blob_gas = Some(131_072)),
        ("parentBeaconBlockRoot", |h| h.parent_beacon_block_root = None),
        ("requestsHash", |h| h.requests_hash = None),
        ("slotNumber", |h| h.slot_number = Some(1)),
    ];
    for (expected, change) in cases {
        let error = check(change).unwrap_err();
        let shown = error.to_string();
        assert_eq!(field(error), expected, "{shown}");
    }
}

#[test]
fn the_smallest_and_largest_step_of_the_gas_limit_pass() {
    check(|h| h.gas_limit += h.gas_limit / 1024 - 1).unwrap();
    check(|h| h.gas_limit -= h.gas_limit / 1024 - 1).unwrap();
}

#[test]
fn fields_of_later_forks_are_refused_before_them() {
    let (header, _) = prague();
    let cases = [
        (EthereumHardfork::Cancun, "requestsHash"),
        (EthereumHardfork::Shanghai, "blobGasUsed"),
        (EthereumHardfork::Paris, "withdrawalsRoot"),
        (EthereumHardfork::Berlin, "baseFeePerGas"),
    ];
    for (fork, expected) in cases {
        let error = consensus(fork).validate_header(&seal(header.clone())).unwrap_err();
        assert_eq!(field(error), expected, "{fork}");
    }
}

#[test]
fn the_gas_limit_doubles_with_the_base_fee() {
    let consensus = consensus(EthereumHardfork::London);
    let parent = seal(EthHeader { gas_limit: 10_000_000, ..EthHeader::default() });
    let mut header = EthHeader {
        parent_hash: parent.hash(),
        number: 1,
        timestamp: 10,
        gas_limit: 20_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        difficulty: U256::from(131_072),
        ..EthHeader::default()
    };
    consensus.validate_header_against_parent(&seal(header.clone()), &parent).unwrap();
    header.gas_limit = 10_000_000;
    let error = consensus.validate_header_against_parent(&seal(header), &parent).unwrap_err();
    assert_eq!(field(error), "gasLimit");
}

#[test]
fn dao_blocks_carry_their_mark() {
    let forks = [
        (EthereumHardfork::Homestead, ForkCondition::Block(0)),
        (EthereumHardfork::Dao, ForkCondition::Block(5)),
    ];
    let builder =
        ChainSpecBuilder { forks: forks.into_iter().collect(), ..ChainSpecBuilder::default() };
    let spec = Arc::new(builder.build().unwrap());
    let consensus = EthereumConsensus::new(spec, Arc::new(Ancestors::default()));
    let check = |number, extra_data: &[u8]| {
        let extra_data = extra_data.to_vec().into();
        let header = EthHeader { number, extra_data, gas_limit: 5000, ..EthHeader::default() };
        consensus.validate_header(&seal(header))
    };
    for number in [4, 15] {
        check(number, b"").unwrap();
    }
    for number in [5, 14] {
        check(number, b"dao-hard-fork").unwrap();
        assert!(matches!(check(number, b""), Err(ConsensusError::DaoExtraData)));
    }
}

fn block(body: BlockBody, change: impl FnOnce(&mut EthHeader)) -> SealedBlock {
    let (mut header, _) = prague();
    header.transactions_root = calculate_transaction_root(&body.transactions);
    header.ommers_hash = calculate_ommers_root(&body.ommers);
    change(&mut header);
    SealedBlock::seal_slow(Block { header: header.into(), body })
}

fn body() -> BlockBody {
    BlockBody { withdrawals: Some(Default::default()), ..BlockBody::default() }
}

#[test]
fn bodies_hash_to_their_headers() {
    let consensus = consensus(EthereumHardfork::Prague);
    let check = |change: Change| consensus.validate_block_pre_execution(&block(body(), change));
    check(|_| ()).unwrap();
    let cases: [(&str, Change); 3] = [
        ("transactionsRoot", |h| h.transactions_root = B256::ZERO),
        ("sha3Uncles", |h| h.ommers_hash = B256::ZERO),
        ("withdrawalsRoot", |h| h.withdrawals_root = Some(B256::ZERO)),
    ];
    for (expected, change) in cases {
        let error = check(change).unwrap_err();
        assert_eq!(error.class(), Some(RejectionClass::Body), "{error}");
        assert!(matches!(error, ConsensusError::BodyRoot { field, .. } if field == expected));
    }
    let error = check(|h| h.blob_gas_used = Some(131_072)).unwrap_err();
    assert!(matches!(error, ConsensusError::BodyBlobGas { expected: 131_072, got: 0 }), "{error}");
}

#[test]
fn a_missing_withdrawals_list_is_a_malformed_block() {
    let consensus = consensus(EthereumHardfork::Prague);
    let block = block(BlockBody::default(), |_| ());
    let error = consensus.validate_block_pre_execution(&block).unwrap_err();
    assert_eq!(error.class(), Some(RejectionClass::Rlp), "{error}");
}

#[test]
fn replay_protection_needs_its_fork() {
    let tx = TxLegacy { chain_id: Some(1), ..TxLegacy::default() };
    let signature = Signature::new(U256::from(1), U256::from(1), false);
    let tx = EthereumTxEnvelope::Legacy(Signed::new_unhashed(tx, signature));
    let body = BlockBody { transactions: vec![tx], ..BlockBody::default() };
    let block = block(body, |h| h.blob_gas_used = None);
    consensus(EthereumHardfork::SpuriousDragon).validate_block_pre_execution(&block).unwrap();
    let error =
        consensus(EthereumHardfork::Homestead).validate_block_pre_execution(&block).unwrap_err();
    assert_eq!(error.class(), Some(RejectionClass::Transaction), "{error}");
}

/// A proof-of-work chain of blocks 0 to 9; `extra` goes into each header.
struct PowChain {
    spec: Arc<ChainSpec>,
    blocks: Vec<SealedBlock>,
}

impl PowChain {
    fn new() -> Self {
        let spec = spec(EthereumHardfork::Byzantium);
        let genesis =
            EthHeader { difficulty: U256::from(1 << 20), gas_limit: 5000, ..EthHeader::default() };
        let mut chain = Self { spec, blocks: vec![SealedBlock::seal_slow(bare(genesis))] };
        for _ in 0..9 {
            let header = chain.child(chain.blocks.len() - 1, b"main");
            chain.blocks.push(SealedBlock::seal_slow(bare(header)));
        }
        chain
    }

    /// A valid header on top of a block.
    fn child(&self, parent: usize, extra: &'static [u8]) -> EthHeader {
        let parent = self.blocks[parent].clone_sealed_header();
        let timestamp = parent.timestamp + 12;
        EthHeader {
            parent_hash: parent.hash(),
            number: parent.number + 1,
            timestamp,
            gas_limit: 5000,
            difficulty: difficulty(self.spec.as_ref(), timestamp, &parent),
            extra_data: extra.into(),
            ..EthHeader::default()
        }
    }

    /// Checks block 10 with these ommers.
    fn check(&self, ommers: Vec<EthHeader>) -> Result<(), ConsensusError> {
        let ancestors =
            self.blocks.iter().map(|block| (block.hash(), block.clone_block())).collect();
        let consensus = EthereumConsensus::new(self.spec.clone(), Arc::new(Ancestors(ancestors)));
        let ommers: Vec<Header> = ommers.into_iter().map(Header::from).collect();
        let mut header = self.child(9, b"main");
        header.ommers_hash = calculate_ommers_root(&ommers);
        let body = BlockBody { ommers, ..BlockBody::default() };
        let block = SealedBlock::seal_slow(Block { header: header.into(), body });
        consensus.validate_block_pre_execution(&block)
    }
}

fn bare(header: EthHeader) -> Block {
    Block { header: header.into(), body: BlockBody::default() }
}

fn ommer_error(result: Result<(), ConsensusError>) -> OmmerError {
    match result.unwrap_err() {
        ConsensusError::Ommer { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn ommers_are_kin_within_seven_generations() {
    let chain = PowChain::new();
    chain.check(vec![]).unwrap();
    for parent in 3..=8 {
        chain.check(vec![chain.child(parent, b"uncle")]).unwrap();
    }
    for parent in [2, 9] {
        let error = ommer_error(chain.check(vec![chain.child(parent, b"uncle")]));
        assert!(matches!(error, OmmerError::NotKin), "{parent}: {error}");
    }
}

#[test]
fn ommers_are_at_most_two_and_different() {
    let chain = PowChain::new();
    let (one, two) = (chain.child(8, b"one"), chain.child(8, b"two"));
    chain.check(vec![one.clone(), two.clone()]).unwrap();
    let error = ommer_error(chain.check(vec![one.clone(), one.clone()]));
    assert!(matches!(error, OmmerError::Duplicate), "{error}");
    let error = chain.check(vec![one, two, chain.child(8, b"three")]).unwrap_err();
    assert!(matches!(error, ConsensusError::TooManyOmmers { got: 3, max: 2 }), "{error}");
}

#[test]
fn ancestors_and_included_ommers_are_refused() {
    let mut chain = PowChain::new();
    let ancestor = chain.blocks[8].header().0.clone();
    let error = ommer_error(chain.check(vec![ancestor]));
    assert!(matches!(error, OmmerError::IsAncestor), "{error}");

    let ommer = chain.child(7, b"uncle");
    let ommers = vec![Header::from(ommer.clone())];
    let mut header = chain.child(8, b"main");
    header.ommers_hash = calculate_ommers_root(&ommers);
    let body = BlockBody { ommers, ..BlockBody::default() };
    chain.blocks[9] = SealedBlock::seal_slow(Block { header: header.into(), body });
    let error = ommer_error(chain.check(vec![ommer]));
    assert!(matches!(error, OmmerError::AlreadyIncluded), "{error}");
}

#[test]
fn an_ommers_header_must_be_valid() {
    let chain = PowChain::new();
    let mut ommer = chain.child(8, b"uncle");
    ommer.difficulty += U256::from(1);
    let error = chain.check(vec![ommer]).unwrap_err();
    assert_eq!(error.class(), Some(RejectionClass::Header), "{error}");
    let mut ommer = chain.child(8, b"uncle");
    ommer.extra_data = bytes!("00").repeat(33).into();
    assert!(matches!(ommer_error(chain.check(vec![ommer])), OmmerError::Header(_)));
}

#[test]
fn proof_of_work_headers_have_their_difficulty() {
    let chain = PowChain::new();
    let consensus = EthereumConsensus::new(chain.spec.clone(), Arc::new(Ancestors::default()));
    let parent = chain.blocks[9].clone_sealed_header();
    let mut header = chain.child(9, b"main");
    consensus.validate_header_against_parent(&seal(header.clone()), &parent).unwrap();
    header.difficulty -= U256::from(1);
    let error = consensus.validate_header_against_parent(&seal(header), &parent).unwrap_err();
    assert_eq!(field(error), "difficulty");
}
