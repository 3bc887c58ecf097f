//! Scenarios: a network, a load, and perturbations at given or random times, read from a TOML file.
//!
//! ```toml
//! name = "kill and partition"
//! nodes = 4            # validators
//! followers = 1        # nodes without a vote; they are numbered after the validators (default 0)
//! block-period = 1     # seconds (default 1)
//! block-period-milliseconds = 40 # in the place of block-period
//! late-join-height = 10000 # blocks before somebody joins late (default 0)
//! duration = 60        # seconds of perturbations, from the first block on
//! load = 20            # transactions a second, all nodes together (default 0)
//! seed = 7             # of everything random (default 0)
//!
//! [[perturbation]]
//! fault = "kill"       # see `Fault`; faults with parameters: fault = { loss = { share = 0.3 } }
//! target = "random"    # node number from 0, list of numbers, "random", "proposer" or "all"
//! at = 5               # seconds after the first block …
//! for = 3              # … and how long it lasts
//!
//! [[perturbation]]
//! fault = "partition"
//! target = [0, 1]
//! every = 20           # once in every 20 s, at a random moment that leaves room for its end
//! for = 8
//! probability = 0.5    # of each occurrence (default 1)
//! ```

mod fault;
mod judge;
mod plan;
mod run;
mod stage;
mod target;

pub use fault::Fault;
pub use judge::is_about_safety;
pub use run::{RunOptions, run};
pub use target::{Target, Word};

use crate::{DEV_KEYS, Result, TestnetError};
use serde::Deserialize;
use std::{collections::BTreeSet, fs, path::Path};

/// A scenario as its file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// Validators.
    pub nodes: usize,
    /// Nodes without a vote.
    #[serde(default)]
    pub followers: usize,
    /// Seconds between blocks.
    #[serde(default = "one")]
    pub block_period: u64,
    /// Milliseconds between blocks, in the place of `block_period`.
    pub block_period_milliseconds: Option<u64>,
    /// Blocks that the chain must have before somebody joins late, who is kept waiting for them.
    #[serde(default)]
    pub late_join_height: u64,
    /// Seconds during which perturbations happen.
    pub duration: f64,
    /// Transactions a second: transfers and, every third, an approval in an ERC-20.
    #[serde(default)]
    pub load: f64,
    /// Seed of all that is random.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    #[serde(rename = "perturbation")]
    pub perturbations: Vec<Perturbation>,
}

/// A fault with its times and its targets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perturbation {
    /// What happens.
    pub fault: Fault,
    /// To whom.
    #[serde(default)]
    pub target: Target,
    /// When, in seconds; this or `every`.
    #[serde(default)]
    pub at: Option<f64>,
    /// Length of the intervals in each of which it happens once.
    #[serde(default)]
    pub every: Option<f64>,
    /// How long it lasts, in seconds.
    #[serde(default, rename = "for")]
    pub lasts: Option<f64>,
    /// Chance of each occurrence.
    #[serde(default = "certain")]
    pub probability: f64,
}

const fn one() -> u64 {
    1
}

