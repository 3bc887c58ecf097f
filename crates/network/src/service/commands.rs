//! What the application asks for.

use super::{RefusalRecord, Service, connections::State};
use crate::{Direction, NetworkError, PeerIdentity, Penalty, SessionId, node_list::identity_in};
use libp2p::{Multiaddr, PeerId};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Reasons shown with each peer.
const SHOWN_REFUSALS: usize = 16;
/// Callers that may wait for the same pong.
const MAX_PINGS: usize = 64;

/// The application's word on a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid: forward it.
    Accept,
    /// Nothing an honest node makes or forwards: drop it, penalise who delivered it.
    Reject,
    /// Not wanted here, but nobody's fault: drop it.
    Ignore,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerInfo {
    /// Its session.
    pub session: SessionId,
    /// Peer id and Ethereum address.
    pub peer: PeerIdentity,
    /// Its name in the node list.
    pub name: Option<String>,
    /// Its address.
    pub remote: Multiaddr,
    /// The address it dialled; unknown where this node dialled.
    pub local: Option<Multiaddr>,
    /// Who dialled.
    pub direction: Direction,
    /// Its software version.
    pub version: String,
    /// Its process.
    pub instance: u64,
    /// When its process started, milliseconds since 1970 by its clock.
    pub started_ms: u64,
    /// When the session began, milliseconds since 1970.
    pub connected_ms: u64,
    /// Sum of its faded penalties.
    pub score: f64,
    /// Messages, requests and answers received.
    pub messages_in: u64,
    /// Messages, requests and answers sent.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Its last refusals, oldest first.
    pub refusals: Vec<RefusalRecord>,
}

pub(crate) enum Command {
    Penalise { peer: PeerId, penalty: Penalty },
    Disconnect { session: SessionId, reason: String },
    AddPeer(Multiaddr),
    RemovePeer(PeerId),
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    Refusals(oneshot::Sender<Vec<RefusalRecord>>),
    Ping(PeerId, oneshot::Sender<Duration>),
}

impl Service {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Penalise { peer, penalty } => {
                self.penalise(peer, penalty.weight, &penalty.reason);
            }
            Command::Disconnect { session, reason } => {
                let entry = self.connections.values().find(|e| e.session() == Some(session));
                if let Some(entry) = entry {
                    entry.control.close(reason);
                }
            }
            Command::AddPeer(address) => {
                if let Ok(identity) = identity_in(&address) {
                    self.dialer.add(identity.peer_id, address, Instant::now());
                }
            }
            Command::RemovePeer(peer) => {
                self.dialer.remove(&peer);
                for entry in self.connections.values().filter(|e| e.peer.peer_id == peer) {
                    entry.control.close("removed by the operator");
                }
            }
            // Whoever asked may have given up.
            Command::Peers(reply) => drop(reply.send(self.peers())),
            Command::Refusals(reply) => drop(reply.send(self.refusals_of_others())),
            Command::Ping(peer, reply) => self.ping(&peer, reply),
        }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let now = Instant::now();
        let scoring = &self.context.config.scoring;
        self.connections
            .values()
            .filter_map(|entry| {
                let State::Open { hello, session, since_ms, .. } = &entry.state else {
                    return None;
                };
                let traffic = &self.context.sessions.get(*session)?.traffic;
                let peer_id = entry.peer.peer_id;
                let score = self.reputations.get(&peer_id).map(|r| r.score(now, scoring));
                Some(PeerInfo {
                    session: *session,
                    peer: entry.peer,
                    name: self.list.get(&peer_id).map(|node| node.name.clone()),
                    remote: entry.remote.clone(),
                    local: entry.local.clone(),
                    direction: entry.direction,
                    version: hello.version.clone(),
                    instance: hello.instance,
                    started_ms: hello.started_ms,
                    connected_ms: *since_ms,
                    score: score.unwrap_or_default(),
                    messages_in: traffic.messages_in.load(Ordering::Relaxed),
                    messages_out: traffic.messages_out.load(Ordering::Relaxed),
                    bytes_in: traffic.bytes_in.load(Ordering::Relaxed),
                    bytes_out: traffic.bytes_out.load(Ordering::Relaxed),
                    refusals: self.refusals.of(&peer_id, SHOWN_REFUSALS),
                })
            })
            .collect()
    }

    /// Refusals of peers that are not connected now.
    fn refusals_of_others(&self) -> Vec<RefusalRecord> {
        let connected = |peer: &PeerId| self.session_of(peer).is_some();
        self.refusals
            .iter()
            .filter(|record| !record.peer.as_ref().is_some_and(connected))
            .cloned()
            .collect()
    }

    /// The reply comes with the next pong; without a session the reply is dropped.
    fn ping(&mut self, peer: &PeerId, reply: oneshot::Sender<Duration>) {
        let entry = self
            .connections
            .values_mut()
            .find(|entry| entry.peer.peer_id == *peer && entry.session().is_some());
        if let Some(entry) = entry
            && entry.pings.len() < MAX_PINGS
        {
            entry.pings.push(reply);
        }
    }
}

/// Checks an address that is to be dialled.
pub(crate) fn check_address(address: &Multiaddr) -> Result<PeerIdentity, NetworkError> {
    let bad = |reason| NetworkError::Address { address: address.to_string(), reason };
    crate::node_list::check_dialable(address).map_err(bad)?;
    identity_in(address).map_err(bad)
}
