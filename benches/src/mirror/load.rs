//! Activities as requests, and what the node answered to them.

use super::offer::Exchange;
use alloy_primitives::{B256, Bytes as Hex, hex};
use eyre::{Result, WrapErr, bail, ensure};
use hyper::body::Bytes;
use peruri_plog::Entry;
use peruri_rpc_api::{ActivityAccepted, ActivityBatchItem, OneOrMany};
use peruri_testnet::{MadeActivity, activities};
use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of a payload.
const PAYLOAD: usize = 256;

/// Activities in requests of up to `batch`.
#[derive(Debug)]
pub(super) struct Load {
    ids: Vec<String>,
    pub(super) bodies: Vec<Bytes>,
    batch: usize,
}

/// What a caller was told of an activity.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    /// Its number.
    pub(super) seq: u64,
    /// The entry, 140 bytes.
    pub(super) entry: Hex,
    /// Its leaf hash.
    pub(super) leaf: B256,
    /// When it was due, Unix milliseconds.
    pub(super) due_ms: f64,
}

#[derive(Deserialize)]
struct Answer {
    result: OneOrMany<ActivityBatchItem>,
}

impl Load {
    /// `count` activities, always the same ones for a seed: `activity_submitBatch` with `batch` of them,
    /// or `activity_track` with one.
    pub(super) fn make(seed: u64, count: usize, batch: usize) -> Self {
        let made = activities(seed, count);
        let bodies = made.chunks(batch).map(body).collect();
        Self { ids: made.into_iter().map(|it| it.id).collect(), bodies, batch }
    }

    /// Number of activities.
    pub(super) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Reads the answers to all requests; sorted by number.
    ///
    /// # Errors
    /// If one was refused, or the answer is to something else than what was sent.
    pub(super) fn accepted(&self, answers: &[Exchange]) -> Result<Vec<Accepted>> {
        ensure!(answers.len() == self.bodies.len(), "{} answers", answers.len());
        let mut all = Vec::with_capacity(self.len());
        for (ids, exchange) in self.ids.chunks(self.batch).zip(answers) {
            let items = items(&exchange.answer)?;
            ensure!(items.len() == ids.len(), "{} answers for {}", items.len(), ids.len());
            for (id, item) in ids.iter().zip(items) {
                all.push(accepted(id, item, exchange.due_ms)?);
            }
        }
        all.sort_unstable_by_key(|it| it.seq);
        Ok(all)
    }
}

fn body(made: &[MadeActivity]) -> Bytes {
    let params: Vec<Value> = made.iter().map(track).collect();
    let (method, params) = match &*params {
        [one] => ("activity_track", json!([one])),
        _ => ("activity_submitBatch", json!([params])),
    };
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    request.to_string().into()
}

/// The params of an activity whose payload has its full length: white space behind JSON.
fn track(made: &MadeActivity) -> Value {
    let payload = format!("{:<PAYLOAD$}", made.payload);
    let mut params = MadeActivity { payload, ..made.clone() }.track();
    // Nobody here keeps promises for a dispute.
    if let Some(members) = params.as_object_mut() {
        members.remove("promise");
    }
    params
}

fn items(answer: &[u8]) -> Result<Vec<ActivityBatchItem>> {
    let shown = || String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned();
    let answer: Answer = serde_json::from_slice(answer).wrap_err_with(shown)?;
    Ok(match answer.result {
        OneOrMany::One(item) => vec![item],
        OneOrMany::Many(items) => items,
    })
}

fn accepted(id: &str, item: ActivityBatchItem, due_ms: f64) -> Result<Accepted> {
    let ActivityAccepted { activity_id, source_seq, entry, leaf, .. } = match item {
        ActivityBatchItem::Accepted(accepted) => accepted,
        ActivityBatchItem::Refused { error } => bail!("{id} was refused: {error:?}"),
    };
    let decoded = Entry::decode(&entry)?;
    let is_it = activity_id == id
        && decoded.source_seq == source_seq
        && hex::encode(decoded.activity_id) == id.replace('-', "");
    ensure!(is_it, "the answer to {id} is about {activity_id}, number {source_seq}");
    Ok(Accepted { seq: source_seq, entry, leaf, due_ms })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use peruri_plog::EntryType;
    use std::collections::BTreeSet;

    /// The answer to activity `number` of a load.
    pub(in crate::mirror) fn told(load: &Load, number: usize, seq: u64) -> Value {
        let id = &load.ids[number];
        let entry = Entry {
            kind: EntryType::Activity,
            flags: 0,
            schema: 1,
            source_id: 1,
            source_seq: seq,
            occurred_at: 1,
            activity_id: hex::decode_to_array(id.replace('-', "")).expect("UUID"),
            subject: B256::repeat_byte(1),
            commitment: B256::repeat_byte(2),
            effect: B256::ZERO,
        };
        let entry = Hex::from(entry.encode().to_vec());
        json!({ "activityId": id, "sourceId": 1, "sourceSeq": seq, "entry": entry, "leaf": B256::ZERO })
    }

    fn exchange(result: Value, due_ms: f64) -> Exchange {
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string().into();
        Exchange { due_ms, sent_ms: due_ms, answered_ms: due_ms, answer }
    }

    #[test]
    fn requests_hold_every_activity_once_with_a_full_payload() {
        let load = Load::make(1, 250, 100);
        assert_eq!((load.len(), load.bodies.len()), (250, 3));
        let mut seen = BTreeSet::new();
        for body in &load.bodies {
            let request: Value = serde_json::from_slice(body).expect("JSON");
            assert_eq!(request["method"], "activity_submitBatch");
            for activity in request["params"][0].as_array().expect("a batch") {
                let payload = activity["payload"].as_str().expect("base64");
                assert_eq!(payload.len(), PAYLOAD.div_ceil(3) * 4);
                assert!(activity.get("promise").is_none());
                seen.insert(activity["activityId"].as_str().expect("id").to_owned());
            }
        }
        assert_eq!(seen.len(), 250);
        let single: Value = serde_json::from_slice(&Load::make(1, 2, 1).bodies[1]).expect("JSON");
        assert_eq!(single["method"], "activity_track");
        assert!(single["params"][0].is_object());
    }

    #[test]
    fn answers_are_sorted_by_number() {
        let load = Load::make(1, 3, 2);
        let answers = [
            exchange(json!([told(&load, 0, 5), told(&load, 1, 6)]), 1.0),
            exchange(told(&load, 2, 4), 2.0),
        ];
        let accepted = load.accepted(&answers).expect("accepted");
        let found: Vec<_> = accepted.iter().map(|it| (it.seq, it.due_ms)).collect();
        assert_eq!(found, [(4, 2.0), (5, 1.0), (6, 1.0)]);
    }

    #[test]
    fn what_is_refused_missing_or_about_something_else_is_an_error() {
        let load = Load::make(1, 2, 2);
        let refused = json!({ "error": { "code": -32005, "message": "full" } });
        for (result, word) in [
            (json!([told(&load, 0, 1), refused]), "refused"),
            (json!([told(&load, 0, 1)]), "1 answers for 2"),
            (json!([told(&load, 1, 1), told(&load, 0, 2)]), "is about"),
        ] {
            let error = load.accepted(&[exchange(result, 0.0)]).expect_err("wrong").to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(load.accepted(&[]).is_err());
        let mut failed = exchange(json!([]), 0.0);
        failed.answer = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32013}}"#.into();
        assert!(load.accepted(&[failed]).expect_err("error").to_string().contains("-32013"));
    }
}
