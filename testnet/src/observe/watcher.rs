//! A task per node that follows its head and reads every block.

use super::{HeadSample, Observations};
use crate::{Client, Result, TestnetError, rpc};
use alloy_primitives::B256;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// How often a node is asked for its head.
const POLL: Duration = Duration::from_millis(100);
/// How long an answer may take before the node counts as silent (paused, for example).
const PATIENCE: Duration = Duration::from_secs(2);
/// Most blocks read between two looks at the head.
const AT_ONCE: u64 = 20;

/// Watches nodes until it is dropped.
#[derive(Debug)]
pub struct Observer {
    start: Instant,
    seen: Arc<Mutex<Observations>>,
    lives: Vec<Arc<AtomicU32>>,
    // Aborts its tasks when dropped.
    _tasks: JoinSet<()>,
}

impl Observer {
    /// Watches the nodes behind these addresses; they need not run yet.
    pub fn start(servers: &[SocketAddr]) -> Self {
        let start = Instant::now();
        let seen = Arc::default();
        let lives: Vec<Arc<AtomicU32>> = servers.iter().map(|_| Arc::default()).collect();
        let mut tasks = JoinSet::new();
        for (node, (server, life)) in servers.iter().zip(&lives).enumerate() {
            let watcher = Watcher {
                node,
                client: Client::new(*server),
                start,
                life: Arc::clone(life),
                seen: Arc::clone(&seen),
                next: 1,
            };
            tasks.spawn(watcher.run());
        }
        Self { start, seen, lives, _tasks: tasks }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The node's data is set back on purpose: what it showed before does not bind it any more.
    pub fn new_life(&self, node: usize) {
        self.lives[node].fetch_add(1, Ordering::SeqCst);
    }

    /// Everything seen so far.
    pub fn seen(&self) -> Observations {
        self.seen.lock().clone()
    }

    /// The node's newest head seen.
    pub fn head(&self, node: usize) -> Option<u64> {
        self.seen.lock().heads.iter().rev().find(|it| it.node == node).map(|it| it.head)
    }
}

struct Watcher {
    node: usize,
    client: Client,
    start: Instant,
    life: Arc<AtomicU32>,
    seen: Arc<Mutex<Observations>>,
    next: u64,
}

impl Watcher {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A node that is down, starting or paused gives no answer; that is no finding here.
            if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, self.look()).await
                && !error.is_connection()
            {
                self.seen.lock().errors.insert(format!("node {}: {error}", self.node));
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        let life = self.life.load(Ordering::SeqCst);
        let head = self.client.block_number().await?;
        // The answer of a process that was stopped meanwhile belongs to its life before.
        if life != self.life.load(Ordering::SeqCst) {
            return Ok(());
        }
        let sample = HeadSample { node: self.node, at: self.start.elapsed(), life, head };
        self.seen.lock().note_head(sample);
        let last = head.min(self.next.saturating_add(AT_ONCE));
        while self.next <= last {
            let Some(block) = self.client.block(format!("{:#x}", self.next)).await? else {
                return Ok(());
            };
            let (hash, transactions) = parse(&block)?;
            self.seen.lock().note_block(self.node, self.next, hash, &transactions);
            self.next += 1;
        }
        Ok(())
    }
}

fn parse(block: &Value) -> Result<(B256, Vec<B256>)> {
    let method = "eth_getBlockByNumber";
    let hash = rpc::parse(method, "a block hash", &block["hash"])?;
    let transactions = block["transactions"].as_array().ok_or_else(|| TestnetError::Answer {
        method: method.to_owned(),
        expected: "transactions",
        got: block.to_string(),
    })?;
    let hashes = transactions.iter().map(|it| rpc::parse(method, "a transaction hash", it));
    Ok((hash, hashes.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::fake::fake_node;
    use serde_json::json;

    /// A node with this head, whose block i has a hash and one transaction made of byte i.
    async fn node(head: Arc<Mutex<u64>>) -> SocketAddr {
        let answers = move |method: &str, params: &Value| match method {
            "eth_blockNumber" => json!(format!("{:#x}", *head.lock())),
            _ => {
                let number = rpc::quantity(method, &params[0]).expect("a number");
                let hash = B256::with_last_byte(u8::try_from(number).expect("small"));
                json!({ "number": params[0], "hash": hash, "transactions": [hash] })
            }
        };
        fake_node(Arc::new(Mutex::new(answers))).await
    }

    /// Waits for something to be seen.
    async fn until(observer: &Observer, seen: impl Fn(&Observations) -> bool) -> Observations {
        let wait = async {
            while !seen(&observer.seen()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("seen in time");
        observer.seen()
    }

    #[tokio::test]
    async fn heads_blocks_and_transactions_of_all_nodes_are_seen() {
        let heads = [3, 2].map(|head| Arc::new(Mutex::new(head)));
        let [one, two] = heads.clone().map(node);
        let observer = Observer::start(&[one.await, two.await]);
        let seen = until(&observer, |seen| seen.blocks.len() == 5).await;
        assert_eq!(seen.transactions.len(), 3);
        assert_eq!((observer.head(0), observer.head(1)), (Some(3), Some(2)));
        *heads[1].lock() = 30;
        let seen = until(&observer, |seen| seen.blocks.len() == 33).await;
        assert!(seen.contradictions.is_empty() && seen.errors.is_empty());
        assert!(crate::check::heads_that_went_back(&seen).is_empty());
    }

    #[tokio::test]
    async fn a_head_that_goes_back_is_seen_unless_it_is_a_new_life() {
        let head = Arc::new(Mutex::new(5));
        let observer = Observer::start(&[node(Arc::clone(&head)).await]);
        until(&observer, |seen| seen.heads.len() == 1).await;
        // In the order of a scenario: the old process is gone before the new life begins.
        {
            let mut head = head.lock();
            observer.new_life(0);
            *head = 4;
        }
        let seen = until(&observer, |seen| seen.heads.iter().any(|it| it.head == 4)).await;
        assert!(crate::check::heads_that_went_back(&seen).is_empty(), "{:?}", seen.heads);
        *head.lock() = 3;
        let seen = until(&observer, |seen| seen.heads.iter().any(|it| it.head == 3)).await;
        assert_eq!(crate::check::heads_that_went_back(&seen).len(), 1);
    }

    #[tokio::test]
    async fn an_error_is_noted_once_and_a_silent_node_is_none() {
        let broken = fake_node(Arc::new(Mutex::new(|_: &str, _: &Value| json!("no number")))).await;
        let nobody = ([127, 0, 0, 1], crate::free_port().expect("port")).into();
        let observer = Observer::start(&[broken, nobody]);
        until(&observer, |seen| !seen.errors.is_empty()).await;
        tokio::time::sleep(POLL * 3).await;
        let errors = observer.seen().errors;
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors.first().expect("one").starts_with("node 0: "), "{errors:?}");
    }
}
