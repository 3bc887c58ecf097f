//! Acceptance: a number, all 140 bytes, one sync for all that wait.

use super::Core;
use crate::{
    ActivityError, ActivityId, Submission,
    mark::{Mark, STEP},
    rows::{Changes, Class, ENTRIES, Record, StoreError, damaged, decode_u64, numbered},
};
use alloy_primitives::B256;
use peruri_plog::{ENTRY_LEN, Entry, leaf_hash};
use std::collections::BTreeMap;

/// What is to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// An activity.
    Submit(Submission),
    /// A notice that salt and payload of an included entry were destroyed.
    Erase(ActivityId),
}

/// Where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Somebody who can be told to try again.
    Caller,
    /// A queue that had delivered it already when the inbox was full.
    Queue,
}

/// The answer to what was accepted, now or earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The activity.
    pub activity_id: ActivityId,
    /// Number of the source.
    pub source_id: u32,
    /// The number, which never changes.
    pub source_seq: u64,
    /// The entry.
    pub entry: [u8; ENTRY_LEN],
    /// Its leaf hash.
    pub leaf: B256,
    /// Subject of the entry.
    pub subject: B256,
    /// Commitment of the entry.
    pub commitment: B256,
    /// It was accepted earlier.
    pub repeated: bool,
}

/// A group that is accepted together.
#[derive(Default)]
struct Group {
    changes: Changes,
    /// Numbers of ids, as they were before the group and as it adds to them.
    numbers: BTreeMap<Vec<u8>, Option<u64>>,
    /// What the group has added.
    added: BTreeMap<u64, Record>,
}

impl Core {
    /// Accepts what can be accepted; when this returns, it is on disk. The answers are in the order of
    /// the requests.
    ///
    /// # Errors
    /// Storage has failed: nothing may be told to anybody.
    pub fn accept(
        &mut self,
        requests: &[(Request, Origin)],
        now_ms: u64,
    ) -> Result<Vec<Result<Accepted, ActivityError>>, StoreError> {
        if let Some(reason) = &self.stopped {
            let refused = ActivityError::Stopped(reason.clone());
            return Ok(requests.iter().map(|_| Err(refused.clone())).collect());
        }
        let mut group = Group { numbers: self.known_numbers(requests)?, ..Group::default() };
        let mut answers = Vec::with_capacity(requests.len());
        for (request, origin) in requests {
            answers.push(match request {
                Request::Submit(it) => self.submit(&mut group, it, *origin, now_ms)?,
                Request::Erase(id) => self.erase(&mut group, *id, *origin, now_ms)?,
            });
        }
        let Some((highest, _)) = group.added.last_key_value() else { return Ok(answers) };
        let highest = *highest;
        self.raise(highest)?;
        self.rows.commit(group.changes)?;
        self.highest = highest;
        Ok(answers)
    }

    /// The numbers of all ids in `requests` with one read.
    fn known_numbers(
        &self,
        requests: &[(Request, Origin)],
    ) -> Result<BTreeMap<Vec<u8>, Option<u64>>, StoreError> {
        let mut keys = Vec::with_capacity(requests.len());
        for (request, _) in requests {
            let id = match request {
                Request::Submit(submission) => submission.activity_id,
                Request::Erase(id) => {
                    keys.push(Class::Erasure.key(*id));
                    *id
                }
            };
            keys.push(Class::Activity.key(id));
        }
        keys.sort_unstable();
        keys.dedup();
        let rows = self.rows.get_many(&keys)?;
        let numbers = rows.into_iter().map(|row| row.map(|row| decode_u64(&row)).transpose());
        keys.into_iter().zip(numbers).map(|(key, number)| Ok((key, number?))).collect()
    }

