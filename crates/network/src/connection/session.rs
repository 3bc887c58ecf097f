//! A session: messages both ways, requests, notices, until one end has enough.

use super::{
    Connection, Context, End, GRACE, Report, Session, Traffic,
    exchange::{OpenSession, Reader, Writer},
    pace::Pace,
};
use crate::{
    Event, FrameError, SessionId,
    event::Delivery,
    frame::{FrameLimits, Kind, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES},
    handshake::{Hello, Notice, encode, goodbye_reason},
    queue::{ByteQueue, Queued},
};
use futures::FutureExt;
use libp2p::swarm::ConnectionId;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{sleep, timeout},
};

/// How long telling the reason of an end may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What all parts of a session know.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) context: Arc<Context>,
    pub(super) session: Arc<Session>,
    pub(super) id: SessionId,
    pub(super) connection: ConnectionId,
}

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
    let budget = || Arc::new(Semaphore::new(limits.receive_bytes.max(MAX_FRAME_BYTES)));
    let session = Arc::new(Session {
        peer: connection.peer.peer_id,
        queue,
        opener: connection.streams.opener.clone(),
        requests: Semaphore::new(limits.requests_outbound.max(1)),
        budget: budget(),
        answer_budget: budget(),
        pace: Pace::new(limits),
        traffic: Traffic::default(),
    });
    let link = Link { context: context.clone(), session, id, connection: connection.id };
    // Registered first, so that the application can send as soon as it hears of the session.
    context.sessions.insert(id, link.session.clone());
    let (known, acknowledged) = oneshot::channel();
    context.report(Report::Opened { connection: connection.id, session: id, known }).await;
    // Fails only when the network is shutting down, which ends the session anyway.
    acknowledged.await.ok();
    let (end, announced) = drive(link, connection, open, queued).await;
    context.sessions.remove(id);
    (end, announced.then_some(id))
}

async fn drive(
    link: Link,
    mut connection: Connection,
    open: OpenSession,
    mut queued: mpsc::Receiver<Queued>,
) -> (End, bool) {
    let OpenSession { mut reader, mut writer, hello } = open;
    reader.limits = FrameLimits {
        max: MAX_FRAME_BYTES,
        timeout: link.context.config.timing.frame,
        budget: Some(link.session.budget.clone()),
    };
    let delivery = Delivery { event: connected(link.id, &connection, hello), permit: None };
    let control = connection.control.clone();
    let announced = tokio::select! {
        biased;
        _ = control.closed() => false,
        result = link.context.events.sessions.send(delivery) => result.is_ok(),
    };
    let end = tokio::select! {
        biased;
        end = control.closed() => end,
        end = read(&link, &mut reader) => end,
        end = later(write(&link, &mut writer, &mut queued, &mut connection.notices)) => end,
        end = later(link.serve(connection.streams.inbound)) => end,
    };
    // After half a frame the peer would take the goodbye for the other half.
    if writer.is_intact() && !matches!(end, End::Eof | End::Goodbye(_)) {
        drop(timeout(GOODBYE, say_goodbye(&mut reader, &mut writer, &end)).await);
    }
    (end, announced)
}

fn connected(session: SessionId, connection: &Connection, hello: Hello) -> Event {
    Event::Connected {
        session,
        peer: connection.peer,
        remote: connection.remote.clone(),
        direction: connection.direction,
        hello: hello.application,
        instance: hello.instance,
        started_ms: hello.started_ms,
        version: hello.version,
    }
}

/// Gives the reading side the time to find out why the connection ends.
async fn later(end: impl Future<Output = End>) -> End {
    let end = end.await;
    sleep(GRACE).await;
    end
}

/// yamux throws away what was received but not yet read when a connection closes, so this waits
/// until the peer has read it and closes its end.
async fn say_goodbye(reader: &mut Reader, writer: &mut Writer, end: &End) -> io::Result<()> {
    writer.write(Kind::Goodbye, end.to_string().as_bytes()).await?;
    writer.close().await?;
    reader.drain().await;
    Ok(())
}

async fn read(link: &Link, reader: &mut Reader) -> End {
    match read_all(link, reader).await {
        Ok(end) | Err(end) => end,
    }
}

async fn read_all(link: &Link, reader: &mut Reader) -> Result<End, End> {
    loop {
        let Some(length) = reader.read_length().await? else { return Ok(End::Eof) };
        link.pace(length).await;
        let frame = reader.read_frame(length).await?;
        match frame.kind {
            Kind::Message => {
                link.session.traffic.received(frame.content.len());
                link.context.metrics.messages_in.increment(1);
                link.context.metrics.bytes_in.increment(frame.content.len() as u64);
                let event = Event::Message { session: link.id, bytes: frame.content };
                let delivery = Delivery { event, permit: frame.permit };
                let sent = link.context.events.sessions.send(delivery).await;
                sent.map_err(|_| End::Shutdown)?;
            }
            Kind::Notice => {
                let notice = Notice::decode(&frame.content)?;
                link.context.report(Report::Notice { connection: link.connection, notice }).await;
            }
            Kind::Goodbye => return Ok(End::Goodbye(goodbye_reason(&frame.content))),
            other => return Err(FrameError::Kind(other as u8).into()),
        }
    }
}

enum Outgoing {
    Notice(Notice),
    Message(Queued),
}

/// Notices pass waiting messages.
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

async fn write(
    link: &Link,
    writer: &mut Writer,
    queued: &mut mpsc::Receiver<Queued>,
    notices: &mut mpsc::Receiver<Notice>,
) -> End {
    write_all(link, writer, queued, notices).await.map_or_else(End::from, |()| End::Shutdown)
}

async fn write_all(
    link: &Link,
    writer: &mut Writer,
    queued: &mut mpsc::Receiver<Queued>,
    notices: &mut mpsc::Receiver<Notice>,
) -> io::Result<()> {
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
                writer.write(Kind::Notice, &encode(&notice)).await?;
            }
            Some(Outgoing::Message(message)) => {
                writer.write(Kind::Message, &message.bytes).await?;
                link.session.traffic.sent(message.bytes.len());
                link.context.metrics.messages_out.increment(1);
                link.context.metrics.bytes_out.increment(message.bytes.len() as u64);
            }
            None => return Ok(()),
        }
    }
}
