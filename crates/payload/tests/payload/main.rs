//! Building blocks from a real pool on a real database.
#![allow(clippy::unwrap_used)]

mod lane;
mod support;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, TxKind, U256};
use alloy_rlp::Encodable;
use peruri_payload::{BuildError, BuildLimits, StopReason};
use peruri_txpool::TransactionPool;
use std::time::{Duration, Instant};
use support::{Chain, Curse, ETHER, Haunted, PAUPER, call, hashes, sign, signer, transfer};

const UNLIMITED: BuildLimits = BuildLimits::bytes(usize::MAX);

#[test]
fn a_built_block_is_what_validation_finds() {
    let chain = Chain::new();
    chain.add((0..5).flat_map(|n| [transfer(n, 0), transfer(n, 1)]).collect());
    let outcome = chain.build(&chain.arguments()).unwrap();
    assert_eq!(outcome.stopped_by, StopReason::PoolExhausted);
    let built = outcome.assembled.executed;
    assert_eq!(built.recovered_block.header().gas_used, 10 * 21_000);

    let again =
        chain.evm_config.process_block((*built.recovered_block).clone(), &*chain.state()).unwrap();
    assert_eq!(again.hash(), built.hash());
    assert_eq!(again.execution_output, built.execution_output);
    assert_eq!(again.trie.root, built.recovered_block.header().state_root);
}

#[test]
fn an_empty_pool_gives_an_empty_block() {
    let chain = Chain::new();
    let outcome = chain.build(&chain.arguments()).unwrap();
    let header = outcome.assembled.executed.recovered_block.header().clone();
    let parent = chain.provider.last_header().unwrap();
    assert_eq!((header.number, header.gas_used), (1, 0));
    assert_eq!(header.state_root, parent.state_root);
    assert_eq!(outcome.assembled.fees, 0);
}

#[test]
fn senders_take_turns() {
    let chain = Chain::new();
    let flood = chain.add((0..4).map(|nonce| transfer(0, nonce)).collect());
    let other = chain.add(vec![transfer(1, 0)]);
    let outcome = chain.build(&chain.arguments()).unwrap();
    assert_eq!(hashes(&outcome), [flood[0], other[0], flood[1], flood[2], flood[3]]);
}

#[test]
fn an_invalid_transaction_is_left_out_with_its_descendants() {
    let chain = Chain::new();
    let invalid = chain.add(vec![transfer(PAUPER, 0), transfer(PAUPER, 1)]);
    let valid = chain.add((0..3).map(|n| transfer(n, 0)).collect());
    let outcome = chain.build(&chain.arguments()).unwrap();
    assert_eq!(hashes(&outcome), valid);
    assert_eq!(outcome.invalid, invalid[..1], "of the descendant nothing is known");
    assert!(chain.pool.contains(&invalid[0]), "what to drop is the caller's decision");
}

#[test]
fn a_transaction_that_an_earlier_one_made_unaffordable_is_left_out() {
    let chain = Chain::new();
    let spend = |nonce, wei| sign(PAUPER, TxEip1559 { nonce, value: U256::from(wei), ..call() });
    let gift = TxEip1559 {
        to: TxKind::Call(signer(PAUPER).address()),
        value: U256::from(1_000),
        ..call()
    };
    let gift = chain.add(vec![sign(0, gift)]);
    let spent = chain.add(vec![spend(0, 600), spend(1, 600)]);
    let outcome = chain.build(&chain.arguments()).unwrap();
    assert_eq!(hashes(&outcome), [gift[0], spent[0]]);
    assert_eq!(outcome.invalid, [spent[1]]);
}

#[test]
fn the_gas_limit_ends_the_block() {
    let chain = Chain::new();
    chain.add((0..5).map(|n| transfer(n, 0)).collect());
    let mut arguments = chain.arguments();
    arguments.attributes.gas_limit = 2 * 21_000 + 20_999;
    let outcome = chain.build(&arguments).unwrap();
    assert_eq!(hashes(&outcome).len(), 2);
    assert_eq!(outcome.stopped_by, StopReason::GasLimit);
    assert!(outcome.invalid.is_empty());
}

#[test]
fn a_transaction_with_more_gas_than_is_left_waits_and_others_go_on() {
    let chain = Chain::new();
    let big = chain.add(vec![sign(0, TxEip1559 { gas_limit: 100_000, ..call() })]);
    let after_big = chain.add(vec![transfer(0, 1)]);
    let small = chain.add(vec![transfer(1, 0), transfer(2, 0)]);
    let mut arguments = chain.arguments();
    arguments.attributes.gas_limit = 99_999;
    let outcome = chain.build(&arguments).unwrap();
    assert_eq!(hashes(&outcome), small);
    assert_eq!(outcome.stopped_by, StopReason::PoolExhausted);
    assert!(outcome.invalid.is_empty(), "it fits into another block");
    assert!(chain.pool.contains(&big[0]) && chain.pool.contains(&after_big[0]));
}

