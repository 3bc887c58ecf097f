//! Runs the simulator of the IBFT 2.0 consensus core.
//!
//! Every subcommand is a judge: its last line is `N passed, N failed`, and it exits with 0 only if
//! nothing failed and something passed.

use std::{ops::Range, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use peruri_ibft2_sim::{run, vectors, world::World};

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
    /// Runs one seed and prints what happens and the hash of it.
    Replay {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Numbers of validators that the seed draws from.
        #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5,6,7,10")]
        nodes: Vec<usize>,
        /// Print what happens.
        #[arg(long)]
        log: bool,
    },
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
        Command::Replay { seed, nodes, log } => replay(seed, &nodes, log),
    };
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(summary: &run::Summary) {
    let seconds = summary.wall.as_secs_f64().max(0.001);
    println!("situation                                                  seeds");
    for (situation, count) in summary.marks.iter() {
        println!("{situation:<55} {count:>8}");
    }
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

fn replay(seed: u64, nodes: &[usize], log: bool) -> (usize, usize) {
    let outcome = World::from_seed(seed, nodes, log).run();
    for line in &outcome.log {
        println!("{line}");
    }
    let again = World::from_seed(seed, nodes, log).run();
    println!("seed {seed}: trace {:016x}, {:016x}", outcome.trace, again.trace);
    println!("{} events, {} inputs, height {}", outcome.events, outcome.steps, outcome.head);
    if let Some(violation) = &outcome.violation {
        println!("violation: {violation}");
    }
    let good = outcome.violation.is_none() && outcome.trace == again.trace;
    (usize::from(good), usize::from(!good))
}
