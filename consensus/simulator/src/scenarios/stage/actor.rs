//! The members and how a stage is set up.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::B256;
use peruri_ibft2::{
    Ibft2Config, Ibft2Schedule, Transition,
    core::{Core, Report, StoredRecord, TimerId},
    messages::{Block, Message},
    sign_state::SignRecord,
};

use crate::{crypto::SimCrypto, keys::KeyRing, world::Sealed};

/// What a stage is set up with.
#[derive(Debug, Clone)]
pub(in super::super) struct Setting {
    /// Members with keys.
    pub(in super::super) members: usize,
    /// How many of them, the first ones, are validators of the genesis.
    pub(in super::super) validators: usize,
    /// Keys of `config.ibft2`.
    pub(in super::super) config: Ibft2Config,
    /// Transitions.
    pub(in super::super) transitions: Vec<Transition>,
    /// Chain id.
    pub(in super::super) chain_id: u64,
}

impl Setting {
    /// `validators` with a base timeout of two seconds and a block each second.
    pub(in super::super) fn of(validators: usize) -> Self {
        let config = Ibft2Config { request_timeout_seconds: 2, ..Ibft2Config::default() };
        Self { members: validators, validators, config, transitions: Vec::new(), chain_id: 4_711 }
    }

    /// The same with other keys.
    pub(in super::super) fn with(mut self, change: impl FnOnce(&mut Ibft2Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The schedule of these settings.
    ///
    /// # Panics
    /// If a scenario makes settings that are not allowed.
    pub(in super::super) fn schedule(&self) -> Ibft2Schedule {
        let forks = Default::default();
        Ibft2Schedule::new(self.config.clone(), self.transitions.clone(), &forks)
            .expect("settings are valid")
    }
}

/// How the driver of a member behaves.
#[derive(Debug, Clone)]
pub(in super::super) struct Habits {
    /// It can build blocks.
    pub(in super::super) builds: bool,
    /// Bytes of the transactions in its blocks.
    pub(in super::super) body: usize,
    /// It refuses fresh blocks with another base fee than [`FEE`].
    pub(in super::super) checks_fee: bool,
    /// It tells the core that blocks are stored.
    pub(in super::super) stores: bool,
    /// It speaks the older dialect.
    pub(in super::super) old_dialect: bool,
}

/// One member.
#[derive(Debug)]
pub(in super::super) struct Actor {
    pub(in super::super) core: Option<Core<SimCrypto>>,
    pub(in super::super) habits: Habits,
    /// Counts its starts.
    pub(super) life: u32,
    pub(super) booted: u64,
    /// Milliseconds by which its clock is ahead.
    pub(in super::super) skew: i64,
    pub(in super::super) record: StoredRecord,
    pub(super) blocks: BTreeMap<B256, Arc<Block>>,
    /// Its stored blocks by height.
    pub(in super::super) chain: Vec<Arc<Sealed>>,
    /// When each of them became final here.
    pub(in super::super) final_at: Vec<u64>,
    pub(super) sequence: u64,
    pub(super) timers: BTreeMap<TimerId, u64>,
    pub(super) peers: BTreeMap<usize, u64>,
    pub(super) incoming: BTreeMap<u64, Arc<Sealed>>,
    pub(in super::super) reports: Vec<Report>,
    /// Blocks that its driver was asked about: height, hash, whether as a fresh one.
    pub(in super::super) checked: Vec<(u64, B256, bool)>,
    /// Own messages in the order of their first sending.
    pub(in super::super) said: Vec<Message>,
}

impl Actor {
    /// Height of the newest stored block.
    pub(in super::super) fn height(&self) -> u64 {
        self.chain.last().map_or(0, |block| block.view.number)
    }

    /// The rounds in which its blocks became final, from height 1 on.
    pub(in super::super) fn rounds(&self) -> Vec<u32> {
        self.chain.iter().skip(1).map(|block| block.view.round).collect()
    }
}

impl Actor {
    pub(super) fn new(keys: &KeyRing, index: usize, genesis: &Arc<Sealed>) -> Self {
        let first = SignRecord::first(genesis.view.hash, keys.address(index));
        Self {
            core: None,
            habits: Habits {
                builds: true,
                body: 0,
                checks_fee: true,
                stores: true,
                old_dialect: false,
            },
            life: 0,
            booted: 0,
            skew: 0,
            record: StoredRecord::Present(Box::new(first)),
            blocks: BTreeMap::new(),
            chain: vec![Arc::clone(genesis)],
            final_at: vec![0],
            sequence: 0,
            timers: BTreeMap::new(),
            peers: BTreeMap::new(),
            incoming: BTreeMap::new(),
            reports: Vec::new(),
            checked: Vec::new(),
            said: Vec::new(),
        }
    }
}
