//! Power cuts: what a disk holds at a random moment must contain every acknowledged block.

use clap::Parser;
use peruri_testnet::{
    Client, CutDisk, Judge, Ledger, Load, MountedImage, Network, Node, NodeOptions, Result,
    TestnetError, Token, dev_wallet, judge, power_cut_obstacle,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// How long the node on the copied disk may take to the next block.
const NEXT_BLOCK: Duration = Duration::from_secs(30);

/// The disks are smaller than what a node wants free by default.
const MIN_FREE: [&str; 2] = ["--db.min-free", "64"];

/// Cuts the power of a node under load, by image, and starts from what reached the disk.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program.
    #[arg(long, required_unless_present = "probe")]
    node: Option<PathBuf>,
    /// How often to cut.
    #[arg(long, default_value_t = 3)]
    cuts: u64,
    /// A node built without syncs (feature `fault-no-sync`): it must lose blocks, otherwise this
    /// scenario proves nothing.
    #[arg(long)]
    must_lose: Option<PathBuf>,
    /// Only tell whether this machine can play it: exit 0, or 1 with the reason on standard output.
    #[arg(long)]
    probe: bool,
    /// Seed of the moments; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (probe, obstacle) = (arguments.probe, power_cut_obstacle());
    judge("power cuts", probe, obstacle, async |judge: &mut Judge| {
        scenario(&arguments, judge).await
    })
    .await
}

async fn scenario(arguments: &Arguments, judge: &mut Judge) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    if let Some(node) = &arguments.node {
        for (cut, lost) in play(node, arguments.cuts, &mut random).await?.into_iter().enumerate() {
            judge.check(&format!("power cut {}", cut + 1), lost);
        }
    }
    if let Some(node) = &arguments.must_lose {
        let outcomes = play(node, 3, &mut random).await?;
        let lossy = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            eprintln!("      as expected: {error}");
        }
        let name = "a node without syncs loses acknowledged blocks";
        judge.expect(name, lossy > 0, "nothing was lost: the scenario notices no missing sync");
    }
    Ok(())
}

/// Runs one node on a disk of its own under load; returns the outcome of each cut.
async fn play(program: &Path, cuts: u64, random: &mut StdRng) -> Result<Vec<Result<()>>> {
    let folder = tempfile::Builder::new()
        .prefix("peruri-power-cut")
        .tempdir()
        .map_err(|source| TestnetError::Io { what: "a temporary folder".into(), source })?;
    let disk = CutDisk::create(folder.path())?;
    let mut options = NodeOptions::dev(program, disk.path()).with_args(MIN_FREE);
    options.log = folder.path().join("node.log");
    let node = Node::start(&options).await?;
    let network = Network::of(node.client()).await?;
    let mut wallet = dev_wallet(0, network)?;
    let supply = alloy_primitives::U256::from(1_000_000_000u64);
    let (token, _) = Token::deploy(node.client(), &mut wallet, supply).await?;
    let server = node.client().address();
    let _load = Load::start(server, wallet, Some(token), 50, Duration::from_millis(50));
    let watcher = Client::new(server);
    let mut ledger = Ledger::new();
    let mut outcomes = Vec::new();
    for cut in 1..=cuts {
        let moment = Duration::from_millis(random.random_range(1_000..3_500));
        tokio::select! {
            watched = ledger.watch(&watcher) => watched?,
            () = tokio::time::sleep(moment) => {}
        }
        let image = disk.cut(&format!("cut-{cut}.img"))?;
        let outcome = restart_on(&image, folder.path(), program, cut, &ledger).await;
        outcomes.push(outcome);
    }
    node.kill().await?;
    Ok(outcomes)
}

/// Starts a node from the copied disk and looks for every block that was acknowledged before.
async fn restart_on(
    image: &Path,
    folder: &Path,
    program: &Path,
    cut: u64,
    ledger: &Ledger,
) -> Result<()> {
    let disk = MountedImage::mount(image, &folder.join(format!("cut-{cut}")))?;
    let mut options = NodeOptions::dev(program, disk.path()).with_args(MIN_FREE);
    options.log = folder.join(format!("cut-{cut}.log"));
    options.run(&["db", "verify-state"]).await?;
    let node = Node::start(&options).await?;
    let head = node.client().block_number().await?;
    let lost = ledger.lost(node.client(), usize::MAX).await?;
    let acknowledged = ledger.head().map_or(0, |seen| seen.number);
    eprintln!("      cut {cut}: acknowledged up to {acknowledged}, head after the cut {head}");
    if !lost.is_empty() {
        return Err(TestnetError::Answer {
            method: format!("cut {cut}"),
            expected: "every acknowledged block",
            got: format!("{} lost or changed, the last {:?}", lost.len(), lost[0]),
        });
    }
    node.client().wait_block(acknowledged + 1, NEXT_BLOCK).await?;
    node.stop().await
}
