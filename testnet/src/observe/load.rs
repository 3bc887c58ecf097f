//! Transactions at a steady rate to all nodes, through their crashes.

use crate::{
    Client, Network, Result, SCENARIO_TOKEN, SignedTransaction, Wallet, dev_wallet, stranger,
};
use alloy_primitives::{Address, U256};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};

/// How often each node gets its share.
const PERIOD: Duration = Duration::from_millis(200);
/// How long a node may take to take it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most transactions in one batch.
const MOST: usize = 100;

/// A load that ends when it is dropped. Each node has a sender of its own, so that one that is down
/// leaves no gap in the nonces of another.
#[derive(Debug)]
pub struct SteadyLoad {
    rate: watch::Sender<f64>,
    accepted: Arc<AtomicU64>,
    // Aborts its tasks when dropped.
    _tasks: JoinSet<()>,
}

impl SteadyLoad {
    /// Sends `rate` transactions a second to these nodes, in equal shares; they need not run yet.
    ///
    /// # Errors
    /// As [`dev_wallet`].
    pub fn start(servers: &[SocketAddr], network: Network, rate: f64) -> Result<Self> {
        let (sender, receiver) = watch::channel(rate / servers.len().max(1) as f64);
        let accepted = Arc::default();
        let mut tasks = JoinSet::new();
        for (index, server) in servers.iter().enumerate() {
            let source = Source {
                client: Client::new(*server),
                wallet: dev_wallet(index, network)?,
                first_receiver: (index as u64) << 32,
                rate: receiver.clone(),
                accepted: Arc::clone(&accepted),
                due: 0.0,
                stale: true,
            };
            tasks.spawn(source.run());
        }
        Ok(Self { rate: sender, accepted, _tasks: tasks })
    }

    /// Changes the rate of all nodes together, in transactions a second.
    pub fn set_rate(&self, rate: f64, nodes: usize) {
        self.rate.send_replace(rate / nodes.max(1) as f64);
    }

    /// Transactions that a node has accepted into its pool.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

struct Source {
    client: Client,
    wallet: Wallet,
    first_receiver: u64,
    rate: watch::Receiver<f64>,
    accepted: Arc<AtomicU64>,
    /// Transactions that should have been sent by now.
    due: f64,
    /// Whether the nonce must be asked for.
    stale: bool,
}

impl Source {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.due += *self.rate.borrow() * PERIOD.as_secs_f64();
            let count = (self.due as usize).min(MOST);
            self.due = (self.due - count as f64).min(MOST as f64);
            let sent = tokio::time::timeout(PATIENCE, self.send(count)).await;
            // A node that is down or slow, or that refuses: go on from what the chain has.
            self.stale |= !matches!(sent, Ok(Ok(true)));
        }
    }

    /// A transfer or, every third time, an approval, which leaves a slot and a log behind.
    fn next(&mut self, to: Address) -> Result<SignedTransaction> {
        match self.wallet.nonce() % 3 {
            2 => SCENARIO_TOKEN.approve(&mut self.wallet, to, U256::from(1)),
            _ => self.wallet.transfer(to, U256::from(1)),
        }
    }

    /// Sends `count` transactions; true if all were accepted.
    async fn send(&mut self, count: usize) -> Result<bool> {
        if self.stale {
            let nonce = self.client.nonce(self.wallet.address()).await?;
            self.wallet.set_nonce(nonce);
            self.stale = false;
        }
        if count == 0 {
            return Ok(true);
        }
        let mut requests = Vec::with_capacity(count);
        for id in 0..count {
            let to = stranger(self.first_receiver + self.wallet.nonce());
            let signed = self.next(to)?;
            requests.push(json!({
                "jsonrpc": "2.0", "id": id,
                "method": "eth_sendRawTransaction", "params": [signed.raw],
            }));
        }
        let body = Value::Array(requests).to_string().into_bytes();
        let answers = self.client.post("eth_sendRawTransaction", body).await?;
        let answers = answers.as_array().map(Vec::as_slice).unwrap_or_default();
        let good = answers.iter().filter(|answer| answer.get("result").is_some()).count();
        self.accepted.fetch_add(good as u64, Ordering::Relaxed);
        Ok(good == count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::fake::fake_node;
    use alloy_consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
    use alloy_eips::eip2718::Decodable2718;
    use alloy_primitives::Bytes;
    use parking_lot::Mutex;
    use std::collections::BTreeMap;
    use tokio::time::Instant;

    const NETWORK: Network = Network { chain_id: 7, max_fee_per_gas: 0 };

    /// Nonces that nodes got by sender.
    type Got = Arc<Mutex<BTreeMap<Address, Vec<u64>>>>;

    /// A node whose chain gives everybody nonce 3.
    async fn node(got: Got) -> SocketAddr {
        let answers = move |method: &str, params: &Value| match method {
            "eth_getTransactionCount" => json!("0x3"),
            _ => {
                let raw: Bytes = params[0].as_str().expect("hex").parse().expect("hex");
                let transaction = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("decodes");
                let sender = transaction.recover_signer().expect("recovers");
                got.lock().entry(sender).or_default().push(transaction.nonce());
                json!(transaction.tx_hash())
            }
        };
        fake_node(Arc::new(Mutex::new(answers))).await
    }

    async fn until(condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("in time");
    }

    #[tokio::test]
    async fn each_node_gets_its_share_from_a_sender_of_its_own() {
        let got = Got::default();
        let servers = [node(Arc::clone(&got)).await, node(Arc::clone(&got)).await];
        let start = Instant::now();
        let load = SteadyLoad::start(&servers, NETWORK, 40.0).expect("load");
        until(|| load.accepted() >= 60).await;
        // 40 a second; the first of each node comes at once.
        assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
        load.set_rate(0.0, 2);
        let got = got.lock();
        assert_eq!(got.len(), 2);
        for nonces in got.values() {
            let expected: Vec<_> = (3..).take(nonces.len()).collect();
            assert_eq!(nonces, &expected, "no gap, no repetition");
        }
    }

    #[tokio::test]
    async fn a_node_that_is_away_does_not_end_the_load() {
        let got = Got::default();
        let nobody = ([127, 0, 0, 1], crate::free_port().expect("port")).into();
        let servers = [nobody, node(Arc::clone(&got)).await];
        let load = SteadyLoad::start(&servers, NETWORK, 100.0).expect("load");
        until(|| load.accepted() >= 50).await;
        assert_eq!(got.lock().len(), 1);
    }
}