const fn certain() -> f64 {
    1.0
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TestnetError::Io`]; [`TestnetError::Scenario`] with the place in the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).map_err(TestnetError::io(path.display().to_string()))?;
        Self::parse(&text)
            .map_err(|reason| TestnetError::Scenario { file: path.to_owned(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let this: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        this.validate()?;
        Ok(this)
    }

    fn validate(&self) -> Result<(), String> {
        let all = self.all_nodes();
        if self.nodes == 0 || all > DEV_KEYS.len() {
            return Err(format!("nodes, followers: 1 to {} together", DEV_KEYS.len()));
        }
        if self.block_period == 0 || !positive(self.duration) || self.load < 0.0 {
            return Err("block-period, duration, load: must not be negative or zero".to_owned());
        }
        for (number, perturbation) in self.perturbations.iter().enumerate() {
            let number = number + 1;
            perturbation.validate(all).map_err(|e| format!("perturbation {number}: {e}"))?;
        }
        let disks = |wanted: fn(&Fault) -> bool| self.faults().any(wanted);
        if disks(|it| *it == Fault::FullDisk) && disks(|it| *it == Fault::PowerCut) {
            return Err("full-disk and power-cut need different disks: use two files".to_owned());
        }
        Ok(())
    }

    /// Validators and followers.
    pub const fn all_nodes(&self) -> usize {
        self.nodes + self.followers
    }

    /// The faults of all perturbations.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.perturbations.iter().map(|it| &it.fault)
    }

    /// Nodes that are not started with the others.
    pub fn late_joiners(&self) -> BTreeSet<usize> {
        let late = self.perturbations.iter().filter(|it| it.fault == Fault::LateJoin);
        late.flat_map(|it| it.target.fixed()).collect()
    }
}

impl Perturbation {
    fn validate(&self, nodes: usize) -> Result<(), String> {
        self.fault.validate()?;
        if let Some(node) = self.target.fixed().into_iter().find(|node| *node >= nodes) {
            return Err(format!("target: there is no node {node}, they are numbered from 0"));
        }
        if self.fault.needs_fixed_target() && self.target.fixed().is_empty() {
            return Err("target: this fault needs node numbers".to_owned());
        }
        match (self.at, self.every) {
            (Some(at), None) if at >= 0.0 && at.is_finite() => {}
            (None, Some(every)) if positive(every) => {}
            _ => return Err("give either at or every, in seconds".to_owned()),
        }
        if self.lasts.is_some_and(|seconds| !positive(seconds)) {
            return Err("for: must be positive".to_owned());
        }
        if self.fault.needs_end() && self.lasts.is_none() {
            return Err("for: this fault needs an end".to_owned());
        }
        if self.fault.has_no_end() && self.lasts.is_some() {
            return Err("for: this fault has no end".to_owned());
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return Err("probability: must lie between 0 and 1".to_owned());
        }
        Ok(())
    }
}

fn positive(seconds: f64) -> bool {
    seconds > 0.0 && seconds.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Victim;

    const HEAD: &str = "name = 'x'\nnodes = 4\nfollowers = 1\nduration = 60\n";

    fn parse(perturbation: &str) -> Result<Scenario, String> {
        Scenario::parse(&format!("{HEAD}[[perturbation]]\n{perturbation}"))
    }

    #[test]
    fn faults_and_targets_are_read_in_every_form() {
        let fault = |text: &str| parse(text).expect("scenario").perturbations[0].clone();
        let kill = fault("fault = 'kill'\nat = 5\nfor = 3");
        assert_eq!((kill.fault, kill.target), (Fault::Kill, Target::Word(Word::Random)));
        let loss = fault("fault = { loss = { share = 0.3 } }\ntarget = [0, 1]\nevery = 5\nfor = 3");
        assert_eq!(
            (loss.fault, loss.target),
            (Fault::Loss { share: 0.3 }, Target::Nodes(vec![0, 1]))
        );
        let corrupt =
            fault("fault = { corrupt = { file = 'sign-state' } }\ntarget = 2\nat = 0\nfor = 3");
        assert_eq!(corrupt.fault, Fault::Corrupt { file: Victim::SignState });
        assert_eq!(corrupt.target, Target::Node(2));
        let all = fault("fault = 'power-cut'\ntarget = 'all'\nat = 1\nfor = 1");
        assert_eq!(all.target, Target::Word(Word::All));
    }

    #[test]
    fn late_joiners_are_known_before_the_start() {
        let scenario = parse("fault = 'late-join'\ntarget = 4\nat = 20").expect("scenario");
        assert_eq!(scenario.late_joiners(), [4].into());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for perturbation in [
            "fault = 'kill'\nat = 5",
            "fault = 'kill'\nfor = 5",
            "fault = 'kill'\nat = 5\nevery = 5\nfor = 3",
            "fault = 'kill'\nat = -5\nfor = 3",
            "fault = 'kill'\nat = 5\nfor = 0",
            "fault = 'kill'\nat = 5\nfor = 3\ntarget = 5",
            "fault = 'kill'\nat = 5\nfor = 3\ntarget = 'some'",
            "fault = 'kill'\nat = 5\nfor = 3\nprobability = 1.5",
            "fault = 'kill'\nat = 5\nfor = 3\nfrom = 1",
            "fault = 'murder'\nat = 5\nfor = 3",
            "fault = 'late-join'\nat = 5",
            "fault = 'late-join'\nat = 5\nfor = 5\ntarget = 4",
            "fault = 'loss'\nat = 5\nfor = 3",
            "fault = { loss = { share = 2.0 } }\nat = 5\nfor = 3",
            "fault = { loss = { share = 0.5, of = 1 } }\nat = 5\nfor = 3",
        ] {
            assert!(parse(perturbation).is_err(), "{perturbation}");
        }
        assert!(Scenario::parse(&format!("{HEAD}color = 1\nperturbation = []")).is_err());
        let crowd = HEAD.replace("nodes = 4", "nodes = 10") + "perturbation = []";
        assert!(Scenario::parse(&crowd).is_err());
    }

    /// The scenarios in a folder of the tree.
    fn tree(folder: &str) -> Vec<Scenario> {
        // Tests run in the folder of their package, wherever they were built.
        let paths = fs::read_dir(folder).expect("folder").map(|it| it.expect("entry").path());
        let files = paths.filter(|path| path.is_file());
        files.map(|path| Scenario::read(&path).expect("scenario")).collect()
    }

    #[test]
    fn the_files_of_the_tree_are_valid_and_cover_every_fault() {
        let scenarios = tree("scenarios");
        assert!(scenarios.len() >= 12, "{} files", scenarios.len());
        let kinds: BTreeSet<_> =
            scenarios.iter().flat_map(Scenario::faults).map(Fault::name).collect();
        let missing: Vec<_> = Fault::NAMES.iter().filter(|name| !kinds.contains(*name)).collect();
        assert!(missing.is_empty(), "no scenario has {missing:?}");
        for scenario in &scenarios {
            assert!((4..=7).contains(&scenario.nodes), "{}", scenario.name);
            assert!(!scenario.plan(scenario.seed).is_empty(), "{}", scenario.name);
        }
    }

    #[test]
    fn the_long_ones_happen_as_often_as_their_names_say() {
        for scenario in tree("scenarios/soak") {
            let name = match scenario.late_join_height {
                0 => format!(", {} times", scenario.plan(scenario.seed).len()),
                blocks => format!(", {blocks} blocks"),
            };
            assert!(scenario.name.ends_with(&name), "{}: {name}", scenario.name);
        }
    }
}
