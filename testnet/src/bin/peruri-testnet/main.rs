//! Networks of real node processes: start, look, stop, and scenarios with faults.

mod chaos;

use chaos::ChaosArguments;
use clap::{Args, Parser, Subcommand};
use eyre::{Result, WrapErr};
use peruri_testnet::{
    Cluster, ClusterOptions, NodeStatus, Placement, clear, down, namespaces_obstacle, status,
    stop_signal,
};
use std::{
    path::{Path, PathBuf},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

/// How long a new network may take to its first block.
const FIRST_BLOCK: Duration = Duration::from_secs(60);
/// How often the processes of a network are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Networks of real node processes on this machine.
#[derive(Debug, Parser)]
#[command(name = "peruri-testnet")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a network and run it until Ctrl-C
    ///
    /// As root each node gets a network namespace of its own, so that faults on the network are real
    /// ones; otherwise, or with --processes, each gets a loopback address of its own.
    ///
    /// Example: peruri-testnet up --node target/debug/peruri-node --nodes 4 --followers 1
    Up(UpArguments),
    /// Stop a network and remove what it made, also after a crash of `up`; its files stay
    Down(Folder),
    /// Show head, peers and round of every node
    Status(Folder),
    /// Play scenarios one after the other
    ///
    /// Progress goes to standard error; standard output ends with `N passed, N failed`. Exit code 0
    /// needs no failure and at least one passed check. A scenario that this machine cannot play (not
    /// root, a missing program) is skipped with the reason.
    ///
    /// Example: peruri-testnet chaos --node target/debug/peruri-node testnet/scenarios/*.toml
    Chaos(ChaosArguments),
}

#[derive(Debug, Args)]
struct Folder {
    /// The network's folder
    #[arg(long, value_name = "DIR", default_value = "target/testnet")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct UpArguments {
    #[command(flatten)]
    folder: Folder,
    /// The peruri-node program
    #[arg(long, value_name = "PROGRAM")]
    node: PathBuf,
    /// Validators
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Nodes without a vote
    #[arg(long, default_value_t = 0)]
    followers: usize,
    /// Seconds between blocks
    #[arg(long, default_value_t = 1)]
    period: u64,
    /// Plain processes on loopback addresses
    #[arg(long, conflicts_with = "namespaces")]
    processes: bool,
    /// Network namespaces or nothing; needs root
    #[arg(long)]
    namespaces: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Up(arguments) => arguments.up().await,
        Command::Down(folder) => down(&folder.out).await.map_err(Into::into),
        Command::Status(folder) => show(&folder.out).await,
        Command::Chaos(arguments) => return arguments.play().await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(folder: &Path) -> Result<()> {
    print!("{}", NodeStatus::table(&status(folder).await?));
    Ok(())
}

impl UpArguments {
    async fn up(self) -> Result<()> {
        let folder = clear(&self.folder.out).await?;
        let mut options = ClusterOptions::new(program(&self.node)?, &folder, self.nodes);
        options.followers = self.followers;
        options.block_period = self.period;
        if self.processes {
            options.placement = Placement::Loopback;
        } else if self.namespaces {
            options.placement = Placement::Namespaces;
        } else if let Some(reason) = namespaces_obstacle() {
            eprintln!("loopback addresses instead of network namespaces: {reason}");
        }
        let mut stop = pin!(stop_signal()?);
        let mut cluster = tokio::select! {
            cluster = launch(options) => cluster?,
            () = &mut stop => return Ok(()),
        };
        show(&folder).await?;
        println!("The network stays up until Ctrl-C; its files: {}", folder.display());
        tokio::select! {
            ended = watch(&mut cluster) => return ended,
            () = &mut stop => println!("stopping"),
        }
        Ok(cluster.stop_all().await?)
    }
}

/// Starts the network and waits for its first block.
async fn launch(options: ClusterOptions) -> Result<Cluster> {
    let mut cluster = Cluster::create(options).await?;
    cluster.start_all(0..cluster.len()).await?;
    cluster.member(0).client().wait_block(1, FIRST_BLOCK).await?;
    Ok(cluster)
}

/// Returns when a node ends by itself.
async fn watch(cluster: &mut Cluster) -> Result<()> {
    loop {
        tokio::time::sleep(LOOK).await;
        for node in 0..cluster.len() {
            cluster.running(node)?.alive()?;
        }
    }
}

/// The program's full path: it is started from namespaces and folders of its own.
fn program(path: &Path) -> Result<PathBuf> {
    path.canonicalize().wrap_err_with(|| path.display().to_string())
}
