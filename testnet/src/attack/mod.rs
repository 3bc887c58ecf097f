//! Attacks on the connections between nodes, and what they may cost.
//!
//! Four real nodes agree on blocks. For each attack the network is measured twice for the same
//! time: left alone, and under the attack. What is compared is the time to a block, the processor
//! time and the memory of each node; besides, every attack finds out by itself whether it got what
//! it must not get. Attackers are libp2p clients of this process ([`peruri_adversary`], or the
//! node's own network stack where the attacker is somebody who is let in), on threads of the lowest
//! priority.
//!
//! | network | validators | running | keys of the attackers |
//! |---|---|---|---|
//! | [`Seat::Listed`] | 4 | 4 | of nodes without a vote in the node list |
//! | [`Seat::Validator`] | 5 | 4 | of the fifth validator |

mod arena;
mod attackers;
mod connections;
mod control;
mod frames;
mod intervals;
mod messages;
mod paused;
mod peer;
mod play;
mod report;
mod scene;
mod signatures;
mod slow;
mod strangers;
mod usage;
mod window;

pub use play::{AttackOptions, attack_ids, play};

use crate::Result;
pub(crate) use attackers::Attackers;
use futures::future::BoxFuture;
use report::Limits;
pub(crate) use report::{Finding, MIB};
use scene::Scene;
use std::time::Duration;
pub(crate) use usage::Usage;

/// Share of its rate that an attack must reach to be the one that is meant. Attackers share the
/// machine with the nodes that they attack and have the lowest priority.
const REACHED: f64 = 0.5;

/// Whose keys the attackers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    /// Of nodes that are admitted and have no vote.
    Listed,
    /// Of a validator.
    Validator,
}

/// An attack.
struct Attack {
    id: &'static str,
    name: &'static str,
    seat: Seat,
    limits: Limits,
    /// It needs at least this long.
    least: Duration,
    /// The node that it stops: heights that this one would propose do not count.
    stops: Option<usize>,
    /// Attacks for about so long and ends.
    run: fn(Scene, Duration) -> BoxFuture<'static, Result<Vec<Finding>>>,
}

/// All attacks, in the order in which they are played.
const ATTACKS: [&Attack; 8] = [
    &strangers::ATTACK,
    &slow::ATTACK,
    &connections::ATTACK,
    &frames::ATTACK,
    &control::ATTACK,
    &paused::ATTACK,
    &messages::ATTACK,
    &signatures::ATTACK,
];
