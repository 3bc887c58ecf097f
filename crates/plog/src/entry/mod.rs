//! Entry v1: 140 bytes, integers big-endian, the version in the magic.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `PLG1` |
//! | 4 | 1 | type |
//! | 5 | 1 | flags: 01 has an effect on chain, 02 late, 04 test data |
//! | 6 | 2 | schema of the payload; the reason in a VOID |
//! | 8 | 4 | source, from 1 |
//! | 12 | 8 | sequence number, the source's next |
//! | 20 | 8 | when it happened, Unix ms, the source's claim |
//! | 28 | 16 | activity id: UUID, idempotency key of the business event |
//! | 44 | 32 | subject: pseudonym, see [`fn@subject`] |
//! | 76 | 32 | commitment, see [`commitment`] |
//! | 108 | 32 | effect: hash of (contract, method, recipient, id, amount), or zero |

mod build;
mod codec;
mod error;
mod kind;
mod pseudonym;

#[cfg(test)]
mod tests;

pub use build::VoidReason;
pub use codec::{ENTRY_LEN, Entry, FLAGS, MAGIC};
pub use error::EntryError;
pub use kind::EntryType;
pub use pseudonym::{commitment, subject};
