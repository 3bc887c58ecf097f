//! Whole networks in one process: engines that talk over libp2p on loopback addresses of their own.

use super::{Genesis, Node, Running, SOON, node::released, signer};
use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use peruri_chainspec::ChainSpec;
use peruri_engine::{EngineNetwork, LocalStatus};
use peruri_network::{
    Handshake, Multiaddr, NetworkConfig, NetworkEvents, NetworkHandle, NodeIdentity, NodeList,
    PeerIdentity, Timing,
};
use serde_json::json;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// A place in a network: a key, an address, folders. Nodes come and go.
struct Seat {
    key: PrivateKeySigner,
    at: SocketAddr,
    dir: Arc<tempfile::TempDir>,
}

impl Seat {
    fn new(key: PrivateKeySigner) -> Self {
        Self { key, at: free_address(), dir: Arc::new(tempfile::tempdir().unwrap()) }
    }

    fn identity(&self) -> NodeIdentity {
        NodeIdentity::from_secret(self.key.to_bytes().0).unwrap()
    }

    fn multiaddr(&self) -> Multiaddr {
        let (at, peer) = (self.at, self.identity().peer_id());
        format!("/ip4/{}/tcp/{}/p2p/{peer}", at.ip(), at.port()).parse().unwrap()
    }
}

/// A free port of a loopback address that no other process uses: it stays free while its node is
/// stopped.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, high.max(1), low, NEXT.fetch_add(1, Ordering::Relaxed));
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

/// The seats of a network, all on one node list. The first ones are the validators of the genesis, in
/// the order of their addresses.
pub(crate) struct Cluster {
    pub(crate) genesis: Genesis,
    seats: Vec<Seat>,
    lists: tempfile::TempDir,
}

/// A running node of a network.
pub(crate) struct Live {
    pub(crate) node: Node,
    pub(crate) running: Running,
    pub(crate) network: NetworkHandle,
}

impl Cluster {
    /// So many validators, and so many others that may connect.
    pub(crate) fn new(validators: usize, others: usize) -> Self {
        let count = u64::try_from(validators + others).unwrap();
        let mut keys: Vec<_> = (0..count).map(|n| signer(100 + n)).collect();
        keys[..validators].sort_by_key(PrivateKeySigner::address);
        let genesis = Genesis {
            validators: keys[..validators].iter().map(PrivateKeySigner::address).collect(),
            ..Genesis::ibft2(json!({
                "xblockperiodmilliseconds": 200,
                "requesttimeoutseconds": 1,
                "roundtimeoutcapseconds": 2,
            }))
        };
        let seats: Vec<_> = keys.into_iter().map(Seat::new).collect();
        let lists = tempfile::tempdir().unwrap();
        let nodes = seats.iter().enumerate().map(|(n, seat)| peruri_network::Node {
            name: n.to_string(),
            peer: PeerIdentity::new(seat.identity().peer_id()).unwrap(),
            addresses: Vec::new(),
        });
        let list = NodeList::new(nodes.collect()).unwrap().to_toml();
        fs::write(lists.path().join("nodes.toml"), list).unwrap();
        Self { genesis, seats, lists }
    }

    pub(crate) fn key(&self, seat: usize) -> PrivateKeySigner {
        self.seats[seat].key.clone()
    }

    pub(crate) fn address(&self, seat: usize) -> Address {
        self.key(seat).address()
    }

    /// Where the node of a seat listens.
    pub(crate) fn multiaddr(&self, seat: usize) -> Multiaddr {
        self.seats[seat].multiaddr()
    }

    /// Folder of a seat.
    pub(crate) fn dir(&self, seat: usize) -> &std::path::Path {
        self.seats[seat].dir.path()
    }

    /// Starts the node of a seat on its folders. A seat that has never been used gets a first record.
    pub(crate) async fn start(&self, seat: usize) -> Live {
        self.start_on(seat, self.genesis.spec()).await
    }

    /// The same on another chain.
    pub(crate) async fn start_on(&self, seat: usize, spec: Arc<ChainSpec>) -> Live {
        self.start_with(seat, spec, 0..self.seats.len()).await
    }

    /// The same as [`Self::start`] for a node that knows the addresses of these seats only.
    pub(crate) async fn start_among(
        &self,
        seat: usize,
        others: impl IntoIterator<Item = usize>,
    ) -> Live {
        self.start_with(seat, self.genesis.spec(), others).await
    }

