//! A stretch of time, and what the network did in it.

use super::{arena::Arena, attackers::Attackers, usage::Usage};
use crate::Result;
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, interval, sleep};

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(250);

/// What a node took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NodeUse {
    /// Cores.
    pub(super) cpu: f64,
    /// Most bytes of memory above those at the beginning.
    pub(super) growth: u64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Times to the blocks that count.
    pub(super) intervals: Vec<Duration>,
    /// The nodes in order.
    pub(super) nodes: Vec<NodeUse>,
    /// Cores that the attackers took.
    pub(super) attackers: f64,
}

/// Measures for at least `length`, and until `during` has ended. Heights of the node `paused` do not
/// count.
pub(super) async fn measure<T>(
    arena: &Arena,
    length: Duration,
    paused: Option<usize>,
    during: impl Future<Output = T>,
) -> Result<(Window, T)> {
    let (from, start) = (arena.now(), Instant::now());
    let (before, attackers) = (arena.usage()?, Attackers::cpu());
    let mut most: Vec<u64> = before.iter().map(|usage| usage.resident).collect();
    let mut work = pin!(async { tokio::join!(during, sleep(length)).0 });
    let mut ticks = interval(SAMPLE);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            _ = ticks.tick() => note(&mut most, &arena.usage()?),
        }
    };
    let after = arena.usage()?;
    note(&mut most, &after);
    let cores = |cpu: Duration| cpu.as_secs_f64() / start.elapsed().as_secs_f64();
    let nodes = before.iter().zip(&after).zip(&most).map(|((before, after), most)| NodeUse {
        cpu: cores(after.cpu.saturating_sub(before.cpu)),
        growth: most.saturating_sub(before.resident),
    });
    let window = Window {
        nodes: nodes.collect(),
        attackers: cores(Attackers::cpu().saturating_sub(attackers)),
        intervals: arena.intervals(from, arena.now(), paused).await?,
    };
    Ok((window, outcome))
}

fn note(most: &mut [u64], now: &[Usage]) {
    for (most, usage) in most.iter_mut().zip(now) {
        *most = usage.resident.max(*most);
    }
}
