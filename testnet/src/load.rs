//! A steady load of transactions from a task of its own.

use crate::{Client, Result, Token, Wallet};
use alloy_primitives::{Address, U256, keccak256};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// What a load did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Transactions accepted by the node.
    pub accepted: u64,
    /// Transactions that it refused.
    pub refused: u64,
}

/// A running load; it ends when the connection breaks or this is dropped.
#[derive(Debug)]
pub struct Load {
    accepted: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

impl Load {
    /// Sends batches of `batch` transactions every `period`: transfers and, with `token`, ERC-20
    /// transfers by turns, each to an address never seen before. Starts at the wallet's nonce.
    pub fn start(
        server: SocketAddr,
        wallet: Wallet,
        token: Option<Token>,
        batch: usize,
        period: Duration,
    ) -> Self {
        let accepted = Arc::new(AtomicU64::new(0));
        let refused = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(run(
            Client::new(server),
            wallet,
            token,
            batch,
            period,
            Arc::clone(&accepted),
            Arc::clone(&refused),
        ));
        Self { accepted, refused, task }
    }

    /// What it did so far.
    pub fn report(&self) -> LoadReport {
        LoadReport {
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    client: Client,
    mut wallet: Wallet,
    token: Option<Token>,
    batch: usize,
    period: Duration,
    accepted: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
) -> Result<()> {
    let mut ticks = tokio::time::interval(period);
    loop {
        ticks.tick().await;
        let mut requests = Vec::with_capacity(batch);
        for id in 0..batch {
            let to = stranger(wallet.nonce());
            let signed = match token {
                Some(token) if id % 2 == 1 => token.transfer(&mut wallet, to, U256::from(1))?,
                _ => wallet.transfer(to, U256::from(1))?,
            };
            requests.push(json!({
                "jsonrpc": "2.0", "id": id,
                "method": "eth_sendRawTransaction", "params": [signed.raw],
            }));
        }
        let body = serde_json::Value::Array(requests).to_string().into_bytes();
        let answers = client.post("eth_sendRawTransaction", body).await?;
        let answers = answers.as_array().map_or(&[][..], Vec::as_slice);
        let good = answers.iter().filter(|answer| answer.get("result").is_some()).count() as u64;
        accepted.fetch_add(good, Ordering::Relaxed);
        refused.fetch_add(batch as u64 - good, Ordering::Relaxed);
        if good < batch as u64 {
            // A full pool or a gap after a restart: go on from what the chain has.
            let nonce = client.nonce(wallet.address()).await?;
            wallet.set_nonce(nonce);
        }
    }
}

/// An address that nobody holds a key of, different for each `index`.
pub fn stranger(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_differ() {
        assert_ne!(stranger(0), stranger(1));
    }

    #[tokio::test]
    async fn a_load_ends_with_its_server() {
        let network = crate::Network { chain_id: 1, max_fee_per_gas: 0 };
        let wallet = crate::dev_wallet(0, network).expect("key");
        let nobody = SocketAddr::from(([127, 0, 0, 1], crate::free_port().expect("port")));
        let mut load = Load::start(nobody, wallet, None, 2, Duration::from_millis(1));
        let ended = (&mut load.task).await.expect("no panic");
        assert!(ended.expect_err("refused").is_connection());
        assert_eq!(load.report(), LoadReport::default());
    }
}