    async fn start_with(
        &self,
        seat: usize,
        spec: Arc<ChainSpec>,
        others: impl IntoIterator<Item = usize>,
    ) -> Live {
        let Seat { key, dir, .. } = &self.seats[seat];
        let is_new = ["db", "sign"].iter().all(|folder| !dir.path().join(folder).exists());
        released(&dir.path().join("db"), &spec).await;
        if is_new {
            Node::initialise(&spec, dir.path(), key);
        }
        let node = Node::start(spec, dir.clone(), "db", key.clone(), None);
        let status = Arc::new(LocalStatus::new(&node.spec));
        let (handle, events) = self.connect_to(seat, status.clone(), others).await;
        // Nobody takes the gossip, which is transactions; tests put them into pools themselves.
        let (gossip, _) = mpsc::channel(1);
        let network = EngineNetwork { handle: handle.clone(), events, gossip };
        let running = Running::of(node.parts(Some(network), status));
        Live { node, running, network: handle }
    }

    pub(crate) async fn start_all(&self, seats: impl IntoIterator<Item = usize>) -> Vec<Live> {
        let mut nodes = Vec::new();
        for seat in seats {
            nodes.push(self.start(seat).await);
        }
        nodes
    }

    /// Only the network of a seat.
    pub(crate) async fn connect(
        &self,
        seat: usize,
        handshake: Arc<dyn Handshake>,
    ) -> (NetworkHandle, NetworkEvents) {
        self.connect_to(seat, handshake, 0..self.seats.len()).await
    }

    async fn connect_to(
        &self,
        seat: usize,
        handshake: Arc<dyn Handshake>,
        others: impl IntoIterator<Item = usize>,
    ) -> (NetworkHandle, NetworkEvents) {
        let others = others.into_iter().filter(|other| *other != seat);
        let config = NetworkConfig {
            listen: self.seats[seat].at,
            quic: false,
            node_list: Some(self.lists.path().join("nodes.toml")),
            bootnodes: others.map(|other| self.multiaddr(other)).collect(),
            timing: Timing {
                request: Duration::from_secs(2),
                redial_min: Duration::from_millis(100),
                redial_max: Duration::from_secs(1),
                ..Timing::default()
            },
            ..NetworkConfig::default()
        };
        peruri_network::start(config, &self.seats[seat].identity(), handshake).await.unwrap()
    }
}

impl Live {
    /// Waits until block `number` is stored here.
    pub(crate) async fn reaches(&mut self, number: u64) {
        while self.node.head().0 < number {
            self.running.next().await;
        }
    }

    /// Waits for so many further blocks.
    pub(crate) async fn goes_on(&mut self, blocks: u64) {
        self.reaches(self.node.head().0 + blocks).await;
    }

    /// Waits for a block after which something holds; a chain that goes on without it is not waited
    /// for for ever.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                self.running.next().await;
            }
        };
        timeout(SOON, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Who has sealed a block, as far as its stored header tells.
    pub(crate) fn sealed_by(&self, number: u64) -> Vec<Address> {
        let header = self.node.provider.sealed_header(number).unwrap().unwrap();
        let digest = peruri_ibft2::seal_digest(&header).unwrap();
        let seals = self.node.extra(number).seals;
        peruri_ibft2::recover_seals(digest, &seals).unwrap()
    }

    /// Waits for a stored header above `above` with a seal of `validator`, which may come late.
    pub(crate) async fn sees_a_seal_of(&mut self, validator: Address, above: u64) -> u64 {
        let sealed = |node: &Self| {
            let mut numbers = above + 1..=node.node.head().0;
            numbers.find(|number| node.sealed_by(*number).contains(&validator))
        };
        self.until("a seal", |node| sealed(node).is_some()).await;
        sealed(self).unwrap()
    }

    /// Waits for a block above `above` that `validator` proposed.
    pub(crate) async fn sees_a_block_of(&mut self, validator: Address, above: u64) {
        let proposer = |node: &Self, number| {
            node.node.provider.sealed_header(number).unwrap().unwrap().beneficiary
        };
        self.until("an own block", |node| {
            (above + 1..=node.node.head().0).any(|number| proposer(node, number) == validator)
        })
        .await;
    }

    /// Stops engine and network.
    pub(crate) async fn stop(self) {
        self.running.stop().await;
        self.network.shutdown().await;
    }

    /// Cuts the engine off wherever it is.
    pub(crate) async fn crash(self) {
        let Self { node, running, network } = self;
        running.crash(&node).await;
        network.shutdown().await;
    }
}
