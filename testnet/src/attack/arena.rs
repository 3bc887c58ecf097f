//! The network that is attacked.

use super::{
    Seat,
    intervals::{Sighting, intervals},
    scene::{Scene, Target, failed},
    usage::Usage,
};
use crate::{Cluster, ClusterOptions, Member, Observer, Result, TestnetError, rpc};
use alloy_primitives::{Address, B256};
use peruri_chainspec::ChainSpec;
use peruri_network::{NodeIdentity, PeerIdentity};
use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

/// Nodes that run.
const RUNNING: usize = 4;
/// Keys of attackers that are admitted without a vote.
const LISTED: usize = 6;
/// Addresses that attackers connect from.
const SOURCES: usize = 16;
/// How long a new network may take to its first block, and to go on.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running network with room for attackers.
#[derive(Debug)]
pub(super) struct Arena {
    cluster: Cluster,
    observer: Observer,
    scene: Scene,
    /// Keys of members that do not run, the next one last.
    secrets: Vec<B256>,
}

impl Arena {
    /// Starts the network, with its files under `folder`.
    pub(super) async fn start(program: &Path, folder: &Path, seat: Seat) -> Result<Self> {
        let (validators, followers) = match seat {
            Seat::Listed => (RUNNING, LISTED),
            Seat::Validator => (RUNNING + 1, 0),
        };
        let options =
            ClusterOptions { followers, ..ClusterOptions::new(program, folder, validators) };
        let mut cluster = Cluster::create(options).await?;
        cluster.start_all(0..RUNNING).await?;
        for member in &cluster.members()[..RUNNING] {
            member.client().wait_block(2, PATIENCE).await?;
        }
        let servers: Vec<SocketAddr> =
            cluster.members()[..RUNNING].iter().map(Member::rpc).collect();
        let secrets: Result<Vec<_>> = cluster.members()[RUNNING..].iter().map(secret_of).collect();
        let secrets = secrets?;
        let scene = Scene {
            targets: targets(&cluster)?,
            secret: *secrets.last().unwrap_or(&B256::ZERO),
            chain: chain(&cluster)?,
            sources: cluster.topology().spare_ips(SOURCES)?,
        };
        Ok(Self { observer: Observer::start(&servers), cluster, scene, secrets })
    }

    /// What the next attacker knows. It has a key that no earlier one had, while there are some.
    pub(super) fn next_scene(&mut self) -> Scene {
        let secret = match self.secrets.len() {
            0 | 1 => self.secrets.last().copied(),
            _ => self.secrets.pop(),
        };
        Scene { secret: secret.unwrap_or(self.scene.secret), ..self.scene.clone() }
    }

    /// Waits until every node has one more block.
    pub(super) async fn goes_on(&self) -> Result<()> {
        for target in &self.scene.targets {
            let head = target.client().block_number().await?;
            target.client().wait_block(head + 1, PATIENCE).await?;
        }
        Ok(())
    }

    /// Time since the start of the observation.
    pub(super) fn now(&self) -> Duration {
        self.observer.now()
    }

    /// What each node has taken so far.
    pub(super) fn usage(&self) -> Result<Vec<Usage>> {
        self.scene.targets.iter().map(|target| Usage::of(target.pid)).collect()
    }

    /// Times to the blocks between two moments, except at heights that nobody proposes in round 0:
    /// those of the member `paused` and of validators that do not run.
    pub(super) async fn intervals(
        &self,
        from: Duration,
        to: Duration,
        paused: Option<usize>,
    ) -> Result<Vec<Duration>> {
        let members = self.cluster.members();
        let validators: Vec<Address> =
            members.iter().filter(|it| it.validator).map(|it| it.address).collect();
        let away = members[RUNNING..].iter().chain(paused.map(|index| &members[index]));
        let away: Vec<_> = away.map(|member| member.address).collect();
        let client = self.scene.targets[0].client();
        let mut blocks = Vec::new();
        for (at, number) in self.observer.seen().progress() {
            if !(from..=to).contains(&at) {
                continue;
            }
            let header = client.block(format!("{number:#x}")).await?.unwrap_or_default();
            let proposer = rpc::parse("eth_getBlockByNumber", "an address", &header["miner"])?;
            blocks.push(Sighting { number, proposer, at });
        }
        Ok(intervals(&blocks, &validators, &away, to))
    }

    /// Stops the nodes; all must end cleanly.
    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.observer);
        self.cluster.stop_all().await
    }
}

fn targets(cluster: &Cluster) -> Result<Vec<Target>> {
    let members = cluster.members()[..RUNNING].iter();
    members
        .map(|member| {
            let identity = NodeIdentity::from_secret(secret_of(member)?.0);
            let peer_id = identity.map_err(failed("a node's key"))?.peer_id();
            let ended = || TestnetError::Answer {
                method: member.name.clone(),
                expected: "a running node",
                got: "a stopped one".to_owned(),
            };
            Ok(Target {
                peer: PeerIdentity::new(peer_id).ok_or_else(ended)?,
                p2p: member.p2p(),
                rpc: member.rpc(),
                pid: member.pid().ok_or_else(ended)?,
            })
        })
        .collect()
}

/// The key in the member's file.
fn secret_of(member: &Member) -> Result<B256> {
    let path = member.folder.join("key");
    let text = fs::read_to_string(&path).map_err(TestnetError::io(path.display().to_string()))?;
    text.trim().parse().map_err(failed("a key file"))
}

fn chain(cluster: &Cluster) -> Result<Arc<ChainSpec>> {
    let path = cluster.genesis_file();
    let text = fs::read_to_string(&path).map_err(TestnetError::io(path.display().to_string()))?;
    let (chain, _) = ChainSpec::from_genesis_json(&text).map_err(failed("the genesis file"))?;
    Ok(Arc::new(chain))
}
