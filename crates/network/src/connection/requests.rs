//! Requests and answers, each on a stream of its own.
//!
//! A request is one `Request` frame, its answer one `Response` frame. No answer is told by closing
//! the stream without one.

use super::{End, Report, Session, session::Link};
use crate::{
    Event, FrameError, RequestError,
    behaviour::REQUEST,
    event::{Delivery, Responder},
    frame::{
        Frame, FrameLimits, FrameReader, FrameWriter, Kind, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES,
    },
    metrics::NetworkMetrics,
};
use alloy_primitives::Bytes;
use futures::{AsyncReadExt, io::ReadHalf};
use libp2p::{Stream, StreamProtocol};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

/// Who asks gives up first, so that the reason is the same at both ends.
const MARGIN: Duration = Duration::from_secs(1);

impl Link {
    /// Serves the peer's requests, as many at a time as the limit says; further streams wait unread.
    pub(super) async fn serve(&self, mut streams: mpsc::Receiver<(StreamProtocol, Stream)>) -> End {
        let slots = Arc::new(Semaphore::new(self.context.config.limits.requests_inbound.max(1)));
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
                    let link = self.clone();
                    tasks.spawn(async move {
                        link.serve_one(stream).await;
                        drop(slot);
                    });
                }
                // A second session stream.
                Some(_) => self.context.metrics.refused_streams.increment(1),
                None => return End::Eof,
            }
        }
    }

    /// Serves one request; counts it if it gets no answer, and reports a peer that broke the rules.
    async fn serve_one(&self, stream: Stream) {
        let context = &self.context;
        let limit = context.config.timing.request + MARGIN;
        let result = timeout(limit, self.answer(stream)).await;
        let Err(error) = result.unwrap_or(Err(RequestError::Timeout(limit))) else { return };
        context.metrics.request_failures.increment(1);
        if let RequestError::Frame(frame) = &error
            && frame.is_violation()
        {
            context.metrics.violations.increment(1);
            let (connection, reason) = (self.connection, error.to_string());
            context.report(Report::Violation { connection, reason }).await;
        }
    }

    async fn answer(&self, stream: Stream) -> Result<(), RequestError> {
        let (reader, writer) = stream.split();
        let (metrics, traffic) = (&self.context.metrics, &self.session.traffic);
        let budget = self.session.budget.clone();
        let mut reader = frame_reader(reader, budget, self.context.config.timing.frame);
        let length = reader.read_length().await?.ok_or_else(unexpected_eof)?;
        self.pace(length).await;
        let frame = expect(reader.read_frame(length).await?, Kind::Request)?;
        metrics.requests_in.increment(1);
        metrics.bytes_in.increment(frame.content.len() as u64);
        traffic.received(frame.content.len());

        let (respond, answer) = oneshot::channel();
        let (session, respond) = (self.id, Responder(respond));
        let event = Event::Request { session, bytes: frame.content, respond };
        let delivery = Delivery { event, permit: frame.permit };
        let sent = self.context.events.sessions.send(delivery).await;
        sent.map_err(|_| RequestError::NotConnected)?;
        let answer = answer.await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;

        check_size(&answer)?;
        let mut writer = FrameWriter::new(writer);
        writer.write(Kind::Response, &answer).await?;
        writer.close().await?;
        metrics.bytes_out.increment(answer.len() as u64);
        traffic.sent(answer.len());
        Ok(())
    }
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
        let (reader, writer) = stream.split();
        let mut writer = FrameWriter::new(writer);
        writer.write(Kind::Request, &bytes).await?;
        writer.close().await?;
        session.traffic.sent(bytes.len());
        metrics.bytes_out.increment(bytes.len() as u64);
        let mut reader = frame_reader(reader, session.answer_budget.clone(), frame_limit);
        let frame = reader.read().await?.ok_or_else(unexpected_eof)?;
        let answer = expect(frame, Kind::Response)?.content;
        session.traffic.received(answer.len());
        metrics.bytes_in.increment(answer.len() as u64);
        Ok(answer)
    };
    let result = timeout(limit, exchange).await.unwrap_or(Err(RequestError::Timeout(limit)));
    if result.is_err() {
        metrics.request_failures.increment(1);
    }
    result
}

fn frame_reader(
    reader: ReadHalf<Stream>,
    budget: Arc<Semaphore>,
    timeout: Duration,
) -> FrameReader<ReadHalf<Stream>> {
    let limits = FrameLimits { max: MAX_FRAME_BYTES, timeout, budget: Some(budget) };
    FrameReader::new(reader, limits)
}

fn expect(frame: Frame, kind: Kind) -> Result<Frame, FrameError> {
    if frame.kind == kind { Ok(frame) } else { Err(FrameError::Kind(frame.kind as u8)) }
}

fn unexpected_eof() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

const fn check_size(bytes: &Bytes) -> Result<(), RequestError> {
    let got = bytes.0.len();
    if got == 0 || got > MAX_MESSAGE_BYTES {
        return Err(RequestError::Size { limit: MAX_MESSAGE_BYTES, got });
    }
    Ok(())
}
