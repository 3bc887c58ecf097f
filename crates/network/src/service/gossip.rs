//! Transactions over gossipsub.

use super::{Service, Verdict};
use crate::{Event, handle::GossipVerdict, queue::Queued};
use alloy_primitives::B256;
use libp2p::{
    PeerId,
    gossipsub::{self, MessageAcceptance, MessageId, PublishError},
};
use std::time::Instant;
use tracing::debug;

/// Penalty of a gossip message that no honest node forwards.
const REJECTED: f64 = 10.0;

impl Service {
    pub(super) fn publish(&mut self, message: Queued) {
        let topic = self.topic.hash();
        match self.swarm.behaviour_mut().gossip.publish(topic, message.bytes.to_vec()) {
            Ok(_) => self.context.metrics.gossip_published.increment(1),
            // It is on its way already.
            Err(PublishError::Duplicate) => {}
            Err(error) => {
                self.context.metrics.gossip_unsent.increment(1);
                debug!(target: "network", %error, "gossip message not sent");
            }
        }
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: source, message_id, message } = event
        else {
            return;
        };
        let taken = match B256::try_from(message_id.0.as_slice()) {
            Ok(id) => self.deliver(&source, id, message.data),
            Err(_) => false,
        };
        if !taken {
            self.context.metrics.gossip_ignored.increment(1);
            self.report(&message_id, &source, MessageAcceptance::Ignore);
        }
    }

    /// Hands a message to the application; not from peers without session or above their rate, and
    /// not when the application has no room.
    fn deliver(&mut self, source: &PeerId, id: B256, data: Vec<u8>) -> bool {
        let now = Instant::now();
        let entry = self
            .connections
            .values_mut()
            .find(|entry| entry.peer.peer_id == *source && entry.session().is_some());
        let Some(entry) = entry else { return false };
        let Some(session) = entry.session() else { return false };
        let (messages, bytes) = &mut entry.gossip;
        if !messages.try_take(1, now) || !bytes.try_take(data.len(), now) {
            return false;
        }
        self.context.metrics.gossip_in.increment(1);
        let event = Event::Gossip { session, id, bytes: data.into() };
        self.context.events.gossip.try_send(event).is_ok()
    }

    pub(super) fn on_verdict(&mut self, verdict: GossipVerdict) {
        let GossipVerdict { id, source, verdict } = verdict;
        // Who delivered it matters for forwarding only: it does not get it back.
        let peer = source.unwrap_or(*self.swarm.local_peer_id());
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        };
        self.report(&MessageId::from(id.to_vec()), &peer, acceptance);
        match (verdict, source) {
            (Verdict::Reject, Some(source)) => {
                self.context.metrics.gossip_rejected.increment(1);
                self.penalise(source, REJECTED, "gossip message rejected");
            }
            (Verdict::Ignore, _) => self.context.metrics.gossip_ignored.increment(1),
            _ => {}
        }
    }

    fn report(&mut self, id: &MessageId, source: &PeerId, acceptance: MessageAcceptance) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(id, source, acceptance) {
            debug!(target: "network", ?id, "verdict came too late, message not forwarded");
        }
    }
}
