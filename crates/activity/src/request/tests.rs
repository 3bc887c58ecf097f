#![allow(clippy::unwrap_used)]
use super::*;
use crate::{ActivityError, SubjectKey};
use alloy_primitives::{b256, keccak256};
use serde_json::{Value, json};

fn parser() -> Parser {
    let mut schemas = Schemas::default();
    let add = [
        ("attendance", EntryType::Activity, 1, 14),
        ("token", EntryType::TokenEffect, 1, 0),
        ("training", EntryType::Activity, 2, 65_536),
    ];
    for (name, kind, number, max_bytes) in add {
        assert!(schemas.insert(name.to_owned(), Schema { kind, number, max_bytes }));
    }
    let key = std::array::from_fn(|at| u8::try_from(at).unwrap());
    Parser::new(schemas, Some(SubjectKey::new(key)))
}

fn track() -> Value {
    json!({
        "activityId": "6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01", "type": "attendance",
        "occurredAt": 1_767_225_600_000_u64, "userId": "PRI-000042",
        "payload": "eyJoYWRpciI6dHJ1ZX0=", "salt": format!("0x{}", "11".repeat(32)),
    })
}

fn submit() -> Value {
    json!({
        "activityId": "6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01", "type": "attendance",
        "occurredAt": 1_767_225_600_000_u64,
        "subject": "0x55d1c9d0a69679a9b5636b3b5d1fce092f514779601d3a945e1dbbd6828c925c",
        "commitment": "0x4ba0bf8035e3a1e8589f21723cfa0a4444f0d79b8db02e1182a9e9860280de21",
    })
}

fn event() -> Value {
    let mut data = track();
    let members = data.as_object_mut().unwrap();
    for name in ["activityId", "type", "occurredAt"] {
        members.remove(name);
    }
    json!({
        "specversion": "1.0", "id": "6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01", "source": "/ci3",
        "type": "attendance", "time": "2026-01-01T07:00:00.0009+07:00", "data": data,
    })
}

fn set(mut value: Value, name: &str, to: Value) -> String {
    value[name] = to;
    value.to_string()
}

