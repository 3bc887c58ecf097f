//! The four processes: three validators, each of an organisation, and a node that takes transactions.

use crate::LIMIT;
use alloy_primitives::{Address, B256};
use eyre::{Result, WrapErr, eyre};
use peruri_testnet::{
    Client, Cluster, ClusterOptions, GenesisFile, Member, MirrorClient, MirrorSetup, Network,
    Placement, Wallet, clear, free_port, write_secret,
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

/// The validators, then the transaction node.
const NAMES: [&str; 4] = ["Peruri", "PDS", "NOTA", "Gateway"];
/// How many of them vote.
pub(crate) const VALIDATORS: usize = 3;
/// Number of the transaction node.
const GATEWAY: usize = 3;
/// Number of the validator that crashes.
pub(crate) const NOTA: usize = 2;
/// Seconds between blocks.
const PERIOD: u64 = 2;
/// The ports that wallets and scripts try first, HTTP and WebSocket.
const USUAL_PORTS: [u16; 2] = [8545, 8546];

/// The running network.
pub(crate) struct Pilot {
    cluster: Cluster,
    /// Key of the log's first source.
    source_key: B256,
    /// The second source: the mirror of the transaction node.
    mirror: MirrorSetup,
}

impl Pilot {
    /// Makes keys, genesis file, node list and data folders under `out`.
    pub(crate) async fn create(program: &Path, out: &Path, check: bool) -> Result<Self> {
        let folder = clear(out).await.wrap_err("remove it, or give another folder with --out")?;
        let program = program.canonicalize()?;
        let source_key = B256::new(rand::random());
        let any = Network { chain_id: GenesisFile::pilot().chain_id, max_fee_per_gas: 0 };
        let mirror = MirrorSetup::new(2);
        let mut cluster = Cluster::create(ClusterOptions {
            plog_sources: vec![Wallet::new(&source_key, any)?.address(), mirror.signer()?],
            followers: NAMES.len() - VALIDATORS,
            block_period: PERIOD,
            names: NAMES.map(str::to_owned).to_vec(),
            placement: Placement::Loopback,
            ..ClusterOptions::new(program, &folder, VALIDATORS)
        })
        .await?;
        write_secret(&folder.join("source-key"), &source_key)?;
        // The one that people talk to lies where they look for it.
        let options = &mut cluster.member_mut(GATEWAY).options;
        options.ip = Ipv4Addr::LOCALHOST.into();
        for (port, usual) in
            [&mut options.ports.http, &mut options.ports.ws].into_iter().zip(USUAL_PORTS)
        {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, usual)).is_ok();
            *port = Some(if free && !check { usual } else { free_port()? });
        }
        options.ports.metrics = None;
        mirror.install(cluster.member_mut(GATEWAY))?;
        Ok(Self { cluster, source_key, mirror })
    }

    /// Starts all four.
    pub(crate) async fn start(&mut self) -> Result<()> {
        Ok(self.cluster.start_all(0..NAMES.len()).await?)
    }

    /// Kills a node as a crash would.
    pub(crate) async fn kill(&mut self, node: usize) -> Result<()> {
        Ok(self.cluster.kill(node).await?)
    }

    /// Starts a node again and waits until it answers.
    pub(crate) async fn restart(&mut self, node: usize) -> Result<()> {
        Ok(self.cluster.start(node).await?)
    }

    /// Stops all; each must exit with code 0.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        Ok(self.cluster.stop_all().await?)
    }

    /// Fails if a process has ended.
    pub(crate) fn all_alive(&mut self) -> Result<()> {
        for node in 0..NAMES.len() {
            self.cluster.running(node)?.alive()?;
        }
        Ok(())
    }

    /// A client of the transaction node.
    pub(crate) fn gateway(&self) -> Client {
        self.client(GATEWAY)
    }

    /// A client of a node.
    pub(crate) fn client(&self, node: usize) -> Client {
        self.cluster.member(node).client()
    }

    /// A node's address.
    pub(crate) fn address(&self, node: usize) -> Address {
        self.cluster.member(node).address
    }

    /// The transaction node's address.
    pub(crate) fn gateway_address(&self) -> Address {
        self.address(GATEWAY)
    }

    /// Waits until a node has the block that the transaction node has now; returns its number.
    pub(crate) async fn caught_up(&self, node: usize) -> Result<u64> {
        let head = self.gateway().block_number().await?;
        self.client(node).wait_block(head, LIMIT).await?;
        Ok(head)
    }

    /// Name of the validator with this address.
    pub(crate) fn name(&self, address: Address) -> Result<&str> {
        let member = self.voters().find(|member| member.address == address);
        member.map(|it| it.name.as_str()).ok_or_else(|| eyre!("{address} is no validator"))
    }

    /// Names and addresses of the validators.
    pub(crate) fn validators(&self) -> BTreeMap<&str, Address> {
        self.voters().map(|member| (member.name.as_str(), member.address)).collect()
    }

    fn voters(&self) -> impl Iterator<Item = &Member> {
        self.cluster.members().iter().filter(|member| member.validator)
    }

    /// Names, roles and process ids.
    pub(crate) fn processes(&self) -> String {
        let shown = self.cluster.members().iter().map(|member| {
            let role = if member.validator { "validator" } else { "transaction node" };
            format!("{} ({role}, process {})", member.name, member.pid().unwrap_or_default())
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// All nodes by number.
    pub(crate) fn nodes(&self) -> std::ops::Range<usize> {
        0..NAMES.len()
    }

    /// The source that the transaction node mirrors as.
    pub(crate) const fn mirror(&self) -> &MirrorSetup {
        &self.mirror
    }

    /// A caller of the mirror.
    pub(crate) fn mirror_client(&self) -> Result<MirrorClient> {
        Ok(MirrorClient::new(self.cluster.member(GATEWAY))?)
    }

    /// Key of the log's first source.
    pub(crate) const fn source_key(&self) -> B256 {
        self.source_key
    }

    /// A program that is built beside the node.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.cluster.options().program.with_file_name(name)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.cluster.options().folder.clone()
    }

    pub(crate) fn http_url(&self) -> String {
        format!("http://{}", self.cluster.member(GATEWAY).rpc())
    }

    pub(crate) fn ws_url(&self) -> String {
        let options = &self.cluster.member(GATEWAY).options;
        format!("ws://{}:{}", options.ip, options.ports.ws.unwrap_or_default())
    }
}
