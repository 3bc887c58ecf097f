//! Three validators and a node that mirrors.

use peruri_testnet::{
    Client, Cluster, ClusterOptions, MirrorClient, MirrorSetup, Placement, Result, TestnetError,
};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

/// Validators of the genesis block.
pub(crate) const VALIDATORS: usize = 3;
/// Number of the node that mirrors.
pub(crate) const GATEWAY: usize = VALIDATORS;
/// How long anything may take that is not meant to stand still.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The network with its files, which go with it.
pub(crate) struct MirrorNetwork {
    pub(crate) cluster: Cluster,
    pub(crate) setup: MirrorSetup,
    folder: TempDir,
}

impl MirrorNetwork {
    /// Starts everything, as source 1; `followers` nodes without a vote, the first of which mirrors.
    pub(crate) async fn start(
        program: &Path,
        followers: usize,
        setup: MirrorSetup,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("peruri-mirror").tempdir();
        let folder = folder.map_err(TestnetError::io("a temporary folder"))?;
        let mut cluster = Cluster::create(ClusterOptions {
            followers,
            plog_sources: vec![setup.signer()?],
            placement: Placement::Loopback,
            ..ClusterOptions::new(program, &folder.path().join("net"), VALIDATORS)
        })
        .await?;
        setup.install(cluster.member_mut(GATEWAY))?;
        cluster.start_all(0..VALIDATORS + followers).await?;
        let this = Self { cluster, setup, folder };
        this.caller()?.accepting(LIMIT).await?;
        Ok(this)
    }

    /// A caller of the mirror.
    pub(crate) fn caller(&self) -> Result<MirrorClient> {
        MirrorClient::new(self.cluster.member(GATEWAY))
    }

    /// A client of the node that mirrors.
    pub(crate) fn gateway(&self) -> Client {
        self.cluster.member(GATEWAY).client()
    }

    /// Kills so many validators that no block is made.
    pub(crate) async fn stall(&mut self) -> Result<()> {
        for validator in 1..VALIDATORS {
            self.cluster.kill(validator).await?;
        }
        Ok(())
    }

    /// Brings them back.
    pub(crate) async fn go_on(&mut self) -> Result<()> {
        self.cluster.start_all(1..VALIDATORS).await
    }

    /// Where its files lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops all nodes cleanly and removes the files.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.cluster.stop_all().await
    }

    /// Keeps the files of a scenario that failed.
    pub(crate) fn keep(self) {
        eprintln!("its files are kept in {}", self.folder.keep().display());
    }
}
