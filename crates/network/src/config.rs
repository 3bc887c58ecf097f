//! What an operator can set.

use libp2p::Multiaddr;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Settings of the network.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Address and port to listen on, the same port number for TCP and UDP. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Listen on and dial over TCP (Noise, yamux).
    pub tcp: bool,
    /// Listen on and dial over QUIC (TLS 1.3).
    pub quic: bool,
    /// File with the nodes that may connect; read again when it changes.
    pub node_list: Option<PathBuf>,
    /// Further peers to dial: multiaddrs that end with `/p2p/PEER_ID`. They are dialled, not admitted.
    pub bootnodes: Vec<Multiaddr>,
    /// gossipsub topic of transactions; names the chain, so that two chains never mix.
    pub gossip_topic: String,
    /// Software version, shown in the peer lists of others.
    pub version: String,
    /// Bounds.
    pub limits: Limits,
    /// Time-outs and intervals.
    pub timing: Timing,
    /// Penalties and bans.
    pub scoring: Scoring,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 30303)),
            tcp: true,
            quic: true,
            node_list: None,
            bootnodes: Vec::new(),
            gossip_topic: "/peruri/transactions".to_owned(),
            version: concat!("peruri-chain/", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: Limits::default(),
            timing: Timing::default(),
            scoring: Scoring::default(),
        }
    }
}

/// Bounds of everything a peer can make this node hold.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Peers with an established connection.
    pub peers: u32,
    /// Inbound connections whose security handshake is under way.
    pub pending_inbound: u32,
    /// The same for one IP address; addresses of earlier sessions are exempt.
    pub pending_inbound_per_ip: u32,
    /// New inbound connections a second from one IP address; addresses of earlier sessions are exempt.
    pub inbound_per_ip: Rate,
    /// Streams a peer may have open towards this node.
    pub streams_per_peer: usize,
    /// Requests of one peer that are served at the same time.
    pub requests_inbound: usize,
    /// Requests to one peer that are under way at the same time.
    pub requests_outbound: usize,
    /// Messages waiting to be sent to one peer.
    pub send_queue_messages: usize,
    /// Bytes waiting to be sent to one peer.
    pub send_queue_bytes: usize,
    /// Bytes received from one peer and not yet taken by the application.
    pub receive_bytes: usize,
    /// Messages a peer may send a second; above it its stream is read more slowly.
    pub messages: Rate,
    /// Bytes a peer may send a second; above it its stream is read more slowly.
    pub bytes: Rate,
    /// Transactions a peer may deliver by gossip a second; above it they are ignored.
    pub gossip: Rate,
    /// The same in bytes.
    pub gossip_bytes: Rate,
    /// Largest gossip message in bytes.
    pub gossip_message_bytes: usize,
    /// Events that wait for the application.
    pub events: usize,
    /// Gossip messages that wait for the application.
    pub gossip_events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 100,
            pending_inbound: 1_024,
            pending_inbound_per_ip: 64,
            inbound_per_ip: Rate { per_second: 20, burst: 100 },
            streams_per_peer: 64,
            requests_inbound: 8,
            requests_outbound: 16,
            send_queue_messages: 1_024,
            send_queue_bytes: 64 << 20,
            receive_bytes: 64 << 20,
            messages: Rate { per_second: 1_000, burst: 4_000 },
            bytes: Rate { per_second: 32 << 20, burst: 64 << 20 },
            gossip: Rate { per_second: 2_000, burst: 8_000 },
            gossip_bytes: Rate { per_second: 4 << 20, burst: 16 << 20 },
            gossip_message_bytes: 1 << 20,
            events: 1_024,
            gossip_events: 4_096,
        }
    }
}

/// A token bucket: `burst` at once, then `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second.
    pub per_second: u32,
    /// Most tokens that are saved up.
    pub burst: u32,
}

/// Time-outs and intervals.
#[derive(Debug, Clone)]
pub struct Timing {
    /// From the first byte of a connection to the end of the handshake.
    pub handshake: Duration,
    /// Time between two pings of a peer.
    pub ping_interval: Duration,
    /// A connection without an answered ping for this long is closed.
    pub liveness: Duration,
    /// How long an older connection may take to answer when a second one of the same peer arrives.
    pub challenge: Duration,
    /// From the first byte of a frame to its last.
    pub frame: Duration,
    /// From a request to its answer.
    pub request: Duration,
    /// Wait before the first redial; doubles with each failure.
    pub redial_min: Duration,
    /// Longest wait between two dials of one peer.
    pub redial_max: Duration,
    /// Time between two looks at the node list file. A change is taken at the second look.
    pub node_list_poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            ping_interval: Duration::from_secs(2),
            liveness: Duration::from_secs(10),
            challenge: Duration::from_secs(5),
            frame: Duration::from_secs(30),
            request: Duration::from_secs(30),
            redial_min: Duration::from_millis(250),
            redial_max: Duration::from_secs(15),
            node_list_poll: Duration::from_millis(200),
        }
    }
}

/// Penalties and bans.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// Time in which a penalty halves.
    pub half_life: Duration,
    /// Sum of penalties that bans a peer.
    pub ban_threshold: f64,
    /// Length of the first ban; doubles with each further one.
    pub ban_min: Duration,
    /// Longest ban.
    pub ban_max: Duration,
}

impl Default for Scoring {
    fn default() -> Self {
        Self {
            half_life: Duration::from_secs(300),
            ban_threshold: 100.0,
            ban_min: Duration::from_secs(60),
            ban_max: Duration::from_secs(3_600),
        }
    }
}
