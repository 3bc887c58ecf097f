//! The two nodes that are loaded: peruri-node and anvil, as processes of their own, one at a time.

use crate::machine::{cpu_time, disk_mib, resident_mib};
use alloy_primitives::{Address, U256};
use eyre::{Context, OptionExt, Result};
use peruri_testnet::{Client, GenesisFile, Node, free_port};
use serde_json::{Value, json};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// Chain id of both.
pub const CHAIN_ID: u64 = 7251;
/// Gas limit of a block, for both: more than a second's work of either.
pub const GAS_LIMIT: u64 = 2_000_000_000;
/// Coins of each funded account, in wei.
const FUNDS: u128 = 1_000_000_000_000_000_000_000_000;

/// Which node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// This project's, with one validator and 1 s blocks.
    Peruri,
    /// anvil with 1 s blocks.
    Anvil,
}

/// Programs and folder of the measurement.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The `peruri-node` program, built for release.
    pub node: PathBuf,
    /// The `anvil` program.
    pub anvil: PathBuf,
    /// Where data folders and logs go.
    pub folder: PathBuf,
}

enum Process {
    Peruri(Box<Node>),
    Anvil(Child),
}

/// A node that is ready to be loaded.
pub struct Running {
    process: Process,
    pid: u32,
    address: SocketAddr,
    /// Where it keeps its data; anvil keeps none.
    data: Option<PathBuf>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("pid", &self.pid).field("address", &self.address).finish()
    }
}

impl Subject {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peruri => "peruri",
            Self::Anvil => "anvil",
        }
    }

    /// Starts it with `funded` accounts.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(self, programs: &Programs, funded: &[Address]) -> Result<Running> {
        match self {
            Self::Peruri => start_peruri(programs, funded).await,
            Self::Anvil => start_anvil(programs, funded).await,
        }
    }
}

impl Running {
    /// The server's address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client of its own.
    pub const fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// CPU time used so far.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu_time(self.pid)
    }

    /// Resident memory in MiB.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn resident_mib(&self) -> Result<f64> {
        resident_mib(self.pid)
    }

    /// Size of its files in MiB.
    ///
    /// # Errors
    /// If it keeps none, or they cannot be read.
    pub fn disk_mib(&self) -> Result<f64> {
        disk_mib(self.data.as_deref().ok_or_eyre("a node without files")?)
    }

    /// Stops it.
    ///
    /// # Errors
    /// If it does not stop cleanly.
    pub async fn stop(self) -> Result<()> {
        match self.process {
            Process::Peruri(node) => Ok(node.stop().await?),
            Process::Anvil(mut child) => Ok(child.kill().await?),
        }
    }
}

async fn start_peruri(programs: &Programs, funded: &[Address]) -> Result<Running> {
    let folder = programs.folder.join("peruri");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let senders = folder.join("senders");
    let lines: Vec<String> = funded.iter().map(|address| format!("{address}\n")).collect();
    fs::write(&senders, lines.concat())?;
    let genesis = GenesisFile {
        block_period_seconds: 1,
        gas_limit: GAS_LIMIT,
        funded: funded.to_vec(),
        ..GenesisFile::pilot()
    };
    let senders = senders.to_string_lossy().into_owned();
    let options = genesis.solo(&programs.node, &folder).await?.with_args([
        "--txpool.senders",
        &senders,
        "--db.min-free",
        "256",
        // What anvil offers is asked of both.
        "--http.api",
        "eth,net,web3,debug",
    ]);
    let node = Node::start(&options).await?;
    let (pid, address) = (node.pid().ok_or_eyre("no process")?, node.client().address());
    Ok(Running {
        process: Process::Peruri(Box::new(node)),
        pid,
        address,
        data: Some(options.datadir),
    })
}

async fn start_anvil(programs: &Programs, funded: &[Address]) -> Result<Running> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let arguments = [
        ("--port", address.port().to_string()),
        ("--chain-id", CHAIN_ID.to_string()),
        ("--block-time", "1".to_owned()),
        ("--gas-limit", GAS_LIMIT.to_string()),
        ("--block-base-fee-per-gas", "0".to_owned()),
    ];
    let mut command = Command::new(&programs.anvil);
    for (flag, value) in arguments {
        command.args([flag, &value]);
    }
    let child = command
        .arg("--quiet")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .wrap_err_with(|| programs.anvil.display().to_string())?;
    let pid = child.id().ok_or_eyre("no process")?;
    let client = Client::new(address);
    wait_for_answer(&client).await?;
    for batch in funded.chunks(500) {
        let requests = batch.iter().enumerate().map(|(id, account)| {
            let params = json!([account, U256::from(FUNDS)]);
            json!({ "jsonrpc": "2.0", "id": id, "method": "anvil_setBalance", "params": params })
        });
        let body = Value::from_iter(requests).to_string().into_bytes();
        client.post("anvil_setBalance", body).await?;
    }
    Ok(Running { process: Process::Anvil(child), pid, address, data: None })
}

async fn wait_for_answer(client: &Client) -> Result<()> {
    for _ in 0..500 {
        match client.chain_id().await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_connection() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(eyre::eyre!("no answer from {} within 10 s", client.address()))
}
