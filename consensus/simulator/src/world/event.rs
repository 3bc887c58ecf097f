//! What happens in a run, in the order of its time.

use std::{cmp::Ordering, sync::Arc};

use alloy_primitives::Bytes;
use peruri_ibft2::core::{Input, TimerId};

use super::block::Sealed;

/// Something that is going to happen.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message arrives over a connection.
    Deliver {
        /// The receiver.
        to: usize,
        /// The sender.
        from: usize,
        /// The connection.
        conn: u64,
        /// Code and RLP.
        bytes: Bytes,
        /// Hash of those bytes.
        key: u64,
    },
    /// A node's own driver answers.
    Answer {
        /// The node.
        node: usize,
        /// In which of its lives it was asked.
        life: u32,
        /// The answer.
        input: Box<Input>,
    },
    /// A timer runs out.
    Timer {
        /// The node.
        node: usize,
        /// In which of its lives it was set.
        life: u32,
        /// Which.
        id: TimerId,
        /// For when it was set, in milliseconds of the node's clock.
        at: u64,
    },
    /// The sign state is synced.
    Synced {
        /// The node.
        node: usize,
        /// In which of its lives it was written.
        life: u32,
        /// Up to which write.
        written: u64,
        /// Token of that write.
        token: u64,
    },
    /// The block store is synced.
    Stored {
        /// The node.
        node: usize,
        /// In which of its lives it was written.
        life: u32,
        /// Up to which height.
        height: u64,
    },
    /// Two nodes try to connect.
    Connect {
        /// One.
        a: usize,
        /// The other.
        b: usize,
    },
    /// A connection breaks.
    Disconnect {
        /// One end.
        a: usize,
        /// The other.
        b: usize,
        /// The connection.
        conn: u64,
    },
    /// A node tells its height.
    Head {
        /// The receiver.
        to: usize,
        /// The sender.
        from: usize,
        /// The connection.
        conn: u64,
        /// The height.
        height: u64,
    },
    /// A node asks for blocks.
    Fetch {
        /// Who is asked.
        to: usize,
        /// Who asks.
        from: usize,
        /// The connection.
        conn: u64,
        /// The first height.
        height: u64,
    },
    /// Blocks arrive.
    Blocks {
        /// The receiver.
        to: usize,
        /// The sender.
        from: usize,
        /// The connection.
        conn: u64,
        /// In ascending order.
        blocks: Vec<Arc<Sealed>>,
    },
    /// A sync fails: the process ends.
    SyncFailed {
        /// The node.
        node: usize,
        /// In which of its lives it was asked for.
        life: u32,
    },
    /// A transaction comes from another node.
    Transaction {
        /// The receiver.
        to: usize,
        /// The sender.
        from: usize,
        /// The connection.
        conn: u64,
        /// Its number.
        transaction: u64,
    },
    /// Something goes wrong.
    Fault(Fault),
}

/// Something that goes wrong, or is done by operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The partition changes.
    Partition,
    /// A node crashes.
    Crash,
    /// A node starts.
    Start(usize),
    /// A clock jumps.
    Clock,
    /// An operator votes.
    Vote,
    /// A transaction comes.
    Work,
    /// Everything heals.
    Heal,
    /// A Byzantine node restarts from an older disk.
    Forget(usize),
    /// Any of them does.
    Amnesia,
    /// A partition comes and goes.
    Flap,
    /// A node is suspended.
    Suspend,
    /// It goes on.
    Wake(usize),
    /// The next node gets the newer release.
    Upgrade,
}

impl Event {
    /// The node that has to run for this to happen.
    pub const fn node(&self) -> Option<usize> {
        match self {
            Self::Deliver { to, .. }
            | Self::Head { to, .. }
            | Self::Fetch { to, .. }
            | Self::Blocks { to, .. }
            | Self::Transaction { to, .. } => Some(*to),
            Self::Answer { node, .. }
            | Self::Timer { node, .. }
            | Self::Synced { node, .. }
            | Self::SyncFailed { node, .. }
            | Self::Stored { node, .. } => Some(*node),
            Self::Connect { .. } | Self::Disconnect { .. } | Self::Fault(_) => None,
        }
    }
}

impl Fault {
    /// A number for the trace.
    pub const fn code(self) -> u64 {
        match self {
            Self::Partition => 0,
            Self::Crash => 1,
            Self::Clock => 2,
            Self::Vote => 3,
            Self::Work => 4,
            Self::Heal => 5,
            Self::Start(node) => 0x100 | node as u64,
            Self::Forget(node) => 0x200 | node as u64,
            Self::Amnesia => 6,
            Self::Flap => 7,
            Self::Suspend => 8,
            Self::Upgrade => 9,
            Self::Wake(node) => 0x300 | node as u64,
        }
    }
}

/// An event in the queue: the earliest first, then in the order of their making.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    /// When, in microseconds.
    pub at: u64,
    /// Which in the order of making.
    pub number: u64,
    /// What.
    pub event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    /// Reversed, as the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}
