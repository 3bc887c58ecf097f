//! A flood of fresh accounts: with free gas anybody could fill the pool. A listed account's transfer
//! must be in a block soon all the same, whether the pool is open to strangers or not.

use clap::Parser;
use peruri_testnet::{
    Client, Connection, GenesisFile, Judge, Network, Node, Result, SignedTransaction, TestnetError,
    Wallet, dev_wallet, quantity, stranger,
};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tokio::task::JoinHandle;

/// A batch of the flood.
const BATCH: usize = 100;
/// Blocks within which a listed account's transfer must be included.
const WITHIN_BLOCKS: u64 = 2;

/// Floods a node with transactions of fresh accounts and measures how a listed account fares.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program.
    #[arg(long)]
    node: PathBuf,
    /// Number of fresh accounts, one transaction each.
    #[arg(long, default_value_t = 10_000)]
    accounts: usize,
    /// Transactions a second.
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut judge = Judge::new();
    for open in [false, true] {
        if let Err(error) = scenario(&arguments, open, &mut judge).await {
            judge.check("the scenario itself", Err::<(), _>(error));
        }
    }
    judge.finish()
}

async fn scenario(arguments: &Arguments, open: bool, judge: &mut Judge) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("peruri-flood").tempdir();
    let folder = folder.map_err(|source| io("a temporary folder", source))?;
    let node = start(arguments, open, folder.path()).await?;
    let network = Network::of(node.client()).await?;
    let pool = if open { "open pool" } else { "closed pool" };
    let bodies = flood_bodies(arguments.accounts, network)?;
    let flood = tokio::spawn(send(node.client().address(), bodies, arguments.rate));
    let (slowest, transfers) = listed_transfers(node.client(), network, &flood).await?;
    let counted = flood.await.map_err(|e| io("the flood", std::io::Error::other(e)))?;
    let Flood { accepted, refused, reason } = counted?;
    let why = reason.map(|reason| format!(", first: {reason}")).unwrap_or_default();
    eprintln!("      {pool}: {accepted} of the flood accepted, {refused} refused{why}");
    judge.expect(
        &format!("{pool}: {transfers} transfers of a listed account within {WITHIN_BLOCKS} blocks"),
        transfers > 0 && slowest <= WITHIN_BLOCKS,
        format!("{transfers} transfers, the slowest took {slowest} blocks"),
    );
    let expected = if open { accepted > 0 } else { accepted == 0 };
    let name = format!("{pool}: strangers are {}", if open { "let in" } else { "refused" });
    judge.expect(&name, expected, format!("{accepted} accepted, {refused} refused"));
    node.stop().await
}

async fn start(arguments: &Arguments, open: bool, folder: &Path) -> Result<Node> {
    let mut genesis = GenesisFile { block_period_seconds: 1, ..GenesisFile::pilot() };
    let network = Network { chain_id: genesis.chain_id, max_fee_per_gas: 0 };
    let listed = dev_wallet(0, network)?.address();
    genesis.funded.push(listed);
    let senders = folder.join("senders");
    fs::write(&senders, format!("{listed}\n")).map_err(|e| io("the list of senders", e))?;
    let mut options = genesis.solo(&arguments.node, folder).await?;
    options = options.with_args(["--txpool.senders".into(), senders.into_os_string()]);
    if open {
        options = options.with_args(["--txpool.open"]);
    }
    Node::start(&options).await
}

/// Bodies of `eth_sendRawTransaction` batches, signed ahead so that the flood keeps its rate.
fn flood_bodies(accounts: usize, network: Network) -> Result<Vec<Vec<u8>>> {
    let signed: Vec<SignedTransaction> = (0..accounts as u64)
        .map(|i| Wallet::fresh(i, network)?.transfer(stranger(i), Default::default()))
        .collect::<Result<_>>()?;
    let body = |batch: &[SignedTransaction]| {
        let requests = batch.iter().enumerate().map(|(id, transaction)| {
            json!({
                "jsonrpc": "2.0", "id": id,
                "method": "eth_sendRawTransaction", "params": [transaction.raw],
            })
        });
        Value::from_iter(requests).to_string().into_bytes()
    };
    Ok(signed.chunks(BATCH).map(body).collect())
}

/// What became of the flood.
#[derive(Default)]
struct Flood {
    accepted: usize,
    refused: usize,
    /// Why the first was refused.
    reason: Option<String>,
}

/// Sends the bodies at `rate` transactions a second; counts what was accepted and refused.
async fn send(server: SocketAddr, bodies: Vec<Vec<u8>>, rate: u64) -> Result<Flood> {
    let mut connection = Connection::open(server).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(BATCH as u64) / rate as u32);
    let mut flood = Flood::default();
    for body in bodies {
        ticks.tick().await;
        let answer = connection.post(body.into()).await?;
        let answers: Value = serde_json::from_slice(&answer).unwrap_or_default();
        for answer in answers.as_array().into_iter().flatten() {
            if answer.get("result").is_some() {
                flood.accepted += 1;
            } else {
                flood.refused += 1;
                flood.reason.get_or_insert_with(|| answer["error"]["message"].to_string());
            }
        }
    }
    Ok(flood)
}

/// Transfers of the listed account, one after the other, while the flood runs: how many, and after
/// how many blocks the slowest was included.
async fn listed_transfers<T>(
    client: &Client,
    network: Network,
    flood: &JoinHandle<T>,
) -> Result<(u64, u64)> {
    let mut wallet = dev_wallet(0, network)?;
    let (mut slowest, mut transfers) = (0, 0);
    while !flood.is_finished() {
        let head = client.block_number().await?;
        let sent = wallet.transfer(stranger(0), Default::default())?;
        let hash = client.send_raw(&sent.raw).await?;
        let receipt = client.wait_receipt(hash, Duration::from_secs(30)).await?;
        let included = quantity("eth_getTransactionReceipt", &receipt["blockNumber"])?;
        slowest = slowest.max(included.saturating_sub(head));
        transfers += 1;
    }
    Ok((slowest, transfers))
}

fn io(what: &str, source: std::io::Error) -> TestnetError {
    TestnetError::Io { what: what.to_owned(), source }
}
