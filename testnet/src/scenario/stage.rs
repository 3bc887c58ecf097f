//! The two halves of each fault: what begins it and what ends it.

use super::Fault;
use crate::{
    Cluster, Namespaces, Observer, Result, SteadyLoad, TestnetError,
    faults::{self, Backup, Bandwidth, Corruption, Rules},
};
use rand::rngs::StdRng;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Longest wait for the blocks that a late joiner has to catch up with.
const CHAIN_GROWS: Duration = Duration::from_secs(1_200);
/// Longest time in which it does.
const CATCH_UP: Duration = Duration::from_secs(600);

/// Everything a fault may touch.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) observer: Observer,
    pub(super) load: SteadyLoad,
    /// The scenario's own load in transactions a second.
    pub(super) rate: f64,
    /// Blocks that a late joiner has to catch up with.
    pub(super) late_join_height: u64,
    /// The other program of mixed restarts.
    pub(super) other: Option<PathBuf>,
    /// Number of the next power cut.
    pub(super) cuts: u32,
}

/// A fault in force, with what is needed to end it.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) fault: Fault,
    pub(super) targets: Vec<usize>,
    undo: Undo,
}

#[derive(Debug)]
enum Undo {
    /// What is to be done follows from the fault.
    Plain,
    Rules(Rules),
    Bandwidth(Bandwidth),
    Backup(Backup),
    Corruption(Corruption),
}

impl Stage {
    /// The first half of a fault.
    ///
    /// # Errors
    /// What the fault itself says.
    pub(super) async fn begin(
        &mut self,
        fault: &Fault,
        targets: &[usize],
        random: &mut StdRng,
    ) -> Result<Active> {
        let undo = match fault {
            _ if fault.is_on_the_network() => self.begin_on_network(fault, targets)?,
            _ => self.begin_on_nodes(fault, targets, random).await?,
        };
        Ok(Active { fault: fault.clone(), targets: targets.to_vec(), undo })
    }

    fn begin_on_network(&self, fault: &Fault, targets: &[usize]) -> Result<Undo> {
        let (network, nodes) = (self.network()?, self.cluster.len());
        Ok(match fault {
            Fault::Loss { share } => Undo::Rules(faults::lose(network, nodes, targets, *share)?),
            Fault::Bandwidth { kbit } => {
                Undo::Bandwidth(Bandwidth::limit(network, targets, *kbit)?)
            }
            Fault::Deafen => Undo::Rules(faults::deafen(network, nodes, targets)?),
            _ => Undo::Rules(faults::partition(network, nodes, targets)?),
        })
    }

    async fn begin_on_nodes(
        &mut self,
        fault: &Fault,
        targets: &[usize],
        random: &mut StdRng,
    ) -> Result<Undo> {
        let cluster = &mut self.cluster;
        match fault {
            Fault::Kill => faults::kill(cluster, targets).await?,
            Fault::Terminate => faults::terminate(cluster, targets).await?,
            Fault::Pause => faults::pause(cluster, targets)?,
            Fault::Wipe => faults::wipe(cluster, targets).await?,
            Fault::RestoreData | Fault::RestoreAll => {
                let sign_state = *fault == Fault::RestoreAll;
                return Backup::take(cluster, targets, sign_state).await.map(Undo::Backup);
            }
            Fault::Corrupt { file } => {
                let node = targets.first().copied().unwrap_or_default();
                self.set_back(fault, targets).await?;
                let cluster = &mut self.cluster;
                let corruption = Corruption::cause(cluster, node, *file, random).await?;
                eprintln!("          {}", corruption.describe());
                return Ok(Undo::Corruption(corruption));
            }
            Fault::FullDisk => {
                targets.iter().try_for_each(|node| faults::fill(cluster, *node))?;
            }
            Fault::Clock { seconds } => self.set_clocks(targets, *seconds)?,
            Fault::LateJoin => self.join_late(targets).await?,
            Fault::VoteOut => self.vote(targets, false).await?,
            Fault::VoteIn => self.vote(targets, true).await?,
            Fault::MixedRestart => {
                let other = self.other.as_deref();
                faults::restart_in_turn(cluster, targets, other, random).await?;
            }
            Fault::Burst { load } => self.load.set_rate(*load, cluster.len()),
            Fault::PowerCut => {
                self.cuts += 1;
                faults::cut_power(cluster, targets, &format!("cut-{}", self.cuts)).await?;
            }
            Fault::Partition | Fault::Deafen | Fault::Loss { .. } | Fault::Bandwidth { .. } => {}
        }
        Ok(Undo::Plain)
    }

    async fn join_late(&mut self, targets: &[usize]) -> Result<()> {
        let client = self.cluster.member(0).client();
        let head = client.wait_block(self.late_join_height, CHAIN_GROWS).await?;
        self.cluster.start_all(targets.iter().copied()).await?;
        let started = Instant::now();
        for node in targets {
            self.cluster.member(*node).client().wait_block(head, CATCH_UP).await?;
        }
        eprintln!("          {head} blocks in {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }

    /// The second half of a fault.
    ///
    /// # Errors
    /// What the fault itself says.
    pub(super) async fn end(&mut self, active: Active) -> Result<()> {
        let Active { fault, targets, undo } = active;
        self.set_back(&fault, &targets).await?;
        match undo {
            Undo::Rules(rules) => rules.lift(self.network()?),
            Undo::Bandwidth(bandwidth) => bandwidth.lift(self.network()?),
            Undo::Backup(backup) => backup.put_back(&mut self.cluster).await,
            Undo::Corruption(corruption) => corruption.repair(&mut self.cluster).await,
            Undo::Plain => self.end_plain(&fault, &targets).await,
        }
    }

    async fn end_plain(&mut self, fault: &Fault, targets: &[usize]) -> Result<()> {
        let cluster = &mut self.cluster;
        match fault {
            Fault::Kill | Fault::Terminate | Fault::PowerCut => {
                cluster.start_all(targets.iter().copied()).await
            }
            Fault::Pause => faults::resume(cluster, targets),
            Fault::Wipe => faults::replace(cluster, targets).await,
            Fault::FullDisk => {
                for node in targets {
                    faults::make_space(cluster, *node).await?;
                }
                Ok(())
            }
            Fault::Clock { .. } => self.set_clocks(targets, 0),
            Fault::VoteOut => self.vote(targets, true).await,
            Fault::VoteIn => self.vote(targets, false).await,
            Fault::Burst { .. } => {
                self.load.set_rate(self.rate, cluster.len());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Kills nodes whose data will be older when they start again: what they show then may be lower
    /// than before.
    async fn set_back(&mut self, fault: &Fault, targets: &[usize]) -> Result<()> {
        if fault.sets_back() {
            faults::kill(&mut self.cluster, targets).await?;
            targets.iter().for_each(|node| self.observer.new_life(*node));
        }
        Ok(())
    }

    fn set_clocks(&self, targets: &[usize], seconds: i64) -> Result<()> {
        targets.iter().try_for_each(|node| self.cluster.member(*node).set_clock(seconds))
    }

    async fn vote(&mut self, targets: &[usize], enter: bool) -> Result<()> {
        for node in targets {
            faults::vote(&mut self.cluster, *node, enter).await?;
        }
        Ok(())
    }

    fn network(&self) -> Result<&Namespaces> {
        self.cluster.topology().namespaces().ok_or_else(|| TestnetError::Answer {
            method: "a fault on the network".to_owned(),
            expected: "network namespaces",
            got: "loopback addresses".to_owned(),
        })
    }
}
