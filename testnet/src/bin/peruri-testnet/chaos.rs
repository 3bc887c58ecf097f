//! Plays scenarios one after the other.

use crate::program;
use clap::Args;
use eyre::{Result, ensure, eyre};
use peruri_testnet::{
    Fault, Judge, RunOptions, Scenario, TestnetError, is_about_safety, run, stop_signal,
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, Args)]
pub(crate) struct ChaosArguments {
    /// Scenario files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The peruri-node program
    #[arg(long, value_name = "PROGRAM", required_unless_present = "probe")]
    node: Option<PathBuf>,
    /// Another version of it, for mixed restarts
    #[arg(long, value_name = "PROGRAM")]
    other_node: Option<PathBuf>,
    /// A node built without syncs (feature `fault-no-sync`): the files with power cuts are played with
    /// it, and it must lose something, otherwise they prove nothing
    #[arg(long, value_name = "PROGRAM")]
    must_lose: Option<PathBuf>,
    /// Play each file no longer than this; what would end later does not begin
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    at_most: Option<u32>,
    /// Seed instead of the files'
    #[arg(long)]
    seed: Option<u64>,
    /// Keep the files of scenarios that passed, too
    #[arg(long)]
    keep: bool,
    /// Only tell whether this machine can play all: exit 0, or 1 with the reason on standard output
    #[arg(long)]
    probe: bool,
}

impl ChaosArguments {
    pub(crate) async fn play(self) -> ExitCode {
        let mut judge = Judge::new();
        let outcome = match (self.scenarios(), stop_signal()) {
            (Ok(scenarios), _) if self.probe => return probe(&scenarios),
            (Ok(scenarios), Ok(stop)) => tokio::select! {
                outcome = self.play_all(&scenarios, &mut judge) => outcome,
                // Dropping the network removes what it made.
                () = stop => Err(eyre!("interrupted")),
            },
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        };
        if let Err(error) = outcome {
            judge.check("chaos", Err::<(), _>(format!("{error:#}")));
        }
        judge.finish()
    }

    /// All are read before the first is played, so that a typing mistake shows at once.
    fn scenarios(&self) -> Result<Vec<Scenario>, TestnetError> {
        let mut scenarios: Vec<_> =
            self.files.iter().map(|file| Scenario::read(file)).collect::<Result<_, _>>()?;
        for scenario in &mut scenarios {
            scenario.duration =
                scenario.duration.min(self.at_most.map_or(f64::INFINITY, f64::from));
        }
        Ok(scenarios)
    }

    async fn play_all(&self, scenarios: &[Scenario], judge: &mut Judge) -> Result<()> {
        let options = RunOptions {
            program: program(self.node.as_deref().unwrap_or_else(|| Path::new("")))?,
            other: self.other_node.as_deref().map(program).transpose()?,
            seed: self.seed,
        };
        for scenario in scenarios {
            match scenario.obstacle() {
                Some(reason) => judge.skip(&scenario.name, reason),
                None => self.play_one(scenario, &options, judge).await?,
            }
        }
        if let Some(lossy) = &self.must_lose {
            let options = RunOptions { program: program(lossy)?, ..options };
            let cuts = |scenario: &&Scenario| scenario.faults().any(|it| *it == Fault::PowerCut);
            for scenario in scenarios.iter().filter(cuts) {
                match scenario.obstacle() {
                    Some(reason) => judge.skip(&scenario.name, reason),
                    None => lose(scenario, &options, judge).await?,
                }
            }
        }
        Ok(())
    }

    /// Plays one; its files are kept if something failed.
    async fn play_one(
        &self,
        scenario: &Scenario,
        options: &RunOptions,
        judge: &mut Judge,
    ) -> Result<()> {
        let folder = tempfile::Builder::new().prefix("peruri-chaos").tempdir()?;
        let before = judge.failed().len();
        let outcome = run(scenario, options, &folder.path().join("network"), judge).await;
        judge.check(&format!("{}: played to its end", scenario.name), outcome);
        if self.keep || judge.failed().len() > before {
            eprintln!("          its files are kept in {}", folder.keep().display());
        } else {
            ensure!(folder.close().is_ok(), "files of {} cannot be removed", scenario.name);
        }
        Ok(())
    }
}

/// Plays one with a program that must fail it.
async fn lose(scenario: &Scenario, options: &RunOptions, judge: &mut Judge) -> Result<()> {
    eprintln!("          without syncs, what follows must fail:");
    let folder = tempfile::Builder::new().prefix("peruri-chaos").tempdir()?;
    let mut lossy = Judge::new();
    let outcome = run(scenario, options, &folder.path().join("network"), &mut lossy).await;
    lossy.check(&format!("{}: played to its end", scenario.name), outcome);
    let lost: Vec<_> = lossy.failed().iter().filter(|check| is_about_safety(check)).collect();
    let title = format!("{}: a node without syncs loses or contradicts something", scenario.name);
    let seen = format!("nothing of that; failed: {:?}", lossy.failed());
    judge.expect(&title, !lost.is_empty(), seen);
    Ok(())
}

fn probe(scenarios: &[Scenario]) -> ExitCode {
    match scenarios.iter().find_map(Scenario::obstacle) {
        None => ExitCode::SUCCESS,
        Some(reason) => {
            println!("{reason}");
            ExitCode::FAILURE
        }
    }
}
