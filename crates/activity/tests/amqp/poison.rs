//! What can never be accepted.

use crate::{
    broker::{Broker, until},
    messages::{event, id, submit, track},
    node::{LARGEST, Place},
};
use alloy_primitives::B256;
use lapin::types::AMQPValue;
use peruri_activity::source::requeue;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// One message of each kind with the reason that is kept.
fn kinds() -> Vec<(Vec<u8>, &'static str)> {
    let other = |number: u64, from: &str, to: &str| {
        let message = track(number, "user", "{}");
        assert!(message.contains(from), "{from}");
        message.replacen(from, to, 1).into_bytes()
    };
    let mut not_text = track(106, "user", "{}").into_bytes();
    not_text[40] = 0xff;
    vec![
        (b"{".to_vec(), "message: expected a JSON object without repeated members"),
        (not_text, "message: not UTF-8"),
        (vec![b' '; 64 << 10], "message: too long"),
        (
            track(101, "user", &"x".repeat(LARGEST + 1)).into_bytes(),
            "payload: longer than the type allows",
        ),
        (event(102, "unknown", "{}").into_bytes(), "type: not a listed type"),
        (
            other(103, &id(103).to_string(), "A"),
            "id: expected a UUID like 6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01",
        ),
        (other(104, "\"salt\"", "\"other\""), "salt: missing"),
        (other(105, "2026-01-01T", "2026-13-01T"), "time: expected RFC 3339 from 1970 on"),
        (
            track(1, "somebody else", "{}").into_bytes(),
            "the activity was accepted as number 1 with another subject",
        ),
    ]
}

pub(crate) async fn each_kind_is_dead_at_once_and_delays_nobody(broker: Broker) {
    let place = Place::new();
    let node = place.start(&broker).await;
    broker.declare().await;
    let client = broker.client().await;
    client.publish_all(&[track(1, "user", "{}")]).await;
    until("the first", async || node.open() == 1).await;

    let kinds = kinds();
    for (number, (message, _)) in (2..).zip(&kinds) {
        client.publish_all(&[message.clone(), submit(number).into_bytes()]).await;
    }
    let good = kinds.len() as u64 + 1;
    // The chain stands still all the while: nobody has waited for a block.
    until("the neighbours", async || node.open() == good).await;
    let dead = kinds.len() as u32;
    until("the dead letters", async || client.waiting(&broker.dead()).await == dead).await;
    assert_eq!(client.waiting(broker.queue()).await, 0);

    let kept: BTreeSet<_> = {
        let letters = node.handle.dead_letters(100).unwrap();
        letters.into_iter().map(|letter| (letter.sha256, letter.reason)).collect()
    };
    let expected: BTreeSet<_> = kinds
        .iter()
        .map(|(message, reason)| (B256::new(Sha256::digest(message).into()), (*reason).to_owned()))
        .collect();
    assert_eq!(kept, expected);
    // Delivered once, rejected, and whole.
    let letter = client.get(&broker.dead()).await.unwrap();
    assert!(kinds.iter().any(|(message, _)| *message == letter.data));
    let reason = letter.properties.headers().as_ref().unwrap().inner().get("x-first-death-reason");
    assert_eq!(reason, Some(&AMQPValue::LongString("rejected".into())));
    node.include(good).await;
    node.stop().await;
    assert_eq!(place.chain.ids().len() as u64, good);
}

pub(crate) async fn dead_letters_come_back_without_a_second_effect(broker: Broker) {
    let mut place = Place::new();
    let node = place.start(&broker).await;
    broker.declare().await;
    let client = broker.client().await;
    // A type that is listed later, and what can never be read.
    let late = |number| submit(number).replacen("attendance", "training", 1);
    let messages: Vec<String> = (1..=30).map(late).chain(["{".to_owned()]).collect();
    client.publish_all(&messages).await;
    let waiting = async || client.waiting(&broker.dead()).await;
    until("the dead letters", async || waiting().await == 31).await;
    node.stop().await;

    place.types = &["attendance", "training"];
    let node = place.start(&broker).await;
    assert_eq!(requeue(&broker.config()).await.unwrap(), 31);
    until("the late ones", async || node.open() == 30).await;
    until("the bad one", async || waiting().await == 1).await;
    // Again, and once more as after a crash between the confirm and the acknowledgement.
    assert_eq!(requeue(&broker.config()).await.unwrap(), 1);
    client.publish_all(&messages).await;
    until("the bad ones", async || waiting().await == 2).await;
    until("the end of the queue", async || client.waiting(broker.queue()).await == 0).await;
    assert_eq!(node.reasons().len(), 31 + 3);
    node.include(30).await;
    node.stop().await;
    assert_eq!(client.waiting(broker.queue()).await, 0);
    assert_eq!(place.chain.ids().len(), 30);
    // The broker's account of how a message died does not grow with each round.
    let letter = client.get(&broker.dead()).await.unwrap();
    let headers = letter.properties.headers().as_ref().unwrap();
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else {
        panic!("{headers:?}");
    };
    let Some(AMQPValue::FieldTable(death)) = deaths.as_slice().first() else {
        panic!("{deaths:?}");
    };
    assert_eq!(death.inner().get("count"), Some(&AMQPValue::LongLongInt(1)));
    assert_eq!(*letter.properties.delivery_mode(), Some(2));
}
