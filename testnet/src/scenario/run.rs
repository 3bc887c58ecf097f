//! Plays a scenario: starts the network, begins and ends each fault at its time, then judges.

use super::{
    Fault, Scenario,
    judge::{Outcome, judge_outcome},
    plan::Occurrence,
    stage::{Active, Stage},
    target::{Candidates, Target, Word},
};
use crate::{
    Cluster, ClusterOptions, DiskChoice, GenesisFile, Judge, Network, Observer, Placement, Result,
    SteadyLoad, check::Phase, faults::validators, rpc,
};
use alloy_primitives::Address;
use peruri_ibft2::quorum;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// How long a new network may take to its first block.
const FIRST_BLOCK: Duration = Duration::from_secs(60);
/// How often nodes are looked at that should be running.
const LOOK: Duration = Duration::from_millis(500);
/// The disks of scenarios are smaller than what a node wants free by default.
const MIN_FREE: [&str; 2] = ["--db.min-free", "0"];

/// How to play scenarios.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The `peruri-node` program.
    pub program: PathBuf,
    /// The program that mixed restarts change to.
    pub other: Option<PathBuf>,
    /// Seed instead of the file's.
    pub seed: Option<u64>,
}

/// Plays `scenario` with its files under `folder` and judges what happened.
///
/// # Errors
/// If the network does not start, a fault cannot be played, or a node ends that should run.
pub async fn run(
    scenario: &Scenario,
    options: &RunOptions,
    folder: &Path,
    judge: &mut Judge,
) -> Result<()> {
    let seed = options.seed.unwrap_or(scenario.seed);
    eprintln!("{}: seed {seed}, files in {}", scenario.name, folder.display());
    let mut run = Run::start(scenario, options, folder, seed).await?;
    run.perturb(scenario.plan(seed)).await?;
    let mut outcome = run.settle().await?;
    judge_outcome(&scenario.name, &mut outcome, judge).await
}

/// A scenario that is being played.
struct Run<'a> {
    scenario: &'a Scenario,
    stage: Stage,
    seed: u64,
    /// Time of the first block.
    zero: Instant,
    /// Faults in force with the time at which they end; those without a time end with the scenario.
    active: BTreeMap<u64, (Option<Duration>, Active)>,
    next: u64,
    started: BTreeSet<usize>,
    phases: Vec<Phase>,
}

impl<'a> Run<'a> {
    async fn start(
        scenario: &'a Scenario,
        options: &RunOptions,
        folder: &Path,
        seed: u64,
    ) -> Result<Self> {
        let cluster_options = ClusterOptions {
            followers: scenario.followers,
            block_period: scenario.block_period,
            block_period_milliseconds: scenario.block_period_milliseconds,
            placement: Placement::best(),
            disks: scenario.disks(),
            clocks: scenario.faults().any(|it| matches!(it, Fault::Clock { .. })),
            message_logs: true,
            args: MIN_FREE.map(Into::into).to_vec(),
            ..ClusterOptions::new(&options.program, folder, scenario.nodes)
        };
        let mut cluster = Cluster::create(cluster_options).await?;
        let late = scenario.late_joiners();
        let started: BTreeSet<_> = (0..cluster.len()).filter(|it| !late.contains(it)).collect();
        cluster.start_all(started.iter().copied()).await?;
        for node in &started {
            cluster.member(*node).client().wait_block(1, FIRST_BLOCK).await?;
        }
        let servers: Vec<_> = cluster.members().iter().map(|member| member.rpc()).collect();
        let network = Network { chain_id: GenesisFile::pilot().chain_id, max_fee_per_gas: 0 };
        let observer = Observer::start(&servers);
        let load = SteadyLoad::start(&servers, network, scenario.load)?;
        let other = options.other.clone();
        let stage = Stage {
            cluster,
            observer,
            load,
            rate: scenario.load,
            other,
            cuts: 0,
            late_join_height: scenario.late_join_height,
        };
        let mut this = Self {
            scenario,
            stage,
            seed,
            zero: Instant::now(),
            active: BTreeMap::new(),
            next: 0,
            started,
            phases: Vec::new(),
        };
        this.note_phase();
        Ok(this)
    }

