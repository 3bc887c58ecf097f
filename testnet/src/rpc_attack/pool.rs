//! R11: one listed account that sends as much as it can, with gaps, and again with the same nonces.

use super::{
    Attack, Extent,
    arena::{Arena, refusal},
    watch::Limits,
};
use crate::{
    Connection, Result, SignedTransaction, TestnetError, attack::Finding, quantity, stranger,
};
use alloy_primitives::U256;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinHandle};

/// Transactions of a body.
const BATCH: usize = 100;
/// A nonce further ahead of the account than the pool takes.
const FAR_AHEAD: u64 = 10_000;
/// Transactions that are to replace others without paying more.
const REPLACEMENTS: usize = 1_000;
/// Blocks within which another account's transfer must be included.
const WITHIN: u64 = 2;
const ATTACKER: usize = 1;
const HONEST: usize = 2;

/// R11.
pub(super) const ATTACK: Attack = Attack {
    id: "R11",
    name: "a storm of transactions from one account, gaps and replacements",
    limits: Limits { interval: 1.2, memory: 256.0 },
    run: |arena, extent| Box::pin(storm(arena, extent)),
};

async fn storm(arena: Arc<Arena>, extent: Extent) -> Result<Vec<Finding>> {
    let over = Arc::new(Notify::new());
    let honest = tokio::spawn(transfers(arena.clone(), over.clone()));
    let count = extent.of(10_000, 100_000);
    let wallet = arena.wallet(ATTACKER).await?;
    let first = wallet.nonce();
    let sign = |value: u64, nonces: std::ops::Range<u64>| -> Result<Vec<SignedTransaction>> {
        let mut wallet = wallet.clone();
        wallet.set_nonce(nonces.start);
        nonces.map(|nonce| wallet.transfer(stranger(nonce), U256::from(value))).collect()
    };
    let end = first + count as u64;
    // Gaps first: what follows fills them as far as they are taken at all.
    let ahead = send(&arena, &sign(1, end + FAR_AHEAD..end + FAR_AHEAD + BATCH as u64)?).await?;
    let all = sign(1, first..end)?;
    let taken = send(&arena, &all).await?;
    let from = end - REPLACEMENTS as u64;
    let replaced = send(&arena, &sign(2, from..end)?).await?;
    over.notify_one();
    let (transfers, slowest) = joined(honest).await?;
    Ok(vec![
        Finding::new(
            format!("another account's transfers are included within {WITHIN} blocks"),
            transfers > 0 && slowest <= WITHIN,
            format!("{transfers} transfers, the slowest after {slowest} blocks"),
        ),
        Finding::new("the account may send", taken.accepted > 0, taken.show()),
        Finding::new("nonces far ahead are refused", ahead.accepted == 0, ahead.show()),
        Finding::new("nothing is replaced for free", replaced.accepted == 0, replaced.show()),
        Finding::new(
            "every refusal is -32000, or -32005 where the queue is full",
            [&taken, &ahead, &replaced].iter().all(|sent| sent.is_by_name()),
            "as it must be",
        ),
    ])
}

async fn joined<T>(task: JoinHandle<Result<T>>) -> Result<T> {
    task.await.map_err(|error| TestnetError::io("a client")(error.into()))?
}

/// What became of transactions.
#[derive(Debug, Default)]
struct Sent {
    accepted: usize,
    /// By code and text, whose numbers are left out.
    refused: BTreeMap<(i64, String), usize>,
}

impl Sent {
    fn show(&self) -> String {
        let refused = self.refused.iter().map(|((code, text), n)| format!("; {n} × {code} {text}"));
        format!("{} accepted{}", self.accepted, refused.collect::<String>())
    }

    fn is_by_name(&self) -> bool {
        self.refused.keys().all(|(code, text)| [-32000, -32005].contains(code) && !text.is_empty())
    }
}

/// Sends batches one after the other.
async fn send(arena: &Arena, transactions: &[SignedTransaction]) -> Result<Sent> {
    let mut connection = Connection::open(arena.http()).await?;
    let mut sent = Sent::default();
    for batch in transactions.chunks(BATCH) {
        let requests = batch.iter().enumerate().map(|(id, transaction)| {
            let params = [&transaction.raw];
            json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": params })
        });
        let body = Value::from_iter(requests).to_string();
        let answer = connection.post(body.into()).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        arena.note(&answer);
        for answer in answer.as_array().into_iter().flatten() {
            match refusal(answer) {
                Some((code, text)) => {
                    let text = text.split(|c: char| c.is_ascii_digit()).collect();
                    *sent.refused.entry((code, text)).or_default() += 1;
                }
                None => sent.accepted += 1,
            }
        }
    }
    Ok(sent)
}

/// Transfers of another account, one after the other, until the storm is over: how many, and after how
/// many blocks the slowest was included.
async fn transfers(arena: Arc<Arena>, over: Arc<Notify>) -> Result<(u64, u64)> {
    let client = arena.client();
    let mut wallet = arena.wallet(HONEST).await?;
    let (mut transfers, mut slowest) = (0, 0);
    loop {
        let head = client.block_number().await?;
        let sent = wallet.transfer(stranger(0), U256::from(1))?;
        let hash = client.send_raw(&sent.raw).await?;
        let receipt = client.wait_receipt(hash, Duration::from_secs(30)).await?;
        let included = quantity("eth_getTransactionReceipt", &receipt["blockNumber"])?;
        slowest = slowest.max(included.saturating_sub(head));
        transfers += 1;
        if tokio::time::timeout(Duration::ZERO, over.notified()).await.is_ok() {
            return Ok((transfers, slowest));
        }
    }
}
