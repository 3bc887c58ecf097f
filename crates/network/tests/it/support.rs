//! Nodes for the tests.

use alloy_primitives::Bytes;
use peruri_network::{
    Alarm, Event, Handshake, Limits, Multiaddr, NetworkConfig, NetworkEvents, NetworkHandle, Node,
    NodeIdentity, NodeList, PeerId, PeerIdentity, Refusal, Scoring, SessionId, Timing,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Says `hello`, accepts what starts with `accepts`.
#[derive(Debug)]
pub(crate) struct Says {
    pub(crate) hello: Vec<u8>,
    pub(crate) accepts: Vec<u8>,
}

impl Default for Says {
    fn default() -> Self {
        Self { hello: b"chain 1".to_vec(), accepts: b"chain 1".to_vec() }
    }
}

impl Handshake for Says {
    fn hello(&self, _: &PeerIdentity) -> Bytes {
        self.hello.clone().into()
    }

    fn check(&self, _: &PeerIdentity, hello: &Bytes) -> Result<(), Refusal> {
        if hello.starts_with(&self.accepts) {
            return Ok(());
        }
        let (here, there) =
            (String::from_utf8_lossy(&self.accepts), String::from_utf8_lossy(hello));
        Err(Refusal::new(format!("chain differs: {here} here, {there} there")))
    }
}

pub(crate) fn identity(key: u8) -> NodeIdentity {
    NodeIdentity::from_secret([key; 32]).unwrap()
}

pub(crate) fn peer(key: u8) -> PeerId {
    identity(key).peer_id()
}

/// An entry of the node list; without addresses it is admitted but not dialled.
pub(crate) fn node(key: u8, addresses: &[Multiaddr]) -> Node {
    let peer = PeerIdentity::new(peer(key)).unwrap();
    let addresses =
        addresses.iter().map(|address| address.clone().with_p2p(peer.peer_id).unwrap()).collect();
    Node { name: format!("node {key}"), peer, addresses }
}

/// A node list file.
pub(crate) struct ListFile {
    dir: TempDir,
}

impl ListFile {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        let file = Self { dir: tempfile::tempdir().unwrap() };
        file.write(nodes);
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("nodes.toml")
    }

    pub(crate) fn write(&self, nodes: Vec<Node>) {
        self.write_text(&NodeList::new(nodes).unwrap().to_toml());
    }

    pub(crate) fn write_text(&self, text: &str) {
        replace(&self.path(), text);
    }
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// Fast enough for tests, slow enough for a busy machine.
pub(crate) fn config() -> NetworkConfig {
    NetworkConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        gossip_topic: "/test/transactions".to_owned(),
        version: "test/1".to_owned(),
        limits: Limits::default(),
        timing: Timing {
            ping_interval: Duration::from_millis(300),
            redial_min: Duration::from_millis(50),
            redial_max: Duration::from_millis(500),
            node_list_poll: Duration::from_millis(50),
            ..Timing::default()
        },
        scoring: Scoring::default(),
        ..NetworkConfig::default()
    }
}

/// A running node.
pub(crate) struct TestNode {
    pub(crate) key: u8,
    pub(crate) handle: NetworkHandle,
    pub(crate) events: NetworkEvents,
    /// Seen on the way to what was waited for.
    pub(crate) passed: Vec<Event>,
    pub(crate) list: ListFile,
}

/// What a `Connected` event says.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) session: SessionId,
    pub(crate) peer: PeerIdentity,
    pub(crate) remote: Multiaddr,
    pub(crate) hello: Bytes,
    pub(crate) instance: u64,
    pub(crate) version: String,
}

impl TestNode {
    pub(crate) async fn start(key: u8, nodes: Vec<Node>) -> Self {
        Self::start_with(key, nodes, config(), Says::default()).await
    }

    pub(crate) async fn start_with(
        key: u8,
        nodes: Vec<Node>,
        mut config: NetworkConfig,
        says: Says,
    ) -> Self {
        let list = ListFile::new(nodes);
        config.node_list = Some(list.path());
        let (handle, events) =
            peruri_network::start(config, &identity(key), Arc::new(says)).await.unwrap();
        Self { key, handle, events, passed: Vec::new(), list }
    }

    pub(crate) fn peer_id(&self) -> PeerId {
        peer(self.key)
    }

    /// This node for the list of another, with all its addresses.
    pub(crate) fn node(&self) -> Node {
        node(self.key, self.handle.listeners())
    }

    /// The next event that `wanted` takes; others are kept in `passed`.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&mut Event) -> Option<T>,
    ) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let mut event = self.events.recv().await.expect("the network ended");
                if let Some(found) = wanted(&mut event) {
                    return found;
                }
                self.passed.push(event);
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!(
                "node {} waited in vain for {what}; saw {:?}; refusals {:?}",
                self.key,
                self.passed,
                self.handle.refusals().await
            ),
        }
    }

    pub(crate) async fn connected(&mut self) -> Peer {
        self.wait("a peer", |event| match event {
            Event::Connected { session, peer, remote, hello, instance, version, .. } => {
                Some(Peer {
                    session: *session,
                    peer: *peer,
                    remote: remote.clone(),
                    hello: hello.clone(),
                    instance: *instance,
                    version: version.clone(),
                })
            }
            _ => None,
        })
        .await
    }

    pub(crate) async fn disconnected(&mut self) -> (SessionId, String) {
        self.wait("a disconnection", |event| match event {
            Event::Disconnected { session, reason } => Some((*session, reason.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn message(&mut self) -> (SessionId, Bytes) {
        self.wait("a message", |event| match event {
            Event::Message { session, bytes } => Some((*session, bytes.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn alarm(&mut self) -> Alarm {
        self.wait("an alarm", |event| match event {
            Event::Alarm(alarm) => Some(alarm.clone()),
            _ => None,
        })
        .await
    }
}

/// Asks until `condition` holds; for what has no event.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let asked = timeout(PATIENCE, async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            if let Some(found) = condition().await {
                return found;
            }
        }
    });
    asked.await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Node 2 connected to node 1, which is in its list.
pub(crate) async fn two_nodes(config: NetworkConfig) -> (TestNode, TestNode, Peer, Peer) {
    let mut a = TestNode::start_with(1, vec![node(2, &[])], config.clone(), Says::default()).await;
    let mut b = TestNode::start_with(2, vec![a.node()], config, Says::default()).await;
    let (at_a, at_b) = (a.connected().await, b.connected().await);
    (a, b, at_a, at_b)
}