    /// Begins and ends everything at its time, until the scenario's duration is over.
    async fn perturb(&mut self, plan: Vec<Occurrence>) -> Result<()> {
        for occurrence in &plan {
            self.wait_until(occurrence.at).await?;
            self.begin(occurrence).await?;
        }
        self.wait_until(Duration::from_secs_f64(self.scenario.duration)).await?;
        while let Some(id) = self.active.keys().next().copied() {
            self.end(id).await?;
        }
        Ok(())
    }

    /// Waits, ending what ends meanwhile.
    async fn wait_until(&mut self, at: Duration) -> Result<()> {
        loop {
            let ends = self.active.iter().filter_map(|(id, (end, _))| Some(((*end)?, *id)));
            let next = ends.min().filter(|(end, _)| *end <= at);
            let until = next.map_or(at, |(end, _)| end);
            while self.zero.elapsed() < until {
                self.all_alive()?;
                let left = until.saturating_sub(self.zero.elapsed());
                tokio::time::sleep(left.min(LOOK)).await;
            }
            let Some((_, id)) = next else { return Ok(()) };
            self.end(id).await?;
        }
    }

    async fn begin(&mut self, occurrence: &Occurrence) -> Result<()> {
        let perturbation = &self.scenario.perturbations[occurrence.perturbation];
        let mut random = occurrence.random(self.seed);
        let candidates = self.candidates(&perturbation.fault, &perturbation.target).await?;
        let targets = match perturbation.target.choose(&candidates, &mut random) {
            Ok(targets) => targets,
            Err(reason) => {
                self.say(&format!("{} left out: {reason}", perturbation.fault.name()));
                return Ok(());
            }
        };
        self.say(&format!("{} {}", perturbation.fault.name(), self.names(&targets)));
        // In force before its first half, which may take a while; it is busy until the second half.
        let begun = self.zero.elapsed();
        let phase = self.phase_with(&perturbation.fault, &targets);
        self.phases.push(phase);
        let active = self.stage.begin(&perturbation.fault, &targets, &mut random).await?;
        self.started.extend(&targets);
        let lasts = perturbation.lasts.map(Duration::from_secs_f64);
        if lasts.is_some() {
            let end = lasts.map(|lasts| begun + lasts);
            self.active.insert(self.next, (end, active));
            self.next += 1;
        } else {
            self.say(&format!("{} {} is done", active.fault.name(), self.names(&active.targets)));
        }
        self.note_phase();
        Ok(())
    }

    async fn end(&mut self, id: u64) -> Result<()> {
        let Some((_, active)) = self.active.remove(&id) else { return Ok(()) };
        let what = format!("{} {}", active.fault.name(), self.names(&active.targets));
        self.say(&format!("{what} ends"));
        self.stage.end(active).await?;
        self.note_phase();
        Ok(())
    }

    /// Takes the nodes that should run; one that ended by itself is a finding.
    fn all_alive(&mut self) -> Result<()> {
        let busy = self.busy(false);
        for node in self.started.difference(&busy) {
            self.stage.cluster.running(*node)?.alive()?;
        }
        Ok(())
    }

    /// Nodes that something happens to, in their process or on the network.
    fn busy(&self, network: bool) -> BTreeSet<usize> {
        let alike = |active: &&Active| active.fault.is_on_the_network() == network;
        let active = self.active.values().map(|(_, active)| active).filter(alike);
        active.flat_map(|active| active.targets.iter().copied()).collect()
    }

    async fn candidates(&mut self, fault: &Fault, target: &Target) -> Result<Candidates> {
        let (voters, proposer) = match target {
            Target::Word(Word::Random | Word::Proposer) => self.voters().await?,
            _ => Default::default(),
        };
        let late = self.scenario.late_joiners();
        let idle = (0..self.stage.cluster.len()).filter(|node| !voters.contains(node));
        let eligible = match fault {
            Fault::VoteIn => idle.filter(|node| !late.contains(node)).collect(),
            _ => voters.intersection(&self.started).copied().collect(),
        };
        let busy = self.busy(fault.is_on_the_network());
        Ok(Candidates { eligible, busy, started: self.started.clone(), proposer })
    }

