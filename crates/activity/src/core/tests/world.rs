//! A model of everything around a source: a disk that crashes, a pool that forgets, a chain that
//! keeps to the log's rules.

use crate::{
    ActivityId, SourceKey, Submission,
    chain::{
        Appended, BlockFacts, ChainEntry, ChainView, Lane, Limits, Offered, OwnTransaction,
        SourceState, Terms, decode_own,
    },
    core::{Core, Request, Settings},
    mark::{Mark, MarkStore},
    rows::{Changes, Place, Row, RowStore, StoreError},
};
use alloy_primitives::{B256, Bytes};
use parking_lot::Mutex;
use peruri_plog::{EntryType, batch_root, leaf_hash};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(crate) type Disk = BTreeMap<Vec<u8>, Vec<u8>>;

pub(crate) struct Inner {
    pub(crate) rows: Disk,
    pub(crate) mark: Option<Mark>,
    /// Writes until the crash, and whether the last one is still carried out.
    pub(crate) crash: Option<(u32, bool)>,
    pub(crate) crashed: bool,
    /// Writes so far.
    pub(crate) writes: u32,
    pub(crate) blocks: Vec<BlockFacts>,
    pub(crate) entries: Vec<ChainEntry>,
    pub(crate) nonce: u64,
    pub(crate) may_append: bool,
    /// The next transaction fails for a reason of its own.
    pub(crate) refuse_next: bool,
    pub(crate) others: BTreeMap<ActivityId, (B256, u64)>,
    pub(crate) pool: BTreeMap<u64, Bytes>,
    pub(crate) hidden: BTreeMap<u64, Bytes>,
    pub(crate) pool_room: usize,
    /// Hashes that were ever released, by nonce.
    pub(crate) released: BTreeMap<u64, BTreeSet<B256>>,
}

/// Handles to the same world.
#[derive(Clone)]
pub(crate) struct World(pub(crate) Arc<Mutex<Inner>>);

pub(crate) fn settings() -> Settings {
    Settings {
        chain_id: 7251,
        genesis: B256::repeat_byte(9),
        log: B256::right_padding_from(b"activity"),
        source: 1,
        key: SourceKey::new(&B256::repeat_byte(1)).expect("a key"),
        batch_max: 3,
        inbox_mark: 40,
        prefetch: 5,
        late_after_ms: 1_000,
        retry_after_ms: 200,
    }
}

pub(crate) fn terms(settings: &Settings) -> Terms<'_> {
    settings.terms()
}

pub(crate) fn activity(id: u8) -> Submission {
    Submission {
        activity_id: ActivityId([id; 16]),
        kind: EntryType::Activity,
        schema: 1,
        occurred_at: 10_000 + u64::from(id),
        subject: B256::repeat_byte(id),
        commitment: B256::repeat_byte(id ^ 0xff),
        effect: B256::ZERO,
        test: false,
        promise: false,
        tracked: false,
    }
}

pub(crate) fn submit(id: u8) -> Request {
    Request::Submit(activity(id))
}

impl World {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rows: Disk::new(),
            mark: None,
            crash: None,
            crashed: false,
            writes: 0,
            blocks: Vec::new(),
            entries: Vec::new(),
            nonce: 0,
            may_append: true,
            refuse_next: false,
            others: BTreeMap::new(),
            pool: BTreeMap::new(),
            hidden: BTreeMap::new(),
            pool_room: usize::MAX,
            released: BTreeMap::new(),
        })))
    }

    /// Opens the source as a process does that starts.
    pub(crate) fn open(&self) -> Result<Core, StoreError> {
        let it = || self.clone();
        Core::open(settings(), Arc::new(it()), Box::new(it()), Arc::new(it()), Arc::new(it()))
    }

    /// Opens it, hands over the blocks it has missed, and lets it compare.
    pub(crate) fn start(&self) -> Result<Core, StoreError> {
        let mut core = self.open()?;
        self.deliver(&mut core)?;
        core.caught_up()?;
        Ok(core)
    }

    /// Hands over the blocks that `core` has not read.
    pub(crate) fn deliver(&self, core: &mut Core) -> Result<(), StoreError> {
        let blocks = self.0.lock().blocks.clone();
        blocks.iter().try_for_each(|block| core.block(block))
    }

    /// The next block holds what the pool has.
    pub(crate) fn produce(&self) {
        let mut inner = self.0.lock();
        let number = inner.blocks.len() as u64 + 1;
        let mut facts = BlockFacts { number, ..BlockFacts::default() };
        loop {
            let nonce = inner.nonce;
            let Some(raw) = inner.pool.remove(&nonce) else { break };
            inner.include(&mut facts, &raw);
        }
        let nonce = inner.nonce;
        inner.pool.retain(|at, _| *at >= nonce);
        inner.hidden.retain(|at, _| *at >= nonce);
        inner.blocks.push(facts);
    }
}

