//! Raw transactions: singly, in batches, and at the same time.

use crate::support::{Node, error_of, raw};
use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxLegacy};
use alloy_primitives::{Address, TxKind, U256};
use alloy_signer::SignerSync;
use peruri_rpc_api::EthApiClient as _;
use peruri_txpool::TransactionPool;
use serde_json::json;

fn send(id: usize, raw: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["{raw}"]}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_answered_entry_by_entry_in_order() {
    let mut node = Node::new();
    let to = Address::repeat_byte(1);
    let txs: Vec<_> = (0..50).map(|_| node.sign_legacy(to)).collect();
    let servers = node.serve().await;
    let mut entries: Vec<String> =
        txs.iter().enumerate().map(|(id, tx)| send(id, &raw(tx).to_string())).collect();
    entries.insert(20, r#"{"jsonrpc":"2.0","id":"x","method":"eth_chainId"}"#.to_owned());
    entries.insert(30, send(900, "0x0102"));
    entries.insert(31, r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#.to_owned());
    entries.insert(
        32,
        r#"{"jsonrpc":"2.0","id":901,"method":"eth_sendRawTransaction","params":[5]}"#.to_owned(),
    );
    entries.insert(33, "7".to_owned());
    let answer = servers.json(&format!("[{}]", entries.join(","))).await;
    let answers = answer.as_array().unwrap();
    // The notification has no answer.
    assert_eq!(answers.len(), 54);
    assert_eq!(answers[20]["result"], "0x1c54");
    assert_eq!(error_of(&answers[30]).0, -32000);
    assert_eq!(error_of(&answers[31]).0, -32602);
    assert_eq!(error_of(&answers[32]).0, -32600);
    let is_hash = |value: &&serde_json::Value| value.as_str().is_some_and(|r| r.len() == 66);
    let hashes: Vec<_> =
        answers.iter().map(|entry| &entry["result"]).filter(is_hash).cloned().collect();
    let expected: Vec<_> = txs.iter().map(|tx| json!(tx.tx_hash())).collect();
    assert_eq!(hashes, expected);
    assert_eq!(node.pool.status().pending, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once() {
    let mut node = Node::new();
    let to = Address::repeat_byte(1);
    let txs: Vec<_> = (0..64).map(|_| node.sign_legacy(to)).collect();
    let servers = node.serve().await;
    let tasks: Vec<_> = txs
        .into_iter()
        .map(|tx| {
            let client = servers.client();
            tokio::spawn(async move {
                assert_eq!(client.send_raw_transaction(raw(&tx)).await.unwrap(), *tx.tx_hash());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(node.pool.status().pending, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_transactions_are_refused_with_the_reason() {
    let mut node = Node::new();
    let servers = node.serve().await;
    let tx = node.sign_legacy(Address::repeat_byte(1));
    let bytes = raw(&tx).to_string();
    assert_eq!(
        servers.request("eth_sendRawTransaction", json!([bytes])).await["error"],
        json!(null)
    );
    let again = servers.error("eth_sendRawTransaction", json!([bytes])).await;
    assert_eq!(again, (-32000, "already known".to_owned()));
    let foreign = TxLegacy {
        chain_id: Some(1),
        gas_limit: 21_000,
        gas_price: 10_000_000_000,
        to: TxKind::Call(Address::ZERO),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = node.signer.sign_hash_sync(&foreign.signature_hash()).unwrap();
    let foreign = EthereumTxEnvelope::Legacy(foreign.into_signed(signature));
    let (code, message) =
        servers.error("eth_sendRawTransaction", json!([raw(&foreign).to_string()])).await;
    assert_eq!(code, -32000);
    assert!(message.contains("invalid chain id"), "{message}");
    for junk in ["0x", "0x00", "0xc0", "0x02c0", "0x04", "0xff00"] {
        let (code, _) = servers.error("eth_sendRawTransaction", json!([junk])).await;
        assert_eq!(code, -32000, "{junk}");
    }
    assert_eq!(node.pool.status().total(), 1);
}

/// EIP-7966: the receipt when there is a block, or why there is none.
#[tokio::test(flavor = "multi_thread")]
async fn senders_may_wait_for_the_receipt() {
    let mut node = Node::new();
    let servers = node.serve().await;
    let to = Address::repeat_byte(1);
    let tx = node.sign_legacy(to);
    let (hash, raw_tx) = (*tx.tx_hash(), raw(&tx));
    // No block comes.
    let params = json!([raw_tx, 20]);
    let answer = servers.request("eth_sendRawTransactionSync", params).await;
    assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(4), &json!(hash)));
    // The pool has it already.
    let params = json!([raw_tx]);
    assert_eq!(servers.error("eth_sendRawTransactionSync", params).await.0, -32000);
    // One does, while the sender waits.
    let next = node.sign_legacy(to);
    let (next_hash, next_raw) = (*next.tx_hash(), raw(&next));
    let client = servers.client();
    let waiting =
        tokio::spawn(async move { client.send_raw_transaction_sync(next_raw, None).await });
    let mut pending = node.pool.pending_transactions_listener();
    while !node.pool.contains(&next_hash) {
        pending.recv().await.unwrap();
    }
    node.mine(vec![tx, next]);
    let receipt = waiting.await.unwrap().unwrap().decode().unwrap();
    assert_eq!((receipt.transaction_hash, receipt.block_number), (next_hash, Some(1)));
    // Its nonce is the one after the next.
    node.nonce += 1;
    let gap = node.sign_legacy(to);
    let answer = servers.request("eth_sendRawTransactionSync", json!([raw(&gap)])).await;
    let expected = (&json!(5), &json!(gap.tx_hash()));
    assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), expected);
}
