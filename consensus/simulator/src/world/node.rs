//! One simulated node: a core with its driver's state.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::B256;
use peruri_ibft2::{
    core::{Core, Effect, TimerId},
    messages::Block,
    sign_state::SignRecord,
};

use super::{Event, block::Sealed};
use crate::{
    clock::Clock,
    crypto::SimCrypto,
    disk::{Blocks, Tail},
};

/// What role a node plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Follows the rules.
    Honest,
    /// Does not.
    Byzantine,
}

/// A record and the blocks that lie beside it.
#[derive(Debug, Clone)]
pub struct Image {
    /// The record.
    pub record: Arc<SignRecord>,
    /// Blocks by block hash.
    pub blocks: BTreeMap<B256, Arc<Block>>,
}

/// A stored block with what its batch names.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The block.
    pub sealed: Arc<Sealed>,
    /// Sequence number of the newest durable record when it was written.
    pub sequence: u64,
}

/// What a restart finds of the sign state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Everything that was synced.
    Nothing,
    /// An older record.
    Older,
    /// No record.
    Missing,
    /// A record that cannot be read.
    Damaged,
    /// The newer slot is spoiled by a flipped bit: the record before it is read.
    Flipped,
}

/// One simulated node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Whose key it holds.
    pub member: usize,
    /// Honest or not.
    pub role: Role,
    /// Counts its starts.
    pub life: u32,
    /// The core while the node runs.
    pub core: Option<Core<SimCrypto>>,
    /// Its clocks.
    pub clock: Clock,
    /// Timers that are set, with their times.
    pub timers: BTreeMap<TimerId, u64>,
    /// The sign state.
    pub sign: Tail<Image>,
    /// Older images of the sign state.
    pub history: Vec<Image>,
    /// The newest image written, synced or not.
    pub newest: Option<Image>,
    /// The block store.
    pub store: Blocks<Stored>,
    /// Effects that wait for a token.
    pub waiting: Vec<(u64, Effect)>,
    /// The newest token that is durable in this life.
    pub durable: u64,
    /// Connections by the node at their other end.
    pub peers: BTreeMap<usize, u64>,
    /// Effects left until it crashes.
    pub crash_in: Option<u32>,
    /// Contents that its durable records held.
    pub proven: BTreeSet<u64>,
    /// Height, round and digest of Commits that its durable records held.
    pub committed: BTreeSet<(u64, u32, B256)>,
    /// It knows that its sign state is lost: up to this height it signs nothing that is not final.
    pub doubt_floor: Option<u64>,
    /// Its life, height and round.
    pub place: (u32, u64, u32),
    /// Transactions that wait for a block.
    pub pool: BTreeSet<u64>,
    /// Transactions that it has seen in blocks lately.
    pub included: BTreeSet<u64>,
    /// Whether a fetch is under way since when.
    pub fetching: Option<u64>,
    /// The heads that connected nodes have told.
    pub heads: BTreeMap<usize, u64>,
    /// Who was asked for blocks last.
    pub asked: Option<usize>,
    /// How often each node has given it false blocks.
    pub deceived: BTreeMap<usize, u32>,
    /// It is suspended; what comes meanwhile waits.
    pub asleep: bool,
    /// What has come meanwhile.
    pub deferred: Vec<Event>,
    /// It runs the newer release.
    pub upgraded: bool,
    /// Blocks from others that wait for their parents.
    pub incoming: BTreeMap<u64, Arc<Sealed>>,
    /// It has said that it stops.
    pub stopped: bool,
    /// It believes no marks of its own.
    pub forgetful: bool,
}

impl Node {
    /// A node with an empty chain.
    pub fn new(member: usize, role: Role, genesis: Arc<Sealed>, record: SignRecord) -> Self {
        let image = Image { record: Arc::new(record), blocks: BTreeMap::new() };
        Self {
            member,
            role,
            life: 0,
            core: None,
            clock: Clock::default(),
            timers: BTreeMap::new(),
            sign: Tail::holding(Some(image.clone())),
            history: Vec::new(),
            newest: Some(image),
            store: Blocks::new(Arc::new(Stored { sealed: genesis, sequence: 0 })),
            waiting: Vec::new(),
            durable: 0,
            peers: BTreeMap::new(),
            crash_in: None,
            proven: BTreeSet::new(),
            committed: BTreeSet::new(),
            doubt_floor: None,
            place: (0, 0, 0),
            pool: BTreeSet::new(),
            included: BTreeSet::new(),
            fetching: None,
            heads: BTreeMap::new(),
            asked: None,
            deceived: BTreeMap::new(),
            asleep: false,
            deferred: Vec::new(),
            upgraded: false,
            incoming: BTreeMap::new(),
            stopped: false,
            forgetful: false,
        }
    }

    /// Whether it runs.
    pub const fn is_up(&self) -> bool {
        self.core.is_some()
    }

    /// Whether it runs and follows the rules.
    pub fn is_honest(&self) -> bool {
        self.role == Role::Honest
    }

    /// The node at the other end of a connection.
    pub fn peer(&self, conn: u64) -> Option<usize> {
        self.peers.iter().find(|(_, number)| **number == conn).map(|(peer, _)| *peer)
    }
}
