//! How the application speaks to the network.

use crate::{
    NetworkError, PeerInfo, Penalty, RefusalRecord, RequestError, SendError, SessionId, Timing,
    Verdict,
    connection::{SessionTable, request},
    enode::socket_of,
    metrics::NetworkMetrics,
    queue::ByteQueue,
    service::{Command, check_address},
};
use alloy_primitives::{Address, B256, Bytes};
use libp2p::{Multiaddr, PeerId};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// A verdict on its way to the service.
#[derive(Debug)]
pub(crate) struct GossipVerdict {
    pub(crate) id: B256,
    pub(crate) source: Option<PeerId>,
    pub(crate) verdict: Verdict,
}

pub(crate) struct Parts {
    pub(crate) peer_id: PeerId,
    pub(crate) instance: u64,
    pub(crate) listeners: Vec<Multiaddr>,
    pub(crate) sessions: SessionTable,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) publications: ByteQueue,
    pub(crate) verdicts: mpsc::Sender<GossipVerdict>,
    pub(crate) validators: watch::Sender<Vec<Address>>,
    pub(crate) stop: CancellationToken,
    pub(crate) timing: Timing,
    pub(crate) metrics: Arc<NetworkMetrics>,
}

/// Speaks to the network; clones speak to the same one. The network ends with its last handle.
#[derive(Clone)]
pub struct NetworkHandle(Arc<Parts>);

impl NetworkHandle {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn sessions(&self) -> &SessionTable {
        &self.0.sessions
    }

    /// This node's peer id.
    pub fn peer_id(&self) -> PeerId {
        self.0.peer_id
    }

    /// What tells this process from others with the same key, see
    /// [`Alarm::OwnIdentityInUse`](crate::Alarm::OwnIdentityInUse).
    pub fn instance(&self) -> u64 {
        self.0.instance
    }

    /// Where this node listens, without its peer id.
    pub fn listeners(&self) -> &[Multiaddr] {
        &self.0.listeners
    }

    /// Address and port that this node listens on.
    pub fn listen_address(&self) -> Option<SocketAddr> {
        self.0.listeners.iter().find_map(socket_of)
    }

    /// How many peers have finished the handshake.
    pub fn peer_count(&self) -> usize {
        self.0.sessions.len()
    }

    /// Queues a message for a peer; never blocks. Messages of one session arrive in order, or the
    /// session ends.
    ///
    /// # Errors
    /// [`SendError`]: not connected, queue full, empty or too large.
    pub fn send(&self, session: SessionId, bytes: Bytes) -> Result<(), SendError> {
        let peer = self.0.sessions.get(session).ok_or(SendError::NotConnected)?;
        let result = peer.queue.push(bytes);
        if result == Err(SendError::Full) {
            self.0.metrics.send_full.increment(1);
        }
        result
    }

    /// Sends a request and waits for the answer, both 1 byte to
    /// [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES). Waits for a
    /// free place where too many requests to this peer are under way.
    ///
    /// # Errors
    /// [`RequestError`]: not connected, no answer in time, bad answer, or the connection broke.
    pub async fn request(&self, session: SessionId, bytes: Bytes) -> Result<Bytes, RequestError> {
        let peer = self.0.sessions.get(session).ok_or(RequestError::NotConnected)?;
        let limits = (self.0.timing.request, self.0.timing.frame);
        request(&peer, bytes, limits, &self.0.metrics).await
    }

    /// Gossips a transaction. It is not an error that nobody listens; the metrics count it.
    ///
    /// # Errors
    /// [`SendError`]: empty, too large, queue full, or the network has been shut down.
    pub fn publish(&self, bytes: Bytes) -> Result<(), SendError> {
        self.0.publications.push(bytes)
    }

    /// The application's verdict on a gossip message; without it the message is not forwarded.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] or [`NetworkError::Closed`].
    pub fn report_gossip(
        &self,
        id: B256,
        session: SessionId,
        verdict: Verdict,
    ) -> Result<(), NetworkError> {
        let source = self.0.sessions.get(session).map(|peer| peer.peer);
        self.0.verdicts.try_send(GossipVerdict { id, source, verdict }).map_err(queue_error)
    }

    /// The validators of the newest verified header: they may connect beside the node list.
    pub fn set_validators(&self, validators: Vec<Address>) {
        self.0.validators.send_replace(validators);
    }

    /// Adds a penalty to the peer of a session; enough of them ban it for a while.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] or [`NetworkError::Closed`]. A session that ended is no error, but
    /// its peer goes unpunished.
    pub fn penalise(&self, session: SessionId, penalty: Penalty) -> Result<(), NetworkError> {
        match self.0.sessions.get(session) {
            Some(peer) => self.command(Command::Penalise { peer: peer.peer, penalty }),
            None => Ok(()),
        }
    }

    /// Ends a session; the peer is told why. Either side may connect again.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] or [`NetworkError::Closed`].
    pub fn disconnect(
        &self,
        session: SessionId,
        reason: impl Into<String>,
    ) -> Result<(), NetworkError> {
        self.command(Command::Disconnect { session, reason: reason.into() })
    }

    /// Dials a peer from now on. It must be in the node list or a validator to be admitted.
    ///
    /// # Errors
    /// [`NetworkError::Address`] if the address does not end with `/p2p/PEER_ID` or is of no
    /// supported transport; [`NetworkError::Busy`], [`NetworkError::Closed`].
    pub fn add_peer(&self, address: Multiaddr) -> Result<(), NetworkError> {
        check_address(&address)?;
        self.command(Command::AddPeer(address))
    }

    /// Forgets an added peer and closes its connection. Who may come back says the node list.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] or [`NetworkError::Closed`].
    pub fn remove_peer(&self, peer: PeerId) -> Result<(), NetworkError> {
        self.command(Command::RemovePeer(peer))
    }

    /// The connected peers.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] or [`NetworkError::Closed`].
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, NetworkError> {
        self.ask(Command::Peers).await
    }

    /// The last refusals of peers that are not connected, and of strangers.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] or [`NetworkError::Closed`].
    pub async fn refusals(&self) -> Result<Vec<RefusalRecord>, NetworkError> {
        self.ask(Command::Refusals).await
    }

    /// Round-trip time of the next ping to a connected peer, `None` if it is not connected.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] or [`NetworkError::Closed`].
    pub async fn ping(&self, peer: PeerId) -> Result<Option<Duration>, NetworkError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Ping(peer, reply))?;
        Ok(answer.await.ok())
    }

    /// Says goodbye to all peers, closes the listeners and waits for the end, about a second at most.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.commands.closed().await;
    }

    fn command(&self, command: Command) -> Result<(), NetworkError> {
        self.0.commands.try_send(command).map_err(queue_error)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, NetworkError> {
        let (reply, answer) = oneshot::channel();
        self.command(command(reply))?;
        answer.await.map_err(|_| NetworkError::Closed)
    }
}

impl std::fmt::Debug for NetworkHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkHandle").field("peer_id", &self.0.peer_id).finish_non_exhaustive()
    }
}

fn queue_error<T>(error: mpsc::error::TrySendError<T>) -> NetworkError {
    match error {
        mpsc::error::TrySendError::Full(_) => NetworkError::Busy,
        mpsc::error::TrySendError::Closed(_) => NetworkError::Closed,
    }
}
