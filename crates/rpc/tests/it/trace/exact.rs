//! What was executed and what is traced are the same.

use super::chain::{
    CLEARS, CREATES, Chain, FORWARDS, LOOPS, NESTS, REVERTS, STORES, ask, by, lower, number,
};
use crate::support::{Node, Servers, word_of};
use alloy_primitives::{Address, B256, TxKind, U256, bytes};
use peruri_plog::PLOG_ADDRESS;
use peruri_primitives::TransactionSigned;
use peruri_storage::StateProvider as _;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn random_transaction(chain: &mut Chain, rng: &mut StdRng) -> TransactionSigned {
    let word = word_of(rng.random_range(0..3));
    let contracts = [STORES, STORES, CLEARS, REVERTS, LOOPS, NESTS, NESTS, CREATES];
    match rng.random_range(0..8) {
        0 => {
            chain.node.sign(TxKind::Call(Address::repeat_byte(rng.random_range(1..9))), 7, bytes!())
        }
        1 => chain.node.sign(TxKind::Create, 1, bytes!("600160005260206000f3")),
        2 => chain.node.sign(TxKind::Create, 0, bytes!("5f5ffd")),
        3 => chain.send(Address::with_last_byte(rng.random_range(1..10)), word),
        4 | 5 => {
            let call = chain.append_call();
            chain.send([PLOG_ADDRESS, FORWARDS][rng.random_range(0..2)], call)
        }
        // Not the next number of the source: reverted.
        6 if rng.random_bool(0.3) => chain.send(PLOG_ADDRESS, word),
        _ => chain.send(contracts[rng.random_range(0..contracts.len())], word),
    }
}

/// Gas and success of each transaction of a block.
fn receipts(node: &Node, block: u64) -> Vec<(u64, bool)> {
    let mut before = 0;
    let receipts = node.factory.receipts_by_block(block).unwrap().unwrap();
    receipts
        .iter()
        .map(|receipt| {
            let gas = receipt.cumulative_gas_used - before;
            before = receipt.cumulative_gas_used;
            (gas, receipt.success)
        })
        .collect()
}

/// Traces of a block, one a transaction, checked to be those of the transactions alone.
async fn traces(servers: &Servers, block: u64, options: &Value) -> Vec<Value> {
    let params = json!([format!("{block:#x}"), options]);
    let all = ask(servers, "debug_traceBlockByNumber", params).await;
    let mut traces = Vec::new();
    for entry in all.as_array().unwrap() {
        let params = json!([entry["txHash"], options]);
        assert_eq!(ask(servers, "debug_traceTransaction", params).await, entry["result"]);
        traces.push(entry["result"].clone());
    }
    traces
}

/// Gas and success of every tracer are the receipt's.
async fn check_gas(node: &Node, servers: &Servers, block: u64) -> usize {
    let receipts = receipts(node, block);
    let steps = traces(servers, block, &json!({"disableStack": true})).await;
    let calls = traces(servers, block, &by("callTracer")).await;
    assert_eq!((steps.len(), calls.len()), (receipts.len(), receipts.len()));
    for (index, (gas, success)) in receipts.iter().enumerate() {
        let at = format!("transaction {index} of block {block}");
        assert_eq!(steps[index]["gas"], *gas, "{at}");
        assert_eq!(steps[index]["failed"], !success, "{at}");
        assert_eq!(number(&calls[index]["gasUsed"]), *gas, "{at}");
        assert_eq!(calls[index].get("error").is_none(), *success, "{at}");
    }
    receipts.len()
}

/// Accounts and slots as a series of diffs leaves them.
#[derive(Default)]
struct Folded {
    accounts: BTreeMap<(Address, String), Value>,
    slots: BTreeMap<(Address, B256), B256>,
}

impl Folded {
    /// What the diff begins with is what the diffs before it left.
    fn apply(&mut self, diff: &Value) {
        let pre: BTreeMap<Address, Value> = serde_json::from_value(diff["pre"].clone()).unwrap();
        let post: BTreeMap<Address, Value> = serde_json::from_value(diff["post"].clone()).unwrap();
        for (address, account) in &pre {
            for (name, value) in account.as_object().unwrap().iter().filter(|it| it.0 != "storage")
            {
                if let Some(left) = self.accounts.get(&(*address, name.clone())) {
                    assert_eq!(left, value, "{name} of {address}");
                }
            }
            for (slot, value) in storage(account) {
                if let Some(left) = self.slots.get(&(*address, slot)) {
                    assert_eq!(*left, value, "slot {slot} of {address}");
                }
                // Slots that become zero are in the first half only.
                self.slots.insert((*address, slot), B256::ZERO);
            }
        }
        for (address, account) in &post {
            for (name, value) in account.as_object().unwrap().iter().filter(|it| it.0 != "storage")
            {
                self.accounts.insert((*address, name.clone()), value.clone());
            }
            for (slot, value) in storage(account) {
                self.slots.insert((*address, slot), value);
            }
        }
    }

