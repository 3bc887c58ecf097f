//! Requests and answers, each on a stream of its own.
//!
//! A request is one `Request` frame, its answer one `Response` frame. No answer is told by closing
//! the stream without one.

use super::{Context, End, Report, Session};
use crate::{
    Event, FrameError, RequestError, SessionId,
    behaviour::REQUEST,
    event::{Delivery, Responder},
    frame::{
        Frame, FrameLimits, FrameReader, Kind, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, write_frame,
    },
    metrics::NetworkMetrics,
};
use alloy_primitives::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, io::ReadHalf};
use libp2p::{Stream, StreamProtocol, swarm::ConnectionId};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

/// Who asks gives up first, so that the reason is the same at both ends.
const MARGIN: Duration = Duration::from_secs(1);

/// Serves the peer's requests, as many at a time as the limit says; further streams wait unread.
pub(crate) async fn serve(
    context: Arc<Context>,
    session: Arc<Session>,
    id: SessionId,
    connection: ConnectionId,
    mut streams: mpsc::Receiver<(StreamProtocol, Stream)>,
) -> End {
    let slots = Arc::new(Semaphore::new(context.config.limits.requests_inbound.max(1)));
    // Aborts what is under way when the session ends.
    let mut tasks = JoinSet::new();
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return End::Shutdown };
        let stream = tokio::select! {
            stream = streams.recv() => stream,
            Some(_) = tasks.join_next() => continue,
        };
        match stream {
            Some((protocol, stream)) if protocol == REQUEST => {
                let (context, session) = (context.clone(), session.clone());
                tasks.spawn(async move {
                    let limit = context.config.timing.request + MARGIN;
                    let result = timeout(limit, answer(&context, &session, id, stream)).await;
                    failed(
                        &context,
                        connection,
                        result.unwrap_or(Err(RequestError::Timeout(limit))),
                    )
                    .await;
                    drop(slot);
                });
            }
            // A second session stream.
            Some(_) => context.metrics.refused_streams.increment(1),
            None => return End::Eof,
        }
    }
}

/// Counts a request without answer, and reports a peer that broke the rules.
async fn failed(context: &Context, connection: ConnectionId, result: Result<(), RequestError>) {
    let Err(error) = result else { return };
    context.metrics.request_failures.increment(1);
    if let RequestError::Frame(frame) = &error
        && frame.is_violation()
    {
        context.metrics.violations.increment(1);
        context.report(Report::Violation { connection, reason: error.to_string() }).await;
    }
}

async fn answer(
    context: &Context,
    session: &Session,
    id: SessionId,
    stream: Stream,
) -> Result<(), RequestError> {
    let (reader, mut writer) = stream.split();
    let Frame { content, permit, .. } =
        read_one(reader, Kind::Request, session, context.config.timing.frame).await?;
    context.metrics.requests_in.increment(1);
    session.traffic.received(content.len());
    context.metrics.bytes_in.increment(content.len() as u64);
    let (respond, answer) = oneshot::channel();
    let event = Event::Request { session: id, bytes: content, respond: Responder(respond) };
    let delivery = Delivery { event, permit };
    context.events.sessions.send(delivery).await.map_err(|_| RequestError::NotConnected)?;
    let answer = answer.await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    check_size(&answer)?;
    write_frame(&mut writer, Kind::Response, &answer).await?;
    writer.close().await?;
    session.traffic.sent(answer.len());
    context.metrics.bytes_out.increment(answer.len() as u64);
    Ok(())
}

/// Sends a request and waits for its answer.
pub(crate) async fn request(
    session: &Session,
    bytes: Bytes,
    limits: (Duration, Duration),
    metrics: &NetworkMetrics,
) -> Result<Bytes, RequestError> {
    check_size(&bytes)?;
    let (limit, frame_limit) = limits;
    let exchange = async {
        let _slot = session.requests.acquire().await.map_err(|_| RequestError::NotConnected)?;
        metrics.requests_out.increment(1);
        let stream = session.opener.open(REQUEST).await?;
        let (reader, mut writer) = stream.split();
        write_frame(&mut writer, Kind::Request, &bytes).await?;
        writer.close().await?;
        session.traffic.sent(bytes.len());
        metrics.bytes_out.increment(bytes.len() as u64);
        let answer = read_one(reader, Kind::Response, session, frame_limit).await?;
        session.traffic.received(answer.content.len());
        metrics.bytes_in.increment(answer.content.len() as u64);
        Ok(answer.content)
    };
    let result = timeout(limit, exchange).await.unwrap_or(Err(RequestError::Timeout(limit)));
    if result.is_err() {
        metrics.request_failures.increment(1);
    }
    result
}

async fn read_one(
    reader: ReadHalf<Stream>,
    kind: Kind,
    session: &Session,
    timeout: Duration,
) -> Result<Frame, RequestError> {
    let budget = Some(session.budget.clone());
    let limits = FrameLimits { max: MAX_FRAME_BYTES, timeout, budget };
    let mut reader = FrameReader::new(reader, limits);
    let frame = reader.read().await?.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
    if frame.kind != kind {
        return Err(FrameError::Kind(frame.kind as u8).into());
    }
    Ok(frame)
}

const fn check_size(bytes: &Bytes) -> Result<(), RequestError> {
    let got = bytes.0.len();
    if got == 0 || got > MAX_MESSAGE_BYTES {
        return Err(RequestError::Size { limit: MAX_MESSAGE_BYTES, got });
    }
    Ok(())
}
