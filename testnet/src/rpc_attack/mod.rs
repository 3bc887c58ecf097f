//! Attacks on the JSON-RPC servers of one real node, and what they may cost.
//!
//! The node is a validator that makes a block a second. While an attack runs, the time to a block
//! and the node's memory are watched over a connection that was there before; what the node answers
//! is looked at by each attack. Attackers run on threads of the lowest priority, as those on the
//! network do ([`crate::attack`]).
//!
//! What one request gets for an answer is tested in `crates/rpc/tests` and `crates/txpool/tests`;
//! here is what needs a process: its memory, its blocks, many clients at once.

mod arena;
mod bodies;
mod calls;
mod pool;
mod queries;
mod replica;
mod slow;
mod subscribers;
mod texts;
mod watch;

use crate::{
    Judge, Result, TestnetError,
    attack::{Attackers, Finding},
};
use arena::Arena;
use futures::future::BoxFuture;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use watch::{Limits, Watch};

/// How long the node is watched without an attack.
const BASELINE: Duration = Duration::from_secs(6);
/// What an attack may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How much of an attack is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Seconds.
    Short,
    /// Minutes, with the numbers of a real attack.
    Full,
}

impl Extent {
    /// A number that differs.
    const fn of(self, short: usize, full: usize) -> usize {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }
}

/// What an attack found out by itself.
type Findings = BoxFuture<'static, Result<Vec<Finding>>>;

/// An attack.
struct Attack {
    id: &'static str,
    name: &'static str,
    limits: Limits,
    run: fn(Arc<Arena>, Extent) -> Findings,
}

/// All attacks, in the order in which they are played.
const ATTACKS: [&Attack; 9] = [
    &bodies::BODIES,
    &bodies::BATCHES,
    &calls::ENDLESS,
    &calls::WORST,
    &queries::LARGE,
    &slow::ATTACK,
    &subscribers::ATTACK,
    &pool::ATTACK,
    &replica::ATTACK,
];

/// How to play attacks.
#[derive(Debug, Clone)]
pub struct RpcAttackOptions {
    /// The `peruri-node` program.
    pub program: PathBuf,
    /// Where the nodes' files go; must be empty.
    pub folder: PathBuf,
    /// How much of each.
    pub extent: Extent,
    /// Ids of the attacks; all if there are none.
    pub attacks: Vec<String>,
}

/// Ids and names of all attacks.
pub fn rpc_attack_ids() -> impl Iterator<Item = (&'static str, &'static str)> {
    ATTACKS.iter().map(|attack| (attack.id, attack.name))
}

/// Plays the attacks one after the other, then looks at all error texts that they got.
///
/// # Errors
/// If the node does not start, or an attacker's own machinery fails.
pub async fn play_rpc(options: &RpcAttackOptions, judge: &mut Judge) -> Result<()> {
    raise_descriptors();
    let attackers = Attackers::start()?;
    let arena = Arc::new(Arena::start(&options.program, &options.folder).await?);
    let chosen = |id| options.attacks.is_empty() || options.attacks.iter().any(|it| it == id);
    let (baseline, ()) = Watch::during(&arena, async {
        sleep(BASELINE).await;
        Ok(())
    })
    .await?;
    eprintln!("without an attack: {baseline}");
    for attack in ATTACKS.iter().filter(|attack| chosen(attack.id)) {
        eprintln!("{}: {}", attack.id, attack.name);
        let run = attackers.handle().spawn((attack.run)(arena.clone(), options.extent));
        let run = async {
            let timeout = timeout(PATIENCE, run).await;
            let what = || format!("the end of {}", attack.id);
            timeout
                .map_err(|_| TestnetError::Timeout { what: what(), limit: PATIENCE })?
                .map_err(|error| TestnetError::io(what())(error.into()))?
        };
        let (watch, findings) = Watch::during(&arena, run).await?;
        eprintln!("      {watch}");
        for finding in watch.findings(attack.limits, &baseline).iter().chain(&findings) {
            finding.judge(attack.id, judge);
        }
    }
    match arena.texts().finding() {
        Some(finding) => {
            finding.judge("R13", judge);
        }
        None => judge.skip("R13", "these attacks got no error text"),
    }
    Arena::stop(arena).await
}

/// A thousand clients need as many descriptors.
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("the limit of open files stays: {error}");
    }
}
