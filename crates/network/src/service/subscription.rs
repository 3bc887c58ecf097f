//! To which processes gossipsub has told our subscription.
//!
//! gossipsub tells it on the first connection to a peer, and takes every further one for more of the same.
//! A peer that has crashed and come back is another process, and knows nothing; while its old connection
//! is still there, nobody would tell it, and its transactions would stay where they are.

use super::Service;
use libp2p::{PeerId, swarm::ConnectionId};
use std::collections::HashMap;
use tracing::error;

/// What gossipsub has told whom, of the peers with connections.
#[derive(Debug, Default)]
pub(super) struct Subscribers(HashMap<PeerId, Told>);

/// One peer.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// The connection that was the peer's first one.
    connection: ConnectionId,
    /// The process at its end, once its hello was seen.
    instance: Option<u64>,
    /// It is told once more when an old connection is gone, which may have swallowed what was said.
    again: bool,
}

impl Subscribers {
    /// A connection is established; `first`: the peer has no other.
    pub(super) fn established(&mut self, peer: PeerId, connection: ConnectionId, first: bool) {
        if first {
            self.0.insert(peer, Told { connection, instance: None, again: false });
        }
    }

    /// The process at the end of a connection is known.
    pub(super) fn hello(&mut self, peer: &PeerId, connection: ConnectionId, instance: u64) {
        if let Some(told) = self.0.get_mut(peer).filter(|told| told.connection == connection) {
            told.instance = Some(instance);
        }
    }

    /// A session with a process begins; whether it has to be told.
    pub(super) fn opened(
        &mut self,
        peer: &PeerId,
        connection: ConnectionId,
        instance: u64,
    ) -> bool {
        let Some(told) = self.0.get_mut(peer) else { return false };
        if told.connection == connection || told.instance == Some(instance) {
            return false;
        }
        (told.instance, told.again) = (Some(instance), true);
        true
    }

    /// A connection is gone; whether the peer has to be told once more. `last`: it has no other.
    pub(super) fn closed(&mut self, peer: &PeerId, last: bool) -> bool {
        if last {
            self.0.remove(peer);
            return false;
        }
        self.0.get_mut(peer).is_some_and(|told| std::mem::take(&mut told.again))
    }
}

impl Service {
    /// Tells all peers anew: gossipsub cannot tell a single one. They put us into their meshes again
    /// within a few heartbeats; what we publish meanwhile goes to all of them.
    pub(super) fn subscribe_anew(&mut self) {
        let topic = &self.topic;
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.unsubscribe(topic);
        if let Err(error) = gossip.subscribe(topic) {
            error!(target: "network", %error, "no subscription to transactions");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_process_beside_an_old_connection_has_to_be_told() {
        let peer = PeerId::random();
        let id = ConnectionId::new_unchecked;
        let mut subscribers = Subscribers::default();
        subscribers.established(peer, id(1), true);
        subscribers.hello(&peer, id(1), 7);
        assert!(!subscribers.opened(&peer, id(1), 7));
        // A crossed dial of the same process.
        subscribers.established(peer, id(2), false);
        assert!(!subscribers.opened(&peer, id(2), 7));
        assert!(!subscribers.closed(&peer, false));
        // The process has crashed and come back.
        subscribers.established(peer, id(3), false);
        assert!(subscribers.opened(&peer, id(3), 8));
        assert!(subscribers.closed(&peer, false), "when the old connection is gone");
        assert!(!subscribers.closed(&peer, false), "once");
        assert!(!subscribers.closed(&peer, true));
        subscribers.established(peer, id(4), true);
        assert!(!subscribers.opened(&peer, id(4), 9), "gossipsub does it");
    }
}
