//! An attacker that is let in: the node's own network stack under the attacker's key, and messages
//! that an honest node would not send.

use super::scene::{Scene, failed};
use crate::Result;
use alloy_primitives::{Address, Bytes};
use alloy_rlp::Decodable;
use parking_lot::Mutex;
use peruri_engine::{LocalStatus, ValidatorSigner};
use peruri_ibft2::{Dialect, Message, Payload, Signature65, Signed, SigningDomain};
use peruri_network::{Event, NetworkConfig, NetworkEvents, NetworkHandle, SendError, SessionId};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// First byte of a consensus message, see the engine's wire format.
const CONSENSUS: u8 = 0;
/// First byte of the announcement of a block.
const NEW_BLOCK: u8 = 1;
/// Time between two handfuls of messages.
const TICK: Duration = Duration::from_millis(10);

/// A peer of all nodes.
pub(super) struct Peer {
    network: NetworkHandle,
    seen: Arc<Seen>,
}

/// What the nodes have let it know.
#[derive(Debug, Default)]
struct Seen {
    sessions: Mutex<BTreeMap<SessionId, Address>>,
    /// Why sessions ended, by node.
    ended: Mutex<Vec<(Address, String)>>,
    head: AtomicU64,
}

impl Peer {
    /// Connects to all nodes, and again whenever a connection is lost.
    pub(super) async fn start(scene: &Scene) -> Result<Self> {
        let config = NetworkConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            quic: false,
            bootnodes: scene.targets.iter().map(|target| target.dial_address()).collect(),
            ..NetworkConfig::default()
        };
        let status = Arc::new(LocalStatus::new(&scene.chain));
        let (network, events) = peruri_network::start(config, &scene.identity()?, status)
            .await
            .map_err(failed("the attacker's network"))?;
        network.set_validators(scene.targets.iter().map(|target| target.peer.address).collect());
        let seen = Arc::default();
        tokio::spawn(watch(events, Arc::clone(&seen)));
        Ok(Self { network, seen })
    }

    /// The highest block that a node has announced.
    pub(super) fn head(&self) -> u64 {
        self.seen.head.load(Ordering::Relaxed)
    }

    /// Nodes that it is connected to.
    pub(super) fn sessions(&self) -> usize {
        self.seen.sessions.lock().len()
    }

    /// Why sessions ended, by node.
    pub(super) fn ended(&self) -> Vec<(Address, String)> {
        self.seen.ended.lock().clone()
    }

    /// Offers `rate` messages a second to each node until `end`; `messages` makes those of a height.
    /// How many were offered, and how many a node's connection took.
    pub(super) async fn flood(
        &self,
        rate: usize,
        end: Instant,
        mut messages: impl FnMut(u64) -> Result<Vec<Bytes>>,
    ) -> Result<(usize, usize)> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let handful = rate * TICK.as_millis() as usize / 1_000;
        let (mut offered, mut taken, mut next) = (0, 0, 0);
        let mut ring = (0, messages(0)?);
        while Instant::now() < end {
            ticks.tick().await;
            let height = self.head() + 1;
            if ring.0 != height {
                ring = (height, messages(height)?);
            }
            let sessions: Vec<_> = self.seen.sessions.lock().keys().copied().collect();
            for _ in 0..handful {
                let message = &ring.1[next % ring.1.len()];
                next += 1;
                for session in &sessions {
                    offered += 1;
                    match self.network.send(*session, message.clone()) {
                        Ok(()) => taken += 1,
                        // The node reads no faster, or has had enough.
                        Err(SendError::Full | SendError::NotConnected) => {}
                        Err(error) => return Err(failed("a hostile message")(error)),
                    }
                }
            }
        }
        Ok((offered, taken))
    }
}

async fn watch(mut events: NetworkEvents, seen: Arc<Seen>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { session, peer, .. } => {
                seen.sessions.lock().insert(session, peer.address);
            }
            Event::Disconnected { session, reason } => {
                let address = seen.sessions.lock().remove(&session);
                seen.ended.lock().extend(address.map(|address| (address, reason)));
            }
            Event::Message { bytes, .. } => {
                if let Some(number) = announced(&bytes) {
                    seen.head.fetch_max(number, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// The number in the announcement of a block.
fn announced(bytes: &[u8]) -> Option<u64> {
    let mut fields = bytes.strip_prefix(&[NEW_BLOCK])?;
    let mut fields = alloy_rlp::Header::decode_bytes(&mut fields, true).ok()?;
    u64::decode(&mut fields).ok()
}

/// Writes consensus messages in a validator's name.
pub(super) struct Author {
    signer: ValidatorSigner,
    domain: SigningDomain,
}

impl Author {
    pub(super) fn new(scene: &Scene) -> Result<Self> {
        let key = alloy_signer_local::PrivateKeySigner::from_bytes(&scene.secret);
        let signer = ValidatorSigner::new(key.map_err(alloy_signer::Error::other)?);
        let (chain_id, genesis_hash) = (scene.chain.chain_id(), scene.chain.genesis_hash());
        // `genesis create` makes chains with bound signatures.
        Ok(Self { signer, domain: SigningDomain::ChainBound { chain_id, genesis_hash } })
    }

    /// Signs what is said.
    pub(super) fn signed<P: Payload>(&self, payload: P) -> Result<Signed<P>> {
        let hash = self.domain.signing_hash(&payload);
        let signature: Signature65 =
            self.signer.sign(hash).map_err(failed("the attacker's signature"))?;
        Ok(Signed::new(payload, signature))
    }
}

/// A consensus message as the engine sends it.
pub(super) fn framed(message: &Message) -> Bytes {
    [vec![CONSENSUS], message.to_wire(Dialect::default()).to_vec()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_of_a_block_is_read() {
        let mut bytes = vec![NEW_BLOCK];
        alloy_rlp::Encodable::encode(&vec![Bytes::from_static(&[2, 1])], &mut bytes);
        assert_eq!(announced(&bytes), Some(0x201));
        assert_eq!(announced(&[CONSENSUS, 0xc0]), None);
        assert_eq!(announced(&[NEW_BLOCK, 0xc0]), None);
    }
}
