//! Random crashes at every write, restores of older inboxes, forgetful pools, refusals: what was told
//! holds, and each activity is published once.

use super::world::{Disk, World, activity, submit};
use crate::{
    ActivityId, StopReason,
    core::{Core, Origin},
    rows::{ENTRIES, Record, RowStore, SESSION, decode_u64, number_of},
};
use peruri_plog::{Entry, EntryType, VoidReason};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Submit(Vec<u8>),
    Seal,
    /// A block is produced and read.
    Block,
    /// A block is produced that the source reads later.
    Unread,
    /// The process dies at one of its next writes, which is carried out or not.
    CrashAt(u32, bool),
    Kill,
    CleanStop,
    Backup,
    RestoreBackup,
    PoolForgets,
    PoolRemembers,
    Switch(bool),
    Refuse,
    PoolRoom(usize),
    Publish(u8),
    Void(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(1_u8..60, 1..6).prop_map(Step::Submit),
        6 => Just(Step::Seal),
        6 => Just(Step::Block),
        2 => Just(Step::Unread),
        4 => (0_u32..6, any::<bool>()).prop_map(|(at, done)| Step::CrashAt(at, done)),
        2 => Just(Step::Kill),
        1 => Just(Step::CleanStop),
        2 => Just(Step::Backup),
        1 => Just(Step::RestoreBackup),
        2 => Just(Step::PoolForgets),
        1 => Just(Step::PoolRemembers),
        1 => any::<bool>().prop_map(Step::Switch),
        1 => Just(Step::Refuse),
        1 => (0_usize..4).prop_map(Step::PoolRoom),
        1 => (1_u8..60).prop_map(Step::Publish),
        1 => (1_u8..60).prop_map(Step::Void),
    ]
}

/// What a run has seen.
struct Run {
    world: World,
    core: Option<Core>,
    backup: Option<Disk>,
    /// Number and entry that were told, by id.
    told: BTreeMap<u8, (u64, [u8; 140])>,
    /// An operator has given up nonces below this one.
    granted: u64,
    restored: bool,
    now: u64,
}

impl Run {
    fn new() -> Self {
        let world = World::new();
        let core = Some(world.start().unwrap());
        let (told, backup) = (BTreeMap::new(), None);
        Self { world, core, backup, told, granted: 0, restored: false, now: 10_000 }
    }

