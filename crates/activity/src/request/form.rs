//! The two forms.

use super::{ActivityId, Schema, Schemas, Submission, members::Members};
use crate::{ActivityError, SubjectKey};
use alloy_primitives::B256;
use base64::{Engine, engine::general_purpose::STANDARD};
use peruri_plog::entry::commitment;

/// Longest user id in bytes; what is longer is no id.
const LONGEST_USER_ID: usize = 1_024;

/// What the object around a form has said already.
pub(super) struct Envelope {
    pub(super) activity_id: ActivityId,
    pub(super) schema: Schema,
    pub(super) occurred_at: u64,
}

/// Parses what callers send.
#[derive(Debug, Clone)]
pub struct Parser {
    pub(super) schemas: Schemas,
    subject_key: Option<SubjectKey>,
}

impl Parser {
    /// A parser for `schemas`; without a subject key the track form is refused.
    pub const fn new(schemas: Schemas, subject_key: Option<SubjectKey>) -> Self {
        Self { schemas, subject_key }
    }

    /// The same without the track form, whatever key there is.
    #[must_use]
    pub fn without_track(self) -> Self {
        Self { subject_key: None, ..self }
    }

    /// The params of `activity_submit`.
    ///
    /// # Errors
    /// [`ActivityError::Malformed`] with the member that is wrong.
    pub fn submit(&self, text: &str) -> Result<Submission, ActivityError> {
        let mut members = Members::parse("params", text)?;
        let envelope = self.envelope(&mut members)?;
        self.submit_form(envelope, members)
    }

    /// The params of `activity_track`.
    ///
    /// # Errors
    /// [`ActivityError::Malformed`] with the member that is wrong; [`ActivityError::TrackingOff`].
    pub fn track(&self, text: &str) -> Result<Submission, ActivityError> {
        let mut members = Members::parse("params", text)?;
        let envelope = self.envelope(&mut members)?;
        self.track_form(envelope, members)
    }

    /// The params of either, as in a batch.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) and [`track`](Self::track).
    pub fn either(&self, text: &str) -> Result<Submission, ActivityError> {
        let mut members = Members::parse("params", text)?;
        let envelope = self.envelope(&mut members)?;
        self.either_form(envelope, members)
    }

    /// The track form has members that the other one lacks.
    pub(super) fn either_form(
        &self,
        envelope: Envelope,
        members: Members,
    ) -> Result<Submission, ActivityError> {
        if ["userId", "payload", "salt"].iter().any(|name| members.has(name)) {
            self.track_form(envelope, members)
        } else {
            self.submit_form(envelope, members)
        }
    }

    pub(super) fn schema(&self, name: &str) -> Result<Schema, ActivityError> {
        let schema = self.schemas.get(name).copied();
        schema.ok_or_else(|| ActivityError::malformed("type", "not a listed type"))
    }

    fn envelope(&self, members: &mut Members) -> Result<Envelope, ActivityError> {
        let activity_id = ActivityId::parse("activityId", &members.text("activityId")?)?;
        let schema = self.schema(&members.text("type")?)?;
        Ok(Envelope { activity_id, schema, occurred_at: members.time("occurredAt")? })
    }

    fn submit_form(
        &self,
        envelope: Envelope,
        mut members: Members,
    ) -> Result<Submission, ActivityError> {
        let (subject, commitment) = (members.hash("subject")?, members.hash("commitment")?);
        finish(envelope, members, (subject, commitment), false)
    }

    fn track_form(
        &self,
        envelope: Envelope,
        mut members: Members,
    ) -> Result<Submission, ActivityError> {
        let key = self.subject_key.as_ref().ok_or(ActivityError::TrackingOff)?;
        let user_id = members.text("userId")?;
        if user_id.is_empty() || user_id.len() > LONGEST_USER_ID {
            return Err(ActivityError::malformed("userId", "expected 1 to 1,024 bytes"));
        }
        let payload = decode_payload(&members.text("payload")?, envelope.schema.max_bytes)?;
        let salt = members.hash("salt")?;
        let commitment = commitment(&salt.0, &payload);
        finish(envelope, members, (key.subject(&user_id), commitment), true)
    }
}

/// What both forms have at their end.
fn finish(
    envelope: Envelope,
    mut members: Members,
    (subject, commitment): (B256, B256),
    tracked: bool,
) -> Result<Submission, ActivityError> {
    let effect = members.optional_hash("effect")?.unwrap_or_default();
    let (test, promise) = (members.flag("test")?, members.flag("promise")?);
    members.finish()?;
    let Envelope { activity_id, schema, occurred_at } = envelope;
    Ok(Submission {
        activity_id,
        kind: schema.kind,
        schema: schema.number,
        occurred_at,
        subject,
        commitment,
        effect,
        test,
        promise,
        tracked,
    })
}

/// Base64 with padding (RFC 4648 §4). The length is checked before anything is decoded.
fn decode_payload(text: &str, most: usize) -> Result<Vec<u8>, ActivityError> {
    let too_long = || ActivityError::malformed("payload", "longer than the type allows");
    if text.len() > most.div_ceil(3).saturating_mul(4) {
        return Err(too_long());
    }
    let wrong = |_| ActivityError::malformed("payload", "expected base64 with padding");
    let payload = STANDARD.decode(text).map_err(wrong)?;
    if payload.len() > most {
        return Err(too_long());
    }
    Ok(payload)
}
