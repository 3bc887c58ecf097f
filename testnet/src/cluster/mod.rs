//! A network of real node processes: keys, genesis file, node list, and each process by its number.
//!
//! Members are numbered: first the validators of the genesis block, then the followers, which have
//! keys as well and can be voted in. Everything lies under one folder:
//!
//! | path | what |
//! |---|---|
//! | `config` | what `genesis create` writes: genesis file, node list, … |
//! | `state.json` | what was made outside the folder ([`ClusterState`]) |
//! | `nodes/NAME/key` | the node's key |
//! | `nodes/NAME/{data,sign}` | data folder and sign state, unless they lie on a disk of their own |
//! | `nodes/NAME/node.log`, `messages-N.log` | its log, and the consensus messages of its Nth start |

mod disks;
mod files;
mod member;
mod state;
mod status;

pub use disks::{DiskChoice, Disks};
pub use member::Member;
pub use state::{ClusterState, MemberState, clear, down};
pub use status::{NodeStatus, status};

use crate::{
    Clock, DEV_KEYS, GenesisFile, Network, Node, Placement, Result, TestnetError, Topology,
    dev_wallet, write_secret,
};
use alloy_primitives::Address;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// Name of the folder of what `genesis create` writes.
const CONFIG: &str = "config";

/// What a network looks like.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The `peruri-node` program.
    pub program: PathBuf,
    /// Where its files go; must be empty or absent.
    pub folder: PathBuf,
    /// Validators of the genesis block.
    pub validators: usize,
    /// Nodes without a vote.
    pub followers: usize,
    /// Seconds between blocks.
    pub block_period: u64,
    /// Milliseconds between blocks in the place of `block_period`.
    pub block_period_milliseconds: Option<u64>,
    /// A genesis file made elsewhere, in the place of the one that `genesis create` writes and to which
    /// period, gas limit and accounts apply.
    pub genesis: Option<PathBuf>,
    /// Sources 1, 2, … of a transparency log that the chain begins with; without any it has no log. The
    /// nodes offer the namespace `plog` then.
    pub plog_sources: Vec<Address>,
    /// Gas limit of a block; `None` leaves the pilot's.
    pub gas_limit: Option<u64>,
    /// Accounts with coins besides the development accounts. [`SCENARIO_TOKEN`](crate::SCENARIO_TOKEN)
    /// is there too.
    pub funded: Vec<Address>,
    /// Names of the nodes in their order; one without a name here is called `nodeN`.
    pub names: Vec<String>,
    /// How the nodes are kept apart.
    pub placement: Placement,
    /// Disks of the nodes.
    pub disks: DiskChoice,
    /// Whether each node has a wall clock of its own.
    pub clocks: bool,
    /// Whether the nodes write down every consensus message, for [`crate::check`].
    pub message_logs: bool,
    /// Further arguments of every node.
    pub args: Vec<OsString>,
}

impl ClusterOptions {
    /// `validators` nodes with 1 s blocks under `folder`.
    pub fn new(program: impl Into<PathBuf>, folder: &Path, validators: usize) -> Self {
        Self {
            program: program.into(),
            folder: folder.to_owned(),
            validators,
            followers: 0,
            block_period: 1,
            block_period_milliseconds: None,
            genesis: None,
            plog_sources: Vec::new(),
            gas_limit: None,
            funded: Vec::new(),
            names: Vec::new(),
            placement: Placement::best(),
            disks: DiskChoice::Plain,
            clocks: false,
            message_logs: false,
            args: Vec::new(),
        }
    }
}

/// A network. Dropping it kills the processes and removes what was made for them; its folder stays.
#[derive(Debug)]
pub struct Cluster {
    // In this order: processes end before disks are unmounted and namespaces removed.
    members: Vec<Member>,
    disks: Disks,
    topology: Topology,
    options: ClusterOptions,
}

