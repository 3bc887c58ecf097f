//! `kill -9` at random moments under load: the chain goes on and no acknowledged block is lost.

use clap::Parser;
use peruri_testnet::{
    Client, Judge, Ledger, Load, Network, Node, NodeOptions, Result, Token, dev_wallet, judge,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// How long a restarted node may take to the next block.
const NEXT_BLOCK: Duration = Duration::from_secs(30);
/// How many of the last acknowledged blocks are asked for after each crash; all at the end.
const RECENT: usize = 30;

/// Kills a node at random moments under load and checks what it kept.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program.
    #[arg(long)]
    node: PathBuf,
    /// How often to kill it.
    #[arg(long, default_value_t = 10)]
    cycles: u64,
    /// Seed of the moments; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    judge("crashes", false, None, async |judge: &mut Judge| scenario(&arguments, judge).await).await
}

async fn scenario(arguments: &Arguments, judge: &mut Judge) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::Builder::new().prefix("peruri-crash").tempdir();
    let folder = folder.map_err(|source| io("a temporary folder", source))?;
    let options = NodeOptions::dev(&arguments.node, folder.path());
    let mut ledger = Ledger::new();
    let token = prepare(&options, &mut ledger).await?;
    for cycle in 1..=arguments.cycles {
        let outcome = crash(&options, token, &mut ledger, &mut random).await;
        let kept = outcome.is_ok();
        judge.check(&format!("crash {cycle}"), outcome);
        if !kept {
            let kept = folder.keep();
            eprintln!("its files are kept in {}", kept.display());
            return Ok(());
        }
    }
    finish(&options, &ledger, judge).await
}

/// One clean start that deploys the token of the load.
async fn prepare(options: &NodeOptions, ledger: &mut Ledger) -> Result<Token> {
    let node = Node::start(options).await?;
    let network = Network::of(node.client()).await?;
    let mut owner = dev_wallet(0, network)?;
    let supply = alloy_primitives::U256::from(1_000_000_000u64);
    let (token, _) = Token::deploy(node.client(), &mut owner, supply).await?;
    ledger.catch_up(node.client()).await?;
    node.stop().await?;
    Ok(token)
}

/// Start, load, kill, verify what lies on disk.
async fn crash(
    options: &NodeOptions,
    token: Token,
    ledger: &mut Ledger,
    random: &mut StdRng,
) -> Result<()> {
    let mut node = Node::spawn(options)?;
    if random.random_ratio(1, 5) {
        // Also while it starts: recovery must survive a crash of its own.
        tokio::time::sleep(Duration::from_millis(random.random_range(1..300))).await;
        node.alive()?;
        node.kill().await?;
        verify_state(options).await?;
        node = Node::start(options).await?;
    } else {
        node.ready().await?;
    }
    goes_on(node.client(), ledger).await?;
    let network = Network::of(node.client()).await?;
    let mut wallet = dev_wallet(0, network)?;
    wallet.set_nonce(node.client().nonce(wallet.address()).await?);
    let server = node.client().address();
    let load = Load::start(server, wallet, Some(token), 50, Duration::from_millis(50));
    let watcher = Client::new(server);
    let moment = Duration::from_millis(random.random_range(200..2_500));
    let before = ledger.len();
    tokio::select! {
        watched = ledger.watch(&watcher) => watched.and_then(|()| node.alive())?,
        () = tokio::time::sleep(moment) => {}
    }
    let report = load.report();
    node.kill().await?;
    eprintln!(
        "      killed after {moment:?}: {} blocks acknowledged, {} transactions accepted, {} refused",
        ledger.len() - before,
        report.accepted,
        report.refused
    );
    verify_state(options).await
}

/// No acknowledged block is lost, and there is a next one.
async fn goes_on(client: &Client, ledger: &mut Ledger) -> Result<()> {
    let lost = ledger.lost(client, RECENT).await?;
    if !lost.is_empty() {
        return Err(finding("every acknowledged block", format!("lost or changed: {lost:?}")));
    }
    let next = ledger.head().map_or(0, |head| head.number) + 1;
    client.wait_block(next, NEXT_BLOCK).await?;
    ledger.catch_up(client).await
}

async fn verify_state(options: &NodeOptions) -> Result<()> {
    options.run(&["db", "verify-state"]).await.map(drop)
}

async fn finish(options: &NodeOptions, ledger: &Ledger, judge: &mut Judge) -> Result<()> {
    let node = Node::start(options).await?;
    let lost = ledger.lost(node.client(), usize::MAX).await?;
    let name = format!(
        "all {} acknowledged blocks with {} transactions are there",
        ledger.len(),
        ledger.transactions()
    );
    judge.expect(&name, lost.is_empty(), format!("lost or changed: {lost:?}"));
    judge.expect("the load was included", ledger.transactions() > 1, ledger.transactions());
    judge.check("a clean stop", node.stop().await);
    Ok(())
}

fn io(what: &str, source: std::io::Error) -> peruri_testnet::TestnetError {
    peruri_testnet::TestnetError::Io { what: what.to_owned(), source }
}

fn finding(expected: &'static str, got: String) -> peruri_testnet::TestnetError {
    peruri_testnet::TestnetError::Answer { method: "after the crash".to_owned(), expected, got }
}