    /// The present validators, and whose turn it is in round 0, as a running node shows them.
    async fn voters(&mut self) -> Result<(BTreeSet<usize>, Option<usize>)> {
        let busy: BTreeSet<_> = self.busy(false);
        let Some(node) = self.started.difference(&busy).next() else {
            return Ok(((0..self.scenario.nodes).collect(), None));
        };
        let client = self.stage.cluster.member(*node).client();
        let mut set = validators(&client).await?;
        set.sort_unstable();
        let latest = client.block("latest").await?.unwrap_or_default();
        let last: Address = rpc::parse("eth_getBlockByNumber", "an address", &latest["miner"])?;
        let next = set.iter().find(|address| **address > last).or_else(|| set.first());
        let number = |address: &Address| self.stage.cluster.by_address(*address);
        Ok((set.iter().filter_map(number).collect(), next.and_then(number)))
    }

    fn note_phase(&mut self) {
        let phase = self.phase(&[]);
        self.phases.push(phase);
    }

    fn phase_with(&self, fault: &Fault, targets: &[usize]) -> Phase {
        let hit = if fault.hits() { targets } else { &[] };
        Phase { faulty: true, ..self.phase(hit) }
    }

    /// Whether more are hit now than tolerated, `more` included. The sets of validators that scenarios
    /// vote for differ by one, which never lowers what is tolerated below that of the smaller one.
    fn phase(&self, more: &[usize]) -> Phase {
        let active = self.active.values().map(|(_, active)| active);
        let hit = active.filter(|it| it.fault.hits()).flat_map(|it| it.targets.iter());
        let late = (0..self.scenario.nodes).filter(|node| !self.started.contains(node));
        let hit: BTreeSet<_> = hit.chain(more).copied().chain(late).collect();
        let hit = hit.into_iter().filter(|node| *node < self.scenario.nodes).count();
        let faulty = !self.active.is_empty() || hit > 0;
        let obstructed = hit > tolerated(self.scenario.nodes);
        Phase { at: self.stage.observer.now(), obstructed, faulty }
    }

    /// Lets the network recover, then collects what there is to judge.
    async fn settle(self) -> Result<Outcome> {
        let Self { stage, phases, scenario, .. } = self;
        let tolerated = tolerated(scenario.nodes);
        Ok(Outcome { stage, phases, tolerated, block_period: scenario.block_period })
    }

    fn names(&self, nodes: &[usize]) -> String {
        let names = nodes.iter().map(|node| self.stage.cluster.member(*node).name.as_str());
        names.collect::<Vec<_>>().join(" ")
    }

    fn say(&self, what: &str) {
        let heads = self.started.iter().filter_map(|node| self.stage.observer.head(*node));
        let head = heads.max().unwrap_or_default();
        eprintln!("{:7.1} s  block {head:<5} {what}", self.zero.elapsed().as_secs_f64());
    }
}

/// Validators that may be away without stopping the chain.
fn tolerated(validators: usize) -> usize {
    validators.saturating_sub(quorum(validators))
}

impl Scenario {
    /// The disks that its faults need.
    fn disks(&self) -> DiskChoice {
        if self.faults().any(|it| *it == Fault::PowerCut) {
            return DiskChoice::Cut;
        }
        let full = self.perturbations.iter().filter(|it| it.fault == Fault::FullDisk);
        let members: BTreeSet<_> = full.flat_map(|it| it.target.fixed()).collect();
        if members.is_empty() {
            return DiskChoice::Plain;
        }
        DiskChoice::Small(members.into_iter().collect())
    }

    /// Why this machine cannot play it; `None` if it can.
    pub fn obstacle(&self) -> Option<String> {
        self.faults()
            .find_map(|fault| fault.obstacle().map(|reason| format!("{}: {reason}", fault.name())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_validators_tolerate() {
        let found = [1, 2, 3, 4, 5, 6, 7].map(tolerated);
        assert_eq!(found, [0, 0, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn disks_follow_from_the_faults() {
        let disks = |perturbation: &str| {
            let text =
                format!("name = 'x'\nnodes = 4\nduration = 60\n[[perturbation]]\n{perturbation}");
            toml::from_str::<Scenario>(&text).expect("scenario").disks()
        };
        assert_eq!(disks("fault = 'kill'\nat = 1\nfor = 1"), DiskChoice::Plain);
        assert_eq!(disks("fault = 'power-cut'\nat = 1\nfor = 1"), DiskChoice::Cut);
        let full = disks("fault = 'full-disk'\ntarget = 2\nat = 1\nfor = 1");
        assert_eq!(full, DiskChoice::Small(vec![2]));
    }
}
