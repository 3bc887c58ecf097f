//! The connections of consensus: who is at their other ends, and sending to them.

use super::message_log::MessageLog;
use crate::{blame::blame, wire::Frame};
use alloy_primitives::{Address, Bytes};
use peruri_ibft2::{
    ValidatorSet,
    core::{PeerId, Target},
};
use peruri_network::{NetworkHandle, SendError, SessionId};
use std::collections::BTreeMap;
use tracing::debug;

/// Connections by session. A node without a network has none.
#[derive(Debug)]
pub(super) struct Peers {
    network: Option<NetworkHandle>,
    sessions: BTreeMap<SessionId, Address>,
    log: Option<MessageLog>,
}

/// The core's name for a connection.
pub(super) const fn peer_id(session: SessionId) -> PeerId {
    PeerId(session.0)
}

impl Peers {
    pub(super) const fn new(network: Option<NetworkHandle>, log: Option<MessageLog>) -> Self {
        Self { network, sessions: BTreeMap::new(), log }
    }

    pub(super) fn connected(&mut self, session: SessionId, address: Address) {
        self.sessions.insert(session, address);
    }

    pub(super) fn disconnected(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// Whether a session may speak in consensus.
    pub(super) fn is_validator(&self, session: SessionId, validators: &ValidatorSet) -> bool {
        self.sessions.get(&session).is_some_and(|address| validators.contains(address))
    }

    /// The validators that are connected.
    pub(super) fn connected_of(&self, validators: &ValidatorSet) -> Vec<Address> {
        self.sessions.values().filter(|address| validators.contains(address)).copied().collect()
    }

    /// Sends a consensus message.
    pub(super) fn send(&mut self, to: Target, validators: &ValidatorSet, bytes: &Bytes) {
        if let Some(log) = &mut self.log {
            log.sent(bytes);
        }
        let frame = Frame::Consensus(bytes.clone()).encode();
        for session in self.receivers(to, validators) {
            self.deliver(session, frame.clone());
        }
    }

    /// Notes a received consensus message.
    pub(super) fn received(&mut self, bytes: &Bytes) {
        if let Some(log) = &mut self.log {
            log.received(bytes);
        }
    }

    fn receivers(&self, to: Target, validators: &ValidatorSet) -> Vec<SessionId> {
        let all = self.sessions.iter().map(|(session, address)| (*session, *address));
        all.filter(|(session, address)| match to {
            Target::Peer(peer) => peer_id(*session) == peer,
            Target::Validators => validators.contains(address),
            Target::AllBut { author, deliverer } => {
                validators.contains(address) && *address != author && peer_id(*session) != deliverer
            }
        })
        .map(|(session, _)| session)
        .collect()
    }

    /// Sends to every connected node, validator or not.
    pub(super) fn broadcast(&self, frame: &Frame) {
        let bytes = frame.encode();
        for session in self.sessions.keys() {
            self.deliver(*session, bytes.clone());
        }
    }

    /// Sends to every connected validator.
    pub(super) fn broadcast_to(&self, validators: &ValidatorSet, frame: &Frame) {
        let bytes = frame.encode();
        for session in self.receivers(Target::Validators, validators) {
            self.deliver(session, bytes.clone());
        }
    }

    /// Sends to one connection.
    pub(super) fn send_to(&self, peer: PeerId, frame: &Frame) {
        self.deliver(SessionId(peer.0), frame.encode());
    }

    /// What cannot be sent now is sent again by consensus; a peer that takes nothing is noticed by
    /// the network.
    fn deliver(&self, session: SessionId, bytes: Bytes) {
        let Some(network) = &self.network else { return };
        match network.send(session, bytes) {
            Ok(()) | Err(SendError::NotConnected) => {}
            Err(error) => {
                metrics::counter!("peruri_consensus_unsent_messages_total").increment(1);
                debug!(target: "consensus::engine", %session, %error, "message not sent");
            }
        }
    }

    /// Blames a peer.
    pub(super) fn penalise(&self, peer: PeerId, weight: f64, reason: String) {
        if let Some(network) = &self.network {
            blame(network, SessionId(peer.0), weight, reason);
        }
    }

    /// Tells the network who the validators are.
    pub(super) fn set_validators(&self, validators: &ValidatorSet) {
        if let Some(network) = &self.network {
            network.set_validators(validators.to_vec());
        }
    }
}
