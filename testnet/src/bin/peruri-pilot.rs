//! The pilot network on one machine, for people to see: it starts, takes a transfer and an ERC-20,
//! prints what happened and stays. `--check` does the same unattended and exits 0 or 1.

use alloy_primitives::U256;
use clap::Parser;
use eyre::{Context, Result, ensure};
use peruri_testnet::{
    GenesisFile, Judge, Network, Node, NodeOptions, Token, dev_wallet, quantity, stranger,
};
use serde_json::{Value, json};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// The pilot's chain id.
const CHAIN_ID: u64 = 7251;
/// The port that wallets and scripts try first.
const USUAL_PORT: u16 = 8545;
/// How long a step may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts the pilot network, shows a transfer and an ERC-20, and stays until Ctrl-C.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program.
    #[arg(long)]
    node: PathBuf,
    /// Where its files go; what an earlier run left there is removed.
    #[arg(long, default_value = "target/pilot")]
    out: PathBuf,
    /// Stop at the end and judge: last line `N passed, N failed`.
    #[arg(long)]
    check: bool,
}

/// Prints a line per step. People read standard output; with `--check` that is the judge's.
struct Steps {
    check: bool,
    done: usize,
}

impl Steps {
    const TOTAL: usize = 7;

    fn done(&mut self, text: &str) {
        self.done += 1;
        self.say(&format!("[{}/{}] {text}", self.done, Self::TOTAL));
    }

    fn say(&self, text: &str) {
        if self.check { eprintln!("{text}") } else { println!("{text}") }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut steps = Steps { check: arguments.check, done: 0 };
    let outcome = pilot(&arguments, &mut steps).await;
    if arguments.check {
        let mut judge = Judge::new();
        let outcome = match outcome {
            Ok(node) => node.stop().await.map_err(eyre::Report::from),
            Err(error) => Err(error),
        };
        judge.check("the pilot network", outcome.map_err(|e| format!("{e:#}")));
        return judge.finish();
    }
    match stay(outcome, &steps).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pilot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn stay(outcome: Result<Node>, steps: &Steps) -> Result<()> {
    let mut node = outcome?;
    steps.say("The network stays up until Ctrl-C.");
    let mut looks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            signal = tokio::signal::ctrl_c() => {
                signal?;
                steps.say("stopping");
                return Ok(node.stop().await?);
            }
            _ = looks.tick() => node.alive()?,
        }
    }
}

async fn pilot(arguments: &Arguments, steps: &mut Steps) -> Result<Node> {
    let out = &arguments.out;
    let options = prepare(arguments, out).await?;
    steps.done(&format!("init: key, genesis file and block: {}", out.display()));
    let node = Node::start(&options).await?;
    let process = node.pid().unwrap_or_default();
    steps.done(&format!("start: one validator, process {process}, {}", node.http_url()));
    node.client().wait_block(1, LIMIT).await?;
    steps.done("first block");
    show(&node, out, steps).await?;
    Ok(node)
}

/// An initialised data folder of one validator under `out`.
async fn prepare(arguments: &Arguments, out: &Path) -> Result<NodeOptions> {
    if out.exists() {
        ensure!(out.join("genesis.json").exists(), "{} is not from a pilot", out.display());
        fs::remove_dir_all(out).wrap_err("the files of an earlier run")?;
    }
    fs::create_dir_all(out)?;
    // The node is started with this path from elsewhere, and people copy it from the output.
    let out = out.canonicalize()?;
    let network = Network { chain_id: CHAIN_ID, max_fee_per_gas: 0 };
    let mut genesis = GenesisFile::pilot();
    for index in 0..3 {
        genesis.funded.push(dev_wallet(index, network)?.address());
    }
    let mut options = genesis.solo(&arguments.node, &out).await?.with_args(["--txpool.open"]);
    let usual = TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)).is_ok();
    options.ports.http = (usual && !arguments.check).then_some(USUAL_PORT);
    Ok(options)
}

/// A transfer and an ERC-20, each checked by what the chain says afterwards.
async fn show(node: &Node, out: &Path, steps: &mut Steps) -> Result<()> {
    let client = node.client();
    let network = Network::of(client).await?;
    ensure!(network.chain_id == CHAIN_ID, "chain id {}", network.chain_id);
    let mut wallet = dev_wallet(0, network)?;
    let receiver = stranger(0);

    let coin = U256::from(10).pow(U256::from(18));
    let sent = wallet.transfer(receiver, coin)?;
    client.send_raw(&sent.raw).await?;
    let transfer = succeeded(client.wait_receipt(sent.hash, LIMIT).await?)?;
    ensure!(client.balance(receiver).await? == coin, "the receiver's balance");
    let number = quantity("eth_getTransactionReceipt", &transfer["blockNumber"])?;
    steps.done(&format!("transfer: 1 coin to {receiver} in block {number}"));

    let (token, _) = Token::deploy(client, &mut wallet, U256::from(1_000_000)).await?;
    steps.done(&format!("deploy: an OpenZeppelin ERC-20 at {}", token.address()));

    let sent = token.transfer(&mut wallet, receiver, U256::from(250))?;
    client.send_raw(&sent.raw).await?;
    let receipt = succeeded(client.wait_receipt(sent.hash, LIMIT).await?)?;
    ensure!(receipt["logs"].as_array().map_or(0, Vec::len) == 1, "one Transfer event");
    let balance = token.balance_of(client, receiver).await?;
    ensure!(balance == U256::from(250), "the receiver's tokens: {balance}");
    ensure!(token.total_supply(client).await? == U256::from(1_000_000), "the supply");
    steps.done(&format!("call: 250 tokens moved, balanceOf = {balance}"));

    let block = client.block(receipt["blockNumber"].clone()).await?.unwrap_or_default();
    let summary = json!({
        "rpc": node.http_url(), "ws": node.ws_url(), "token": token.address(),
        "block": block, "receipt": receipt,
    });
    fs::write(out.join("pilot.json"), format!("{summary:#}\n"))?;
    steps.done(&format!("files: {}", out.display()));
    steps.say(&format!("block   {}", brief(&block, &["number", "hash", "stateRoot", "gasUsed"])));
    let fields = ["transactionHash", "status", "blockNumber", "gasUsed"];
    steps.say(&format!("receipt {}", brief(&receipt, &fields)));
    steps.say(&format!("RPC     {} and {}", node.http_url(), node.ws_url()));
    Ok(())
}

fn succeeded(receipt: Value) -> Result<Value> {
    ensure!(receipt["status"] == "0x1", "a transaction failed: {receipt}");
    Ok(receipt)
}

fn brief(object: &Value, fields: &[&str]) -> String {
    let shown =
        fields.iter().map(|field| format!("{field} {}", object[*field].as_str().unwrap_or("?")));
    shown.collect::<Vec<_>>().join(", ")
}
