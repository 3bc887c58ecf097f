//! The handshake on the session stream: hello, hello, verdict, verdict.

use super::{Connection, Context, Decision, End, Report};
use crate::{
    Direction, FrameError,
    behaviour::SESSION,
    frame::{FrameLimits, FrameReader, FrameWriter, Kind, MAX_HANDSHAKE_BYTES},
    handshake::{Hello, Notice, PROTOCOL_VERSION, Verdict, encode},
};
use futures::{
    AsyncReadExt,
    io::{BufReader, BufWriter, ReadHalf, WriteHalf},
};
use libp2p::Stream;
use std::time::Duration;
use tokio::{sync::oneshot, time::timeout};

pub(crate) type Reader = FrameReader<BufReader<ReadHalf<Stream>>>;
pub(crate) type Writer = FrameWriter<BufWriter<WriteHalf<Stream>>>;

/// Small frames travel together.
const BUFFER: usize = 64 << 10;
/// How long a refused peer may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// A session stream whose two ends accepted each other.
pub(crate) struct OpenSession {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) hello: Hello,
}

/// Opens or awaits the session stream and runs the handshake on it.
pub(crate) async fn run(
    context: &Context,
    connection: &mut Connection,
) -> Result<OpenSession, End> {
    let control = connection.control.clone();
    tokio::select! {
        biased;
        end = control.closed() => Err(end),
        result = handshake(context, connection) => result,
    }
}

async fn handshake(context: &Context, connection: &mut Connection) -> Result<OpenSession, End> {
    let stream = session_stream(context, connection).await?;
    let (reader, writer) = stream.split();
    let limits = FrameLimits {
        max: MAX_HANDSHAKE_BYTES,
        timeout: context.config.timing.handshake,
        budget: None,
    };
    let mut reader = FrameReader::new(BufReader::with_capacity(BUFFER, reader), limits);
    let mut writer = FrameWriter::new(BufWriter::with_capacity(BUFFER, writer));
    let own = own_hello(context, connection).encode()?;
    writer.write(Kind::Hello, &own).await?;
    writer.flush().await?;
    let hello = match read_hello(context, connection, &mut reader).await? {
        Ok(hello) => hello,
        Err(reason) => return refuse(context, connection, reader, writer, reason, None).await,
    };
    settle(context, connection, reader, writer, hello).await
}

/// The dialler opens the stream. Streams for anything else are refused until the handshake is done.
async fn session_stream(context: &Context, connection: &mut Connection) -> Result<Stream, End> {
    if connection.direction == Direction::Outbound {
        return Ok(connection.streams.opener.open(SESSION).await?);
    }
    while let Some((protocol, stream)) = connection.streams.inbound.recv().await {
        if protocol == SESSION {
            return Ok(stream);
        }
        context.metrics.refused_streams.increment(1);
    }
    Err(End::Eof)
}

fn own_hello(context: &Context, connection: &Connection) -> Hello {
    Hello {
        protocol: PROTOCOL_VERSION,
        instance: context.instance,
        started_ms: context.started_ms,
        version: context.config.version.clone(),
        application: context.handshake.hello(&connection.peer),
    }
}

/// The peer's hello, or why it is refused.
async fn read_hello(
    context: &Context,
    connection: &Connection,
    reader: &mut Reader,
) -> Result<Result<Hello, String>, End> {
    let frame = reader.read().await?.ok_or(End::Eof)?;
    if frame.kind != Kind::Hello {
        return Err(FrameError::Kind(frame.kind as u8).into());
    }
    let hello = match Hello::decode(&frame.content)? {
        Ok(hello) => hello,
        Err(refusal) => return Ok(Err(refusal.reason)),
    };
    match context.handshake.check(&connection.peer, &hello.application) {
        Ok(()) => Ok(Ok(hello)),
        Err(refusal) => Ok(Err(refusal.reason)),
    }
}

/// Asks the service for its decision and waits for the peer's verdict, in whatever order they come.
async fn settle(
    context: &Context,
    connection: &mut Connection,
    mut reader: Reader,
    mut writer: Writer,
    hello: Hello,
) -> Result<OpenSession, End> {
    let (reply, decision) = oneshot::channel();
    let ready = Report::Ready { connection: connection.id, hello: hello.clone(), decision: reply };
    context.report(ready).await;
    let mut theirs = None;
    let decision = {
        let verdict = read_verdict(context, connection, &mut reader);
        tokio::pin!(verdict);
        tokio::pin!(decision);
        let decision = loop {
            tokio::select! {
                biased;
                verdict = &mut verdict, if theirs.is_none() => theirs = Some(verdict?),
                decision = &mut decision => break decision.map_err(|_| End::Shutdown)?,
            }
        };
        if matches!(decision, Decision::Accept) {
            writer.write(Kind::Verdict, &encode(&Verdict::accept())).await?;
            writer.flush().await?;
            if theirs.is_none() {
                verdict.await?;
            }
        }
        decision
    };
    match decision {
        Decision::Accept => Ok(OpenSession { reader, writer, hello }),
        Decision::Refuse { reason, notice } => {
            refuse(context, connection, reader, writer, reason, notice).await
        }
    }
}

/// The peer's acceptance; its refusal is an error. Notices may come before.
async fn read_verdict(
    context: &Context,
    connection: &Connection,
    reader: &mut Reader,
) -> Result<(), End> {
    let mut noticed = false;
    loop {
        let frame = reader.read().await?.ok_or(End::Eof)?;
        match frame.kind {
            Kind::Notice if !noticed => {
                noticed = true;
                let notice = Notice::decode(&frame.content)?;
                context.report(Report::Notice { connection: connection.id, notice }).await;
            }
            Kind::Verdict => {
                let verdict = Verdict::decode(&frame.content)?;
                let refused = || End::RefusedThere(verdict.reason.clone());
                return if verdict.accepted { Ok(()) } else { Err(refused()) };
            }
            other => return Err(FrameError::Kind(other as u8).into()),
        }
    }
}

/// Tells the peer why it is refused, and waits a little until it has read that.
async fn refuse(
    context: &Context,
    connection: &Connection,
    mut reader: Reader,
    mut writer: Writer,
    reason: String,
    notice: Option<Notice>,
) -> Result<OpenSession, End> {
    if let Some(notice) = notice {
        writer.write(Kind::Notice, &encode(&notice)).await?;
    }
    let verdict = Verdict::refuse(&reason);
    writer.write(Kind::Verdict, &encode(&verdict)).await?;
    writer.close().await?;
    let read = async {
        let theirs = read_verdict(context, connection, &mut reader).await;
        reader.drain().await;
        theirs
    };
    Err(match timeout(LINGER, read).await {
        // The peer's own refusal is worth recording, too.
        Ok(Err(End::RefusedThere(theirs))) => {
            End::RefusedHere(format!("{reason} (the peer refuses, too: {theirs})"))
        }
        _ => End::RefusedHere(reason),
    })
}
