//! Attacks through gossipsub, whose control messages the library reads by itself.

use crate::{raw::*, support::*};
use futures::AsyncWriteExt;
use libp2p::{Stream, StreamProtocol, identity::Keypair};
use peruri_adversary::{
    gossip::{ExchangedPeer, MESHSUB, Received, Rpc},
    key_of,
};
use peruri_network::{Event, Multiaddr};
use std::time::Duration;
use tokio::{net::TcpListener, time::timeout};

const TOPIC: &str = "/test/transactions";
/// Time between two probes.
const PROBE: Duration = Duration::from_millis(100);
/// Probes that fill four heartbeats of 500 ms.
const HEARTBEATS: u32 = 20;

/// A node, an honest neighbour, and an attacker that the node has taken into its mesh.
struct Scene {
    node: TestNode,
    honest: TestNode,
    attacker: Raw,
    /// From the attacker to the node.
    out: Stream,
    /// What the node sends the attacker.
    received: Received<Stream>,
    _session: Stream,
}

impl Scene {
    async fn new() -> Self {
        let listed = vec![node(2, &[]), node(3, &[]), node(4, &[])];
        let mut node = TestNode::start(1, listed).await;
        let honest = TestNode::start(3, vec![node.node()]).await;
        node.connected().await;
        let mut attacker = Raw::new(2);
        let mut incoming = attacker.accept(MESHSUB);
        let address = node.handle.listeners()[0].clone();
        let session = attacker.session(node.peer_id(), &address).await;
        node.connected().await;
        let mut out = attacker.open(node.peer_id(), MESHSUB).await.unwrap();
        out.write_all(&Rpc::new().subscribe(TOPIC).encode()).await.unwrap();
        out.flush().await.unwrap();
        let (_, stream) = timeout(PATIENCE, futures::StreamExt::next(&mut incoming))
            .await
            .unwrap()
            .expect("the node speaks gossipsub");
        let mut scene = Self {
            node,
            honest,
            attacker,
            out,
            received: Received::new(stream),
            _session: session,
        };
        scene.hears("a GRAFT", |rpc| rpc.grafts > 0).await;
        scene
    }

    /// Waits until the node sends the attacker an RPC of this kind.
    async fn hears(
        &mut self,
        what: &str,
        wanted: impl Fn(&peruri_adversary::gossip::Heard) -> bool,
    ) {
        let heard = async { while !wanted(&self.received.next().await.unwrap()) {} };
        timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("in vain: {what}"));
    }

    async fn send(&mut self, rpc: &Rpc) {
        let bytes = rpc.encode();
        let sent = async {
            self.out.write_all(&bytes).await?;
            self.out.flush().await
        };
        timeout(PATIENCE, sent).await.expect("the node reads").unwrap();
    }

    /// The node hears the honest neighbour's gossip through its next heartbeats, in which it does
    /// what control messages have left it to do.
    async fn goes_on(&mut self) {
        let publisher = self.honest.handle.clone();
        let probes = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PROBE);
            for n in 0_u32.. {
                ticks.tick().await;
                let probe = format!("{:?} {n}", std::time::Instant::now());
                publisher.publish(probe.into_bytes().into()).unwrap();
            }
        });
        self.node
            .wait("the last probe", |event| match event {
                Event::Gossip { bytes, .. } => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    let number: u32 = text.rsplit(' ').next().unwrap().parse().unwrap();
                    (number >= HEARTBEATS).then_some(())
                }
                _ => None,
            })
            .await;
        probes.abort();
        let ping = self.node.handle.ping(peer(2)).await.unwrap();
        assert!(ping.is_some(), "the attacker's connection was not closed either");
    }
}

fn ids(count: u32, length: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| n.to_be_bytes().into_iter().cycle().take(length).collect()).collect()
}

/// P7: the backoff of a PRUNE that no clock can add (CVE-2026-33040), and those next to it, which
/// a later heartbeat cannot (CVE-2026-34219).
#[tokio::test(flavor = "multi_thread")]
async fn a_prune_with_an_endless_backoff_stops_nothing() {
    let mut scene = Scene::new().await;
    for backoff in
        [u64::MAX, u64::MAX - 1, u64::MAX / 2, i64::MAX as u64, i64::MAX as u64 - 2_000_000_000]
    {
        scene.send(&Rpc::new().prune(TOPIC, &[], backoff)).await;
    }
    // It was read and is obeyed: who has pruned is not let back in.
    scene.send(&Rpc::new().graft(TOPIC)).await;
    scene.hears("a PRUNE", |rpc| rpc.prunes > 0).await;
    scene.goes_on().await;
}

