//! Entries whose content follows from rules of their own.

use super::{Entry, EntryType};
use alloy_primitives::B256;

/// Why a sequence number was closed without an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum VoidReason {
    /// The entry was not valid.
    Invalid = 1,
    /// The source withdrew it.
    Withdrawn = 2,
    /// It was there already.
    Duplicate = 3,
    /// An operator closed it.
    Operator = 4,
    /// The source was closed.
    SourceClosed = 5,
}

impl VoidReason {
    /// The number in the entry's field `schema`.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The reason for a number, if it is one.
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Invalid,
            2 => Self::Withdrawn,
            3 => Self::Duplicate,
            4 => Self::Operator,
            5 => Self::SourceClosed,
            _ => return None,
        })
    }
}

impl Entry {
    /// The entry that `appendRoot` writes in a block of time `block_time`, in seconds: a foreign
    /// root over `count` things.
    pub fn foreign_root(
        source_id: u32,
        source_seq: u64,
        block_time: u64,
        root: B256,
        count: u32,
    ) -> Self {
        let activity_id = u128::from(count).to_be_bytes();
        Self {
            commitment: root,
            activity_id,
            occurred_at: block_time.saturating_mul(1000),
            ..Self::blank(EntryType::ForeignRoot, source_id, source_seq)
        }
    }

    /// Closes a sequence number whose entry cannot be published. `activity_id` and `subject` are
    /// those of what it closes, zero where they are lost.
    pub fn void(
        source_id: u32,
        source_seq: u64,
        occurred_at: u64,
        reason: VoidReason,
        activity_id: [u8; 16],
        subject: B256,
    ) -> Self {
        Self {
            schema: reason.number(),
            occurred_at,
            activity_id,
            subject,
            ..Self::blank(EntryType::Void, source_id, source_seq)
        }
    }

    /// Tells that salt and payload of `erased` have been destroyed.
    pub fn erasure(source_id: u32, source_seq: u64, occurred_at: u64, erased: &Self) -> Self {
        Self {
            occurred_at,
            activity_id: erased.activity_id,
            subject: erased.subject,
            effect: erased.leaf(),
            ..Self::blank(EntryType::Erasure, source_id, source_seq)
        }
    }

    const fn blank(kind: EntryType, source_id: u32, source_seq: u64) -> Self {
        Self {
            kind,
            flags: 0,
            schema: 0,
            source_id,
            source_seq,
            occurred_at: 0,
            activity_id: [0; 16],
            subject: B256::ZERO,
            commitment: B256::ZERO,
            effect: B256::ZERO,
        }
    }
}