impl Inner {
    fn include(&mut self, facts: &mut BlockFacts, raw: &Bytes) {
        let settings = settings();
        let (sealed, entries) = decode_own(raw, &terms(&settings)).expect("sealed by the source");
        assert_eq!(sealed.nonce, self.nonce);
        self.nonce += 1;
        let first_index = self.entries.len() as u64;
        let next_seq = first_index + 1;
        let refuse = std::mem::take(&mut self.refuse_next);
        let success = !refuse && self.may_append && sealed.first_seq == next_seq;
        let (hash, nonce) = (sealed.hash, sealed.nonce);
        facts.transactions.push(OwnTransaction { hash, nonce, success });
        if !success {
            return;
        }
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        facts.appends.push(Appended {
            tx_hash: hash,
            log: settings.log,
            first_seq: sealed.first_seq,
            first_index,
            count: entries.len() as u64,
            batch_root: batch_root(&leaves),
        });
        for (index, entry) in (first_index..).zip(entries) {
            let place = Place { tx_hash: hash, block: facts.number, index };
            self.entries.push(ChainEntry { log: settings.log, entry, place });
        }
    }

    /// One write of the process; `Err` when it crashes. `true`: it is carried out.
    fn step(&mut self) -> Result<bool, StoreError> {
        if self.crashed {
            return Err(StoreError::new("crashed"));
        }
        self.writes += 1;
        match self.crash {
            Some((0, carried_out)) => {
                self.crashed = true;
                Ok(carried_out)
            }
            Some((left, carried_out)) => {
                self.crash = Some((left - 1, carried_out));
                Ok(true)
            }
            None => Ok(true),
        }
    }

    fn outcome(&self) -> Result<(), StoreError> {
        if self.crashed { Err(StoreError::new("crashed")) } else { Ok(()) }
    }
}

impl RowStore for World {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().rows.get(key).cloned())
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        assert!(keys.is_sorted());
        keys.iter().map(|key| RowStore::get(self, key)).collect()
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let inner = self.0.lock();
        let rows = inner.rows.range(from.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(rows.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn last(&self, prefix: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.scan(prefix, prefix, usize::MAX)?.pop())
    }

    fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let mut inner = self.0.lock();
        if inner.step()? {
            for (key, value) in changes.rows {
                match value {
                    Some(value) => inner.rows.insert(key, value),
                    None => inner.rows.remove(&key),
                };
            }
        }
        inner.outcome()
    }
}

impl MarkStore for World {
    fn read(&self) -> Option<Mark> {
        self.0.lock().mark
    }

    fn write(&mut self, mark: &Mark) -> Result<(), StoreError> {
        let mut inner = self.0.lock();
        if inner.step()? {
            inner.mark = Some(*mark);
        }
        inner.outcome()
    }
}

impl ChainView for World {
    fn source(&self) -> Result<SourceState, StoreError> {
        let inner = self.0.lock();
        Ok(SourceState {
            height: inner.blocks.len() as u64,
            next_seq: inner.entries.len() as u64 + 1,
            nonce: inner.nonce,
            may_append: inner.may_append,
        })
    }

    fn limits(&self) -> Result<Limits, StoreError> {
        Ok(Limits { base_fee: 0, max_gas: 1 << 24, subject_chains: false })
    }

    fn published(&self, ids: &[ActivityId]) -> Result<Vec<Option<(B256, u64)>>, StoreError> {
        let inner = self.0.lock();
        Ok(ids.iter().map(|id| inner.others.get(id).copied()).collect())
    }

    fn entries(&self, from: u64, limit: usize) -> Result<Vec<ChainEntry>, StoreError> {
        let inner = self.0.lock();
        let from = usize::try_from(from - 1).expect("small");
        Ok(inner.entries.iter().skip(from).take(limit).copied().collect())
    }
}

impl Lane for World {
    fn offer(&self, raw: &Bytes) -> Offered {
        let mut inner = self.0.lock();
        let settings = settings();
        let (sealed, _) = decode_own(raw, &terms(&settings)).expect("sealed by the source");
        // A process that has crashed releases nothing.
        if !matches!(inner.step(), Ok(true)) {
            return Offered::Taken;
        }
        inner.released.entry(sealed.nonce).or_default().insert(sealed.hash);
        if inner.pool.len() >= inner.pool_room && !inner.pool.contains_key(&sealed.nonce) {
            return Offered::Full;
        }
        if sealed.nonce >= inner.nonce {
            inner.pool.entry(sealed.nonce).or_insert_with(|| raw.clone());
        }
        Offered::Taken
    }

    fn pending(&self) -> Vec<Bytes> {
        self.0.lock().pool.values().cloned().collect()
    }
}
