//! The sign state: what a validator has signed.
//!
//! [`SignRecord`] is the content of the newest whole slot of a small store that lies outside the
//! data folder. The rules that keep a validator from contradicting itself stand here, as methods of
//! the record:
//!
//! 1. Height, then round, never fall. Signing a RoundChange to a round enters it; what belongs to a
//!    lower round is not signed any more.
//! 2. In one round Proposal, Prepare and Commit carry one digest, in whatever order they are signed,
//!    and a kind that is signed is never signed again: its stored bytes are sent again.
//! 3. A Commit stands in the record only together with its certificate, unless its block is stored
//!    already.
//!
//! That no record of the next height is written before the block is stored, and that nothing leaves
//! before its record is durable, are the matter of [`crate::core`].

mod codec;
mod mark;
mod record;

pub use codec::RecordError;
pub use mark::Mark;
pub use record::{SignRecord, SignRefused, StoredCertificate, StoredProposal};