    /// Runs `act` in the process; if it dies in it, it starts again.
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Core) -> Result<T, crate::rows::StoreError>,
    ) -> Option<T> {
        let mut core = self.core.take().unwrap_or_else(|| self.restart());
        let done = act(&mut core);
        if self.world.0.lock().crashed {
            drop(core);
            self.core = Some(self.restart());
            return None;
        }
        self.core = Some(core);
        Some(done.unwrap())
    }

    fn restart(&self) -> Core {
        let mut inner = self.world.0.lock();
        (inner.crashed, inner.crash) = (false, None);
        drop(inner);
        self.world.start().unwrap()
    }

    fn kill(&mut self) {
        self.core = None;
        self.core = Some(self.restart());
    }

    fn step(&mut self, step: &Step) {
        self.now += 7;
        let now = self.now;
        let world = self.world.clone();
        match step {
            Step::Submit(ids) => self.submit(ids),
            Step::Seal => {
                self.with(|core| core.seal(now));
            }
            Step::Block => {
                world.produce();
                self.with(|core| world.deliver(core));
            }
            Step::Unread => world.produce(),
            Step::CrashAt(at, done) => world.0.lock().crash = Some((*at, *done)),
            Step::Kill => self.kill(),
            Step::CleanStop => {
                self.with(Core::close);
                self.kill();
            }
            Step::Backup => self.backup = Some(world.0.lock().rows.clone()),
            Step::RestoreBackup => self.restore(),
            Step::PoolForgets => {
                let mut inner = world.0.lock();
                let pool = std::mem::take(&mut inner.pool);
                inner.hidden.extend(pool);
            }
            Step::PoolRemembers => {
                let mut inner = world.0.lock();
                let hidden = std::mem::take(&mut inner.hidden);
                for (nonce, raw) in hidden {
                    inner.pool.entry(nonce).or_insert(raw);
                }
            }
            Step::Switch(on) => world.0.lock().may_append = *on,
            Step::Refuse => world.0.lock().refuse_next = true,
            Step::PoolRoom(room) => world.0.lock().pool_room = *room,
            Step::Publish(id) => {
                world.0.lock().others.insert(ActivityId([*id; 16]), (world_log(), 7));
            }
            Step::Void(id) => {
                let id = ActivityId([*id; 16]);
                let stopped = self.core.as_ref().and_then(Core::stopped);
                // What is in doubt is closed at the end.
                if !matches!(stopped, Some(StopReason::InDoubt { .. })) {
                    // It may be unknown, or sealed; then it is refused.
                    let _ = self.with(|core| core.void_activity(id, VoidReason::Withdrawn, now));
                }
            }
        }
        self.check_stop();
    }

    fn submit(&mut self, ids: &[u8]) {
        let requests: Vec<_> = ids.iter().map(|id| (submit(*id), Origin::Caller)).collect();
        let now = self.now;
        let Some(answers) = self.with(|core| core.accept(&requests, now)) else { return };
        for (id, answer) in ids.iter().zip(answers) {
            let Ok(accepted) = answer else { continue };
            let told = (accepted.source_seq, accepted.entry);
            if let Some(before) = self.told.insert(*id, told) {
                let kept = before == told || (self.restored && before.0 == told.0);
                assert!(kept || self.is_lost(before.0), "{id}: {before:?}, then {told:?}");
            }
        }
    }

    /// An inbox that is older, and that a start can tell from the newest one: one in which numbers are
    /// missing that were told since the mark was written last looks like after a crash.
    fn restore(&mut self) {
        let Some(backup) = self.backup.clone() else { return };
        let mark = self.world.0.lock().mark.unwrap();
        let highest = |rows: &Disk| {
            let last =
                rows.range(ENTRIES.to_vec()..).take_while(|it| it.0.starts_with(ENTRIES)).last();
            last.map_or(0, |(key, _)| number_of(key).unwrap())
        };
        let now = highest(&self.world.0.lock().rows);
        let session = backup.get(SESSION).map_or(0, |row| decode_u64(row).unwrap());
        let then = highest(&backup);
        if session >= mark.session && then >= mark.floor && then != now {
            return;
        }
        self.core = None;
        self.world.0.lock().rows = backup;
        self.restored = true;
        self.core = Some(self.restart());
    }

    /// The number was closed without knowing whose it was.
    fn is_lost(&self, seq: u64) -> bool {
        let record = self.record(seq);
        record.is_some_and(|it| it.activity_id().unwrap() == ActivityId::NIL)
    }

    fn record(&self, seq: u64) -> Option<Record> {
        let key = crate::rows::numbered(ENTRIES, seq);
        RowStore::get(&self.world, &key).unwrap().map(|row| Record::decode(&row).unwrap())
    }

    fn check_stop(&self) {
        let stopped = self.core.as_ref().and_then(|core| core.stopped().cloned());
        let elsewhere = stopped == Some(StopReason::KeyInUseElsewhere);
        assert!(!elsewhere, "nobody else has the key");
    }

    /// Everything is well again, and an operator does what is left to do.
    fn heal(&mut self) {
        let world = self.world.clone();
        self.step(&Step::PoolRemembers);
        {
            let mut inner = world.0.lock();
            (inner.crash, inner.may_append, inner.refuse_next) = (None, true, false);
            inner.pool_room = usize::MAX;
        }
        for _ in 0..50 {
            self.step(&Step::Block);
            match self.core.as_ref().unwrap().stopped().cloned() {
                Some(StopReason::InDoubt { numbers }) => {
                    let nonces = world.0.lock().mark.unwrap().nonces_end();
                    self.granted = self.granted.max(nonces);
                    let now = self.now;
                    let closed = self.with(|core| core.void(numbers, VoidReason::Operator, now));
                    closed.unwrap().unwrap();
                }
                Some(StopReason::AppendRefused { .. }) => {
                    self.with(Core::retry_refused);
                }
                Some(other) => panic!("still stopped: {other}"),
                None => {}
            }
            let now = self.now;
            while self.with(|core| core.seal(now)).unwrap() {}
            let core = self.core.as_ref().unwrap();
            if core.unsealed() == 0 && core.snapshot().completed_end == core.snapshot().highest + 1
            {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.core);
    }

    fn check(&self) {
        let inner = self.world.0.lock();
        let entries: Vec<_> = inner.entries.iter().map(|it| it.entry).collect();
        for (nonce, hashes) in &inner.released {
            let most = if *nonce < self.granted { 2 } else { 1 };
            assert!(hashes.len() <= most, "{} transactions for nonce {nonce}", hashes.len());
        }
        drop(inner);
        let mut published = BTreeMap::<[u8; 16], u32>::new();
        for (seq, bytes) in (1..).zip(&entries) {
            let entry = Entry::decode(bytes).unwrap();
            assert_eq!(entry.source_seq, seq);
            if entry.kind == EntryType::Activity {
                *published.entry(entry.activity_id).or_default() += 1;
            }
            let record = self.record(seq).unwrap();
            assert_eq!((record.published(), record.place.is_some()), (bytes, true), "{seq}");
        }
        assert!(published.values().all(|times| *times == 1), "{published:?}");
        for (id, (seq, promised)) in &self.told {
            let bytes = entries[usize::try_from(*seq).unwrap() - 1];
            let entry = Entry::decode(&bytes).unwrap();
            let void = entry.kind == EntryType::Void;
            let named = entry.activity_id == [*id; 16];
            let lost = self.restored && entry.activity_id == [0; 16];
            assert!(bytes == *promised || (void && (named || lost)), "{id}: {entry:?}");
        }
    }

    /// An inbox that is made anew from the chain knows the same.
    fn check_rebuild(&self) {
        let fresh = World::new();
        {
            let (mut to, from) = (fresh.0.lock(), self.world.0.lock());
            (to.blocks, to.entries) = (from.blocks.clone(), from.entries.clone());
            (to.nonce, to.others) = (from.nonce, from.others.clone());
        }
        let mut core = fresh.start().unwrap();
        assert_eq!(core.stopped(), None);
        let mine = self.core.as_ref().unwrap().snapshot();
        let theirs = core.snapshot();
        assert_eq!(
            (mine.highest, mine.completed_end, mine.height),
            (theirs.highest, theirs.completed_end, theirs.height)
        );
        for seq in 1..=mine.highest {
            let key = crate::rows::numbered(ENTRIES, seq);
            let rebuilt = RowStore::get(&fresh, &key).unwrap().unwrap();
            let rebuilt = Record::decode(&rebuilt).unwrap();
            let record = self.record(seq).unwrap();
            assert_eq!((rebuilt.published(), rebuilt.place), (record.published(), record.place));
        }
        for (id, (seq, _)) in self.told.iter().filter(|(_, (seq, _))| !self.is_lost(*seq)) {
            let answer = core.accept(&[(submit(*id), Origin::Caller)], self.now).unwrap();
            assert_eq!(answer[0].as_ref().unwrap().source_seq, *seq, "{:?}", activity(*id));
        }
    }
}

fn world_log() -> alloy_primitives::B256 {
    alloy_primitives::B256::repeat_byte(0x77)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_activity_is_published_once_at_the_number_that_was_told(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        run.heal();
        run.check();
        run.check_rebuild();
    }
}
