//! Who gets in: decided before a connection has a single stream.

use super::inbound::{InboundRates, PendingGuard};
use crate::{Limits, PeerIdentity, address_of, event::ip_of};
use alloy_primitives::Address;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
    },
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Connections of one peer at the same time: the one that counts, and one that may replace it.
const CONNECTIONS_PER_PEER: usize = 2;
/// The same with those that are being closed: to a dead peer that can take as long as TCP tries.
const MAX_CLOSING: usize = 8;

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum Denied {
    #[error("its key is not a secp256k1 key")]
    WrongKey,
    #[error("neither in the node list nor a validator")]
    NotListed,
    #[error("banned for another {0:?}")]
    Banned(Duration),
    #[error("already {CONNECTIONS_PER_PEER} connections")]
    Connected,
    #[error("another connection was faster")]
    NotNeeded,
    #[error("too many connections are being established from {0}")]
    TooManyPending(IpAddr),
    #[error("too many new connections from {0}")]
    TooFast(IpAddr),
    #[error("too many addresses connect at the same time")]
    TooManyAddresses,
}

/// Lets the peers of the node list and the validators in, and nobody else.
#[derive(Debug)]
pub(crate) struct Gate {
    listed: HashSet<PeerId>,
    validators: HashSet<Address>,
    banned: HashMap<PeerId, Instant>,
    sessions: HashSet<PeerId>,
    connections: HashMap<PeerId, HashSet<ConnectionId>>,
    closing: HashSet<ConnectionId>,
    pending: PendingGuard,
    rates: Arc<Mutex<InboundRates>>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits, rates: Arc<Mutex<InboundRates>>) -> Self {
        Self {
            listed: HashSet::new(),
            validators: HashSet::new(),
            banned: HashMap::new(),
            sessions: HashSet::new(),
            connections: HashMap::new(),
            closing: HashSet::new(),
            pending: PendingGuard::new(limits.pending_inbound_per_ip),
            rates,
        }
    }

    pub(crate) fn set_listed(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        self.listed = peers.into_iter().collect();
    }

    pub(crate) fn set_validators(&mut self, validators: impl IntoIterator<Item = Address>) {
        self.validators = validators.into_iter().collect();
    }

    pub(crate) fn ban(&mut self, peer: PeerId, until: Instant) {
        self.banned.insert(peer, until);
    }

    pub(crate) fn forget_bans(&mut self, now: Instant) {
        self.banned.retain(|_, until| now < *until);
    }

    /// A session of `peer` began: its own further dials are not needed, its address is known.
    pub(crate) fn session_began(&mut self, peer: PeerId, remote: &Multiaddr) {
        self.sessions.insert(peer);
        if let Some(ip) = ip_of(remote) {
            self.rates.lock().exempt(ip);
        }
    }

    pub(crate) fn session_ended(&mut self, peer: &PeerId) {
        self.sessions.remove(peer);
    }

    /// The connection is as good as gone, though the system may still try to close it.
    pub(crate) fn closing(&mut self, connection: ConnectionId) {
        self.closing.insert(connection);
    }

    /// Whether `peer` may connect now.
    pub(crate) fn admit(&self, peer: &PeerId) -> Result<PeerIdentity, Denied> {
        let identity = PeerIdentity::new(*peer).ok_or(Denied::WrongKey)?;
        if !self.is_listed(peer) {
            return Err(Denied::NotListed);
        }
        let now = Instant::now();
        match self.banned.get(peer) {
            Some(until) if now < *until => Err(Denied::Banned(*until - now)),
            _ => Ok(identity),
        }
    }

    /// Whether `peer` is a node of the list or a validator.
    pub(crate) fn is_listed(&self, peer: &PeerId) -> bool {
        self.listed.contains(peer)
            || address_of(peer).is_some_and(|address| self.validators.contains(&address))
    }

    fn admit_connection(&self, peer: &PeerId) -> Result<(), Denied> {
        self.admit(peer)?;
        let Some(connections) = self.connections.get(peer) else { return Ok(()) };
        let active = connections.difference(&self.closing).count();
        if active >= CONNECTIONS_PER_PEER || connections.len() >= MAX_CLOSING {
            return Err(Denied::Connected);
        }
        Ok(())
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        match ip_of(remote) {
            Some(ip) if !self.rates.lock().is_exempt(ip) => {
                self.pending.admit(connection, ip).map_err(ConnectionDenied::new)
            }
            _ => Ok(()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.finished(connection);
        self.admit_connection(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer {
            self.admit(&peer).map_err(ConnectionDenied::new)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_connection(&peer).map_err(ConnectionDenied::new)?;
        // Giving up an own dial is always safe: the peer has not heard anything on it yet.
        if self.sessions.contains(&peer) {
            return Err(ConnectionDenied::new(Denied::NotNeeded));
        }
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            }) => {
                self.connections.entry(peer_id).or_default().insert(connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.closing.remove(&connection_id);
                if let Some(connections) = self.connections.get_mut(&peer_id) {
                    connections.remove(&connection_id);
                }
                self.connections.retain(|_, connections| !connections.is_empty());
            }
            FromSwarm::ListenFailure(failure) => self.pending.finished(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
