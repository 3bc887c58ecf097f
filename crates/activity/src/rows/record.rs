use super::{Reader, StoreError, damaged};
use crate::ActivityId;
use alloy_primitives::B256;
use peruri_plog::{ENTRY_LEN, Entry, EntryType, VoidReason};

const CLOSED: u8 = 1;
const DUPLICATE: u8 = 2;
const INCLUDED: u8 = 4;

/// One number of the source: what was accepted under it, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The entry that was fixed at acceptance.
    pub entry: [u8; ENTRY_LEN],
    /// When it was accepted, Unix ms.
    pub accepted_ms: u64,
    /// The VOID that takes its place.
    pub closing: Option<Closing>,
    /// Where it is included.
    pub place: Option<Place>,
}

/// A VOID in the place of an accepted entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The VOID.
    pub entry: [u8; ENTRY_LEN],
    /// Log and index at which another source has published the activity.
    pub duplicate_of: Option<(B256, u64)>,
}

/// Where an entry is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block: u64,
    /// Its index in the log.
    pub index: u64,
}

impl Record {
    /// An entry that was just accepted.
    pub fn accepted(entry: &Entry, now_ms: u64) -> Self {
        Self { entry: entry.encode(), accepted_ms: now_ms, closing: None, place: None }
    }

    /// What is published under its number.
    pub const fn published(&self) -> &[u8; ENTRY_LEN] {
        match &self.closing {
            Some(closing) => &closing.entry,
            None => &self.entry,
        }
    }

    /// The accepted entry, decoded.
    ///
    /// # Errors
    /// The row is damaged.
    pub fn decoded(&self) -> Result<Entry, StoreError> {
        Entry::decode(&self.entry).map_err(|_| damaged("entry"))
    }

    /// The reason of the VOID that is published under its number, if it is one.
    ///
    /// # Errors
    /// The row is damaged.
    pub fn void_reason(&self) -> Result<Option<u16>, StoreError> {
        let entry = Entry::decode(self.published()).map_err(|_| damaged("entry"))?;
        Ok((entry.kind == EntryType::Void).then_some(entry.schema))
    }

    /// Puts a VOID into its place.
    pub(crate) fn close(
        &mut self,
        reason: VoidReason,
        now_ms: u64,
        duplicate_of: Option<(B256, u64)>,
    ) -> Result<(), StoreError> {
        let Entry { source_id, source_seq, activity_id, subject, .. } = self.decoded()?;
        let void = Entry::void(source_id, source_seq, now_ms, reason, activity_id, subject);
        self.closing = Some(Closing { entry: void.encode(), duplicate_of });
        Ok(())
    }

    pub(crate) fn activity_id(&self) -> Result<ActivityId, StoreError> {
        Ok(ActivityId(self.decoded()?.activity_id))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let duplicate_of = self.closing.and_then(|closing| closing.duplicate_of);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut row = Vec::with_capacity(8 + 2 * ENTRY_LEN + 1 + 40 + 48);
        row.extend(self.accepted_ms.to_be_bytes());
        row.extend(self.entry);
        row.push(
            flag(self.closing.is_some(), CLOSED)
                | flag(duplicate_of.is_some(), DUPLICATE)
                | flag(self.place.is_some(), INCLUDED),
        );
        if let Some(closing) = &self.closing {
            row.extend(closing.entry);
        }
        if let Some((log, index)) = duplicate_of {
            row.extend(log);
            row.extend(index.to_be_bytes());
        }
        if let Some(place) = &self.place {
            row.extend(place.tx_hash);
            row.extend(place.block.to_be_bytes());
            row.extend(place.index.to_be_bytes());
        }
        row
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader::new(row, "entry");
        let (accepted_ms, entry, flags) = (reader.u64()?, reader.entry()?, reader.u8()?);
        let closing = (flags & CLOSED != 0).then(|| reader.entry()).transpose()?;
        let duplicate_of = (flags & DUPLICATE != 0)
            .then(|| Ok::<_, StoreError>((reader.hash()?, reader.u64()?)))
            .transpose()?;
        let place = (flags & INCLUDED != 0)
            .then(|| {
                let (tx_hash, block) = (reader.hash()?, reader.u64()?);
                Ok::<_, StoreError>(Place { tx_hash, block, index: reader.u64()? })
            })
            .transpose()?;
        reader.end()?;
        let closing = closing.map(|entry| Closing { entry, duplicate_of });
        Ok(Self { entry, accepted_ms, closing, place })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_survive_their_row() {
        let entry = Entry::erasure(1, 7, 5, &Entry::foreign_root(1, 1, 1, B256::ZERO, 1));
        let plain = Record::accepted(&entry, 9);
        let mut closed = plain;
        closed.close(VoidReason::Withdrawn, 10, None).unwrap();
        let mut duplicate = plain;
        duplicate.close(VoidReason::Duplicate, 10, Some((B256::repeat_byte(3), 4))).unwrap();
        let place = Some(Place { tx_hash: B256::repeat_byte(1), block: 2, index: 3 });
        for record in [plain, closed, duplicate] {
            for record in [record, Record { place, ..record }] {
                let row = record.encode();
                assert_eq!(Record::decode(&row).unwrap(), record);
                assert!(Record::decode(&row[1..]).is_err());
                assert!(Record::decode(&[row.as_slice(), &[0]].concat()).is_err());
            }
        }
        assert_eq!(plain.void_reason().unwrap(), None);
        assert_eq!(closed.void_reason().unwrap(), Some(2));
        let void = Entry::decode(closed.published()).unwrap();
        assert_eq!((void.source_seq, void.activity_id), (7, entry.activity_id));
    }
}