#[test]
fn a_block_is_never_longer_than_its_limit() {
    let chain = Chain::new();
    for n in 0..5 {
        let payload = vec![n; 3_000 * usize::from(n)];
        let tx = TxEip1559 { input: payload.into(), gas_limit: 1_000_000, ..call() };
        chain.add(vec![sign(n.into(), tx)]);
    }
    let length = |max_bytes| {
        let outcome = chain.build(&chain.limited(BuildLimits::bytes(max_bytes))).unwrap();
        assert!(outcome.invalid.is_empty());
        let block = &outcome.assembled.executed.recovered_block;
        (hashes(&outcome).len(), block.sealed_block().length())
    };
    assert_eq!(length(0).0, 0);
    let mut counts = Vec::new();
    for max_bytes in (8_000..60_000).step_by(1_000) {
        let (count, bytes) = length(max_bytes);
        assert!(bytes <= max_bytes, "{bytes} of {max_bytes}");
        counts.push(count);
    }
    assert_eq!(counts.iter().max(), Some(&5));
    assert!(counts.iter().any(|count| (1..5).contains(count)));
}

#[test]
fn the_number_of_transactions_is_bounded() {
    let chain = Chain::new();
    chain.add((0..5).map(|n| transfer(n, 0)).collect());
    for (max_transactions, reason) in
        [(0, StopReason::MaxTransactions), (3, StopReason::MaxTransactions)]
    {
        let limits = BuildLimits { max_transactions, ..UNLIMITED };
        let outcome = chain.build(&chain.limited(limits)).unwrap();
        assert_eq!((hashes(&outcome).len(), outcome.stopped_by), (max_transactions, reason));
    }
}

#[test]
fn after_the_deadline_no_transaction_is_begun() {
    let chain = Chain::new();
    chain.add((0..5).map(|n| transfer(n, 0)).collect());
    let now = Instant::now();
    let past = BuildLimits { deadline: Some(now), ..UNLIMITED };
    let outcome = chain.build(&chain.limited(past)).unwrap();
    assert_eq!((hashes(&outcome).len(), outcome.stopped_by), (0, StopReason::Deadline));
    let far = BuildLimits { deadline: now.checked_add(Duration::from_secs(3600)), ..UNLIMITED };
    assert_eq!(hashes(&chain.build(&chain.limited(far)).unwrap()).len(), 5);
}

#[test]
fn a_transaction_whose_execution_panics_is_named() {
    let chain = Chain::new();
    let all = chain.add((0..3).map(|n| transfer(n, 0)).collect());
    let state = Haunted { inner: chain.state(), account: signer(1).address(), curse: Curse::Panic };
    let error = chain.build_on(&chain.arguments(), &state).unwrap_err();
    assert!(
        matches!(&error, BuildError::Panicked { hash, message }
            if *hash == all[1] && message.contains("haunted")),
        "{error}"
    );
    assert!(all.iter().all(|hash| chain.pool.contains(hash)));
}

#[test]
fn a_failed_read_is_the_nodes_fault_and_blames_no_transaction() {
    let chain = Chain::new();
    let all = chain.add((0..3).map(|n| transfer(n, 0)).collect());
    let state = Haunted { inner: chain.state(), account: signer(1).address(), curse: Curse::Fail };
    let error = chain.build_on(&chain.arguments(), &state).unwrap_err();
    assert!(matches!(&error, BuildError::Execution(error) if error.is_internal()), "{error}");
    assert!(all.iter().all(|hash| chain.pool.contains(hash)));
    assert_eq!(hashes(&chain.build(&chain.arguments()).unwrap()), all, "nothing was remembered");
}

#[test]
fn building_exactly_repeats_a_block_and_refuses_what_is_invalid() {
    let chain = Chain::new();
    chain.add((0..4).map(|n| transfer(n, 0)).collect());
    let arguments = chain.arguments();
    let first = chain.build(&arguments).unwrap().assembled.executed;
    let state = chain.state();
    let exact = |from, count| {
        let transactions = first.recovered_block.transactions_recovered().skip(from).take(count);
        chain.builder.build_exact(&arguments, &*state, transactions)
    };
    assert_eq!(exact(0, 4).unwrap().executed.hash(), first.hash());
    assert_eq!(exact(0, 2).unwrap().executed.recovered_block.header().gas_used, 2 * 21_000);

    let once = || first.recovered_block.transactions_recovered().take(1);
    let twice = once().chain(once());
    let error = chain.builder.build_exact(&arguments, &*state, twice).unwrap_err();
    assert!(
        matches!(&error, BuildError::Execution(error) if error.is_invalid_transaction()),
        "{error}"
    );
}

#[test]
fn fees_are_what_the_beneficiary_earns() {
    let chain = Chain::new();
    let paying = TxEip1559 {
        max_fee_per_gas: 7,
        max_priority_fee_per_gas: 3,
        to: TxKind::Call(Address::repeat_byte(0x22)),
        ..call()
    };
    chain.add(vec![sign(0, paying)]);
    let outcome = chain.build(&chain.arguments()).unwrap();
    assert_eq!(outcome.assembled.fees, 3 * 21_000);
    assert!(outcome.assembled.fees < u128::from(ETHER));
}
