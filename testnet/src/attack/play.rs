//! Plays attacks one after the other.

use super::{
    ATTACKS, Attack, Seat,
    arena::Arena,
    attackers::Attackers,
    report::{Finding, Row},
    scene::failed,
    window::measure,
};
use crate::{Judge, Result, TestnetError};
use std::{path::PathBuf, time::Duration};
use tokio::{runtime::Handle, time::timeout};

/// What an attack may take longer than it was told.
const SLACK: Duration = Duration::from_secs(120);

/// How to play attacks.
#[derive(Debug, Clone)]
pub struct AttackOptions {
    /// The `peruri-node` program.
    pub program: PathBuf,
    /// Where the networks' files go; must be empty or absent.
    pub folder: PathBuf,
    /// How long the network is measured without each attack and under it; some need longer.
    pub window: Duration,
    /// Ids of the attacks; all if there are none.
    pub attacks: Vec<String>,
}

/// Ids and names of all attacks.
pub fn attack_ids() -> impl Iterator<Item = (&'static str, &'static str)> {
    ATTACKS.iter().map(|attack| (attack.id, attack.name))
}

/// Plays the attacks and prints a table of what they cost.
///
/// # Errors
/// If a network does not start or an attacker's own machinery fails.
pub async fn play(options: &AttackOptions, judge: &mut Judge) -> Result<()> {
    let attackers = Attackers::start()?;
    println!("{}", Row::head());
    for (seat, folder) in [(Seat::Listed, "listed"), (Seat::Validator, "validator")] {
        let chosen = ATTACKS.iter().filter(|it| it.seat == seat && options.chooses(it.id));
        let chosen: Vec<_> = chosen.collect();
        if chosen.is_empty() {
            continue;
        }
        let mut arena = Arena::start(&options.program, &options.folder.join(folder), seat).await?;
        for attack in chosen {
            let row = play_one(attack, &mut arena, attackers.handle(), options.window, judge);
            println!("{}", row.await?);
        }
        arena.stop().await?;
    }
    Ok(())
}

impl AttackOptions {
    fn chooses(&self, id: &str) -> bool {
        self.attacks.is_empty() || self.attacks.iter().any(|it| it == id)
    }
}

async fn play_one(
    attack: &'static Attack,
    arena: &mut Arena,
    attackers: &Handle,
    window: Duration,
    judge: &mut Judge,
) -> Result<Row> {
    let length = window.max(attack.least);
    let scene = arena.next_scene();
    let seconds = length.as_secs();
    eprintln!("{}: {}: {seconds} s without, {seconds} s under it", attack.id, attack.name);
    let (baseline, ()) = measure(arena, length, attack.stops, std::future::ready(())).await?;
    let limit = length + SLACK;
    let running = timeout(limit, attackers.spawn((attack.run)(scene, length)));
    let (attacked, outcome) = measure(arena, length, attack.stops, running).await?;
    let findings: Vec<Finding> = outcome
        .map_err(|_| TestnetError::Timeout { what: format!("the end of {}", attack.id), limit })?
        .map_err(failed("an attacker"))??;
    let row = Row::judge(attack, &baseline, &attacked, &findings, judge);
    arena.goes_on().await?;
    Ok(row)
}
