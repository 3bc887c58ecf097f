use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::support::{Edit, RICH, TestChain, receipt, transaction};
use crate::{DbOptions, HistoryWindows, LogTerm, ProviderError};

#[test]
fn blocks_transactions_and_receipts_come_back() {
    let mut chain = TestChain::new();
    for count in [0usize, 1, 33, 200] {
        let transactions: Vec<_> =
            (0..count as u64).map(|i| transaction(i + 1000 * count as u64)).collect();
        let receipts: Vec<_> = (0..count as u64)
            .map(|i| receipt(21_000 * (i + 1), &[(RICH, vec![B256::with_last_byte(i as u8)])]))
            .collect();
        let block = chain.commit_with(transactions.clone(), receipts.clone());
        let number = block.number();
        let read = chain.factory.recovered_block(number).unwrap().unwrap();
        assert_eq!(*read, *block.recovered_block);
        assert_eq!(read.hash(), block.hash());
        assert_eq!(chain.factory.recovered_block_by_hash(block.hash()).unwrap().unwrap(), read);
        assert_eq!(
            chain.factory.block_by_number(number).unwrap().unwrap(),
            block.recovered_block.clone_block()
        );
        assert_eq!(chain.factory.receipts_by_block(number).unwrap().unwrap(), receipts);
        assert_eq!(chain.factory.transaction_count(number).unwrap(), Some(count));
        for (index, transaction) in transactions.iter().enumerate() {
            let hash = *transaction.tx_hash();
            let (read, meta) = chain.factory.transaction_by_hash(hash).unwrap().unwrap();
            assert_eq!(&read, transaction);
            assert_eq!((meta.block_number, meta.index), (number, index as u64));
            assert_eq!((meta.block_hash, meta.sender), (block.hash(), RICH));
            let (read, at, place) = chain.factory.receipt_by_hash(hash).unwrap().unwrap();
            assert_eq!((at, place), (number, index as u64));
            assert_eq!(read.receipt, receipts[index]);
            assert_eq!((read.gas_used, read.first_log_index), (21_000, index as u64));
        }
    }
    let chain = chain.reopen();
    assert_eq!(chain.factory.best_block_number().unwrap(), 4);
    assert_eq!(chain.factory.transaction_by_hash(B256::ZERO).unwrap(), None);
    assert_eq!(chain.factory.recovered_block(5).unwrap(), None);
    assert_eq!(chain.factory.receipts_by_block(5).unwrap(), None);
    assert_eq!(chain.factory.block_number(B256::ZERO).unwrap(), None);
}

#[test]
fn the_log_index_equals_brute_force() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut chain = TestChain::new();
    let address = |i: u8| Address::repeat_byte(i);
    let topic = |i: u8| B256::repeat_byte(i);
    let mut logs: Vec<Vec<(Address, Vec<B256>)>> = vec![Vec::new()];
    for _ in 0..60 {
        let block: Vec<_> = (0..rng.random_range(0..3))
            .map(|_| {
                let from = address(rng.random_range(0..5));
                let topics = (0..rng.random_range(0..4)).map(|_| topic(rng.random_range(0..5)));
                (from, topics.collect())
            })
            .collect();
        chain.commit_with(vec![transaction(logs.len() as u64)], vec![receipt(1, &block)]);
        logs.push(block);
    }
    let chain = chain.reopen();
    for _ in 0..300 {
        let addresses: Vec<_> =
            (0..rng.random_range(0..3)).map(|_| address(rng.random_range(0..6))).collect();
        let topics: Vec<Vec<_>> = (0..rng.random_range(0..3))
            .map(|_| (0..rng.random_range(0..3)).map(|_| topic(rng.random_range(0..6))).collect())
            .collect();
        let range = rng.random_range(0..70u64)..=rng.random_range(0..70u64);
        let expected: BTreeSet<u64> = (0..logs.len() as u64)
            .filter(|number| range.contains(number))
            .filter(|number| {
                let logs = &logs[*number as usize];
                let any_address =
                    addresses.is_empty() || logs.iter().any(|(a, _)| addresses.contains(a));
                any_address
                    && topics.iter().filter(|any| !any.is_empty()).all(|any| {
                        logs.iter().any(|(_, topics)| topics.iter().any(|t| any.contains(t)))
                    })
            })
            .collect();
        let found = chain.factory.blocks_matching(&addresses, &topics, range).unwrap();
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), expected);
    }
    let term = LogTerm::Address(address(200));
    assert!(chain.factory.blocks_with_term(term, 0..=u64::MAX).unwrap().is_empty());
}

#[test]
fn receipts_leave_their_window() {
    let history = HistoryWindows { receipts: Some(3), ..HistoryWindows::default() };
    let mut chain = TestChain::with_options(DbOptions { history, ..DbOptions::default() });
    for number in 1..=10u64 {
        chain.commit_with(vec![transaction(number)], vec![receipt(1, &[])]);
    }
    assert_eq!(chain.factory.windows().unwrap().receipts, 7);
    assert!(chain.factory.receipts_by_block(7).unwrap().is_some());
    match chain.factory.receipts_by_block(6) {
        Err(ProviderError::OutsideWindow { what: "receipts", requested: 6, oldest: 7 }) => {}
        other => panic!("{other:?}"),
    }
    assert!(chain.factory.recovered_block(1).unwrap().is_some());
}

#[test]
fn figures_and_checkpoint() {
    let mut chain = TestChain::new();
    chain.commit(&[Edit::Account(RICH, 1, 1)]);
    let stats = chain.factory.stats().unwrap();
    assert!(stats.columns.iter().any(|column| column.name == "headers" && column.rows > 0));
    assert!(chain.factory.free_space().unwrap() > 0);
    let copy = chain.dir.path().join("copy");
    chain.factory.checkpoint(&copy).unwrap();
    let opened =
        crate::ProviderFactory::open(&copy, super::support::chain_spec(1), DbOptions::default())
            .unwrap();
    assert_eq!(opened.best_block_number().unwrap(), 1);
    assert!(opened.verify_state(&mut crate::NoProgress).unwrap().is_clean());
    assert!(chain.factory.checkpoint(&copy).is_err());
}
