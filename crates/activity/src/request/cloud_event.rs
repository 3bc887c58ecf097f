//! CloudEvents 1.0 in structured JSON mode, as queues deliver them.

use super::{
    ActivityId, Parser, Submission,
    form::Envelope,
    members::{Members, NUMBERS_END},
};
use crate::ActivityError;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Bytes of a message beside the payload.
const AROUND_PAYLOAD: usize = 16 << 10;

/// The params of `activity_submit` or `activity_track` that an event stands for. Its form is not checked
/// beyond what that takes: the node does it.
///
/// # Errors
/// [`ActivityError::Malformed`] with the member that is missing.
pub fn params_of_cloud_event(message: &str) -> Result<Value, ActivityError> {
    let mut event = Members::parse("message", message)?;
    if event.text("specversion")? != "1.0" {
        return Err(ActivityError::malformed("specversion", "expected 1.0"));
    }
    let expected = "expected an object";
    let mut params: Map<String, Value> = event.required("data", expected)?;
    params.insert("activityId".to_owned(), event.text("id")?.into());
    params.insert("type".to_owned(), event.text("type")?.into());
    params.insert("occurredAt".to_owned(), parse_time(&event.text("time")?)?.into());
    Ok(params.into())
}

impl Parser {
    /// Most bytes of a message.
    pub fn largest_message(&self) -> usize {
        self.schemas.largest_payload().div_ceil(3).saturating_mul(4).saturating_add(AROUND_PAYLOAD)
    }

    /// A message: `specversion` "1.0", `id`, `source`, `type`, `time` (RFC 3339, cut to ms) and
    /// `data`, the params of either form without what the event says already. A promise has no
    /// meaning here.
    ///
    /// # Errors
    /// [`ActivityError::Malformed`] with the member that is wrong; [`ActivityError::TrackingOff`].
    pub fn cloud_event(&self, message: &[u8]) -> Result<Submission, ActivityError> {
        if message.len() > self.largest_message() {
            return Err(ActivityError::malformed("message", "too long"));
        }
        let text = str::from_utf8(message)
            .map_err(|_| ActivityError::malformed("message", "not UTF-8"))?;
        let mut event = Members::parse("message", text)?;
        if event.text("specversion")? != "1.0" {
            return Err(ActivityError::malformed("specversion", "expected 1.0"));
        }
        let activity_id = ActivityId::parse("id", &event.text("id")?)?;
        if event.text("source")?.is_empty() {
            return Err(ActivityError::malformed("source", "expected a URI"));
        }
        let schema = self.schema(&event.text("type")?)?;
        let occurred_at = parse_time(&event.text("time")?)?;
        let data_type: Option<String> = event.optional("datacontenttype", "expected a string")?;
        if data_type.is_some_and(|it| it != "application/json") {
            return Err(ActivityError::malformed("datacontenttype", "expected application/json"));
        }
        let data = event.object("data")?;
        event.finish()?;
        let envelope = Envelope { activity_id, schema, occurred_at };
        let submission = self.either_form(envelope, data)?;
        Ok(Submission { promise: false, ..submission })
    }
}

fn parse_time(text: &str) -> Result<u64, ActivityError> {
    let time: Option<Timestamp> = text.parse().ok().filter(|_| is_rfc3339(text));
    let ms = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let ms = ms.filter(|ms| *ms < NUMBERS_END);
    ms.ok_or_else(|| ActivityError::malformed("time", "expected RFC 3339 from 1970 on"))
}

/// The library reads more of ISO 8601 than RFC 3339 §5.6 has, and annotations of RFC 9557.
fn is_rfc3339(text: &str) -> bool {
    let at = |place: usize| text.as_bytes().get(place).copied().unwrap_or_default();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    separators.into_iter().all(|(place, byte)| at(place) == byte)
        && matches!(at(10), b'T' | b't')
        && !text.contains(['[', ',', ' '])
}
