//! What an attacker knows of the network.

use crate::{Client, Result, TestnetError};
use alloy_primitives::B256;
use libp2p::{Stream, multiaddr::Protocol};
use peruri_chainspec::ChainSpec;
use peruri_engine::LocalStatus;
use peruri_network::{Handshake, Multiaddr, NodeIdentity, PeerId, PeerIdentity};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// How often a node is asked for something that has no event.
pub(super) const ASK: Duration = Duration::from_millis(20);

/// How long a session may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) peer: PeerIdentity,
    /// Where it listens for other nodes.
    pub(super) p2p: SocketAddr,
    /// Its JSON-RPC server.
    pub(super) rpc: SocketAddr,
    /// Its process.
    pub(super) pid: u32,
}

/// What an attacker knows, and what it may use.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) targets: Vec<Target>,
    /// A secret key that the nodes know; each attack has one of its own, so that the bans of one
    /// do not hinder the next.
    pub(super) secret: B256,
    pub(super) chain: Arc<ChainSpec>,
    /// Addresses to connect from that no node has seen yet.
    pub(super) sources: Vec<IpAddr>,
}

/// A peer that a node is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connected {
    pub(super) peer: String,
    /// Both ends, which tell two connections apart.
    pub(super) ends: [String; 2],
}

impl Target {
    pub(super) fn address(&self) -> Multiaddr {
        Multiaddr::from(self.p2p.ip()).with(Protocol::Tcp(self.p2p.port()))
    }

    /// Its address with its peer id.
    pub(super) fn dial_address(&self) -> Multiaddr {
        self.address().with(Protocol::P2p(self.peer.peer_id))
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.rpc)
    }

    /// The peers that it is connected to.
    pub(super) async fn connected(&self) -> Result<Vec<Connected>> {
        let method = "admin_peers";
        let peers = self.client().call(method, json!([])).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let connected = peers
            .as_array()
            .into_iter()
            .flatten()
            .filter(|peer| peer["caps"].as_array().is_some_and(|caps| !caps.is_empty()))
            .map(|peer| Connected {
                peer: text(&peer["id"]),
                ends: ["localAddress", "remoteAddress"].map(|end| text(&peer["network"][end])),
            });
        Ok(connected.collect())
    }

    /// Its connection with `peer`, if there is one.
    pub(super) async fn connection(&self, peer: PeerId) -> Result<Option<Connected>> {
        let peer = peer.to_string();
        Ok(self.connected().await?.into_iter().find(|it| it.peer == peer))
    }
}

impl Scene {
    /// The attacker's peer id.
    pub(super) fn identity(&self) -> Result<NodeIdentity> {
        NodeIdentity::from_secret(self.secret.0).map_err(failed("the attacker's key"))
    }

    /// What an honest node would tell `target` of the chain.
    pub(super) fn hello(&self, target: &Target) -> Vec<u8> {
        LocalStatus::new(&self.chain).hello(&target.peer).to_vec()
    }
}

/// A session of the attacker with `target`, as soon as that one has got over the last.
pub(super) async fn session(
    client: &mut peruri_adversary::Client,
    scene: &Scene,
    target: &Target,
) -> Result<Stream> {
    let (address, hello) = (target.address(), scene.hello(target));
    let attempts = async {
        loop {
            if let Ok(stream) = client.session(target.peer.peer_id, &address, &hello).await {
                return stream;
            }
            tokio::time::sleep(ASK).await;
        }
    };
    timeout(PATIENCE, attempts).await.map_err(failed("the attacker's session"))
}

/// Asks until `condition` holds; how long that took, or `None` if it did not within `limit`.
pub(super) async fn until<F: Future<Output = Result<bool>>>(
    limit: Duration,
    mut condition: impl FnMut() -> F,
) -> Result<Option<Duration>> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if condition().await? {
            return Ok(Some(start.elapsed()));
        }
        tokio::time::sleep(ASK).await;
    }
    Ok(None)
}

/// For `map_err`: an attack's own machinery failed.
pub(super) fn failed<E>(what: &'static str) -> impl FnOnce(E) -> TestnetError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |error| TestnetError::Io { what: what.to_owned(), source: std::io::Error::other(error) }
}
