//! What callers send. Two forms carry the same facts:
//!
//! | form | members |
//! |---|---|
//! | submit | `activityId, type, occurredAt, subject, commitment, effect?, test?, promise?` |
//! | track | `activityId, type, occurredAt, userId, payload, salt, effect?, test?, promise?` |
//!
//! In the submit form no personal data reaches the node. In the track form it is hashed here and goes
//! no further: `subject = HMAC-SHA256(K_subject, "plog-subject-v1" ‖ userId)`, `commitment =
//! SHA-256("plog-commit-v1" ‖ 00 ‖ salt ‖ payload)`.
//!
//! A queue delivers the same as the `data` of a CloudEvent ([`Parser::cloud_event`]). Unknown and
//! repeated members are errors. A refusal names the member and never repeats a value.

mod cloud_event;
mod form;
mod id;
mod members;
mod schema;

pub use cloud_event::params_of_cloud_event;
pub use form::Parser;
pub use id::ActivityId;
pub use schema::{Schema, Schemas};

use alloy_primitives::B256;
use peruri_plog::{Entry, EntryType};

/// Entry flag: it has an effect on chain.
const HAS_EFFECT: u8 = 0x01;
/// Entry flag: it was accepted late.
const LATE: u8 = 0x02;
/// Entry flag: test data.
const TEST: u8 = 0x04;

/// An activity that can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submission {
    /// Idempotency key of the business event.
    pub activity_id: ActivityId,
    /// Type of its entry.
    pub kind: EntryType,
    /// Number of its schema.
    pub schema: u16,
    /// When it happened, Unix ms, below 2^53.
    pub occurred_at: u64,
    /// Pseudonym.
    pub subject: B256,
    /// Salted commitment to the payload.
    pub commitment: B256,
    /// Hash of the effect on chain, or zero.
    pub effect: B256,
    /// Test data.
    pub test: bool,
    /// The caller wants an acceptance promise.
    pub promise: bool,
    /// Subject and commitment were made here, from a user id and a payload.
    pub tracked: bool,
}

impl Submission {
    /// The entry as number `seq` of `source`; `late` is the acceptance's to know.
    pub fn entry(&self, source: u32, seq: u64, late: bool) -> Entry {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        Entry {
            kind: self.kind,
            flags: flag(!self.effect.is_zero(), HAS_EFFECT)
                | flag(late, LATE)
                | flag(self.test, TEST),
            schema: self.schema,
            source_id: source,
            source_seq: seq,
            occurred_at: self.occurred_at,
            activity_id: self.activity_id.0,
            subject: self.subject,
            commitment: self.commitment,
            effect: self.effect,
        }
    }

    /// The first member in which an accepted entry differs from this one; `None` for a repeat.
    pub fn differs_from(&self, accepted: &Entry) -> Option<&'static str> {
        let fields = [
            ("type", (self.kind, self.schema) == (accepted.kind, accepted.schema)),
            ("occurredAt", self.occurred_at == accepted.occurred_at),
            ("subject", self.subject == accepted.subject),
            ("commitment", self.commitment == accepted.commitment),
            ("effect", self.effect == accepted.effect),
            ("test", self.test == (accepted.flags & TEST != 0)),
        ];
        fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
    }
}

#[cfg(test)]
mod tests;
