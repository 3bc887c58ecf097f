//! The network of a permissioned chain: who the peers are, and bytes to and from them.
//!
//! It knows no consensus rule and no block. [`start`] gives a [`NetworkHandle`] for what the node
//! says and [`NetworkEvents`] for what it hears; a [`Handshake`] is the node's part in deciding who
//! is a peer.
//!
//! # Who may connect
//!
//! A node has one secp256k1 key, a validator its validator key. Peer id and Ethereum address follow
//! from it, so either can be checked against the other ([`address_of`]).
//!
//! Admitted are the nodes of the *node list* ([`NodeList`], a file that is read again when it
//! changes) and the *validators* ([`NetworkHandle::set_validators`]). Everybody else is turned away
//! when the security handshake (Noise on TCP, TLS 1.3 on QUIC) has proven who it is, before there is
//! a single stream. Bootnodes and added peers are dialled, not admitted. Whoever is taken off the
//! list is disconnected; a list that cannot be used raises an alarm and changes nothing.
//!
//! # On the wire
//!
//! | protocol | stream | frames |
//! |---|---|---|
//! | `/peruri/session/1` | one per connection, opened by the dialler, both ways | `Hello` `0x01`, `Verdict` `0x02`, `Message` `0x03`, `Notice` `0x04`, `Goodbye` `0x05` |
//! | `/peruri/request/1` | one per request | `Request` `0x10`, then `Response` `0x11` back |
//! | `/meshsub/…` | gossipsub, one topic | signed messages; id = keccak-256 of the content |
//! | `/ipfs/ping/1.0.0` | libp2p ping | |
//!
//! A frame is a big-endian `u32` length of what follows, one byte of kind, and at least one byte of
//! content. `Message`, `Request` and `Response` carry the application's bytes; `Goodbye` carries
//! UTF-8; the others are RLP:
//!
//! * `Hello` = `[protocol, instance, started_ms, version, application]`. Both ends send one first.
//!   The protocol version stays the first field for ever; where it differs the peer is refused with
//!   both values. `instance` is drawn at random by each process.
//! * `Verdict` = `[accepted, reason]`. Both ends send one after judging the other's hello. A
//!   connection counts when both accepted; a refusal's reason is recorded at both ends.
//! * `Notice` = `[[address, instance, started_ms], [address, instance, started_ms]]`: two live
//!   processes use the receiver's identity. It may also come before a `Verdict`.
//!
//! # One connection for each peer
//!
//! Of two simultaneous dials the one by the smaller peer id stays. Any other second connection is
//! held while the first is challenged: if it answers a ping that was sent after the second came, the
//! second is refused, otherwise the first was half open and is replaced. A first that lives in
//! another *process* is an identity in use twice: alarm here ([`Alarm::IdentityInUseTwice`]), notice
//! to both ([`Alarm::OwnIdentityInUse`]), again with every attempt of the second.
//!
//! # What is bounded by what
//!
//! | what | bound ([`Limits`], [`Timing`]) | beyond it |
//! |---|---|---|
//! | new connections of an IP address | `inbound_per_ip` a second | closed by the transport |
//! | connections in their security handshake | `pending_inbound`, for each IP address `pending_inbound_per_ip`; `handshake` | refused at once; closed |
//! | connections of a peer | one, and one that may replace it | refused |
//! | established connections | `peers` and 64 | refused |
//! | a frame | 16 MiB; 96 KiB until the handshake is done; `frame` | nothing is allocated, session ends, penalty |
//! | streams that wait to be served | `streams_per_peer` | reset |
//! | requests of a peer, to a peer | `requests_inbound`, `requests_outbound`; `request` | wait; time out |
//! | messages to a peer | `send_queue_messages`, `send_queue_bytes` | [`SendError::Full`] |
//! | messages and requests from a peer | `messages`, `bytes` a second; `receive_bytes` not yet taken | its streams are read later; penalty for the rate |
//! | events | `events`, `gossip_events` | streams are read later; gossip is ignored |
//! | gossip | `gossip_message_bytes`; for each peer `gossip`, `gossip_bytes` a second | ignored |
//! | a silent connection | `liveness` | closed |
//! | penalties | [`Scoring`] | ban, each longer than the one before |
//!
//! Each connection has a task of its own, so a slow or silent peer holds up nobody else; the task
//! that drives the swarm never waits for a peer or for the application. An application that does
//! not take its events makes the senders wait, in turn.
//!
//! # Why the streams are its own
//!
//! `libp2p-stream` and `libp2p-request-response` address a peer and choose among its connections,
//! so the streams are handed out by a small behaviour of this crate: a handshake, a challenge and a
//! refusal belong to one connection.

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
