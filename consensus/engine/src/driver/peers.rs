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

/// Blocks after which the core is told anew how far a peer has come; half of what it takes for dead.
const TOLD_EVERY: u64 = 5;

/// Connections by session. A node without a network has none.
#[derive(Debug)]
pub(super) struct Peers {
    network: Option<NetworkHandle>,
    sessions: BTreeMap<SessionId, Session>,
    log: Option<MessageLog>,
}

/// What is known of the other end.
#[derive(Debug, Clone, Copy)]
struct Session {
    address: Address,
    /// The newest block that it says it has.
    head: u64,
    /// What the core knows of that.
    told: u64,
}

/// The core's name for a connection.
pub(super) const fn peer_id(session: SessionId) -> PeerId {
    PeerId(session.0)
}

impl Peers {
    pub(super) const fn new(network: Option<NetworkHandle>, log: Option<MessageLog>) -> Self {
        Self { network, sessions: BTreeMap::new(), log }
    }

    pub(super) fn connected(&mut self, session: SessionId, address: Address, head: u64) {
        self.sessions.insert(session, Session { address, head, told: head });
    }

    /// A peer says that it has stored a block.
    pub(super) fn announced(&mut self, session: SessionId, number: u64) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.head = known.head.max(number);
        }
    }

    /// The peers of which the core is to be told again, now that the own head is `head`. One that is
    /// ahead is left to sync: the core must not take it for caught up with.
    pub(super) fn gone_on(&mut self, head: u64) -> Vec<(SessionId, Address, u64)> {
        let mut gone_on = Vec::new();
        for (session, known) in &mut self.sessions {
            if known.head <= head && known.head >= known.told.saturating_add(TOLD_EVERY) {
                known.told = known.head;
                gone_on.push((*session, known.address, known.head));
            }
        }
        gone_on
    }

    pub(super) fn disconnected(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// Whether a session may speak in consensus.
    pub(super) fn is_validator(&self, session: SessionId, validators: &ValidatorSet) -> bool {
        self.sessions.get(&session).is_some_and(|known| validators.contains(&known.address))
    }

    /// The validators that are connected.
    pub(super) fn connected_of(&self, validators: &ValidatorSet) -> Vec<Address> {
        let addresses = self.sessions.values().map(|known| known.address);
        addresses.filter(|address| validators.contains(address)).collect()
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
        let all = self.sessions.iter().map(|(session, known)| (*session, known.address));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_is_told_now_and_then_and_never_of_one_that_is_ahead() {
        let (session, address) = (SessionId(1), Address::repeat_byte(1));
        let mut peers = Peers::new(None, None);
        peers.connected(session, address, 3);
        peers.announced(session, 7);
        assert_eq!(peers.gone_on(9), []);
        peers.announced(session, 8);
        assert_eq!(peers.gone_on(7), [], "it is ahead");
        assert_eq!(peers.gone_on(9), [(session, address, 8)]);
        assert_eq!(peers.gone_on(9), [], "it is told");
        peers.announced(session, 2);
        peers.disconnected(session);
        peers.announced(session, 90);
        assert_eq!(peers.gone_on(90), []);
    }
}