    /// It is what the node has after the block.
    fn check(&self, node: &Node, block: u64) {
        let state = node.factory.history_by_block_number(block).unwrap();
        for ((address, name), value) in &self.accounts {
            let account = state.account(address).unwrap().unwrap();
            match name.as_str() {
                "balance" => assert_eq!(*value, json!(account.balance), "{address}"),
                "nonce" => assert_eq!(*value, account.nonce, "{address}"),
                "code" => {
                    let code = state.bytecode_by_hash(&account.bytecode_hash.unwrap()).unwrap();
                    assert_eq!(*value, json!(code.unwrap().original_bytes()), "{address}");
                }
                "codeHash" => assert_eq!(*value, json!(account.bytecode_hash), "{address}"),
                other => panic!("{other} of {address}"),
            }
        }
        for ((address, slot), value) in &self.slots {
            let now = state.storage(*address, *slot).unwrap();
            assert_eq!(U256::from_be_bytes(value.0), now, "{slot} of {address} after {block}");
        }
    }
}

fn storage(account: &Value) -> BTreeMap<B256, B256> {
    account
        .get("storage")
        .map_or_else(BTreeMap::new, |storage| serde_json::from_value(storage.clone()).unwrap())
}

/// Each transaction of a block is traced in the state in which it ran: the traces' diffs, one after
/// the other, lead from block to block. The transparency log's slots are among them.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_a_random_chain() {
    let seed = 7;
    println!("seed {seed}");
    let (mut chain, mut rng) = (Chain::new(), StdRng::seed_from_u64(seed));
    for _ in 0..8 {
        let txs = (0..6).map(|_| random_transaction(&mut chain, &mut rng)).collect();
        chain.mine(txs);
    }
    // The looper's 500,000 gas are 136,000 steps.
    let limits = peruri_rpc::RpcLimits { max_response_bytes: 1 << 30, ..Default::default() };
    let servers = chain.node.serve_with(limits).await;
    let mut all = Folded::default();
    for block in 1..=8 {
        assert_eq!(check_gas(&chain.node, &servers, block).await, 6);
        let options = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
        for diff in traces(&servers, block, &options).await {
            all.apply(&diff);
        }
        all.check(&chain.node, block);
    }
    let failed = (1..=8).flat_map(|block| receipts(&chain.node, block)).filter(|it| !it.1).count();
    assert!((5..40).contains(&failed), "{failed} of 48 failed");
    let log_slots = all.slots.keys().filter(|(address, _)| *address == PLOG_ADDRESS).count();
    assert!(log_slots >= 4, "{log_slots} slots of the log were written");
}

/// The chain of the execution API's vectors: proof of work, then proof of stake with its system
/// calls, withdrawals, blobs and delegations.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_the_vectors() {
    let Some(node) = crate::vectors::vectors_node() else { return };
    let servers = node.serve().await;
    let head = node.factory.best_block_number().unwrap();
    let mut count = 0;
    for block in 1..=head {
        count += check_gas(&node, &servers, block).await;
    }
    println!("{count} transactions in {head} blocks");
    assert!(count >= 100, "{count}");
}

/// State and environment of a later transaction are those after the earlier ones of its block.
#[tokio::test(flavor = "multi_thread")]
async fn earlier_transactions_come_first() {
    let mut chain = Chain::new();
    let txs = (1..4).map(|word| chain.send(STORES, word_of(word))).collect();
    let block = chain.mine(txs);
    let servers = chain.node.serve().await;
    let options = json!({"tracer": "prestateTracer"});
    let number = json!([format!("{:#x}", block.number()), options]);
    let traces = ask(&servers, "debug_traceBlockByNumber", number).await;
    for (before, entry) in (0..3).zip(traces.as_array().unwrap()) {
        let stores = &entry["result"][lower(STORES)];
        let slot = &stores["storage"][B256::ZERO.to_string()];
        assert_eq!(*slot, json!(B256::with_last_byte(before)), "{entry}");
    }
}
