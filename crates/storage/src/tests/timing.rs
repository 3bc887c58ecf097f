//! Not a benchmark: prints where the time of a commit goes. `cargo test -- --ignored timing`.

use std::time::Instant;

use alloy_primitives::{Address, B256, U256, keccak256};
use peruri_trie::{HashedPostState, HashedStorage};
use reth_primitives_traits::Account;

use super::support::{TestChain, receipt, transaction};

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn block(chain: &TestChain, post: HashedPostState, count: u64) -> crate::ExecutedBlock {
    let head = chain.factory.last_header().unwrap();
    let state = chain.factory.latest().unwrap();
    let start = Instant::now();
    let trie = state.state_root_with_updates(&post).unwrap();
    println!("root {:?}", start.elapsed());
    let topics = vec![B256::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(3)];
    let header = alloy_consensus::Header {
        parent_hash: head.hash(),
        number: head.number + 1,
        state_root: trie.root,
        ..Default::default()
    };
    let transactions: Vec<_> = (0..count).map(|i| transaction(i + head.number * 10_000)).collect();
    let receipts = (0..count)
        .map(|i| receipt(i * 50_000, &[(Address::repeat_byte(5), topics.clone())]))
        .collect();
    let senders = vec![Address::ZERO; transactions.len()];
    let body = peruri_primitives::BlockBody { transactions, ..Default::default() };
    let sealed = peruri_primitives::Block { header: header.into(), body };
    let recovered = peruri_primitives::RecoveredBlock::new_unhashed(sealed, senders);
    crate::ExecutedBlock {
        recovered_block: recovered.into(),
        execution_output: crate::BlockExecutionOutput { receipts, ..Default::default() }.into(),
        hashed_state: post.into(),
        trie: trie.into(),
    }
}

#[test]
#[ignore = "prints figures"]
fn timing() {
    println!("before open: {} MiB", resident());
    let chain = TestChain::new();
    println!("after open: {} MiB", resident());
    let contract = keccak256(Address::repeat_byte(0xcc));
    let code = Some(keccak256([0x60, 1, 0x60, 1, 1]));
    let key = |i: u64| keccak256(i.to_be_bytes());
    for round in 0..8u64 {
        let (first, count) = if round < 4 { (round * 100_000, 100_000) } else { (0, 0) };
        let changed: Vec<u64> = if count > 0 {
            (first..first + count).collect()
        } else {
            (0..1000).map(|i| (i * 397 + round * 13) % 400_000).collect()
        };
        let mut post = HashedPostState::default();
        let mut storage = HashedStorage::default();
        for i in changed {
            let account = Account::new(round, U256::from(i + 1), None);
            post.accounts.insert(key(i), Some(account));
            storage.storage.insert(key(i), U256::from(i + round + 1));
        }
        post.accounts.insert(contract, Some(Account::new(1, U256::from(1), code)));
        post.storages.insert(contract, storage);
        let block = block(&chain, post, if count > 0 { 0 } else { 1000 });
        let start = Instant::now();
        chain.factory.commit_block(&block).unwrap();
        println!("commit {:?}, {} MiB", start.elapsed(), resident());
    }
}
