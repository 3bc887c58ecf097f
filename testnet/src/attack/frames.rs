//! P5: frames that are too long, longer than any memory, empty, or never end.

use super::{
    Attack, Finding, Limits, Seat,
    scene::{Scene, failed, session},
};
use crate::Result;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use libp2p::Stream;
use peruri_adversary::{Client, key_of, wire::MESSAGE};
use std::time::Duration;
use tokio::time::{Instant, interval, sleep_until, timeout};

/// Largest frame.
const LIMIT: u32 = 16 << 20;
/// How long the node may take to end a session.
const ENDED: Duration = Duration::from_secs(5);
/// What a node allows from the first byte of a frame to its last, and some slack.
const FRAME: Duration = Duration::from_secs(33);
/// Bytes of the frame that never ends, each time.
const DRIP: [u8; 4_096] = [7; 4_096];
/// Time between two of them: far from the end within [`FRAME`].
const TICK: Duration = Duration::from_millis(100);

pub(super) const ATTACK: Attack = Attack {
    id: "P5",
    name: "frames too long, of 2⁶³ bytes, empty, endless",
    seat: Seat::Listed,
    limits: Limits { interval: 1.2, cpu: Some(0.1), memory: 32.0 },
    least: Duration::ZERO,
    stops: None,
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let end = Instant::now() + length;
    let target = scene.targets[0];
    let key = key_of(scene.secret.0).map_err(failed("the attacker's key"))?;
    let mut client = Client::new(key).map_err(failed("the attacker"))?;
    let cases = [
        // The length counts what follows it.
        ("one byte too long", (LIMIT - 3).to_be_bytes().to_vec()),
        ("of 2⁶³ bytes", (1_u64 << 63).to_be_bytes().to_vec()),
        ("empty", vec![0; 4]),
    ];
    let mut findings = Vec::new();
    for (name, bytes) in cases {
        let mut stream = session(&mut client, &scene, &target).await?;
        let start = Instant::now();
        stream.write_all(&bytes).await.map_err(failed("a hostile frame"))?;
        stream.flush().await.map_err(failed("a hostile frame"))?;
        let ended = timeout(ENDED, is_over(&mut stream)).await.is_ok();
        let name = format!("a frame {name} ends the session");
        findings.push(Finding::new(name, ended, format!("{:.2?}", start.elapsed())));
    }
    let mut stream = session(&mut client, &scene, &target).await?;
    let took = endless(&mut stream, end).await;
    if length > FRAME + ENDED * 4 {
        findings.push(Finding::new(
            "a frame that never ends ends the session",
            took.is_some_and(|took| took < FRAME),
            format!("{took:.1?}"),
        ));
    }
    sleep_until(end).await;
    Ok(findings)
}

/// Reads what the node still says, until it ends.
async fn is_over(stream: &mut Stream) {
    let mut rest = Vec::new();
    // A reset ends it as well.
    let _ = stream.read_to_end(&mut rest).await;
}

/// Sends a frame of the greatest length a little at a time; how long the node put up with it, if it
/// had enough before `end`.
async fn endless(stream: &mut Stream, end: Instant) -> Option<Duration> {
    let start = Instant::now();
    let mut ticks = interval(TICK);
    let mut head = (LIMIT - 4).to_be_bytes().to_vec();
    head.push(MESSAGE);
    if stream.write_all(&head).await.is_err() {
        return Some(start.elapsed());
    }
    while Instant::now() < end {
        ticks.tick().await;
        let sent = async {
            stream.write_all(&DRIP).await?;
            stream.flush().await
        };
        if sent.await.is_err() {
            return Some(start.elapsed());
        }
    }
    None
}
