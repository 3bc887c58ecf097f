//! The kinds of faults a scenario can name, and what each needs.

use crate::{
    clock::clock_obstacle, disk_full_obstacle, faults::Victim, namespaces_obstacle,
    power_cut_obstacle,
};
use serde::Deserialize;

/// A fault. `for` is the time between its two halves.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// `kill -9`; then started again.
    Kill,
    /// SIGTERM, exit code 0 expected; then started again.
    Terminate,
    /// SIGSTOP; then SIGCONT.
    Pause,
    /// The targets and the others do not hear each other.
    Partition,
    /// The targets are heard but do not hear.
    Deafen,
    /// The targets lose packets that arrive from other nodes.
    Loss {
        /// Share of packets, 0 to 1.
        share: f64,
    },
    /// The targets send no faster than this.
    Bandwidth {
        /// Kilobits a second.
        kbit: u32,
    },
    /// `kill -9` and the data folder is gone, the sign state is kept; then `init`, start and sync.
    Wipe,
    /// A backup of the data folder; then it replaces the data folder.
    RestoreData,
    /// A backup of data folder and sign state; then it replaces both.
    RestoreAll,
    /// A flipped bit in a file of the stopped node, which is then started; then what an operator does
    /// about it.
    Corrupt {
        /// Which file.
        file: Victim,
    },
    /// No free block on the node's disk: it must end by itself with exit code 1; then there is space
    /// and it is started.
    FullDisk,
    /// The wall clock jumps while the node runs; then it jumps back.
    Clock {
        /// Seconds ahead, or behind if negative.
        seconds: i64,
    },
    /// The targets are started at this time only.
    LateJoin,
    /// The target is voted out; then, if there is a `for`, in again.
    VoteOut,
    /// The target is voted in; then, if there is a `for`, out again.
    VoteIn,
    /// All targets restarted one after the other, killed or asked to stop, with the other program if
    /// there is one.
    MixedRestart,
    /// Another load.
    Burst {
        /// Transfers a second.
        load: f64,
    },
    /// What had not reached the disk is gone, of all targets at the same moment; then they are started.
    PowerCut,
}

impl Fault {
    /// Names of all faults.
    pub const NAMES: [&str; 19] = [
        "kill",
        "terminate",
        "pause",
        "partition",
        "deafen",
        "loss",
        "bandwidth",
        "wipe",
        "restore-data",
        "restore-all",
        "corrupt",
        "full-disk",
        "clock",
        "late-join",
        "vote-out",
        "vote-in",
        "mixed-restart",
        "burst",
        "power-cut",
    ];

    /// The name in a file.
    pub const fn name(&self) -> &'static str {
        let index = match self {
            Self::Kill => 0,
            Self::Terminate => 1,
            Self::Pause => 2,
            Self::Partition => 3,
            Self::Deafen => 4,
            Self::Loss { .. } => 5,
            Self::Bandwidth { .. } => 6,
            Self::Wipe => 7,
            Self::RestoreData => 8,
            Self::RestoreAll => 9,
            Self::Corrupt { .. } => 10,
            Self::FullDisk => 11,
            Self::Clock { .. } => 12,
            Self::LateJoin => 13,
            Self::VoteOut => 14,
            Self::VoteIn => 15,
            Self::MixedRestart => 16,
            Self::Burst { .. } => 17,
            Self::PowerCut => 18,
        };
        Self::NAMES[index]
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        match self {
            Self::Loss { share } if !(*share > 0.0 && *share <= 1.0) => {
                Err("share: must lie above 0, at most 1".to_owned())
            }
            Self::Bandwidth { kbit: 0 } => Err("kbit: must be positive".to_owned()),
            Self::Burst { load } if !(*load >= 0.0 && load.is_finite()) => {
                Err("load: must not be negative".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Why this machine cannot play it; `None` if it can.
    pub fn obstacle(&self) -> Option<String> {
        match self {
            Self::FullDisk => disk_full_obstacle(),
            Self::PowerCut => power_cut_obstacle(),
            Self::Clock { .. } => clock_obstacle(),
            _ if self.is_on_the_network() => namespaces_obstacle(),
            _ => None,
        }
    }

    /// Whether it concerns connections, not the process: a node may have one of each at a time.
    pub const fn is_on_the_network(&self) -> bool {
        matches!(self, Self::Partition | Self::Deafen | Self::Loss { .. } | Self::Bandwidth { .. })
    }

    /// Whether its targets are away or hindered, so that they may be missing for a quorum.
    pub const fn hits(&self) -> bool {
        !matches!(
            self,
            Self::Burst { .. } | Self::VoteIn | Self::VoteOut | Self::LateJoin | Self::MixedRestart
        )
    }

    /// Whether the data of its targets is older afterwards.
    pub const fn sets_back(&self) -> bool {
        matches!(
            self,
            Self::Wipe
                | Self::RestoreData
                | Self::RestoreAll
                | Self::Corrupt { file: Victim::Table | Victim::Log }
        )
    }

    /// Whether the targets must be known before the start.
    pub const fn needs_fixed_target(&self) -> bool {
        matches!(self, Self::LateJoin | Self::FullDisk)
    }

    pub(super) const fn has_no_end(&self) -> bool {
        matches!(self, Self::LateJoin | Self::MixedRestart)
    }

    pub(super) const fn needs_end(&self) -> bool {
        !self.has_no_end() && !matches!(self, Self::VoteIn | Self::VoteOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files() {
        for name in Fault::NAMES {
            let parameters = match name {
                "loss" => "{ loss = { share = 0.1 } }",
                "bandwidth" => "{ bandwidth = { kbit = 1 } }",
                "corrupt" => "{ corrupt = { file = 'table' } }",
                "clock" => "{ clock = { seconds = -5 } }",
                "burst" => "{ burst = { load = 1 } }",
                plain => &format!("'{plain}'"),
            };
            #[derive(Deserialize)]
            struct File {
                fault: Fault,
            }
            let file: File = toml::from_str(&format!("fault = {parameters}")).expect(name);
            assert_eq!(file.fault.name(), name);
        }
    }
}