/// P7: what one RPC may carry of control messages, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_control_messages_stop_nothing() {
    let mut scene = Scene::new().await;
    let (long, none) = (ids(150, 32), ids(1_000, 0));
    let mut spam = Rpc::new().graft("").prune("", &[], 0);
    for _ in 0..200 {
        spam = spam.graft(TOPIC).prune(TOPIC, &[], 0);
    }
    for _ in 0..500 {
        scene.send(&Rpc::new().ihave(TOPIC, &long).iwant(&long).idontwant(&long)).await;
        scene.send(&Rpc::new().ihave(TOPIC, &none).iwant(&none).idontwant(&none)).await;
        scene.send(&spam).await;
    }
    scene.send(&Rpc::new().prune(TOPIC, &[], 60)).await;
    scene.send(&Rpc::new().graft(TOPIC)).await;
    scene.hears("a PRUNE", |rpc| rpc.prunes > 0).await;
    scene.goes_on().await;
}

/// P7: more than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_control_message_that_is_too_long_stops_nothing() {
    let mut scene = Scene::new().await;
    scene.send(&Rpc::new().ihave(TOPIC, &ids(1_000, 32))).await;
    scene.goes_on().await;
}

/// P7: the advisories are closed from 0.49.4 on; `deny.toml` says the same to `cargo deny`.
#[test]
fn gossipsub_is_one_that_was_repaired() {
    // Tests run in the folder of their package, wherever they were built.
    let lock: toml::Table = std::fs::read_to_string("../../Cargo.lock").unwrap().parse().unwrap();
    let versions: Vec<Vec<u64>> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| package["name"].as_str() == Some("libp2p-gossipsub"))
        .map(|package| package["version"].as_str().unwrap())
        .map(|version| version.split('.').map(|part| part.parse().unwrap()).collect())
        .collect();
    assert!(!versions.is_empty());
    assert!(
        versions.iter().all(|version| version.as_slice() >= [0, 49, 4].as_slice()),
        "{versions:?}"
    );
}

/// P12: ten thousand peers with addresses, among them listed ones, and addresses inside.
#[tokio::test(flavor = "multi_thread")]
async fn no_address_told_by_a_peer_is_dialled() {
    const PEERS: usize = 10_000;
    let mut scene = Scene::new().await;
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bait: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}", trap.local_addr().unwrap().port()).parse().unwrap();
    // Node 4 is listed without an address: nobody would be dialled more gladly.
    let mut keys = vec![key_of([4; 32]).unwrap(), key_of([3; 32]).unwrap()];
    keys.resize_with(PEERS, Keypair::generate_ed25519);
    let told: Vec<_> =
        keys.iter().map(|key| ExchangedPeer::new(key, vec![bait.clone()]).unwrap()).collect();
    // As many as an RPC may carry.
    for some in told.chunks(60) {
        scene.send(&Rpc::new().prune(TOPIC, some, 60)).await;
    }
    scene.send(&Rpc::new().graft(TOPIC)).await;
    scene.hears("a PRUNE", |rpc| rpc.prunes > 0).await;
    scene.goes_on().await;
    let knocked = timeout(Duration::ZERO, trap.accept()).await;
    assert!(knocked.is_err(), "{knocked:?}");
    let refusals = scene.node.handle.refusals().await.unwrap();
    let dials: Vec<_> = refusals.iter().filter(|it| it.reason.contains("outbound")).collect();
    assert!(dials.is_empty(), "{dials:?}");
    assert_eq!(scene.node.handle.peers().await.unwrap().len(), 2);
}

/// P12: there is no protocol by which a peer could tell addresses, or ask for a dial.
#[tokio::test(flavor = "multi_thread")]
async fn protocols_that_tell_addresses_are_not_spoken() {
    let mut scene = Scene::new().await;
    for protocol in [
        "/ipfs/id/1.0.0",
        "/ipfs/id/push/1.0.0",
        "/ipfs/kad/1.0.0",
        "/libp2p/autonat/1.0.0",
        "/libp2p/autonat/2/dial-request",
        "/libp2p/circuit/relay/0.2.0/hop",
        "/libp2p/circuit/relay/0.2.0/stop",
        "/libp2p/dcutr",
        "/rendezvous/1.0.0",
    ] {
        let node = scene.node.peer_id();
        let opened = scene.attacker.open(node, StreamProtocol::new(protocol)).await;
        let error = opened.expect_err(protocol).to_string();
        assert!(error.contains("does not support"), "{protocol}: {error}");
    }
    scene.goes_on().await;
}
