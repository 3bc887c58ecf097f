//! IBFT 2.0 blocks against a validator set from the store, Besu's acceptance rules.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use alloy_consensus::{EMPTY_ROOT_HASH, Header as EthHeader};
use alloy_eips::{eip4895::Withdrawal, eip7685::EMPTY_REQUESTS_HASH};
use alloy_genesis::Genesis;
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{Address, B256, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use peruri_chainspec::{ChainSpec, ChainSpecBuilder};
use peruri_ibft2::{
    ForkPoints, HeaderError, Ibft2Config, Ibft2Schedule, Seal, ValidatorSet,
    sealing::{digest_to_sign, prepare_header, seal_header, unsealed_extra_data},
};
use peruri_primitives::{Block, BlockBody, Header, SealedBlock, SealedHeader};
use peruri_storage::{DbOptions, ProviderFactory};
use peruri_validation::{
    Clock, Consensus, ConsensusError, HeaderValidator, IbftConsensus, RejectionClass,
    StoredValidators,
};

#[derive(Debug)]
struct FixedClock(u64);

impl Clock for FixedClock {
    fn unix_seconds(&self) -> u64 {
        self.0
    }
}

struct Chain {
    consensus: IbftConsensus,
    keys: Vec<PrivateKeySigner>,
    parent: SealedHeader,
    _dir: tempfile::TempDir,
}

fn key(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(n)).unwrap()
}

fn set(keys: &[PrivateKeySigner]) -> ValidatorSet {
    keys.iter().map(PrivateKeySigner::address).collect()
}