impl Cluster {
    /// Makes keys, files, disks and namespaces; no node is started yet.
    ///
    /// # Errors
    /// [`TestnetError::Io`], [`TestnetError::Command`], also if `init` refuses a genesis file.
    pub async fn create(options: ClusterOptions) -> Result<Self> {
        let count = options.validators + options.followers;
        let folder = &options.folder;
        files::empty_folder(folder)?;
        let topology = Topology::create(options.placement, count)?;
        let disks = Disks::create(&options.disks, folder)?;
        let network = Network { chain_id: GenesisFile::pilot().chain_id, max_fee_per_gas: 0 };
        let identities = files::identities(&options.names, count, network)?;
        let dev_accounts = (0..DEV_KEYS.len()).map(|it| Ok(dev_wallet(it, network)?.address()));
        let mut funded = dev_accounts.collect::<Result<Vec<_>>>()?;
        funded.extend(&options.funded);
        let config = folder.join(CONFIG);
        files::create_network(&options, &config, &identities, &topology, &funded)?;
        let clocks = options.clocks.then(|| Clock::compile(folder)).transpose()?;
        let mut members = Vec::with_capacity(count);
        for (index, identity) in identities.into_iter().enumerate() {
            let mut member = Member::new(index, &identity, &options, &topology, &disks);
            fs::create_dir_all(&member.folder).map_err(TestnetError::io("a node's folder"))?;
            write_secret(&member.folder.join("key"), &identity.secret)?;
            if let Some(library) = &clocks {
                member.options.clock = Some(Clock::new(library, &member.folder.join("clock"))?);
            }
            members.push(member);
        }
        let this = Self { members, disks, topology, options };
        this.write_state()?;
        for member in &this.members {
            member.options.init().await?;
        }
        Ok(this)
    }

    /// Number of members.
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member `index`.
    pub fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// The member `index`, to change how it is started the next time.
    pub fn member_mut(&mut self, index: usize) -> &mut Member {
        &mut self.members[index]
    }

    /// How the network was made.
    pub const fn options(&self) -> &ClusterOptions {
        &self.options
    }

    /// Addresses and namespaces.
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The genesis file.
    pub fn genesis_file(&self) -> PathBuf {
        self.options.folder.join(CONFIG).join("genesis.json")
    }

    /// The disks of the members.
    pub const fn disks(&self) -> &Disks {
        &self.disks
    }

    /// The member with this validator address.
    pub fn by_address(&self, address: alloy_primitives::Address) -> Option<usize> {
        self.members.iter().position(|member| member.address == address)
    }

    /// Starts the member's process and returns at once.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn spawn(&mut self, index: usize) -> Result<()> {
        self.members[index].spawn()?;
        self.write_state()
    }

    /// Starts the member and waits until it answers.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start(&mut self, index: usize) -> Result<()> {
        self.spawn(index)?;
        self.running(index)?.ready().await
    }

    /// Starts these members at the same time and waits until all answer.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_all(&mut self, members: impl IntoIterator<Item = usize>) -> Result<()> {
        let members: Vec<_> = members.into_iter().collect();
        for index in &members {
            self.spawn(*index)?;
        }
        for index in members {
            self.running(index)?.ready().await?;
        }
        Ok(())
    }

    /// The member's process.
    ///
    /// # Errors
    /// [`TestnetError::Answer`] if it does not run.
    pub fn running(&mut self, index: usize) -> Result<&mut Node> {
        let name = self.members[index].name.clone();
        self.members[index].node.as_mut().ok_or_else(|| not_running(&name))
    }

    /// Kills the member's process (`kill -9`), if it runs.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub async fn kill(&mut self, index: usize) -> Result<()> {
        if let Some(node) = self.members[index].node.take() {
            node.kill().await?;
        }
        self.write_state()
    }

    /// Asks the member to stop (`SIGTERM`), if it runs, and waits for exit code 0.
    ///
    /// # Errors
    /// As [`Node::stop`].
    pub async fn stop(&mut self, index: usize) -> Result<()> {
        if let Some(node) = self.members[index].node.take() {
            node.stop().await?;
        }
        self.write_state()
    }

    /// Stops all members at the same time.
    ///
    /// # Errors
    /// As [`Node::stop`], the first of them.
    pub async fn stop_all(&mut self) -> Result<()> {
        let nodes = self.members.iter_mut().filter_map(|member| member.node.take());
        let stopped = futures::future::join_all(nodes.map(Node::stop)).await;
        self.write_state()?;
        stopped.into_iter().collect()
    }

    /// Uses another program for the member's next start.
    pub fn set_program(&mut self, index: usize, program: &Path) {
        self.members[index].options.program = program.to_owned();
    }

    /// Writes the record by which another process can clean up.
    fn write_state(&self) -> Result<()> {
        ClusterState::of(self).write(&self.options.folder)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.members.iter_mut().filter_map(|member| member.node.as_mut()) {
            node.kill_now();
        }
    }
}

fn not_running(name: &str) -> TestnetError {
    TestnetError::Answer {
        method: name.to_owned(),
        expected: "a running node",
        got: "a stopped one".to_owned(),
    }
}
