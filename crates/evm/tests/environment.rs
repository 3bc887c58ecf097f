//! What contracts see of the block: the same when it is built and when it is validated.
#![allow(clippy::unwrap_used)]

mod common;

use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{B256, Bytes, TxKind, U256, bytes};
use common::{BENEFICIARY, COINBASE, CONTRACT, Setup, call, tx};
use peruri_ibft2::MIX_HASH;
use revm::primitives::hardfork::SpecId;

/// `SSTORE(0, PREVRANDAO)`: DIFFICULTY before Paris.
const RANDAO: Bytes = bytes!("4460005500");
/// `SSTORE(0, COINBASE)`.
const SEE_COINBASE: Bytes = bytes!("4160005500");
/// `SSTORE(0, BLOCKHASH(NUMBER - 1))`.
const SEE_PARENT: Bytes = bytes!("600143034060005500");

#[test]
fn prevrandao_is_the_ibft2_constant_when_proposing_and_validating() {
    let mut chain = Setup::ibft2().code(CONTRACT, RANDAO).start();
    assert_eq!(chain.next_header().mix_hash, MIX_HASH);
    let env = chain.config.next_evm_env(&chain.parent, &chain.attributes());
    assert_eq!(env.block_env.prevrandao, Some(MIX_HASH));
    // `advance` validates what it built, and compares the state roots.
    chain.advance(vec![call(0, CONTRACT)]);
    assert_eq!(chain.slot(CONTRACT, 0), U256::from_be_bytes(MIX_HASH.0));
}

#[test]
fn prevrandao_is_the_attribute_on_ethereum() {
    let mut chain = Setup::plain().fork(EthereumHardfork::Cancun).code(CONTRACT, RANDAO).start();
    chain.advance(vec![call(0, CONTRACT)]);
    assert_eq!(chain.slot(CONTRACT, 0), U256::from_be_bytes([0x11; 32]));
}

#[test]
fn before_shanghai_an_ibft2_contract_sees_difficulty_one() {
    let mut chain = Setup::ibft2().fork(EthereumHardfork::London).code(CONTRACT, RANDAO).start();
    let env = chain.config.next_evm_env(&chain.parent, &chain.attributes());
    assert_eq!(env.cfg_env.spec, SpecId::LONDON);
    assert_eq!((env.block_env.prevrandao, env.block_env.difficulty), (None, U256::from(1)));
    chain.advance(vec![call(0, CONTRACT)]);
    assert_eq!(chain.slot(CONTRACT, 0), U256::from(1));
}

#[test]
fn coinbase_is_the_beneficiary_where_one_is_configured() {
    for (beneficiary, seen) in [(Some(BENEFICIARY), BENEFICIARY), (None, COINBASE)] {
        let mut chain = Setup::ibft2().reward(0, beneficiary).code(CONTRACT, SEE_COINBASE).start();
        chain.advance(vec![call(0, CONTRACT)]);
        assert_eq!(chain.slot(CONTRACT, 0), U256::from_be_slice(seen.as_slice()));
        assert_eq!(chain.parent.beneficiary, COINBASE, "the header names the proposer");
    }
}

#[test]
fn blockhash_is_the_parents() {
    let mut chain = Setup::ibft2().code(CONTRACT, SEE_PARENT).start();
    let genesis = chain.parent.hash();
    chain.advance(vec![call(0, CONTRACT)]);
    assert_eq!(chain.slot(CONTRACT, 0), U256::from_be_bytes(genesis.0));
    let first = chain.parent.hash();
    chain.advance(vec![call(1, CONTRACT)]);
    assert_eq!(chain.slot(CONTRACT, 0), U256::from_be_bytes(first.0));
}

#[test]
fn next_headers_have_the_shape_of_their_fork() {
    let header = |fork| Setup::ibft2().fork(fork).start().next_header();
    let berlin = header(EthereumHardfork::Berlin);
    assert_eq!((berlin.base_fee_per_gas, berlin.withdrawals_root), (None, None));
    let london = header(EthereumHardfork::London);
    assert!(london.base_fee_per_gas.is_some() && london.withdrawals_root.is_none());
    let shanghai = header(EthereumHardfork::Shanghai);
    assert!(shanghai.withdrawals_root.is_some() && shanghai.blob_gas_used.is_none());
    let cancun = header(EthereumHardfork::Cancun);
    assert_eq!((cancun.blob_gas_used, cancun.excess_blob_gas), (Some(0), Some(0)));
    assert_eq!(cancun.parent_beacon_block_root, Some(B256::ZERO));
    assert_eq!(cancun.requests_hash, None);
    let prague = header(EthereumHardfork::Prague);
    assert_eq!(prague.requests_hash, Some(EMPTY_REQUESTS_HASH));
    assert_eq!((prague.difficulty, prague.nonce.0), (U256::from(1), [0; 8]));
}

#[test]
fn ethereum_headers_carry_the_attributes() {
    let chain = Setup::plain().fork(EthereumHardfork::Cancun).start();
    let header = chain.next_header();
    assert_eq!(header.mix_hash, B256::repeat_byte(0x11));
    assert_eq!(header.parent_beacon_block_root, Some(B256::repeat_byte(0x22)));
    assert_eq!(header.difficulty, U256::ZERO);
}

#[test]
fn the_contract_size_limit_is_the_chains() {
    // RETURN(0, size)
    let deploy = |size: u32| {
        let mut code = vec![0x62];
        code.extend_from_slice(&size.to_be_bytes()[1..]);
        code.extend_from_slice(&[0x5f, 0xf3]);
        tx(0, TxKind::Create, 16_000_000, code.into())
    };
    let success = |limit: Option<usize>, size| {
        let mut setup = Setup::ibft2();
        setup.contract_size_limit = limit;
        let chain = setup.start();
        let outcome = chain.execute(&[deploy(size)], &chain.state()).unwrap();
        outcome.receipts[0].success
    };
    assert!(success(None, 24_576) && !success(None, 24_577));
    assert!(success(Some(50_000), 50_000) && !success(Some(50_000), 50_001));
}

#[test]
fn the_init_code_limit_stays_when_the_contract_limit_grows() {
    let mut setup = Setup::ibft2();
    setup.contract_size_limit = Some(100_000);
    let chain = setup.start();
    let create = |size: usize| tx(0, TxKind::Create, 16_000_000, vec![0; size].into());
    assert!(chain.execute(&[create(49_152)], &chain.state()).is_ok());
    let error = chain.execute(&[create(49_153)], &chain.state()).unwrap_err();
    assert!(error.is_invalid_transaction(), "{error}");
}
