//! A disk that really is full: the node ends by itself and says why, signs nothing more, and goes on
//! without a loss once there is space.

use clap::Parser;
use peruri_testnet::{
    Client, Judge, Ledger, Load, Network, Node, NodeOptions, Result, Signed, SmallDisk,
    TestnetError, Token, dev_wallet, disk_full_obstacle, judge,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Size of the disk. A fresh database takes a part of it.
const DISK_BYTES: u64 = 512 << 20;
/// Bounds of what is left when the load begins. A start takes a few of them.
const ROOM_BYTES: std::ops::Range<u64> = 6 << 20..14 << 20;
/// How long the load may take to fill the room, and the node to end then.
const FILLED: Duration = Duration::from_secs(120);
/// How long a start on a full disk may take to fail.
const REFUSED: Duration = Duration::from_secs(60);
/// How long a restarted node may take to the next block.
const NEXT_BLOCK: Duration = Duration::from_secs(30);
/// What the system says of a full disk.
const NO_SPACE: &str = "No space left on device";

/// Fills the disk of a node under load and checks how it ends and what it kept.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program.
    #[arg(long, required_unless_present = "probe")]
    node: Option<PathBuf>,
    /// How often to fill the disk, with everything on it and with the database alone on it.
    #[arg(long, default_value_t = 2)]
    rounds: u64,
    /// Only tell whether this machine can play it: exit 0, or 1 with the reason on standard output.
    #[arg(long)]
    probe: bool,
    /// Seed of the sizes; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (probe, obstacle) = (arguments.probe, disk_full_obstacle());
    judge("a full disk", probe, obstacle, async |judge: &mut Judge| match &arguments.node {
        Some(node) => scenario(node.clone(), &arguments, judge).await,
        None => Ok(()),
    })
    .await
}

async fn scenario(program: PathBuf, arguments: &Arguments, judge: &mut Judge) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for place in [Place::Everything, Place::Database] {
        let folder = tempfile::Builder::new().prefix("peruri-disk-full").tempdir();
        let folder = folder
            .map_err(|source| TestnetError::Io { what: "a temporary folder".into(), source })?;
        let mut chain = Chain::prepare(program.clone(), folder.path(), place).await?;
        for round in 1..=arguments.rounds {
            chain.options.log = folder.path().join(format!("round-{round}.log"));
            let room = random.random_range(ROOM_BYTES);
            chain.round(&format!("{place}, round {round}"), room, judge).await?;
        }
        let name = format!("{place}: all {} acknowledged blocks are there", chain.ledger.len());
        let node = Node::start(&chain.options).await?;
        let lost = chain.ledger.lost(node.client(), usize::MAX).await?;
        judge.expect(&name, lost.is_empty(), format!("lost or changed: {lost:?}"));
        node.stop().await?;
    }
    Ok(())
}

/// What lies on the small disk. RocksDB sets space aside for its log and the sign state is written in
/// place, so that with everything there the journal of the pool fails first; the database fails where
/// it lies alone, with a block that is signed and not yet committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Everything,
    Database,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Everything => "everything on the disk",
            Self::Database => "the database on the disk",
        })
    }
}

/// A chain on a small disk.
struct Chain {
    options: NodeOptions,
    place: Place,
    disk: SmallDisk,
    ledger: Ledger,
    token: Token,
}

impl Chain {
    /// One clean start that deploys the token of the load.
    async fn prepare(program: PathBuf, folder: &Path, place: Place) -> Result<Self> {
        let disk = SmallDisk::create(folder, DISK_BYTES)?;
        let home = if place == Place::Everything { disk.path() } else { folder };
        // No alarm before the disk is full: the alarm has a test of its own.
        let mut options = NodeOptions::dev(program, home).with_args(["--db.min-free", "0"]);
        options.log = folder.join("node.log");
        let node = Node::start(&options).await?;
        let mut owner = dev_wallet(0, Network::of(node.client()).await?)?;
        let supply = alloy_primitives::U256::from(1_000_000_000u64);
        let (token, _) = Token::deploy(node.client(), &mut owner, supply).await?;
        let mut ledger = Ledger::new();
        ledger.catch_up(node.client()).await?;
        node.stop().await?;
        if place == Place::Database {
            disk.take(&options.datadir.join("db"))?;
        }
        Ok(Self { options, place, disk, ledger, token })
    }

    fn signed(&self) -> Result<Signed> {
        Signed::read(&self.options.sign_state())
    }

    /// Fills the disk under load, starts on the full disk, makes space, goes on.
    async fn round(&mut self, round: &str, room: u64, judge: &mut Judge) -> Result<()> {
        let (outcome, name) = match self.place {
            Place::Everything => {
                (self.run_refusing(room).await, "transactions are refused and blocks go on")
            }
            Place::Database => (self.run_full(room).await, "the node ends by itself and says why"),
        };
        judge.check(&format!("{round}: {name}"), outcome);
        let signed = self.signed()?;

        let outcome = self.start_on_full_disk().await;
        judge.check(&format!("{round}: a start on the full disk says why it ends"), outcome);
        let again = self.signed()?;
        let name = format!("{round}: a full disk changes nothing in the sign state");
        judge.expect(&name, signed == again, format!("{signed:?}, then {again:?}"));

        self.disk.make_space()?;
        let head = self.verified_head().await?;
        let acknowledged = self.ledger.head().map_or(0, |seen| seen.number);
        eprintln!(
            "      acknowledged up to {acknowledged}, head {head}, signed up to {}",
            signed.height
        );
        let name = format!("{round}: nothing is signed above the block after the head");
        judge.expect(&name, (head..=head + 1).contains(&signed.height), signed.height);
        let outcome = self.go_on(&signed).await;
        judge.check(&format!("{round}: with space it goes on and has lost nothing"), outcome);
        Ok(())
    }

