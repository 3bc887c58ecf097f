//! Streams of one connection, opened and accepted by the task of that connection.
//!
//! `libp2p-stream` and `libp2p-request-response` address a *peer* and choose among its connections.
//! Where two connections of one identity must be told apart (a half-open one and its successor, or
//! two processes with one key) a stream must belong to a known connection; therefore this small
//! behaviour, which hands each connection's streams to whoever takes the [`ConnectionStreams`].

use crate::metrics::NetworkMetrics;
use futures::future::{Ready, ready};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, InboundUpgrade, OutboundUpgrade, UpgradeInfo, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Handshake, messages and notices of one connection; opened once by the dialler.
pub(crate) const SESSION: StreamProtocol = StreamProtocol::new("/peruri/session/1");
/// One request and its answer.
pub(crate) const REQUEST: StreamProtocol = StreamProtocol::new("/peruri/request/1");
const ACCEPTED: [StreamProtocol; 2] = [SESSION, REQUEST];

/// Streams that wait to be negotiated on one connection.
const OPEN_QUEUE: usize = 16;
/// Time to agree on a stream's protocol.
const NEGOTIATION: Duration = Duration::from_secs(10);

/// Opens streams on one connection.
#[derive(Debug, Clone)]
pub(crate) struct StreamOpener(mpsc::Sender<OpenStream>);

#[derive(Debug)]
struct OpenStream {
    protocol: StreamProtocol,
    reply: oneshot::Sender<io::Result<Stream>>,
}

impl StreamOpener {
    /// Opens a stream.
    pub(crate) async fn open(&self, protocol: StreamProtocol) -> io::Result<Stream> {
        let closed = || io::Error::from(io::ErrorKind::NotConnected);
        let (reply, answer) = oneshot::channel();
        self.0.send(OpenStream { protocol, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// The streams of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionStreams {
    pub(crate) opener: StreamOpener,
    /// Streams the peer opened, with their protocol. What does not fit in is refused.
    pub(crate) inbound: mpsc::Receiver<(StreamProtocol, Stream)>,
}

/// A connection whose streams are ready to be taken.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) connection: ConnectionId,
    pub(crate) streams: ConnectionStreams,
}

pub(crate) struct Behaviour {
    cap: usize,
    metrics: Arc<NetworkMetrics>,
    /// Made with the handler, given out when the connection is admitted by everybody.
    fresh: Vec<(ConnectionId, ConnectionStreams)>,
    events: VecDeque<Established>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// `cap`: streams of one peer that wait to be taken.
    pub(crate) const fn new(cap: usize, metrics: Arc<NetworkMetrics>) -> Self {
        Self { cap, metrics, fresh: Vec::new(), events: VecDeque::new(), waker: None }
    }

    fn handler(&mut self, connection: ConnectionId) -> Handler {
        let (open, requests) = mpsc::channel(OPEN_QUEUE);
        let (accepted, inbound) = mpsc::channel(self.cap.max(1));
        let streams = ConnectionStreams { opener: StreamOpener(open), inbound };
        // The one before was denied by another behaviour.
        self.fresh.clear();
        self.fresh.push((connection, streams));
        Handler { requests, accepted, metrics: self.metrics.clone() }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Established;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let FromSwarm::ConnectionEstablished(established) = event else { return };
        let connection = established.connection_id;
        if let Some(index) = self.fresh.iter().position(|(id, _)| *id == connection) {
            let (_, streams) = self.fresh.swap_remove(index);
            self.events.push_back(Established { connection, streams });
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
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

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.events.pop_front() {
            Some(event) => Poll::Ready(ToSwarm::GenerateEvent(event)),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Agrees on one of the given protocols and hands the stream over as it is.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade(Vec<StreamProtocol>);

impl UpgradeInfo for Upgrade {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Upgrade {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

impl OutboundUpgrade<Stream> for Upgrade {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

pub(crate) struct Handler {
    requests: mpsc::Receiver<OpenStream>,
    accepted: mpsc::Sender<(StreamProtocol, Stream)>,
    metrics: Arc<NetworkMetrics>,
}

impl Handler {
    /// Hands a stream on; dropping it resets it, which is how the peer learns of a refusal.
    fn accept(&self, stream: (StreamProtocol, Stream)) {
        if self.accepted.try_send(stream).is_err() {
            self.metrics.refused_streams.increment(1);
        }
    }
}

type Reply = oneshot::Sender<io::Result<Stream>>;

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        SubstreamProtocol::new(Upgrade(ACCEPTED.to_vec()), ()).with_timeout(NEGOTIATION)
    }

    /// The connection's task decides when the connection ends.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Upgrade, Reply, Infallible>> {
        match self.requests.poll_recv(cx) {
            Poll::Ready(Some(OpenStream { protocol, reply })) => {
                let upgrade = Upgrade(vec![protocol]);
                let protocol = SubstreamProtocol::new(upgrade, reply).with_timeout(NEGOTIATION);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            // Nobody will ask for a stream again.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade, (), Reply>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => self.accept(stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: reply,
            }) => drop(reply.send(Ok(stream))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                drop(reply.send(Err(upgrade_error(error))));
            }
            _ => {}
        }
    }
}

fn upgrade_error(error: StreamUpgradeError<Infallible>) -> io::Error {
    match error {
        StreamUpgradeError::Timeout => io::ErrorKind::TimedOut.into(),
        StreamUpgradeError::NegotiationFailed => io::ErrorKind::Unsupported.into(),
        StreamUpgradeError::Io(error) => error,
        StreamUpgradeError::Apply(never) => match never {},
    }
}
