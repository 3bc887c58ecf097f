//! The pilot network on one machine, for people to see: three validators and a transaction node as four
//! processes. It shows whose seals the blocks carry, a transfer and an ERC-20, the transparency log and
//! its receipts, the crash and the return of a validator, votes about another one, the activity mirror,
//! prints what happened and stays. `--check` does the same unattended and exits 0 or 1.

mod blocks;
mod change;
mod crash;
mod log;
mod mirror;
mod network;
mod steps;
mod transactions;
mod verifier;

use clap::Parser;
use eyre::Result;
use network::Pilot;
use peruri_testnet::{Judge, stop_signal};
use serde_json::json;
use std::{fs, path::PathBuf, pin::pin, process::ExitCode, time::Duration};
use steps::Steps;

/// How long a step may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the processes are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Starts the pilot network, shows what it does, and stays until Ctrl-C.
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

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut steps = Steps::new(arguments.check);
    let outcome = run(&arguments, &mut steps).await;
    if arguments.check {
        let mut judge = Judge::new();
        judge.check("the pilot network", outcome.map_err(|error| format!("{error:#}")));
        return judge.finish();
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pilot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Shows everything and stops all nodes cleanly. A signal on the way ends them at once.
async fn run(arguments: &Arguments, steps: &mut Steps) -> Result<()> {
    let mut stop = pin!(stop_signal()?);
    let mut pilot = tokio::select! {
        pilot = show(arguments, steps) => pilot?,
        () = &mut stop => eyre::bail!("interrupted"),
    };
    if !arguments.check {
        steps.say("The network stays up until Ctrl-C.");
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = looks.tick() => pilot.all_alive()?,
            }
        }
        steps.say("stopping");
    }
    pilot.stop().await
}

async fn show(arguments: &Arguments, steps: &mut Steps) -> Result<Pilot> {
    let mut pilot = Pilot::create(&arguments.node, &arguments.out, arguments.check).await?;
    let folder = pilot.folder();
    steps.done(&format!(
        "genesis create: keys, genesis file, node list: {}/config",
        folder.display()
    ));
    pilot.start().await?;
    steps.done(&format!("start: {}", pilot.processes()));
    pilot.gateway().wait_block(1, LIMIT).await?;
    steps.done("first block");
    blocks::in_turn(&pilot, steps).await?;
    let shown = transactions::show(&pilot, steps).await?;
    let mut log = log::show(&pilot, steps).await?;
    crash::show(&mut pilot, &mut log, steps).await?;
    change::show(&pilot, &log, steps).await?;
    mirror::show(&pilot, &log, steps).await?;
    let summary = json!({
        "rpc": pilot.http_url(), "ws": pilot.ws_url(), "token": shown.token,
        "validators": pilot.validators(), "block": shown.block, "receipt": shown.receipt,
    });
    fs::write(folder.join("pilot.json"), format!("{summary:#}\n"))?;
    steps.done(&format!("files: {}", folder.display()));
    steps.say(&format!("block   {}", shown.block_line()));
    steps.say(&format!("receipt {}", shown.receipt_line()));
    steps.say(&format!("RPC     {} and {}", pilot.http_url(), pilot.ws_url()));
    Ok(pilot)
}