    fn submit(
        &self,
        group: &mut Group,
        submission: &Submission,
        origin: Origin,
        now_ms: u64,
    ) -> Result<Result<Accepted, ActivityError>, StoreError> {
        let key = Class::Activity.key(submission.activity_id);
        if let Some((seq, record)) = self.find(group, &key)? {
            let accepted = record.decoded()?;
            // All that a rebuilt inbox knows of what was closed is its subject.
            let differs = match record.closing.is_none() && record.void_reason()?.is_some() {
                true => (submission.subject != accepted.subject).then_some("subject"),
                false => submission.differs_from(&accepted),
            };
            return Ok(match differs {
                Some(field) => Err(ActivityError::Conflict { source_seq: seq, field }),
                None => Ok(answer(seq, &accepted, true)),
            });
        }
        let late = submission.occurred_at < now_ms.saturating_sub(self.settings.late_after_ms);
        let entry = |seq| submission.entry(self.settings.source, seq, late);
        Ok(self.add(group, key, origin, now_ms, entry))
    }

    fn erase(
        &self,
        group: &mut Group,
        id: ActivityId,
        origin: Origin,
        now_ms: u64,
    ) -> Result<Result<Accepted, ActivityError>, StoreError> {
        let key = Class::Erasure.key(id);
        if let Some((seq, record)) = self.find(group, &key)? {
            return Ok(Ok(answer(seq, &record.decoded()?, true)));
        }
        let erased = match self.find(group, &Class::Activity.key(id))? {
            Some((_, record)) if record.place.is_some() && record.void_reason()?.is_none() => {
                record.decoded()?
            }
            _ => return Ok(Err(ActivityError::NotIncluded)),
        };
        let entry = |seq| Entry::erasure(self.settings.source, seq, now_ms, &erased);
        Ok(self.add(group, key, origin, now_ms, entry))
    }

    /// What was accepted under an id, on disk or in this group.
    fn find(&self, group: &Group, key: &[u8]) -> Result<Option<(u64, Record)>, StoreError> {
        let Some(seq) = group.numbers.get(key).copied().flatten() else { return Ok(None) };
        let record = match group.added.get(&seq) {
            Some(record) => *record,
            None => self.record(seq)?.ok_or_else(|| damaged("an id without its entry"))?,
        };
        Ok(Some((seq, record)))
    }

    fn add(
        &self,
        group: &mut Group,
        key: Vec<u8>,
        origin: Origin,
        now_ms: u64,
        entry: impl FnOnce(u64) -> Entry,
    ) -> Result<Accepted, ActivityError> {
        let seq = self.highest + 1 + group.added.len() as u64;
        let room = match origin {
            Origin::Caller => self.settings.inbox_mark,
            Origin::Queue => self.settings.inbox_mark.saturating_add(self.settings.prefetch),
        };
        if seq - self.completed_end() >= room {
            return Err(ActivityError::Full { retry_after_ms: self.settings.retry_after_ms });
        }
        let entry = entry(seq);
        let record = Record::accepted(&entry, now_ms);
        group.changes.put(numbered(ENTRIES, seq), record.encode());
        group.changes.put(key.clone(), seq.to_be_bytes());
        group.numbers.insert(key, Some(seq));
        group.added.insert(seq, record);
        Ok(answer(seq, &entry, false))
    }

    /// Raises the mark so that numbers up to `highest` may be told.
    pub(super) fn raise(&mut self, highest: u64) -> Result<(), StoreError> {
        let mark = self.mark.read().ok_or_else(|| StoreError::new("the sealer's mark is gone"))?;
        if highest <= mark.highest {
            return Ok(());
        }
        let highest = highest.next_multiple_of(STEP);
        self.mark.write(&Mark { highest, floor: self.highest, ..mark })
    }

    pub(super) fn record(&self, seq: u64) -> Result<Option<Record>, StoreError> {
        let row = self.rows.get(&numbered(ENTRIES, seq))?;
        row.map(|row| Record::decode(&row)).transpose()
    }
}

fn answer(seq: u64, entry: &Entry, repeated: bool) -> Accepted {
    let bytes = entry.encode();
    Accepted {
        activity_id: ActivityId(entry.activity_id),
        source_id: entry.source_id,
        source_seq: seq,
        entry: bytes,
        leaf: leaf_hash(&bytes),
        subject: entry.subject,
        commitment: entry.commitment,
        repeated,
    }
}
