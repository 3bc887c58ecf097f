//! P9: a validator sends signatures that nobody made, as fast as the line carries them.

use super::{
    Attack, Finding, Limits, Seat,
    peer::{Peer, framed},
    scene::{Scene, until},
};
use crate::Result;
use alloy_primitives::{B256, Bytes};
use futures::FutureExt;
use peruri_ibft2::{
    Crypto, Message, PreparePayload, RoundId, SealDigest, Secp256k1Crypto, Signature65, Signed,
    SigningDomain,
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, sleep_until};

/// Messages a second, to each node.
const RATE: usize = 10_000;
/// How long the nodes may take to ban the attacker.
const BANNED: Duration = Duration::from_secs(5);
/// Different signatures.
const DIFFERENT: usize = 256;
/// How long what must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const ATTACK: Attack = Attack {
    id: "P9",
    name: "a validator sends invalid signatures at line rate",
    seat: Seat::Validator,
    limits: Limits { interval: 1.2, cpu: None, memory: 64.0 },
    least: BANNED,
    stops: None,
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let (start, nodes) = (Instant::now(), scene.targets.len());
    let end = start + length;
    let peer = Peer::start(&scene).await?;
    let connected = until(PATIENCE, || async { Ok(peer.sessions() == nodes) }).await?;
    // Who is banned dials again for as long as the attack lasts.
    let banned = || async {
        let ended = peer.ended();
        let banned = ended.iter().filter(|(_, reason)| reason.contains("banned"));
        Ok(banned.map(|(node, _)| node).collect::<BTreeSet<_>>().len() == nodes)
    };
    let (flood, banned) =
        tokio::join!(peer.flood(RATE, end, |height| Ok(invalid(height))), until(length, banned));
    let (_, taken) = flood?;
    let banned = banned?;
    sleep_until(end).await;
    let mut honest = Vec::new();
    for target in &scene.targets {
        honest.push(target.connected().await?.len());
    }
    Ok(vec![
        Finding::new(
            format!("all nodes ban within {} s", BANNED.as_secs()),
            connected.is_some() && banned.is_some_and(|banned| banned <= BANNED),
            format!("{banned:.2?}, {taken} messages; {:?}", peer.ended()),
        ),
        Finding::new(
            "no honest node is banned",
            honest.iter().all(|count| *count == nodes - 1),
            format!("peers at the end: {honest:?}"),
        ),
    ])
}

/// Prepares with signatures to which no key belongs.
fn invalid(height: u64) -> Vec<Bytes> {
    let payload =
        PreparePayload { id: RoundId::new(height, 0), digest: SealDigest(B256::repeat_byte(7)) };
    let hash = SigningDomain::Besu.signing_hash(&payload);
    let candidates = (0..).filter_map(|n: u64| {
        // r is the number n; of about half of all there is no point of the curve.
        let mut bytes = [0; 65];
        bytes[24..32].copy_from_slice(&(n + 1).to_be_bytes());
        bytes[63] = 1;
        let signature = Signature65::new(bytes).ok()?;
        // Recovery depends on r alone in this: which hash was signed does not matter.
        Secp256k1Crypto.recover(&hash, &signature).is_none().then_some(signature)
    });
    let message = |signature| framed(&Message::Prepare(Signed::new(payload, signature)));
    candidates.take(DIFFERENT).map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use peruri_ibft2::DecodeLimits;

    #[test]
    fn the_messages_decode_and_have_no_author() {
        let messages = invalid(7);
        assert_eq!(messages.len(), DIFFERENT);
        let domain = SigningDomain::ChainBound { chain_id: 1, genesis_hash: B256::ZERO };
        for message in messages {
            let message = Message::from_wire(&message[1..], &DecodeLimits::DEFAULT);
            let message = message.expect("decodes");
            assert_eq!(message.author(&Secp256k1Crypto, &domain), None);
        }
    }
}
