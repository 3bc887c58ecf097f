//! From the network to those who are meant: consensus, sync, the pool.

use crate::{
    blame::{UNDECODABLE, blame},
    driver::PeerEvent,
    handshake::Hello,
    sync::{Targets, serve},
    waiting,
    wire::{Frame, Request},
};
use alloy_primitives::{B256, Bytes};
use peruri_network::{Alarm, Event, NetworkEvents, NetworkHandle, Responder, SessionId, Verdict};
use peruri_storage::ProviderFactory;
use peruri_txpool::TransactionPool;
use std::sync::Arc;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// A gossip message with transactions; whoever takes it reports on it to the network.
#[derive(Debug)]
pub struct Gossip {
    /// Who delivered it.
    pub session: SessionId,
    /// Names it in the report.
    pub id: B256,
    /// Its content.
    pub bytes: Bytes,
}

/// Hands events on. Never waits for consensus to take a message: what does not fit is counted and lost,
/// and its author sends it again.
pub(crate) struct Router {
    pub(crate) network: NetworkHandle,
    pub(crate) provider: ProviderFactory,
    pub(crate) pool: Arc<dyn TransactionPool>,
    pub(crate) targets: Arc<Targets>,
    pub(crate) peers: mpsc::Sender<PeerEvent>,
    pub(crate) gossip: mpsc::Sender<Gossip>,
}

impl Router {
    /// Runs until `shutdown` fires or the network ends.
    pub(crate) async fn run(self, mut events: NetworkEvents, shutdown: CancellationToken) {
        loop {
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                event = events.recv() => event,
            };
            let Some(event) = event else { return };
            self.route(event).await;
        }
    }

    async fn route(&self, event: Event) {
        match event {
            Event::Connected { session, peer, hello, .. } => {
                // Accepted by the handshake, so it decodes.
                let Ok(hello) = Hello::decode_whole(&hello) else { return };
                self.targets.announce(session, hello.head);
                let mark = hello.mark().map(Box::new);
                let head = hello.head;
                let connected = PeerEvent::Connected { session, address: peer.address, head, mark };
                self.tell(connected).await;
            }
            Event::Disconnected { session, .. } => {
                self.targets.forget(session);
                self.tell(PeerEvent::Disconnected { session }).await;
            }
            Event::Message { session, bytes } => self.message(session, &bytes),
            Event::Request { session, bytes, respond } => self.request(session, &bytes, respond),
            Event::Gossip { session, id, bytes } => {
                if self.gossip.try_send(Gossip { session, id, bytes }).is_err() {
                    metrics::counter!("peruri_engine_dropped_gossip_total").increment(1);
                    // Without a verdict it is not handed on either.
                    let _ = self.network.report_gossip(id, session, Verdict::Ignore);
                }
            }
            Event::Alarm(alarm) => {
                tell_alarm(&alarm);
                if let Alarm::OwnIdentityInUse { told_by, first, second } = alarm {
                    let (told_by, processes) = (told_by.address, [first, second]);
                    self.tell(PeerEvent::IdentityInUse { told_by, processes }).await;
                }
            }
            other => warn!(target: "consensus::engine", ?other, "unknown event of the network"),
        }
    }

    /// Connections are never lost: consensus has to know who is there. An error means that it has
    /// ended.
    async fn tell(&self, event: PeerEvent) {
        let _ = self.peers.send(event).await;
    }

    fn message(&self, session: SessionId, bytes: &Bytes) {
        let event = match Frame::decode(bytes) {
            Ok(Frame::Consensus(bytes)) => PeerEvent::Message { session, bytes },
            Ok(Frame::Work) => PeerEvent::Work { session },
            Ok(Frame::NewBlock(block)) => {
                self.targets.announce(session, block.number);
                PeerEvent::Head { session, number: block.number }
            }
            Err(reason) => {
                blame(&self.network, session, UNDECODABLE, reason);
                return;
            }
        };
        if let Err(TrySendError::Full(_)) = self.peers.try_send(event) {
            metrics::counter!("peruri_engine_dropped_messages_total").increment(1);
        }
    }

    fn request(&self, session: SessionId, bytes: &Bytes, respond: Responder) {
        let request = match Request::decode(bytes) {
            Ok(request) => request,
            Err(reason) => {
                blame(&self.network, session, UNDECODABLE, reason);
                return;
            }
        };
        let (provider, pool) = (self.provider.clone(), self.pool.clone());
        // How many run at a time is bounded by the network, peer by peer.
        tokio::task::spawn_blocking(move || {
            let answer = match request {
                Request::Blocks(blocks) => serve::answer(&provider, blocks),
                Request::Pending(sender) => Ok(Some(waiting::answer(&*pool, sender))),
            };
            match answer {
                Ok(Some(answer)) => {
                    // Who asked may be gone by now.
                    let _ = respond.send(answer);
                }
                // Dropping the responder says that there is no answer.
                Ok(None) => {}
                Err(error) => error!(target: "sync", %error, "blocks cannot be read for a peer"),
            }
        });
    }
}

fn tell_alarm(alarm: &Alarm) {
    metrics::counter!("peruri_engine_alarms_total").increment(1);
    error!(target: "consensus::engine", ?alarm, "alarm of the network");
}
