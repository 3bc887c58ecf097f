//! What a scenario does to a network: one kind of fault per file.
//!
//! | module | faults |
//! |---|---|
//! | `crash` | `kill -9`, SIGTERM, SIGSTOP and SIGCONT |
//! | `partition`, `loss`, `bandwidth` | network faults inside the nodes' namespaces |
//! | `wipe`, `restore`, `corrupt`, `full_disk`, `power_cut` | disks |
//! | `vote`, `mixed_restart` | what operators do |
//!
//! Clocks are set with [`Member::set_clock`](crate::Member::set_clock), a late joiner is a node that
//! is started late, and a burst is [`SteadyLoad::set_rate`](crate::SteadyLoad::set_rate).

mod bandwidth;
mod corrupt;
mod crash;
#[cfg(test)]
mod echo;
mod files;
mod full_disk;
mod loss;
mod mixed_restart;
mod partition;
mod power_cut;
mod restore;
mod rules;
mod vote;
mod wipe;

pub use bandwidth::Bandwidth;
pub use corrupt::{Corruption, Victim};
pub use crash::{kill, pause, resume, terminate};
pub use full_disk::{fill, make_space};
pub use loss::lose;
pub use mixed_restart::restart_in_turn;
pub use partition::{deafen, partition};
pub use power_cut::cut_power;
pub use restore::Backup;
pub use rules::{Drop, Rules};
pub use vote::{validators, vote};
pub use wipe::{replace, wipe};
