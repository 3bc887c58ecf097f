//! A session: messages both ways, requests, notices, until one end has enough.

use super::{
    Connection, Context, End, GRACE, Report, Session,
    exchange::{OpenSession, Reader, Writer},
    requests,
};
use crate::{
    Event, FrameError, SessionId,
    event::Delivery,
    frame::{FrameLimits, Kind, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, write_frame},
    handshake::{Notice, encode, goodbye_reason},
    queue::{ByteQueue, Queued},
    rate::TokenBucket,
};
use futures::{AsyncWriteExt, FutureExt};
use libp2p::swarm::ConnectionId;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{sleep, timeout},
};

/// How long telling the reason of an end may take.
const GOODBYE: Duration = Duration::from_millis(250);
/// Shortest time between two reports that a peer is too fast.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the session to its end. Gives the session's id if the application has heard of it.
pub(crate) async fn run(
    context: &Arc<Context>,
    connection: Connection,
    open: OpenSession,
) -> (End, Option<SessionId>) {
    let id = context.session_id();
    let limits = &context.config.limits;
    let (queue, queued) =
        ByteQueue::new(limits.send_queue_messages, limits.send_queue_bytes, MAX_MESSAGE_BYTES);
    let session = Arc::new(Session {
        peer: connection.peer.peer_id,
        queue,
        opener: connection.streams.opener.clone(),
        requests: Arc::new(Semaphore::new(limits.requests_outbound)),
        budget: Arc::new(Semaphore::new(limits.receive_bytes.max(MAX_FRAME_BYTES))),
        traffic: super::Traffic::default(),
    });
    // Registered first, so that the application can send as soon as it hears of the session.
    context.sessions.insert(id, session.clone());
    let (known, acknowledged) = oneshot::channel();
    context.report(Report::Opened { connection: connection.id, session: id, known }).await;
    // Fails only when the network is shutting down, which ends the session anyway.
    acknowledged.await.ok();
    let (end, announced) = drive(context, connection, open, &session, id, queued).await;
    context.sessions.remove(id);
    (end, announced.then_some(id))
}

async fn drive(
    context: &Arc<Context>,
    connection: Connection,
    open: OpenSession,
    session: &Arc<Session>,
    id: SessionId,
    mut queued: mpsc::Receiver<Queued>,
) -> (End, bool) {
    let Connection { id: connection_id, control, streams, mut notices, peer, direction, remote } =
        connection;
    let OpenSession { mut reader, mut writer, hello } = open;
    reader.limits = FrameLimits {
        max: MAX_FRAME_BYTES,
        timeout: context.config.timing.frame,
        budget: Some(session.budget.clone()),
    };
    let connected = Event::Connected {
        session: id,
        peer,
        remote,
        direction,
        hello: hello.application,
        instance: hello.instance,
        started_ms: hello.started_ms,
        version: hello.version,
    };
    let delivery = Delivery { event: connected, permit: None };
    let announced = tokio::select! {
        biased;
        _ = control.closed() => false,
        result = context.events.sessions.send(delivery) => result.is_ok(),
    };
    let inbound = Inbound { context, session, id, connection: connection_id };
    let end = tokio::select! {
        biased;
        end = control.closed() => end,
        end = inbound.read(&mut reader) => end,
        end = later(write(context, session, &mut writer, &mut queued, &mut notices)) => end,
        end = later(requests::serve(
            context.clone(), session.clone(), id, connection_id, streams.inbound,
        )) => end,
    };
    if !matches!(end, End::Eof | End::Goodbye(_)) {
        drop(timeout(GOODBYE, say_goodbye(&mut writer, &end)).await);
    }
    (end, announced)
}

/// Gives the reading side the time to find out why the connection ends.
async fn later(end: impl Future<Output = End>) -> End {
    let end = end.await;
    sleep(GRACE).await;
    end
}

async fn say_goodbye(writer: &mut Writer, end: &End) -> Result<(), End> {
    write_frame(writer, Kind::Goodbye, end.to_string().as_bytes()).await?;
    Ok(writer.close().await?)
}

/// The reading side.
struct Inbound<'a> {
    context: &'a Context,
    session: &'a Session,
    id: SessionId,
    connection: ConnectionId,
}

