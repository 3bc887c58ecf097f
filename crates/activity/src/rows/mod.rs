//! The inbox on disk. Rows are written in synced batches; nobody is answered before.
//!
//! | key | value |
//! |---|---|
//! | `e`, number | [`Record`]: the entry, what closes it, where it is included |
//! | `i`, class, activity id | number. Class 0 is the activity, 7D its erasure notice; a VOID is found under what it closes |
//! | `t`, nonce | [`Sealed`]: a signed transaction that is not included |
//! | `x`, counter | [`DeadLetter`]: why a message was rejected |
//! | `m`, name | [`Progress`], session, [`Restore`], granted nonce, export |
//!
//! Numbers are big-endian. Payloads, user ids and salts have no place here.

mod codec;
mod record;
mod sealed;
mod state;
mod store;

pub(crate) use codec::{Reader, damaged};
pub use record::{Closing, Place, Record};
pub use sealed::Sealed;
pub(crate) use state::decode_u64;
pub use state::{DeadLetter, Progress, Restore};
pub use store::{Changes, Row, RowStore, StoreError};

use crate::ActivityId;
use peruri_plog::EntryType;

/// First bytes of keys.
pub(crate) const ENTRIES: &[u8] = b"e";
pub(crate) const SEALED: &[u8] = b"t";
pub(crate) const DEAD: &[u8] = b"x";
/// Whole keys.
pub(crate) const PROGRESS: &[u8] = b"m/progress";
pub(crate) const SESSION: &[u8] = b"m/session";
pub(crate) const RESTORE: &[u8] = b"m/restore";
pub(crate) const GRANTED: &[u8] = b"m/granted";
pub(crate) const EXPORTED: &[u8] = b"m/exported";

/// Key of a number under a first byte.
pub(crate) fn numbered(first: &[u8], number: u64) -> Vec<u8> {
    [first, &number.to_be_bytes()].concat()
}

/// The number in a [`numbered`] key.
pub(crate) fn number_of(key: &[u8]) -> Result<u64, StoreError> {
    let number = key.get(1..).and_then(|rest| rest.try_into().ok()).map(u64::from_be_bytes);
    number.ok_or_else(|| damaged("number"))
}

/// What an id was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Activity,
    Erasure,
}

impl Class {
    /// The class of an entry that closes nothing.
    pub(crate) const fn of(kind: EntryType) -> Self {
        match kind {
            EntryType::Erasure => Self::Erasure,
            _ => Self::Activity,
        }
    }

    pub(crate) fn key(self, id: ActivityId) -> Vec<u8> {
        let class = if self == Self::Erasure { EntryType::Erasure.byte() } else { 0 };
        [b"i", [class].as_slice(), &id.0].concat()
    }
}
