//! A development chain with the extension, killed again and again: the sums stay right.

#![allow(clippy::unwrap_used)]

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use jsonrpsee::{
    core::client::{ClientT, Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use peruri_rpc_api::ExExApiClient;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};
use transfer_volume::{NAME, Volume, VolumeApiClient};

/// First account of the mnemonic `test test … junk`, which the preset dev endows.
const RICH: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// Chain id of the preset dev.
const CHAIN_ID: u64 = 7252;
/// Times the process is killed.
const KILLS: u64 = 4;
/// Transfers between two kills.
const TRANSFERS: u64 = 5;

struct Node {
    process: Child,
    client: WsClient,
    heads: Subscription<Value>,
}

impl Node {
    async fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_transfer-volume"))
            .args(["node", "--dev", "--authrpc.disable", "--http.port=0", "--ws.port=0"])
            .args(["--ws.api=eth,exex,volume", "--log.format=json", "--db.min-free=0"])
            .arg("--datadir")
            .arg(folder)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address =
            lines.find_map(|line| ws_address(&line.unwrap())).expect("the node's address");
        // What is not read any more must not stop the node.
        std::thread::spawn(move || lines.for_each(drop));
        let client = WsClientBuilder::default().build(format!("ws://{address}")).await.unwrap();
        let heads = client
            .subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe")
            .await
            .unwrap();
        Self { process, client, heads }
    }

    async fn next_head(&mut self) -> Value {
        self.heads.next().await.unwrap().unwrap()
    }

    /// Sends transfers of 1, 2, 3 … wei with nonces from `first` on, and waits until the last is in a
    /// block.
    async fn transfer(&mut self, from: &PrivateKeySigner, first: u64) {
        let mut last = Value::Null;
        for nonce in first..first + TRANSFERS {
            let raw = transfer(from, nonce);
            last = self.client.request("eth_sendRawTransaction", rpc_params![raw]).await.unwrap();
        }
        loop {
            self.next_head().await;
            let receipt: Value =
                self.client.request("eth_getTransactionReceipt", rpc_params![&last]).await.unwrap();
            if !receipt.is_null() {
                return;
            }
        }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The WebSocket address in the line that says the node is ready.
fn ws_address(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = line.get("ws")?.as_str()?.strip_prefix("Some(")?.strip_suffix(')')?;
    Some(address.to_owned())
}

fn transfer(from: &PrivateKeySigner, nonce: u64) -> Bytes {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::from(nonce + 1),
        ..TxEip1559::default()
    };
    let signature = from.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::Eip1559(tx.into_signed(signature)).encoded_2718().into()
}

#[tokio::test]
async fn killed_at_any_moment_it_counts_every_transfer_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let rich: PrivateKeySigner = RICH.parse().unwrap();
    for kills in 0..KILLS {
        let mut node = Node::start(&data).await;
        node.transfer(&rich, kills * TRANSFERS).await;
        // Whether the extension has seen the last block by now is left to chance.
        node.kill();
    }
    let mut node = Node::start(&data).await;
    let head = node.next_head().await;
    let head = u64::from_str_radix(head["number"].as_str().unwrap().trim_start_matches("0x"), 16);
    loop {
        let heights = node.client.heights().await.unwrap();
        assert_eq!(heights.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [NAME]);
        if heights[0].finished_height >= *head.as_ref().unwrap() {
            break;
        }
        node.next_head().await;
    }
    let transfers = KILLS * TRANSFERS;
    let expected = Volume { transfers, wei: U256::from(transfers * (transfers + 1) / 2) };
    assert_eq!(node.client.total().await.unwrap(), expected);
    assert_eq!(node.client.of(rich.address()).await.unwrap(), expected);
    assert_eq!(node.client.of(Address::repeat_byte(9)).await.unwrap(), Volume::default());
    node.kill();
}