impl Inbound<'_> {
    async fn read(&self, reader: &mut Reader) -> End {
        match self.read_all(reader).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn read_all(&self, reader: &mut Reader) -> Result<End, End> {
        let mut pace = Pace::new(self);
        loop {
            let Some(length) = reader.read_length().await? else { return Ok(End::Eof) };
            pace.wait(length).await;
            let frame = reader.read_frame(length).await?;
            match frame.kind {
                Kind::Message => {
                    self.session.traffic.received(frame.content.len());
                    self.context.metrics.messages_in.increment(1);
                    self.context.metrics.bytes_in.increment(frame.content.len() as u64);
                    let event = Event::Message { session: self.id, bytes: frame.content };
                    let delivery = Delivery { event, permit: frame.permit };
                    let sent = self.context.events.sessions.send(delivery).await;
                    sent.map_err(|_| End::Shutdown)?;
                }
                Kind::Notice => {
                    let notice = Notice::decode(&frame.content)?;
                    let report = Report::Notice { connection: self.connection, notice };
                    self.context.report(report).await;
                }
                Kind::Goodbye => return Ok(End::Goodbye(goodbye_reason(&frame.content))),
                other => return Err(FrameError::Kind(other as u8).into()),
            }
        }
    }
}

/// Slows a peer down that sends more than its rate: its stream is simply read later, so that the
/// excess waits at the sender and not here.
struct Pace<'a> {
    inbound: &'a Inbound<'a>,
    messages: TokenBucket,
    bytes: TokenBucket,
    reported: Option<Instant>,
}

impl<'a> Pace<'a> {
    fn new(inbound: &'a Inbound<'a>) -> Self {
        let limits = &inbound.context.config.limits;
        let now = Instant::now();
        let messages = TokenBucket::new(limits.messages, now);
        let bytes = TokenBucket::new(limits.bytes, now);
        Self { inbound, messages, bytes, reported: None }
    }

    async fn wait(&mut self, length: usize) {
        let now = Instant::now();
        let wait = self.messages.take(1, now).max(self.bytes.take(length, now));
        if wait.is_zero() {
            return;
        }
        let context = self.inbound.context;
        context.metrics.paused.increment(1);
        if self.reported.is_none_or(|at| now.duration_since(at) >= REPORT_INTERVAL) {
            self.reported = Some(now);
            context.report(Report::TooFast { connection: self.inbound.connection }).await;
        }
        sleep(wait).await;
    }
}

enum Outgoing {
    Notice(Notice),
    Message(Queued),
}

async fn next_outgoing(
    queued: &mut mpsc::Receiver<Queued>,
    notices: &mut mpsc::Receiver<Notice>,
) -> Option<Outgoing> {
    tokio::select! {
        biased;
        Some(notice) = notices.recv() => Some(Outgoing::Notice(notice)),
        Some(message) = queued.recv() => Some(Outgoing::Message(message)),
        else => None,
    }
}

/// The writing side. Notices pass waiting messages.
async fn write(
    context: &Context,
    session: &Session,
    writer: &mut Writer,
    queued: &mut mpsc::Receiver<Queued>,
    notices: &mut mpsc::Receiver<Notice>,
) -> End {
    let result = async {
        loop {
            let next = next_outgoing(queued, notices);
            tokio::pin!(next);
            // Flush only when there is nothing more to write at once.
            let next = match next.as_mut().now_or_never() {
                Some(next) => next,
                None => {
                    writer.flush().await?;
                    next.await
                }
            };
            match next {
                Some(Outgoing::Notice(notice)) => {
                    write_frame(writer, Kind::Notice, &encode(&notice)).await?;
                }
                Some(Outgoing::Message(message)) => {
                    write_frame(writer, Kind::Message, &message.bytes).await?;
                    session.traffic.sent(message.bytes.len());
                    context.metrics.messages_out.increment(1);
                    context.metrics.bytes_out.increment(message.bytes.len() as u64);
                }
                None => return Ok(End::Shutdown),
            }
        }
    };
    let result: io::Result<End> = result.await;
    result.unwrap_or_else(End::from)
}