/// A chain of four validators, at its genesis.
fn chain() -> Chain {
    let keys: Vec<_> = (1..=4).map(key).collect();
    let extra_data = unsealed_extra_data(B256::ZERO, &set(&keys), None, 0);
    let config = Ibft2Config { block_period_seconds: 2, ..Ibft2Config::default() };
    let schedule = Ibft2Schedule::new(config, vec![], &ForkPoints::default()).unwrap();
    let genesis = prepare_header(EthHeader::default(), extra_data.clone());
    let builder = ChainSpecBuilder {
        chain_id: 1337,
        forks: [(EthereumHardfork::Prague, ForkCondition::Timestamp(0))].into_iter().collect(),
        genesis: Genesis {
            gas_limit: 30_000_000,
            timestamp: 1000,
            difficulty: U256::from(1),
            mix_hash: genesis.mix_hash,
            extra_data,
            ..Genesis::default()
        },
        ibft2: Some(schedule.clone()),
        ..ChainSpecBuilder::default()
    };
    let spec: Arc<ChainSpec> = Arc::new(builder.build().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let factory = ProviderFactory::open(dir.path(), spec.clone(), DbOptions::default()).unwrap();
    factory.init_genesis().unwrap();
    let parent = factory.last_header().unwrap();
    let validators = Arc::new(StoredValidators::new(factory, Arc::new(schedule)));
    let consensus = IbftConsensus::new(spec, validators).with_clock(Arc::new(FixedClock(2000)));
    Chain { consensus, keys, parent, _dir: dir }
}

impl Chain {
    fn unsealed(&self) -> Header {
        let header = EthHeader {
            parent_hash: self.parent.hash(),
            beneficiary: self.keys[0].address(),
            number: 1,
            gas_limit: 30_000_000,
            timestamp: 1002,
            base_fee_per_gas: Some(875_000_000),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..EthHeader::default()
        };
        prepare_header(header, unsealed_extra_data(B256::ZERO, &set(&self.keys), None, 0))
    }

    fn sealed_by(&self, header: &Header, keys: &[PrivateKeySigner]) -> SealedHeader {
        let digest = digest_to_sign(header).unwrap();
        let seal = |key: &PrivateKeySigner| {
            Seal::new(key.sign_hash_sync(&digest.0).unwrap().as_rsy()).unwrap()
        };
        let seals = keys.iter().map(seal).collect();
        SealedHeader::seal_slow(seal_header(header, 0, seals).unwrap())
    }

    fn check(&self, header: &SealedHeader) -> Result<(), ConsensusError> {
        self.consensus.validate_header(header)?;
        self.consensus.validate_header_against_parent(header, &self.parent)
    }
}

fn rule(result: Result<(), ConsensusError>) -> HeaderError {
    match result.unwrap_err() {
        ConsensusError::Ibft(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_quorum_of_seals_is_needed() {
    let chain = chain();
    let header = chain.unsealed();
    chain.check(&chain.sealed_by(&header, &chain.keys)).unwrap();
    chain.check(&chain.sealed_by(&header, &chain.keys[..3])).unwrap();
    let error = rule(chain.check(&chain.sealed_by(&header, &chain.keys[..2])));
    assert!(matches!(error, HeaderError::TooFewSeals { needed: 3, got: 2 }), "{error}");
    let mut outsider = chain.keys[..3].to_vec();
    outsider.push(key(9));
    let error = rule(chain.check(&chain.sealed_by(&header, &outsider)));
    assert!(matches!(error, HeaderError::SealOfOutsider { .. }), "{error}");
}

#[test]
fn a_proposal_needs_no_seals_and_keeps_all_other_rules() {
    let chain = chain();
    let mut header = chain.unsealed();
    let proposal = SealedHeader::seal_slow(header.clone());
    chain.consensus.validate_proposal_header(&proposal, &chain.parent).unwrap();
    header.beneficiary = Address::ZERO;
    let proposal = SealedHeader::seal_slow(header);
    let error = rule(chain.consensus.validate_proposal_header(&proposal, &chain.parent));
    assert!(matches!(error, HeaderError::Coinbase { .. }), "{error}");
}

#[test]
fn time_is_bound_by_the_clock_and_the_period() {
    let chain = chain();
    let at = |timestamp| {
        let mut header = chain.unsealed();
        header.timestamp = timestamp;
        chain.check(&chain.sealed_by(&header, &chain.keys))
    };
    at(2001).unwrap();
    assert!(matches!(rule(at(2002)), HeaderError::Future { .. }));
    assert!(matches!(rule(at(1001)), HeaderError::Past { .. }));
}

#[test]
fn fields_that_besu_does_not_check_are_not_checked() {
    let chain = chain();
    let mut header = chain.unsealed();
    header.base_fee_per_gas = Some(1);
    header.blob_gas_used = Some(131_072);
    header.parent_beacon_block_root = Some(B256::repeat_byte(1));
    chain.check(&chain.sealed_by(&header, &chain.keys)).unwrap();
    let block = SealedBlock::seal_slow(Block { header, body: BlockBody::default() });
    chain.consensus.validate_block_pre_execution(&block).unwrap();
}

#[test]
fn header_errors_are_of_class_header() {
    let chain = chain();
    let mut header = chain.unsealed();
    header.extra_data = Default::default();
    let error = chain.check(&SealedHeader::seal_slow(header)).unwrap_err();
    assert_eq!(error.class(), Some(RejectionClass::Header), "{error}");
    let mut header = chain.unsealed();
    header.parent_hash = B256::ZERO;
    let error = chain.check(&chain.sealed_by(&header, &chain.keys)).unwrap_err();
    assert_eq!(error.class(), Some(RejectionClass::Header), "{error}");
}

#[test]
fn withdrawals_would_create_money() {
    let chain = chain();
    let block = |withdrawals: Option<Vec<Withdrawal>>| {
        let body = BlockBody { withdrawals: withdrawals.map(Into::into), ..BlockBody::default() };
        SealedBlock::seal_slow(Block { header: chain.unsealed(), body })
    };
    for fine in [None, Some(vec![])] {
        chain.consensus.validate_block_pre_execution(&block(fine)).unwrap();
    }
    let one = block(Some(vec![Withdrawal::default()]));
    let error = chain.consensus.validate_block_pre_execution(&one).unwrap_err();
    assert!(matches!(error, ConsensusError::UnexpectedWithdrawals(1)), "{error}");
    assert_eq!(error.class(), Some(RejectionClass::Body));
}

#[test]
fn a_body_that_is_not_the_headers_is_refused() {
    let chain = chain();
    let mut header = chain.unsealed();
    header.transactions_root = B256::ZERO;
    let block = SealedBlock::seal_slow(Block { header, body: BlockBody::default() });
    let error = chain.consensus.validate_block_pre_execution(&block).unwrap_err();
    assert_eq!(error.class(), Some(RejectionClass::Body), "{error}");
}
