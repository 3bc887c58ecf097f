//! The one load client of all throughput rows: bodies signed ahead, keep-alive connections, the next
//! body as soon as the last is answered.

use alloy_primitives::{Address, U256, hex};
use eyre::{Result, eyre};
use hyper::body::Bytes;
use peruri_testnet::{Client, Connection, Network, SignedTransaction, Token, Wallet, stranger};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Senders of the load, spread over the connections.
pub const SENDERS: usize = 64;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Transfers of coins to accounts that do not exist yet.
    Transfers,
    /// ERC-20 mints to holders that do not exist yet, each sender on a token of its own.
    Mints,
}

/// Bodies for each connection, and what must be on the chain before.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Transactions that are sent and mined before the clock starts.
    pub before: Vec<SignedTransaction>,
    /// Bodies, per connection.
    pub bodies: Vec<Vec<Bytes>>,
    /// Number of transactions in the bodies.
    pub transactions: usize,
    /// The senders.
    pub senders: Vec<Address>,
    /// What the load leaves on the chain if every transaction succeeds.
    pub effects: Vec<Effect>,
}

/// What successful transactions leave on the chain.
#[derive(Debug, Clone, Copy)]
pub enum Effect {
    /// A transfer: one wei at an account of its own.
    Wei(Address),
    /// Mints: as many units of a token of its own.
    Supply(Token),
}

impl Plan {
    /// Signs `transactions` of a kind, in batches of `batch` over `connections` connections. A
    /// sender's transactions stay on one connection, in order.
    ///
    /// # Errors
    /// If signing fails, or the numbers do not divide.
    pub fn sign(
        kind: Kind,
        network: Network,
        transactions: usize,
        batch: usize,
        connections: usize,
    ) -> Result<Self> {
        let each = SENDERS / connections;
        if each * connections != SENDERS || !transactions.is_multiple_of(SENDERS) {
            return Err(eyre!("{transactions} transactions over {connections} connections"));
        }
        let rounds = transactions / SENDERS;
        let signed = (0..SENDERS as u64)
            .into_par_iter()
            .map(|sender| Signed::by(sender, kind, network, rounds))
            .collect::<Result<Vec<_>>>()?;
        let before = signed.iter().flat_map(|by| by.before.clone()).collect();
        let senders = signed.iter().map(|by| by.sender).collect();
        let effects = signed.iter().flat_map(|by| by.effects.clone()).collect();
        let bodies = signed
            .chunks(each)
            .map(|senders| {
                let in_turn: Vec<&SignedTransaction> =
                    (0..rounds).flat_map(|n| senders.iter().map(move |by| &by.load[n])).collect();
                in_turn.chunks(batch).map(body).collect()
            })
            .collect();
        Ok(Self { before, bodies, transactions, senders, effects })
    }
}

/// The transactions of one sender.
struct Signed {
    sender: Address,
    before: Option<SignedTransaction>,
    load: Vec<SignedTransaction>,
    effects: Vec<Effect>,
}

impl Signed {
    fn by(sender: u64, kind: Kind, network: Network, rounds: usize) -> Result<Self> {
        let mut wallet = Wallet::fresh(1_000_000 + sender, network)?;
        let to = |n: usize| stranger((sender << 32) + n as u64);
        let (before, load, effects) = match kind {
            Kind::Transfers => {
                let load = (0..rounds).map(|n| wallet.transfer(to(n), U256::from(1)));
                (
                    None,
                    load.collect::<Result<_, _>>()?,
                    (0..rounds).map(to).map(Effect::Wei).collect(),
                )
            }
            Kind::Mints => {
                let (creation, token) = Token::create(&mut wallet, U256::ZERO)?;
                let load = (0..rounds).map(|n| token.mint(&mut wallet, to(n), U256::from(1)));
                let supply = vec![Effect::Supply(token)];
                (Some(creation), load.collect::<Result<_, _>>()?, supply)
            }
        };
        Ok(Self { sender: wallet.address(), before, load, effects })
    }
}

fn body(transactions: &[&SignedTransaction]) -> Bytes {
    let mut text = String::with_capacity(transactions.len() * 420);
    let single = transactions.len() == 1;
    text.push_str(if single { "" } else { "[" });
    for (id, transaction) in transactions.iter().enumerate() {
        let comma = if id == 0 { "" } else { "," };
        let raw = hex::encode(&transaction.raw);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"{comma}{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["0x{raw}"]}}"#
        );
    }
    text.push_str(if single { "" } else { "]" });
    text.into()
}

/// Sends and waits for what must be on the chain before the clock starts.
///
/// # Errors
/// If one is refused or not mined within a minute.
pub async fn prepare(client: &Client, plan: &Plan) -> Result<()> {
    for transaction in &plan.before {
        client.send_raw(&transaction.raw).await?;
    }
    for transaction in &plan.before {
        let receipt = client.wait_receipt(transaction.hash, Duration::from_secs(60)).await?;
        eyre::ensure!(receipt["status"] == "0x1", "a preparation failed: {receipt}");
    }
    Ok(())
}

