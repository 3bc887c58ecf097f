use crate::{
    entry::{ENTRY_LEN, Entry, EntryError, EntryType},
    frontier::{Frontier, FrontierError},
    hash::leaf_hash,
    verify::Verified,
};
use alloy_primitives::{B256, hex};
use std::collections::BTreeMap;

/// Reads an exported log entry by entry: whether it is the log that a receipt proves, whether the
/// sequence of each source is without gaps, which numbers are VOID and which activities occur
/// twice. It keeps each activity id, so its memory grows with the log (about 50 bytes an entry).
#[derive(Debug)]
pub struct ExportAudit {
    size: u64,
    root: B256,
    frontier: Frontier,
    next_seq: BTreeMap<u32, u64>,
    activities: BTreeMap<[u8; 16], u64>,
    summary: ExportSummary,
}

/// What an exported log contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportSummary {
    /// Number of entries of each source.
    pub sources: BTreeMap<u32, u64>,
    /// Where a source's sequence is broken.
    pub gaps: Vec<Gap>,
    /// Numbers that were closed without an entry.
    pub voids: Vec<VoidEntry>,
    /// Activities that occur again. Several sources may carry one id, so this is no fault.
    pub repeats: Vec<Repeat>,
}

/// A break in a source's sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Index of the entry at which it shows.
    pub index: u64,
    /// The source.
    pub source_id: u32,
    /// The number that had to come.
    pub expected: u64,
    /// The number that came.
    pub got: u64,
}

/// A VOID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoidEntry {
    /// Its index.
    pub index: u64,
    /// The source.
    pub source_id: u32,
    /// The number that it closes.
    pub source_seq: u64,
    /// The reason, see [`VoidReason`](crate::VoidReason).
    pub reason: u16,
}

/// An activity that occurs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// The activity.
    pub activity_id: [u8; 16],
    /// Index of its first entry.
    pub first: u64,
    /// Index of this one.
    pub index: u64,
}

impl ExportAudit {
    /// Begins with the receipt of the log's last entry.
    ///
    /// # Errors
    /// [`ExportError::NotLast`] if it is another entry's.
    pub fn new(receipt: &Verified) -> Result<Self, ExportError> {
        let (index, size) = (receipt.index, receipt.size);
        if index.checked_add(1) != Some(size) {
            return Err(ExportError::NotLast { index, size });
        }
        Ok(Self {
            size,
            root: receipt.root,
            frontier: Frontier::new(),
            next_seq: BTreeMap::new(),
            activities: BTreeMap::new(),
            summary: ExportSummary::default(),
        })
    }

    /// Takes the next entry: 280 lower-case hex digits.
    ///
    /// # Errors
    /// [`ExportError::Hex`] and [`ExportError::Entry`] if that is no entry, [`ExportError::Full`].
    pub fn line(&mut self, line: &[u8]) -> Result<(), ExportError> {
        let index = self.frontier.size();
        let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let mut bytes = [0; ENTRY_LEN];
        let read = line.iter().all(lower).then(|| hex::decode_to_slice(line, &mut bytes));
        if !matches!(read, Some(Ok(()))) {
            return Err(ExportError::Hex { index });
        }
        let entry = Entry::decode(&bytes).map_err(|source| ExportError::Entry { index, source })?;
        self.frontier.append(leaf_hash(&bytes), |_, _, _| ())?;
        self.note(index, &entry);
        Ok(())
    }

    /// Ends: all lines were read.
    ///
    /// # Errors
    /// [`ExportError::Size`] or [`ExportError::Root`] if this is not the log that the receipt
    /// proves.
    pub fn finish(self) -> Result<ExportSummary, ExportError> {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        if size != self.size {
            return Err(ExportError::Size { expected: self.size, got: size });
        }
        if root != self.root {
            return Err(ExportError::Root { expected: self.root, got: root });
        }
        Ok(self.summary)
    }

    fn note(&mut self, index: u64, entry: &Entry) {
        let Entry { source_id, source_seq, activity_id, .. } = *entry;
        let expected = self.next_seq.insert(source_id, source_seq.saturating_add(1)).unwrap_or(1);
        if source_seq != expected {
            self.summary.gaps.push(Gap { index, source_id, expected, got: source_seq });
        }
        let count = self.summary.sources.entry(source_id).or_default();
        *count = count.saturating_add(1);
        match entry.kind {
            EntryType::Void => {
                let reason = entry.schema;
                self.summary.voids.push(VoidEntry { index, source_id, source_seq, reason });
            }
            // These carry the id of another entry, or a count.
            EntryType::Erasure | EntryType::ForeignRoot => {}
            _ => {
                let first = *self.activities.entry(activity_id).or_insert(index);
                if first != index {
                    self.summary.repeats.push(Repeat { activity_id, first, index });
                }
            }
        }
    }
}

/// Why an export is not the log of its receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The receipt is not that of the last entry.
    #[error("the receipt is of entry {index} of {size}, not of the last one")]
    NotLast {
        /// The entry's index.
        index: u64,
        /// Size of the log.
        size: u64,
    },
    /// A line that is not 280 hex digits.
    #[error("entry {index}: expected 280 lower-case hex digits")]
    Hex {
        /// Its index.
        index: u64,
    },
    /// A line that is no entry.
    #[error("entry {index}: {source}")]
    Entry {
        /// Its index.
        index: u64,
        /// Why.
        source: EntryError,
    },
    /// More entries than a log can have.
    #[error(transparent)]
    Full(#[from] FrontierError),
    /// More or fewer entries than the receipt says.
    #[error("{got} entries, the receipt proves {expected}")]
    Size {
        /// The receipt's size.
        expected: u64,
        /// The number of lines.
        got: u64,
    },
    /// Other entries.
    #[error("the entries have the root {got}, the receipt proves {expected}")]
    Root {
        /// The receipt's root.
        expected: B256,
        /// The root of the lines.
        got: B256,
    },
}
