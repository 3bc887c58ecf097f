//! Entries of this source that the inbox does not know, or knows otherwise: from the chain after a
//! loss or a restore, from pools after a restore.

use super::Core;
use crate::{
    ActivityId,
    chain::{ChainEntry, decode_own, sender_and_nonce},
    rows::{
        Changes, Class, Closing, ENTRIES, Record, Restore, RowStore, Sealed, StoreError,
        decode_u64, numbered,
    },
};
use peruri_plog::{Entry, EntryType};
use std::collections::BTreeMap;

/// Which unknown entries may be this source's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) restore: Option<Restore>,
    /// They come from a transaction that an operator had given up.
    pub(super) granted: bool,
}

impl Tolerance {
    fn covers(&self, seq: u64) -> bool {
        self.granted || self.restore.is_some_and(|it| seq <= it.seq)
    }
}

impl Core {
    /// Writes rows for entries of the chain. False, and `changes` is of no use, if one of them cannot
    /// be this source's own.
    pub(super) fn take_over(
        &self,
        changes: &mut Changes,
        known: &BTreeMap<u64, Record>,
        entries: &[ChainEntry],
        tolerance: Tolerance,
    ) -> Result<bool, StoreError> {
        for found in entries {
            let Ok(entry) = Entry::decode(&found.entry) else { return Ok(false) };
            let seq = entry.source_seq;
            let record = match known.get(&seq) {
                Some(record) if *record.published() == found.entry => {
                    Record { place: Some(found.place), ..*record }
                }
                _ if !tolerance.covers(seq) => return Ok(false),
                Some(record) => match merge(record, found, &entry)? {
                    Some(record) => record,
                    None => return Ok(false),
                },
                None => found.record(),
            };
            changes.put(numbered(ENTRIES, seq), record.encode());
            index(&*self.rows, changes, &entry)?;
        }
        Ok(true)
    }

    /// Takes over pending transactions of the signer that this source has signed and forgotten.
    /// False if one of them cannot be its own. `unmarked`: there is neither inbox nor mark, so nothing
    /// can be told from somebody else's.
    pub(super) fn adopt(
        &mut self,
        restore: Option<Restore>,
        unmarked: bool,
    ) -> Result<bool, StoreError> {
        let signer = self.settings.key.address();
        let mut pending: Vec<_> = self
            .lane
            .pending()
            .into_iter()
            .filter_map(|raw| sender_and_nonce(&raw).map(|(sender, nonce)| (sender, nonce, raw)))
            .filter(|(sender, ..)| *sender == signer)
            .collect();
        pending.sort_unstable_by_key(|(_, nonce, _)| *nonce);
        for (_, nonce, raw) in pending {
            let Some(progress) = self.progress else { return Ok(true) };
            let next = progress.nonce + self.sealed.len() as u64;
            if nonce < next {
                let known = self.sealed.iter().find(|it| it.nonce == nonce);
                let given_up = nonce < self.granted;
                if nonce >= progress.nonce && !given_up && known.is_none_or(|it| it.raw != raw) {
                    return Ok(false);
                }
                continue;
            }
            let tolerated =
                unmarked || nonce < self.granted || restore.is_some_and(|it| nonce < it.nonces_end);
            if !tolerated {
                return Ok(false);
            }
            if nonce == next && !self.adopt_one(&raw)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// False if it is no append of this source. What does not go on where the known ones end is left
    /// where it is: its nonce stays in doubt.
    fn adopt_one(&mut self, raw: &alloy_primitives::Bytes) -> Result<bool, StoreError> {
        let Some((sealed, entries)) = decode_own(raw, &self.settings.terms()) else {
            return Ok(false);
        };
        let Sealed { first_seq, .. } = sealed;
        if first_seq != self.sealed_end() {
            return Ok(true);
        }
        let known = self.records(first_seq, sealed.end())?;
        let mut changes = Changes::default();
        for (seq, bytes) in (first_seq..).zip(&entries) {
            let Ok(entry) = Entry::decode(bytes) else { return Ok(false) };
            let record = match known.get(&seq) {
                Some(record) if record.published() == bytes => continue,
                Some(record) => match merge_bytes(record, *bytes, &entry)? {
                    Some(record) => record,
                    None => return Ok(false),
                },
                None => Record { entry: *bytes, accepted_ms: 0, closing: None, place: None },
            };
            changes.put(numbered(ENTRIES, seq), record.encode());
            index(&*self.rows, &mut changes, &entry)?;
        }
        changes.put(sealed.key(), sealed.encode());
        self.rows.commit(changes)?;
        self.highest = self.highest.max(sealed.end() - 1);
        self.sealed.push_back(sealed);
        Ok(true)
    }
}

/// The row of what the chain has in the place of `record`, which an older inbox knows otherwise.
fn merge(record: &Record, found: &ChainEntry, entry: &Entry) -> Result<Option<Record>, StoreError> {
    let merged = merge_bytes(record, found.entry, entry)?;
    Ok(merged.map(|record| Record { place: Some(found.place), ..record }))
}

/// A number stays with its activity: it may have been closed, or published after it was given up.
/// `None` if it went to another activity.
fn merge_bytes(
    record: &Record,
    bytes: [u8; peruri_plog::ENTRY_LEN],
    entry: &Entry,
) -> Result<Option<Record>, StoreError> {
    let id = record.activity_id()?;
    // A lost number was closed without knowing whose it was; now it is known.
    let given_up = id == ActivityId::NIL;
    if record.entry == bytes || given_up {
        return Ok(Some(Record { entry: bytes, closing: None, ..*record }));
    }
    if id.0 != entry.activity_id || entry.kind != EntryType::Void {
        return Ok(None);
    }
    Ok(Some(Record { closing: Some(Closing { entry: bytes, duplicate_of: None }), ..*record }))
}

/// Makes an entry of the chain findable by its id. A VOID is found under what it closes: the activity,
/// or, if that has another number, its erasure notice.
pub(super) fn index(
    rows: &dyn RowStore,
    changes: &mut Changes,
    entry: &Entry,
) -> Result<(), StoreError> {
    let id = ActivityId(entry.activity_id);
    if id == ActivityId::NIL {
        return Ok(());
    }
    let seq = entry.source_seq;
    let mut key = Class::of(entry.kind).key(id);
    if entry.kind == EntryType::Void {
        let taken = match changes.rows.get(&key) {
            Some(row) => row.clone(),
            None => rows.get(&key)?,
        };
        let taken = taken.map(|row| decode_u64(&row)).transpose()?;
        if taken.is_some_and(|taken| taken != seq) {
            key = Class::Erasure.key(id);
        }
    }
    changes.put(key, seq.to_be_bytes());
    Ok(())
}
