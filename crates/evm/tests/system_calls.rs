//! System calls of EIP-4788, EIP-2935, EIP-7002 and EIP-7251: Ethereum's chains make them, chains
//! with `config.ibft2` do not, whatever stands at their addresses.
#![allow(clippy::unwrap_used)]

mod common;

use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Bytes, U256, bytes};
use common::{MARK, REVERT, SYSTEM, Setup};
use peruri_evm::ExecutionError;

#[test]
fn ethereum_calls_all_four() {
    let mut chain = Setup::plain().system_contracts(&MARK).start();
    chain.advance(vec![]);
    for address in SYSTEM {
        assert_eq!(chain.slot(address, 0), U256::from(1), "{address}");
    }
}

#[test]
fn ibft2_calls_none() {
    let mut chain = Setup::ibft2().system_contracts(&MARK).start();
    let outcome = chain.execute(&[], &chain.state()).unwrap();
    assert!(outcome.bundle.state.is_empty());
    chain.advance(vec![]);
    for address in SYSTEM {
        assert_eq!(chain.slot(address, 0), U256::ZERO, "{address}");
    }
}

#[test]
fn what_the_contracts_answer_becomes_requests_on_ethereum_only() {
    // RETURN(0, 32)
    let answer: Bytes = bytes!("60205ff3");
    let ethereum = Setup::plain().system_contracts(&answer).start();
    let block = ethereum.build(vec![]).executed;
    assert_eq!(block.execution_output.requests.len(), 2);
    let header = block.recovered_block.header();
    assert_eq!(header.requests_hash, Some(block.execution_output.requests.requests_hash()));
    assert_ne!(header.requests_hash, Some(EMPTY_REQUESTS_HASH));

    let bft = Setup::ibft2().system_contracts(&answer).start();
    let block = bft.build(vec![]).executed;
    assert!(block.execution_output.requests.is_empty());
    assert_eq!(block.recovered_block.header().requests_hash, Some(EMPTY_REQUESTS_HASH));
}

#[test]
fn reverting_contracts_break_ethereums_blocks_and_not_ibft2s() {
    let ethereum = Setup::plain().system_contracts(&REVERT).start();
    let error = ethereum.execute(&[], &ethereum.state()).unwrap_err();
    assert!(matches!(error, ExecutionError::InvalidBlock(_)), "{error}");

    let mut bft = Setup::ibft2().system_contracts(&REVERT).start();
    bft.advance(vec![]);
    bft.advance(vec![]);
    assert_eq!(bft.parent.number, 2);
}

#[test]
fn ethereum_requires_the_contracts_of_prague() {
    let ethereum = Setup::plain().start();
    let error = ethereum.execute(&[], &ethereum.state()).unwrap_err();
    assert!(matches!(error, ExecutionError::InvalidBlock(_)), "{error}");
    let cancun = Setup::plain().fork(EthereumHardfork::Cancun).start();
    cancun.execute(&[], &cancun.state()).unwrap();
    let bft = Setup::ibft2().start();
    bft.execute(&[], &bft.state()).unwrap();
}

#[test]
fn osaka_makes_no_difference_for_ibft2() {
    let mut chain = Setup::ibft2().fork(EthereumHardfork::Osaka).system_contracts(&MARK).start();
    chain.advance(vec![]);
    for address in SYSTEM {
        assert_eq!(chain.slot(address, 0), U256::ZERO, "{address}");
    }
}
