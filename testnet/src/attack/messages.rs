//! P8: a validator sends ten thousand valid messages a second to everybody.

use super::{
    Attack, Finding, Limits, REACHED, Seat,
    peer::{Author, Peer, framed},
    scene::{Scene, until},
};
use crate::Result;
use alloy_primitives::{B256, Bytes};
use futures::FutureExt;
use peruri_ibft2::{Message, PreparePayload, RoundChange, RoundChangePayload, RoundId, SealDigest};
use std::time::Duration;
use tokio::time::Instant;

/// Messages a second, to each node.
const RATE: usize = 10_000;
/// Different messages of each kind for a height; they come again when all were sent.
const DIFFERENT: u32 = 128;
/// How long what must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const ATTACK: Attack = Attack {
    id: "P8",
    name: "a validator sends 10,000 valid messages a second",
    seat: Seat::Validator,
    limits: Limits { interval: 1.2, cpu: None, memory: 64.0 },
    least: Duration::ZERO,
    stops: None,
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let nodes = scene.targets.len();
    let (peer, author) = (Peer::start(&scene).await?, Author::new(&scene)?);
    let connected = until(PATIENCE, || async { Ok(peer.sessions() == nodes) }).await?;
    let (offered, taken) =
        peer.flood(RATE, Instant::now() + length, |height| valid(&author, height)).await?;
    let ended = peer.ended();
    Ok(vec![
        Finding::new(
            "the messages were valid and offered to all nodes",
            connected.is_some() && ended.is_empty() && peer.sessions() == nodes,
            format!("{offered} offered, {taken} taken by the connections; ended: {ended:?}"),
        ),
        Finding::new(
            "the rate was reached",
            offered as f64 >= REACHED * (RATE * nodes) as f64 * length.as_secs_f64(),
            format!(
                "{:.0} a second for each node",
                offered as f64 / nodes as f64 / length.as_secs_f64()
            ),
        ),
    ])
}

/// Prepares and RoundChanges of ever higher rounds: each is new, kept for a while and relayed.
fn valid(author: &Author, height: u64) -> Result<Vec<Bytes>> {
    let mut messages = Vec::new();
    for round in 0..DIFFERENT {
        let id = RoundId::new(height, round);
        let digest = SealDigest(B256::left_padding_from(&round.to_be_bytes()));
        messages.push(framed(&Message::Prepare(author.signed(PreparePayload { id, digest })?)));
        let id = RoundId::new(height, round + 1);
        let signed = author.signed(RoundChangePayload { id, certificate: None })?;
        messages.push(framed(&Message::RoundChange(RoundChange { signed, block: None })));
    }
    Ok(messages)
}
