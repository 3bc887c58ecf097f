//! Validators on this machine, the first of which mirrors.

use super::offer::Server;
use crate::{
    machine::{cpu_time, own_cpu_time},
    subject::{GAS_LIMIT, Programs},
};
use alloy_rpc_types_engine::JwtSecret;
use eyre::{OptionExt, Result, WrapErr, eyre};
use peruri_testnet::{
    Client, Cluster, ClusterOptions, Member, MirrorClient, MirrorSetup, Placement,
};
use serde::Serialize;
use std::{fs, time::Duration};

/// How long anything may take that is not measured.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// Number of the validator that mirrors.
const MIRROR: usize = 0;
/// Blocks before the first activity: all have met by then.
const WARM: u64 = 3;

/// CPU time for each activity in microseconds, by process.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cpu {
    /// The client, which follows completions and verifies proofs too.
    pub client: f64,
    /// The node that mirrors, which is a validator.
    pub mirror: f64,
    /// All other validators together.
    pub others: f64,
}

/// CPU time used so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    client: Duration,
    mirror: Duration,
    others: Duration,
}

impl Used {
    /// What was used since `before` for each of so many activities.
    pub(super) fn since(self, before: Self, activities: usize) -> Cpu {
        let each = |now: Duration, before: Duration| {
            now.saturating_sub(before).as_secs_f64() * 1e6 / activities as f64
        };
        Cpu {
            client: each(self.client, before.client),
            mirror: each(self.mirror, before.mirror),
            others: each(self.others, before.others),
        }
    }
}

/// A running network.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
}

impl Stage {
    /// Starts `validators` with a block each `period` seconds, whose gas limit is no bound.
    pub(super) async fn start(programs: &Programs, validators: usize, period: u64) -> Result<Self> {
        let folder = programs.folder.join("mirror");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let setup = MirrorSetup::new(1);
        let mut cluster = Cluster::create(ClusterOptions {
            block_period: period,
            gas_limit: Some(GAS_LIMIT),
            plog_sources: vec![setup.signer()?],
            placement: Placement::Loopback,
            args: ["--db.min-free", "256"].map(Into::into).into(),
            ..ClusterOptions::new(&programs.node, &folder, validators)
        })
        .await?;
        setup.install(cluster.member_mut(MIRROR))?;
        cluster.start_all(0..validators).await?;
        let this = Self { cluster };
        this.caller()?.accepting(LIMIT).await?;
        this.client().wait_block(WARM, LIMIT).await?;
        Ok(this)
    }

    fn mirror(&self) -> &Member {
        self.cluster.member(MIRROR)
    }

    /// Where activities are handed in.
    pub(super) fn server(&self) -> Result<Server> {
        let options = &self.mirror().options;
        let path = options.datadir.join("jwt.hex");
        let text = fs::read_to_string(&path).wrap_err_with(|| path.display().to_string())?;
        let secret = JwtSecret::from_hex(text.trim()).map_err(|error| eyre!("{error}"))?;
        let port = options.ports.authrpc.ok_or_eyre("no authenticated server")?;
        Ok(Server { address: (options.ip, port).into(), secret })
    }

    /// Reads what becomes of activities.
    pub(super) fn caller(&self) -> Result<MirrorClient> {
        Ok(MirrorClient::new(self.mirror())?)
    }

    /// A client of the public server of the node that mirrors.
    pub(super) fn client(&self) -> Client {
        self.mirror().client()
    }

    pub(super) fn used(&self) -> Result<Used> {
        let mut others = Duration::ZERO;
        let mut mirror = Duration::ZERO;
        for (number, member) in self.cluster.members().iter().enumerate() {
            let used = cpu_time(member.pid().ok_or_eyre("a validator does not run")?)?;
            if number == MIRROR { mirror = used } else { others += used }
        }
        Ok(Used { client: own_cpu_time()?, mirror, others })
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        Ok(self.cluster.stop_all().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_for_each_activity() {
        let used = |ms: [u64; 3]| {
            let [client, mirror, others] = ms.map(Duration::from_millis);
            Used { client, mirror, others }
        };
        let cpu = used([110, 220, 400]).since(used([10, 20, 100]), 1_000);
        assert_eq!((cpu.client, cpu.mirror, cpu.others), (100.0, 200.0, 300.0));
    }
}
