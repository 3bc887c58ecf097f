//! Listed nodes that lie about blocks.

use super::assert_agreement;
use crate::support::{Cluster, Node, SOON, eventually, seal};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use peruri_chainspec::ChainSpec;
use peruri_engine::LocalStatus;
use peruri_network::{Event, NetworkEvents, NetworkHandle, Responder, SessionId};
use peruri_primitives::RecoveredBlock;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{interval, timeout};

/// A head that no honest node has.
const FAR: u64 = 1_000_000;

#[derive(RlpEncodable)]
struct NewBlock {
    number: u64,
    hash: B256,
}

#[derive(RlpDecodable)]
struct GetBlocks {
    from: u64,
    #[allow(dead_code)]
    count: u64,
}

/// A node that says that it has a million blocks.
pub(super) struct Liar {
    /// What it says instead.
    pub(super) head: u64,
    network: NetworkHandle,
    events: NetworkEvents,
    /// What it answers to a request for these blocks; `None`: it never answers.
    answer: Box<dyn Fn(u64) -> Option<Bytes> + Send + Sync>,
    connected: BTreeMap<SessionId, Address>,
    /// Requests that it lets wait.
    waiting: Vec<Responder>,
    /// Who has told it that it is banned.
    pub(super) banned_by: BTreeSet<Address>,
}

impl Liar {
    pub(super) async fn start(
        cluster: &Cluster,
        seat: usize,
        spec: &ChainSpec,
        answer: impl Fn(u64) -> Option<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let status = Arc::new(LocalStatus::new(spec));
        let (network, events) = cluster.connect(seat, status).await;
        Self {
            head: FAR,
            network,
            events,
            answer: Box::new(answer),
            connected: BTreeMap::new(),
            waiting: Vec::new(),
            banned_by: BTreeSet::new(),
        }
    }

    /// Claims its head to everybody, again and again.
    fn claim(&self) {
        let claim = NewBlock { number: self.head, hash: B256::repeat_byte(7) };
        let frame = Bytes::from([vec![1], alloy_rlp::encode(claim)].concat());
        for session in self.connected.keys() {
            // Who is gone by now is told nothing.
            let _ = self.network.send(*session, frame.clone());
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected { session, peer, .. } => {
                self.connected.insert(session, peer.address);
                self.claim();
            }
            Event::Disconnected { session, reason } => {
                let address = self.connected.remove(&session);
                self.banned_by.extend(address.filter(|_| reason.contains("banned")));
            }
            Event::Request { bytes, respond, .. } => {
                let request: GetBlocks = alloy_rlp::decode_exact(&bytes).unwrap();
                match (self.answer)(request.from) {
                    Some(answer) => drop(respond.send(answer)),
                    None => self.waiting.push(respond),
                }
            }
            _ => {}
        }
    }

    /// Lies until `is_enough`.
    pub(super) async fn lie(&mut self, is_enough: impl Fn(&Self) -> bool) {
        let mut ticks = interval(Duration::from_millis(20));
        let lying = async {
            while !is_enough(self) {
                tokio::select! {
                    event = self.events.recv() => self.on_event(event.expect("the network runs")),
                    _ = ticks.tick() => self.claim(),
                }
            }
        };
        timeout(SOON, lying).await.expect("everybody finds out");
    }
}

/// A node that has no blocks joins three validators and a liar, which lies to all of them until all
/// have banned it. The chain goes on, and the newcomer gets its blocks.
async fn lies(answer: impl Fn(u64) -> Option<Bytes> + Send + Sync + 'static) {
    let cluster = Cluster::new(3, 2);
    let mut nodes = cluster.start_all(0..3).await;
    for node in &mut nodes {
        node.reaches(10).await;
    }
    let mut liar = Liar::start(&cluster, 3, &cluster.genesis.spec(), answer).await;
    nodes.push(cluster.start(4).await);
    let everybody = nodes.len();
    let lying = tokio::spawn(async move {
        liar.lie(|liar| liar.banned_by.len() == everybody).await;
        liar
    });
    let head = nodes[0].node.head().0;
    for node in &mut nodes {
        node.reaches(head + 5).await;
    }
    assert_agreement(&nodes);
    let liar = lying.await.unwrap();
    for node in &nodes {
        assert!(liar.banned_by.contains(&node.node.key.address()));
        eventually("its connection is gone", async || {
            let peers = node.network.peers().await.unwrap();
            peers.iter().all(|it| it.peer.peer_id != liar.network.peer_id()).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_for_blocks_is_a_ban() {
    lies(|_| Some(Bytes::from_static(b"not a block"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_blocks_than_asked_for_are_a_ban() {
    let node = Node::new(&crate::support::Genesis::default());
    let block = Bytes::from(crate::support::encoded(&node.sealed()));
    // Block 1 of another chain; nobody who has a block asks for it, and for none of this chain.
    lies(move |_| Some(block.clone())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_stops_nobody_and_is_a_ban_at_last() {
    lies(|_| None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_a_broken_state_root_is_a_ban_even_if_sealed_by_all() {
    // The liar has the keys of all validators, and a chain of its own to make blocks for.
    let cluster = Cluster::new(3, 2);
    let spec = cluster.genesis.spec();
    let keys: Vec<_> = (0..3).map(|seat| cluster.key(seat)).collect();
    let workshop = Arc::new(tempfile::tempdir().unwrap());
    let workshop = Node::start(spec.clone(), workshop, "db", keys[0].clone(), None);
    let mut block = workshop.propose().unwrap();
    let (mut inner, senders) = Arc::unwrap_or_clone(block.recovered_block).split();
    inner.header.0.state_root = B256::repeat_byte(1);
    block.recovered_block = Arc::new(RecoveredBlock::new_unhashed(inner, senders));
    let block = Bytes::from(crate::support::encoded(&seal(block, &keys)));

    let mut liar =
        Liar::start(&cluster, 3, &spec, move |from| (from == 1).then(|| block.clone())).await;
    // The follower knows nobody else yet.
    let mut follower = cluster.start(4).await;
    liar.lie(|liar| liar.banned_by.len() == 1).await;
    assert_eq!(follower.node.head().0, 0);
    let mut nodes = cluster.start_all(0..3).await;
    follower.reaches(5).await;
    nodes.push(follower);
    assert_agreement(&nodes);
}
