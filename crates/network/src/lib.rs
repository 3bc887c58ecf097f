//! The network of a permissioned chain: who the peers are, and bytes to and from them.

#![forbid(unsafe_code)]

mod behaviour;
mod config;
mod connection;
mod enode;
mod error;
mod event;
mod frame;
mod handle;
mod handshake;
mod identity;
mod metrics;
mod node_list;
mod queue;
mod rate;
mod reputation;
mod service;

pub use config::{Limits, NetworkConfig, Rate, Scoring, Timing};
pub use enode::Enode;
pub use error::{FrameError, NetworkError, NodeListError, RequestError, SendError};
pub use event::{Alarm, Direction, Event, NetworkEvents, ProcessInfo, Responder, SessionId};
pub use frame::MAX_MESSAGE_BYTES;
pub use handle::NetworkHandle;
pub use handshake::{Handshake, PROTOCOL_VERSION, Refusal};
pub use identity::{NodeIdentity, PeerIdentity, address_of};
pub use libp2p::{Multiaddr, PeerId};
pub use node_list::{Node, NodeList};
pub use reputation::Penalty;
pub use service::{PeerInfo, RefusalRecord, Verdict};

use std::sync::Arc;

/// Starts the network on the current tokio runtime and returns when it listens.
///
/// # Errors
/// [`NetworkError`] if the node list cannot be read, an address cannot be used, or a transport
/// cannot be set up.
pub async fn start(
    config: NetworkConfig,
    identity: &NodeIdentity,
    handshake: Arc<dyn Handshake>,
) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
    service::start(config, identity, handshake).await
}
