//! What the network tells the application.

use crate::PeerIdentity;
use alloy_primitives::{B256, Bytes};
use libp2p::{Multiaddr, PeerId};
use std::{fmt, net::IpAddr};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// One connection of one peer after its handshake; never reused within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The peer dialled this node.
    Inbound,
    /// This node dialled the peer.
    Outbound,
}

/// What happens on the network.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer finished the handshake. The first event of its session.
    Connected {
        /// The new session.
        session: SessionId,
        /// Who it is.
        peer: PeerIdentity,
        /// Its address.
        remote: Multiaddr,
        /// Who dialled.
        direction: Direction,
        /// What the peer's application says, accepted by [`Handshake::check`](crate::Handshake).
        hello: Bytes,
        /// The peer's process.
        instance: u64,
        /// When that process started, milliseconds since 1970 by the peer's clock.
        started_ms: u64,
        /// Its software version.
        version: String,
    },
    /// A session ended. Its last event, but for gossip that was already under way.
    Disconnected {
        /// The session.
        session: SessionId,
        /// Why.
        reason: String,
    },
    /// A message, in the order in which the peer sent it.
    Message {
        /// Who sent it.
        session: SessionId,
        /// Its content, 1 byte to [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES).
        bytes: Bytes,
    },
    /// A request that waits for an answer.
    Request {
        /// Who asks.
        session: SessionId,
        /// The request.
        bytes: Bytes,
        /// Takes the answer.
        respond: Responder,
    },
    /// A gossip message; [`report_gossip`](crate::NetworkHandle::report_gossip) must follow.
    Gossip {
        /// Who delivered it, not who made it.
        session: SessionId,
        /// keccak-256 of the content.
        id: B256,
        /// The content.
        bytes: Bytes,
    },
    /// Something an operator must know.
    Alarm(Alarm),
}

/// Something an operator must know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alarm {
    /// Two live processes use the identity of `peer`. The older connection stays.
    IdentityInUseTwice {
        /// The identity.
        peer: PeerIdentity,
        /// The process whose connection stays.
        first: ProcessInfo,
        /// The process that was turned away.
        second: ProcessInfo,
    },
    /// A peer says that it saw this node's identity in two live processes.
    OwnIdentityInUse {
        /// Who says so.
        told_by: PeerIdentity,
        /// The process whose connection stays there.
        first: ProcessInfo,
        /// The process that was turned away there.
        second: ProcessInfo,
    },
    /// The node list changed and cannot be used; the last good one stays in force.
    NodeListUnusable {
        /// What is wrong.
        reason: String,
    },
}

/// One of two processes with the same identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Address of its connection, as seen by who reports it.
    pub address: String,
    /// Drawn at its start.
    pub instance: u64,
    /// When it started, milliseconds since 1970 by its own clock.
    pub started_ms: u64,
}

/// Takes the answer to one request. Dropping it tells the peer that there is none.
#[derive(Debug)]
pub struct Responder(pub(crate) oneshot::Sender<Bytes>);

impl Responder {
    /// Sends the answer, at most [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES). Says whether the
    /// peer still waits for it.
    pub fn send(self, answer: Bytes) -> bool {
        self.0.send(answer).is_ok()
    }
}

/// An event on its way; its bytes count against the peer's budget until it is taken.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Event,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// The senders of the three queues.
#[derive(Debug, Clone)]
pub(crate) struct EventSender {
    pub(crate) alarms: mpsc::Sender<Alarm>,
    pub(crate) sessions: mpsc::Sender<Delivery>,
    pub(crate) gossip: mpsc::Sender<Event>,
}

/// Alarms that wait for the application; further ones are counted, and are in the log anyway.
const ALARM_QUEUE: usize = 64;

/// Takes the events. Alarms come first, then sessions, messages and requests, gossip last.
#[derive(Debug)]
pub struct NetworkEvents {
    alarms: mpsc::Receiver<Alarm>,
    sessions: mpsc::Receiver<Delivery>,
    gossip: mpsc::Receiver<Event>,
}

impl NetworkEvents {
    pub(crate) fn channel(sessions: usize, gossip: usize) -> (EventSender, Self) {
        let (alarm_tx, alarm_rx) = mpsc::channel(ALARM_QUEUE);
        let (session_tx, session_rx) = mpsc::channel(sessions.max(1));
        let (gossip_tx, gossip_rx) = mpsc::channel(gossip.max(1));
        (
            EventSender { alarms: alarm_tx, sessions: session_tx, gossip: gossip_tx },
            Self { alarms: alarm_rx, sessions: session_rx, gossip: gossip_rx },
        )
    }

    /// The next event; `None` after the network has been shut down.
    ///
    /// Cancel safe: an event is either returned or still there.
    pub async fn recv(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            Some(alarm) = self.alarms.recv() => Some(Event::Alarm(alarm)),
            Some(Delivery { event, permit }) = self.sessions.recv() => {
                drop(permit);
                Some(event)
            }
            Some(event) = self.gossip.recv() => Some(event),
            else => None,
        }
    }
}

/// The IP address in a multiaddr.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        libp2p::multiaddr::Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

/// The peer id at the end of a multiaddr.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(libp2p::multiaddr::Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}
