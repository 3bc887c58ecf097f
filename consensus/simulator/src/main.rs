//! Runs the simulator of the IBFT 2.0 consensus core.
//!
//! Every subcommand is a judge: its last line is `N passed, N failed`, and it exits with 0 only if
//! nothing failed and something passed.

use std::{ops::Range, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use peruri_ibft2_sim::{
    marks,
    oracle::Violation,
    run, scenarios,
    shrink::{self, Case},
    twins, vectors,
};

/// The simulator of the IBFT 2.0 consensus core.
#[derive(Debug, Parser)]
#[command(name = "ibft2-sim")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs every vector of a file.
    Vectors {
        /// The file.
        file: PathBuf,
    },
    /// Runs seeds, each with its own number of validators and its own faults.
    Run {
        /// Half-open range, such as 0..20000.
        #[arg(long, value_parser = range)]
        seeds: Range<u64>,
        /// Numbers of validators that a seed draws from.
        #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5,6,7,10")]
        nodes: Vec<usize>,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Searches each seeded bug of the core until an invariant breaks.
    #[cfg(feature = "mutants")]
    Mutants {
        /// CPU seconds for each.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Only this one.
        #[arg(long)]
        only: Option<String>,
        /// Name those that are not caught without failing.
        #[arg(long)]
        list: bool,
    },
    /// Runs the known faults.
    Scenarios {
        /// Seeds of each.
        #[arg(long, default_value_t = 20)]
        seeds: u64,
        /// Only this one, one seed, with everything that happens.
        #[arg(long)]
        only: Option<String>,
        /// The seed for `--only`.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The bug that all cores have, with `--only`.
        #[arg(long, requires = "only")]
        mutant: Option<String>,
        /// Take each repair out instead, and show that the scenario fails within so many CPU
        /// seconds.
        #[cfg(feature = "mutants")]
        #[arg(long, value_name = "SECONDS")]
        repairs: Option<u64>,
    },
    /// Tries every sequence of leaders and partitions with one member that runs twice.
    Twins {
        /// Number of validators.
        #[arg(long, default_value_t = 4)]
        nodes: usize,
        /// How many of them run twice.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=1))]
        twins: u8,
        /// Rounds of a scenario.
        #[arg(long, default_value_t = 2)]
        rounds: u32,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// The second instance restarts from its first disk after every chosen round.
        #[arg(long)]
        forgetful: bool,
        /// Only this scenario, with everything that happens.
        #[arg(long)]
        only: Option<u64>,
    },
    /// Runs a seed or a file twice and compares the hashes of what happens.
    Replay {
        /// The file of a failure.
        #[arg(required_unless_present = "seed", conflicts_with = "seed")]
        file: Option<PathBuf>,
        /// The seed.
        #[arg(long)]
        seed: Option<u64>,
        /// Numbers of validators that the seed draws from.
        #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5,6,7,10")]
        nodes: Vec<usize>,
        /// The bug that all cores have, with `--seed`.
        #[arg(long, conflicts_with = "file")]
        mutant: Option<String>,
        /// Print what happens.
        #[arg(long)]
        log: bool,
        /// Last rows of the message chart to print.
        #[arg(long, default_value_t = 60)]
        rows: usize,
    },
    /// Makes the failure of a seed smaller and writes it to a file.
    Shrink {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Numbers of validators that the seed draws from.
        #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5,6,7,10")]
        nodes: Vec<usize>,
        /// The bug that all cores have.
        #[arg(long)]
        mutant: Option<String>,
        /// Seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The file.
        #[arg(long)]
        out: PathBuf,
    },
}

/// Seconds that a mutant is searched for.
#[cfg(feature = "mutants")]
fn hunt(seconds: u64, only: Option<&str>, list: bool) -> (usize, usize) {
    let reports = peruri_ibft2_sim::mutants::hunt_all(seconds, only);
    let mut failed = 0;
    for report in &reports {
        match &report.caught {
            Some((seed, violation)) => println!(
                "{:<26} caught by {:<4} in {:>6.2} s, {} {seed}, run {}: {}",
                report.name,
                violation.invariant,
                report.seconds,
                report
                    .by
                    .map_or_else(|| "seed".to_owned(), |by| format!("{} variant", by.join(" "))),
                report.runs,
                violation.text,
            ),
            None => {
                failed += 1;
                println!(
                    "{:<32} SURVIVED {:>6.2} s, {} runs",
                    report.name, report.seconds, report.runs
                );
            }
        }
        if report.baseline > 0 {
            println!("{:<32} {} runs break without it", report.name, report.baseline);
            failed += 1;
        }
    }
    if list {
        println!("{failed} are left to the full run");
        return (reports.len() - failed, 0);
    }
    (reports.len().saturating_sub(failed), failed)
}

/// The bug of this name, if one is given.
fn bug(name: Option<&str>) -> eyre::Result<Option<scenarios::Mutant>> {
    name.map(shrink::named).transpose()
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("expected A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok(number(start)?..number(end)?)
}

fn main() -> eyre::Result<ExitCode> {
    let (passed, failed) = match Cli::parse().command {
        Command::Vectors { file } => {
            let file = serde_json::from_slice(&std::fs::read(file)?)?;
            let outcome = vectors::run(&file)?;
            for (kind, (passed, failed)) in &outcome.kinds {
                eprintln!("{kind}: {passed} passed, {failed} failed");
            }
            outcome.total()
        }
        Command::Run { seeds, nodes, threads } => {
            let summary = run::seeds(seeds, &nodes, threads);
            report(&summary);
            (summary.passed as usize, summary.failed.len())
        }
        #[cfg(feature = "mutants")]
        Command::Mutants { seconds, only, list } => hunt(seconds, only.as_deref(), list),
        #[cfg(feature = "mutants")]
        Command::Scenarios { repairs: Some(seconds), only, .. } => {
            repairs(seconds, only.as_deref())
        }
        Command::Scenarios { seeds, only, seed, mutant, .. } => {
            known_faults(seeds, only.as_deref(), seed, bug(mutant.as_deref())?)
        }
        Command::Twins { nodes, rounds, threads, forgetful, only, .. } => {
            let mode = if forgetful { twins::Mode::Forgetful } else { twins::Mode::Split };
            twins(nodes, rounds, mode, threads, only)
        }
        Command::Replay { file, seed, nodes, mutant, log, rows } => {
            let case = match file {
                Some(file) => Case::from_json(&serde_json::from_slice(&std::fs::read(file)?)?)?,
                None => Case::of_seed(seed.unwrap_or_default(), &nodes, bug(mutant.as_deref())?),
            };
            replay(&case, log, rows)
        }
        Command::Shrink { seed, nodes, mutant, seconds, out } => {
            let case = Case::of_seed(seed, &nodes, bug(mutant.as_deref())?);
            let small = shrink::shrink(&case, Duration::from_secs(seconds));
            println!("{} decisions, {} are left", case.tape.weight(), small.tape.weight());
            std::fs::write(&out, serde_json::to_vec(&small.to_json())?)?;
            replay(&small, false, usize::MAX)
        }
    };
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(summary: &run::Summary) {
    let seconds = summary.wall.as_secs_f64().max(0.001);
    println!("{:<66} {:>8}", "situation", "seeds");
    for (situation, count) in summary.marks.iter() {
        let missing = if count == 0 { "  never reached" } else { "" };
        println!("{situation:<66} {count:>8}{missing}");
    }
    let never = summary.marks.iter().filter(|(_, count)| *count == 0).count();
    println!("{} situations, {never} never reached", marks::ALL.len());
    println!(
        "{} events, {:.0} a second; {} inputs, {:.0} a second; {} blocks; simulated {:.1} h; {:.1} s",
        summary.events,
        summary.events as f64 / seconds,
        summary.steps,
        summary.steps as f64 / seconds,
        summary.blocks,
        summary.time as f64 / 3.6e9,
        seconds,
    );
    println!("{} seeds run twice with equal traces", summary.repeated);
    for (seed, what) in summary.failed.iter().take(20) {
        println!("seed {seed}: {what}");
    }
}

fn known_faults(
    seeds: u64,
    only: Option<&str>,
    seed: u64,
    mutant: Option<scenarios::Mutant>,
) -> (usize, usize) {
    let chosen = scenarios::all().filter(|one| only.is_none_or(|only| one.ids.contains(&only)));
    let (mut count, mut failed) = (0, 0);
    for scenario in chosen {
        count += 1;
        let broken = if only.is_some() {
            one_fault(scenario, seed, mutant).map(|violation| (seed, violation))
        } else {
            scenarios::run(scenario, seeds)
        };
        let verdict = match &broken {
            None => {
                format!("passed, {} runs", if only.is_some() { 1 } else { scenario.runs(seeds) })
            }
            Some((seed, violation)) => format!("FAILED with seed {seed}: {violation}"),
        };
        println!("{:<8} {}: {verdict}", scenario.ids.join(" "), scenario.title);
        if !scenario.bugs.is_empty() {
            println!("         fails with {}", scenario.bugs.join(", "));
        }
        failed += usize::from(broken.is_some());
    }
    (count - failed, failed)
}

/// Each scenario with each bug that takes its repair out.
#[cfg(feature = "mutants")]
fn repairs(seconds: u64, only: Option<&str>) -> (usize, usize) {
    use peruri_ibft2::core::Mutant;
    let limit = Duration::from_secs(seconds);
    let (mut count, mut survived) = (0, 0);
    for scenario in scenarios::all().filter(|one| only.is_none_or(|only| one.ids.contains(&only))) {
        let bugs = Mutant::ALL.iter().filter(|mutant| scenario.bugs.contains(&mutant.name()));
        for mutant in bugs {
            count += 1;
            let ids = scenario.ids.join(" ");
            match scenarios::fails_with(scenario, *mutant, limit) {
                Some((seed, violation)) => {
                    println!("{ids:<8} fails with {}, seed {seed}: {violation}", mutant.name());
                }
                None => {
                    survived += 1;
                    println!("{ids:<8} does NOT FAIL with {}", mutant.name());
                }
            }
        }
    }
    (count - survived, survived)
}

/// One run, with all that happens: on the standard error, if it is a directed one.
fn one_fault(
    scenario: &scenarios::Scenario,
    seed: u64,
    mutant: Option<scenarios::Mutant>,
) -> Option<Violation> {
    match scenario.world(seed, mutant, true) {
        Some(world) => {
            let outcome = world.run();
            outcome.chart.lines(400).iter().for_each(|line| println!("{line}"));
            outcome.violation
        }
        None => scenario.show(seed, mutant)?.err(),
    }
}

fn twins(
    n: usize,
    rounds: u32,
    mode: twins::Mode,
    threads: usize,
    only: Option<u64>,
) -> (usize, usize) {
    if let Some(index) = only {
        let outcome = twins::world(index, n, rounds, mode, true).run();
        outcome.chart.lines(400).iter().for_each(|line| println!("{line}"));
        println!("{:?}, {} events", outcome.violation, outcome.events);
        return (
            usize::from(outcome.violation.is_none()),
            usize::from(outcome.violation.is_some()),
        );
    }
    let summary = twins::all(n, rounds, mode, threads);
    let seconds = summary.wall.as_secs_f64().max(0.001);
    let scenarios = summary.passed + summary.failed.len() as u64;
    println!("{} of them equal others in every round that anybody reached", summary.equal);
    println!(
        "{scenarios} scenarios, {:.0} a second; {} events, {:.0} a second; {seconds:.1} s",
        scenarios as f64 / seconds,
        summary.events,
        summary.events as f64 / seconds,
    );
    for (index, what) in summary.failed.iter().take(20) {
        println!("scenario {index}: {what}");
    }
    (summary.passed as usize, summary.failed.len())
}

fn replay(case: &Case, log: bool, rows: usize) -> (usize, usize) {
    let outcome = case.run(true);
    if log {
        outcome.log.iter().for_each(|line| println!("{line}"));
    }
    outcome.chart.lines(rows).iter().for_each(|line| println!("{line}"));
    println!("seed {}: trace {:016x}, expected {:016x}", case.seed, outcome.trace, case.trace);
    println!("{} events, {} inputs, height {}", outcome.events, outcome.steps, outcome.head);
    let broken = outcome.violation.as_ref().map(|violation| violation.invariant.to_owned());
    match &outcome.violation {
        Some(violation) => println!("violation: {violation}"),
        None => println!("no violation"),
    }
    let good = outcome.trace == case.trace && broken == case.invariant;
    (usize::from(good), usize::from(!good))
}
