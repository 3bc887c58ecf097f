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