fn field(error: ActivityError) -> String {
    match error {
        ActivityError::Malformed { field, .. } => field.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_ways_in_give_entry_a_of_the_vectors() {
    let (track, submit, event) = (track().to_string(), submit().to_string(), event().to_string());
    let got = [
        parser().track(&track),
        parser().submit(&submit),
        parser().either(&track),
        parser().either(&submit),
        parser().cloud_event(event.as_bytes()),
    ];
    let leaf = b256!("b8c800943a7df8f426f84587d906879f31858772edce092edfa46b0d20e3ee30");
    for submission in got {
        assert_eq!(submission.unwrap().entry(1, 1, false).leaf(), leaf);
    }
}

#[test]
fn flags_and_an_empty_payload_give_entry_b_of_the_vectors() {
    let salt: Vec<u8> = (0x20..0x40).collect();
    let params = json!({
        "activityId": "00112233-4455-6677-8899-aabbccddeeff", "type": "token",
        "occurredAt": 1_767_225_601_500_u64, "userId": "sari.wulandari\u{e9}", "payload": "",
        "salt": format!("{:#x}", B256::from_slice(&salt)),
        "effect": format!("{:#x}", keccak256("effect")), "promise": true,
    });
    let submission = parser().track(&params.to_string()).unwrap();
    assert!(submission.promise);
    let leaf = b256!("f6683435ed2f803bc70ae2573fd6ad9023b05e0bd4a2c910cfb2a899c0afb74f");
    assert_eq!(submission.entry(1, 2, true).leaf(), leaf);
    let test = parser().track(&set(params, "test", json!(true))).unwrap();
    assert_eq!(test.entry(1, 2, false).flags, HAS_EFFECT | TEST);
}

#[test]
fn a_refusal_names_the_member() {
    let hash = |byte: &str| json!(format!("0x{}", byte.repeat(32)));
    for (name, bad) in [
        ("activityId", json!("6F1F9F0E-6f0b-4d53-9a5e-0a4b8f0c7d01")),
        ("activityId", json!("6f1f9f0e6f0b4d539a5e0a4b8f0c7d01")),
        ("activityId", json!("{6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01}")),
        ("activityId", json!("00000000-0000-0000-0000-000000000000")),
        ("activityId", json!(7)),
        ("type", json!("unlisted")),
        ("occurredAt", json!(-1)),
        ("occurredAt", json!(1.5)),
        ("occurredAt", json!("1767225600000")),
        ("occurredAt", json!(1_u64 << 53)),
        ("effect", json!("0x")),
        ("test", json!(1)),
        ("promise", json!("yes")),
        ("nonsense", json!(null)),
    ] {
        for form in [track(), submit()] {
            let error = parser().either(&set(form, name, bad.clone())).unwrap_err();
            assert_eq!(field(error), name, "{bad}");
        }
    }
    for (name, bad) in [
        ("userId", json!("")),
        ("userId", json!("u".repeat(1_025))),
        ("userId", json!(42)),
        ("payload", json!("eyJoYWRpciI6dHJ1ZX0")),
        ("payload", json!("eyJoYWRpciI6dHJ1ZX1=")),
        ("payload", json!("eyJoYWRpciI6dHJ1ZX0A")),
        ("payload", json!("e-__")),
        ("payload", json!({})),
        ("salt", hash("1")),
        ("salt", hash("AA")),
        ("salt", json!("11".repeat(32))),
        ("subject", hash("11")),
    ] {
        let error = parser().track(&set(track(), name, bad.clone())).unwrap_err();
        assert_eq!(field(error), name, "{bad}");
    }
    for (name, bad) in [("subject", hash("1")), ("commitment", json!(null)), ("salt", hash("11"))] {
        let error = parser().submit(&set(submit(), name, bad.clone())).unwrap_err();
        assert_eq!(field(error), name, "{bad}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for name in ["activityId", "type", "occurredAt", "userId", "payload", "salt"] {
        let mut params = track();
        params.as_object_mut().unwrap().remove(name);
        assert_eq!(field(parser().track(&params.to_string()).unwrap_err()), name);
    }
}

#[test]
fn objects_are_read_strictly() {
    let twice = track().to_string().replacen('{', "{\"salt\":\"0x00\",", 1);
    let trailing = track().to_string() + "1";
    let many = (0..99).map(|at| format!("\"m{at}\":0")).collect::<Vec<_>>().join(",");
    for bad in ["", "[]", "null", "{", &twice, &trailing, &format!("{{{many}}}")] {
        assert_eq!(field(parser().track(bad).unwrap_err()), "params", "{bad}");
    }
}

#[test]
fn a_payload_may_be_as_long_as_its_type_allows() {
    let params = |length: usize| {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::STANDARD.encode(vec![7; length]);
        set(track(), "payload", json!(payload))
    };
    assert!(parser().track(&params(14)).is_ok());
    // One byte more has the same number of digits, two do not.
    for length in [15, 16, 1_000] {
        assert_eq!(field(parser().track(&params(length)).unwrap_err()), "payload");
    }
}

#[test]
fn events_are_read_strictly() {
    for (name, bad) in [
        ("specversion", json!("0.3")),
        ("id", json!("1")),
        ("source", json!("")),
        ("type", json!("unlisted")),
        ("time", json!("2026-01-01")),
        ("time", json!("2026-01-01 00:00:00Z")),
        ("time", json!("2026-01-01T00:00:00")),
        ("time", json!("1969-12-31T23:59:59Z")),
        ("time", json!("2026-01-01T00:00:00+00:00[UTC]")),
        ("data", json!("text")),
        ("datacontenttype", json!("text/plain")),
        ("dataschema", json!("x")),
    ] {
        let error = parser().cloud_event(set(event(), name, bad.clone()).as_bytes()).unwrap_err();
        assert_eq!(field(error), name, "{bad}");
    }
    let mut inner = event();
    inner["data"]["activityId"] = json!("6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01");
    let error = parser().cloud_event(inner.to_string().as_bytes()).unwrap_err();
    assert_eq!(field(error), "activityId");
    for bad in [b"\xff\xfe".to_vec(), vec![b' '; parser().largest_message() + 1], b"[]".to_vec()] {
        assert_eq!(field(parser().cloud_event(&bad).unwrap_err()), "message");
    }
    let mut promise = event();
    promise["data"]["promise"] = json!(true);
    assert!(!parser().cloud_event(promise.to_string().as_bytes()).unwrap().promise);
}

#[test]
fn a_refusal_repeats_no_value() {
    let canary = "CANARY-4711";
    for name in ["activityId", "type", "occurredAt", "userId", "payload", "salt", "effect", "test"]
    {
        for value in [json!(canary), json!([canary]), json!({ "x": canary })] {
            let Err(error) = parser().track(&set(track(), name, value)) else { continue };
            assert!(!format!("{error} {error:?} {:?}", error.data()).contains(canary), "{name}");
        }
    }
    let broken = format!("{{\"userId\":\"{canary}\",}}");
    assert!(!format!("{:?}", parser().track(&broken)).contains(canary));
}

#[test]
fn without_a_subject_key_only_the_submit_form_is_taken() {
    for parser in [Parser::new(parser().schemas, None), parser().without_track()] {
        assert_eq!(parser.track(&track().to_string()), Err(ActivityError::TrackingOff));
        assert_eq!(parser.either(&track().to_string()), Err(ActivityError::TrackingOff));
        assert!(parser.either(&submit().to_string()).is_ok());
    }
}

#[test]
fn a_repeat_is_told_from_other_content() {
    let submission = parser().track(&track().to_string()).unwrap();
    for late in [false, true] {
        assert_eq!(submission.differs_from(&submission.entry(3, 9, late)), None);
    }
    for (name, to) in [
        ("type", json!("training")),
        ("occurredAt", json!(1)),
        ("userId", json!("other")),
        ("payload", json!("")),
        ("effect", json!(format!("{:#x}", keccak256("")))),
        ("test", json!(true)),
    ] {
        let other = parser().track(&set(track(), name, to)).unwrap();
        let expected = match name {
            "userId" => "subject",
            "payload" => "commitment",
            name => name,
        };
        assert_eq!(other.differs_from(&submission.entry(1, 1, false)), Some(expected));
    }
}