/// Sends all bodies over their connections at once, in turn to each of `servers`. Returns when the last
/// is answered.
///
/// # Errors
/// If a connection breaks or a transaction is refused.
pub async fn send(servers: &[SocketAddr], bodies: Vec<Vec<Bytes>>) -> Result<Duration> {
    let start = Instant::now();
    let servers = servers.iter().copied().cycle();
    let connections = bodies.into_iter().zip(servers).map(|(bodies, server)| async move {
        let mut connection = Connection::open(server).await?;
        for body in bodies {
            let answer = connection.post(body).await?;
            if find(&answer, br#""error""#) {
                let text = String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned();
                return Err(eyre!("a transaction was refused: {text}"));
            }
        }
        Ok(())
    });
    let tasks: Vec<_> = connections.map(tokio::spawn).collect();
    for task in tasks {
        task.await??;
    }
    Ok(start.elapsed())
}

/// Waits until the blocks above `from` hold `transactions` transactions; returns the last block's
/// number.
///
/// # Errors
/// If nothing more is mined for 30 s.
pub async fn mined(client: &Client, from: u64, transactions: usize) -> Result<u64> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let (mut last, mut found, mut progress) = (from, 0, Instant::now());
    while progress.elapsed() < PATIENCE {
        // anvil answers a question about a block to come with an error: the head is asked first.
        if client.block_number().await? == last {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        last += 1;
        let method = "eth_getBlockTransactionCountByNumber";
        let count = client.call(method, json!([format!("{last:#x}")])).await?;
        let count = peruri_testnet::quantity(method, &count)?;
        found += count as usize;
        if found >= transactions {
            return Ok(last);
        }
        if count > 0 {
            progress = Instant::now();
        }
    }
    Err(eyre!("{found} of {transactions} transactions were mined, then no more"))
}

/// Counts transactions of a plan that had their effect, which is to say that their receipts have
/// status 1. The receipts themselves are not asked for: anvil's answer for a block of some ten
/// thousand transactions takes minutes.
///
/// # Errors
/// If the node does not answer.
pub async fn succeeded(client: &Client, plan: &Plan) -> Result<usize> {
    let mut count = 0;
    for effects in plan.effects.chunks(100) {
        let questions: Value = effects.iter().enumerate().map(Effect::question).collect();
        let answers = client.post("effects", questions.to_string().into_bytes()).await?;
        let answers = answers.as_array().ok_or_else(|| eyre!("no batch of answers: {answers}"))?;
        for answer in answers {
            let number = answer["result"].as_str().and_then(|hex| hex.parse::<U256>().ok());
            let number = number.ok_or_else(|| eyre!("no number: {answer}"))?;
            count += number.to::<usize>();
        }
    }
    Ok(count)
}

impl Effect {
    /// The request whose answer is the number of successful transactions.
    fn question((id, effect): (usize, &Self)) -> Value {
        let (method, params) = match effect {
            Self::Wei(account) => ("eth_getBalance", json!([account, "latest"])),
            Self::Supply(token) => {
                let call = json!({ "to": token.address(), "data": Token::total_supply_input() });
                ("eth_call", json!([call, "latest"]))
            }
        };
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Network = Network { chain_id: 7251, max_fee_per_gas: 0 };

    #[test]
    fn a_plan_holds_every_transaction_once() {
        let plan = Plan::sign(Kind::Transfers, NETWORK, 640, 100, 4).expect("signed");
        assert_eq!(plan.bodies.len(), 4);
        let bodies: Vec<serde_json::Value> = plan
            .bodies
            .iter()
            .flatten()
            .map(|body| serde_json::from_slice(body).expect("JSON"))
            .collect();
        let sent: std::collections::HashSet<&str> = bodies
            .iter()
            .flat_map(|body| body.as_array().expect("batch"))
            .map(|request| request["params"][0].as_str().expect("raw"))
            .collect();
        assert_eq!(sent.len(), 640);
        assert!(plan.before.is_empty());
    }

    #[test]
    fn single_requests_are_no_batches() {
        let plan = Plan::sign(Kind::Mints, NETWORK, 64, 1, 16).expect("signed");
        assert_eq!(plan.before.len(), SENDERS);
        let first: serde_json::Value = serde_json::from_slice(&plan.bodies[0][0]).expect("JSON");
        assert!(first.is_object());
    }

    #[test]
    fn numbers_that_do_not_divide_are_refused() {
        assert!(Plan::sign(Kind::Transfers, NETWORK, 100, 10, 4).is_err());
        assert!(Plan::sign(Kind::Transfers, NETWORK, 64, 10, 3).is_err());
    }

    #[test]
    fn errors_are_found_in_answers() {
        assert!(find(br#"[{"id":1,"error":{}}]"#, br#""error""#));
        assert!(!find(br#"[{"id":1,"result":"0x"}]"#, br#""error""#));
    }
}
