//! Canary user ids, payloads and salts go through the queue, good and bad; no file of the node and no
//! line of the log has one of them. The broker's own files hold messages until they are acknowledged,
//! and dead letters as long as they wait.

use crate::{
    broker::{Broker, until},
    log,
    messages::track,
    node::Place,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fs, path::Path};

const MARK: &str = "CANARY";

fn search(bytes: &[u8], what: &str) -> usize {
    let encoded = STANDARD.encode(MARK);
    let decimal = MARK.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    for canary in [MARK, &encoded, &decimal] {
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "{what} has {canary}");
    }
    bytes.len()
}

fn search_folder(folder: &Path) -> usize {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| match path.is_dir() {
            true => search_folder(&path),
            false => search(&fs::read(&path).unwrap(), &path.display().to_string()),
        })
        .sum()
}

pub(crate) async fn nothing_personal_is_stored_or_logged(broker: Broker) {
    const USERS: u64 = 300;
    let place = Place::new();
    let node = place.start(&broker).await;
    broker.declare().await;
    let client = broker.client().await;
    let user = |number| format!("{MARK}-{number}");
    let good = (1..=USERS).map(|number| track(number, &user(number), MARK));
    let bad = (1..=USERS).map(|number| {
        let message = track(number + USERS, &user(number), MARK);
        match number % 3 {
            0 => message.replacen("\"userId\"", &format!("\"{MARK}\""), 1),
            1 => message.replacen("attendance", MARK, 1),
            // The same id with other content.
            _ => track(number, &user(number + 1), MARK),
        }
    });
    let messages: Vec<String> = good.chain(bad).collect();
    client.publish_all(&messages).await;
    until("all", async || node.open() + node.reasons().len() as u64 == 2 * USERS).await;
    node.include(USERS).await;
    node.stop().await;
    assert!(search_folder(place.folder()) > 100_000);
    assert!(search(&log::captured(), "the log") > 10_000, "the log was not captured");
}
