//! The task of one connection: handshake, then messages and requests until it ends.

mod exchange;
mod pace;
mod requests;
mod session;
mod table;

pub(crate) use requests::request;
pub(crate) use table::{Session, SessionTable, Traffic};

use crate::{
    Direction, Event, FrameError, Handshake, NetworkConfig, PeerIdentity, SessionId,
    behaviour::ConnectionStreams,
    event::{Delivery, EventSender},
    handshake::{Hello, Notice},
    metrics::NetworkMetrics,
};
use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use parking_lot::Mutex;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// What all connections share.
pub(crate) struct Context {
    pub(crate) config: NetworkConfig,
    pub(crate) handshake: Arc<dyn Handshake>,
    pub(crate) events: EventSender,
    pub(crate) sessions: SessionTable,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) instance: u64,
    pub(crate) started_ms: u64,
    pub(crate) next_session: AtomicU64,
    pub(crate) metrics: Arc<NetworkMetrics>,
}

impl Context {
    fn session_id(&self) -> SessionId {
        SessionId(self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells the service; it is gone only when the network shuts down.
    async fn report(&self, report: Report) {
        drop(self.reports.send(report).await);
    }
}

/// What a connection's task tells the service.
pub(crate) enum Report {
    /// The peer's hello is good; the service decides which connection of the peer stays.
    Ready { connection: ConnectionId, hello: Hello, decision: oneshot::Sender<Decision> },
    /// Both ends accepted. The application hears of it when the service knows.
    Opened { connection: ConnectionId, session: SessionId, known: oneshot::Sender<()> },
    /// The peer says that our identity is used twice.
    Notice { connection: ConnectionId, notice: Notice },
    /// The peer did what no honest peer does.
    Violation { connection: ConnectionId, reason: String },
    /// The peer sends faster than it may.
    TooFast { connection: ConnectionId },
    /// The task ended.
    Closed {
        connection: ConnectionId,
        peer: PeerId,
        remote: Multiaddr,
        reason: String,
        refused: bool,
    },
}

/// The service's word on a connection whose hello is good.
#[derive(Debug)]
pub(crate) enum Decision {
    Accept,
    Refuse { reason: String, notice: Option<Notice> },
}

/// How the service reaches a connection's task.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    cancel: CancellationToken,
    lost: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
    notices: mpsc::Sender<Notice>,
}

/// Notices that wait to be told to one peer; the condition is told again while it lasts.
const NOTICE_QUEUE: usize = 4;

/// How long what has already arrived may take to be read when a connection ends.
const GRACE: Duration = Duration::from_millis(250);

impl Control {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (notices, receiver) = mpsc::channel(NOTICE_QUEUE);
        let control = Self {
            cancel: CancellationToken::new(),
            lost: CancellationToken::new(),
            reason: Arc::default(),
            notices,
        };
        (control, receiver)
    }

    /// Ends the connection; the first reason counts.
    pub(crate) fn close(&self, reason: impl Into<String>) {
        self.reason.lock().get_or_insert_with(|| reason.into());
        self.cancel.cancel();
    }

    /// The connection below is gone. What has arrived, a goodbye perhaps, is still read.
    pub(crate) fn lost(&self, reason: impl Into<String>) {
        self.reason.lock().get_or_insert_with(|| reason.into());
        self.lost.cancel();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.cancel.is_cancelled() || self.lost.is_cancelled()
    }

    /// Waits until the connection is closed here, or was lost a little while ago.
    async fn closed(&self) -> End {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = async { self.lost.cancelled().await; sleep(GRACE).await } => {}
        }
        End::Cancelled(self.reason())
    }

    /// Says whether the notice will be told.
    pub(crate) fn notify(&self, notice: Notice) -> bool {
        self.notices.try_send(notice).is_ok()
    }

    fn reason(&self) -> String {
        self.reason.lock().clone().unwrap_or_else(|| "closed".to_owned())
    }
}

/// What the task needs to know of its connection.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: PeerIdentity,
    pub(crate) direction: Direction,
    pub(crate) remote: Multiaddr,
    pub(crate) streams: ConnectionStreams,
    pub(crate) control: Control,
    pub(crate) notices: mpsc::Receiver<Notice>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("refused by this node: {0}")]
    RefusedHere(String),
    #[error("refused by the peer: {0}")]
    RefusedThere(String),
    #[error("the handshake did not end in time")]
    HandshakeTimeout,
    #[error("{0}")]
    Cancelled(String),
    #[error("the peer said goodbye: {0}")]
    Goodbye(String),
    #[error("the peer closed the connection")]
    Eof,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the network is shutting down")]
    Shutdown,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Frame(FrameError::Io(error))
    }
}

/// Runs a connection from its first stream to its end.
pub(crate) async fn run(context: Arc<Context>, mut connection: Connection) {
    let (id, peer, remote) = (connection.id, connection.peer.peer_id, connection.remote.clone());
    let limit = context.config.timing.handshake;
    let handshake = exchange::run(&context, &mut connection);
    let outcome = timeout(limit, handshake).await.unwrap_or(Err(End::HandshakeTimeout));
    let (end, session) = match outcome {
        Err(end) => (end, None),
        Ok(open) => session::run(&context, connection, open).await,
    };
    if let End::Frame(error) = &end
        && error.is_violation()
    {
        context.metrics.violations.increment(1);
        context.report(Report::Violation { connection: id, reason: error.to_string() }).await;
    }
    let reason = end.to_string();
    let refused = session.is_none();
    let text = reason.clone();
    context.report(Report::Closed { connection: id, peer, remote, reason: text, refused }).await;
    if let Some(session) = session {
        let event = Event::Disconnected { session, reason };
        drop(context.events.sessions.send(Delivery { event, permit: None }).await);
    }
}