    /// Runs the node under load until it refuses transactions for want of space: it accepts none that
    /// a crash would lose, and says why in its log.
    async fn run_refusing(&mut self, room: u64) -> Result<()> {
        let (node, load) = self.start_on_small_room(room).await?;
        let client = node.client();
        let mut head = client.block_number().await?;
        let refused = async {
            while load.report().refused == 0 {
                head = client.wait_block(head + 1, NEXT_BLOCK).await?;
            }
            client.wait_block(head + 2, NEXT_BLOCK).await
        };
        tokio::time::timeout(FILLED, refused).await.map_err(|_| TestnetError::Timeout {
            what: "a transaction refused on a full disk".to_owned(),
            limit: FILLED,
        })??;
        drop(load);
        self.ledger.catch_up(client).await?;
        node.stop().await?;
        let log = std::fs::read_to_string(&self.options.log)
            .map_err(|source| TestnetError::Io { what: "the node's log".into(), source })?;
        let alarm = "journal not written";
        match log.lines().find(|line| line.contains(alarm)) {
            Some(line) if line.contains(NO_SPACE) => Ok(()),
            line => Err(finding("an alarm that names journal and reason", format!("{line:?}"))),
        }
    }

    /// Runs the node under load until it ends for want of space.
    async fn run_full(&mut self, room: u64) -> Result<()> {
        let (mut node, load) = self.start_on_small_room(room).await?;
        let watcher = Client::new(node.client().address());
        tokio::select! {
            watched = self.ledger.watch(&watcher) => watched?,
            () = tokio::time::sleep(FILLED) => {}
        }
        let status = node.ended(FILLED).await?;
        eprintln!(
            "      {room} bytes of room, {} transactions accepted, {} bytes free at the end",
            load.report().accepted,
            self.disk.free()?
        );
        self.explained(status.code())
    }

    /// Starts the node and a load with `room` bytes left on the disk.
    async fn start_on_small_room(&self, room: u64) -> Result<(Node, Load)> {
        // Before the database sets space aside, which would last for long.
        self.disk.fill(room)?;
        let node = Node::start(&self.options).await?;
        let network = Network::of(node.client()).await?;
        let mut wallet = dev_wallet(0, network)?;
        wallet.set_nonce(node.client().nonce(wallet.address()).await?);
        self.disk.fill(room)?;
        let server = node.client().address();
        let load = Load::start(server, wallet, Some(self.token), 50, Duration::from_millis(50));
        Ok((node, load))
    }

    /// Starts the node on a disk without a free block: it must not get far, and say why.
    async fn start_on_full_disk(&self) -> Result<()> {
        self.disk.fill_up()?;
        let mut node = Node::spawn(&self.options)?;
        let status = node.ended(REFUSED).await?;
        self.explained(status.code())
    }

    /// Whether the exit code tells of a failure, and the last line names the disk, the reason and what
    /// to do.
    fn explained(&self, code: Option<i32>) -> Result<()> {
        let last = self.options.last_line();
        eprintln!("      code {code:?}: {last}");
        let path = match self.place {
            Place::Everything => self.disk.path().to_owned(),
            Place::Database => self.options.datadir.join("db"),
        };
        let path = path.display().to_string();
        let wanted = ["error: ", path.as_str(), NO_SPACE, "make space"];
        let missing: Vec<_> = wanted.into_iter().filter(|text| !last.contains(text)).collect();
        if code == Some(1) && missing.is_empty() {
            return Ok(());
        }
        Err(finding(
            "code 1 and path, reason and remedy in the last line",
            format!("code {code:?}, missing {missing:?}: {last}"),
        ))
    }

    /// Verifies the state of the stopped node; returns the head.
    async fn verified_head(&self) -> Result<u64> {
        let report = self.options.run(&["db", "verify-state"]).await?;
        let line = report.lines().find_map(|line| line.strip_prefix("block "));
        line.and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| finding("the head in verify-state's report", report.clone()))
    }

    /// Every acknowledged block and the signed one are there, and there is a next one.
    async fn go_on(&mut self, signed: &Signed) -> Result<()> {
        let node = Node::start(&self.options).await?;
        let lost = self.ledger.lost(node.client(), usize::MAX).await?;
        if !lost.is_empty() {
            return Err(finding("every acknowledged block", format!("lost: {lost:?}")));
        }
        node.client().wait_block(signed.height + 1, NEXT_BLOCK).await?;
        self.ledger.catch_up(node.client()).await?;
        if let Some(committed) = signed.committed {
            let block = node.client().block(format!("{:#x}", signed.height)).await?;
            let hash = block.map(|block| block["hash"].clone()).unwrap_or_default();
            if hash != committed.to_string() {
                return Err(finding("the signed block", format!("{hash} for {signed:?}")));
            }
        }
        node.stop().await
    }
}

fn finding(expected: &'static str, got: String) -> TestnetError {
    TestnetError::Answer { method: "a full disk".to_owned(), expected, got }
}
