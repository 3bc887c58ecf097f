//! Frames on a stream: `u32` big-endian length of what follows, one byte of kind, content.

use crate::FrameError;
use alloy_primitives::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Largest frame with its prefix and kind.
pub(crate) const MAX_FRAME_BYTES: usize = 16 << 20;
/// Bytes of prefix and kind.
const OVERHEAD: usize = 5;
/// Largest message, request or answer of the application.
pub const MAX_MESSAGE_BYTES: usize = MAX_FRAME_BYTES - OVERHEAD;
/// Largest frame before the handshake is done: 64 KiB of the application and slack.
pub(crate) const MAX_HANDSHAKE_BYTES: usize = 96 << 10;
/// What is allocated for a frame before its bytes arrive.
const FIRST_ALLOCATION: usize = 64 << 10;

/// What is thrown away at a time.
const DRAIN_BYTES: usize = 8 << 10;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Hello = 0x01,
    Verdict = 0x02,
    Message = 0x03,
    Notice = 0x04,
    Goodbye = 0x05,
    Request = 0x10,
    Response = 0x11,
}

impl TryFrom<u8> for Kind {
    type Error = FrameError;

    fn try_from(byte: u8) -> Result<Self, FrameError> {
        Ok(match byte {
            0x01 => Self::Hello,
            0x02 => Self::Verdict,
            0x03 => Self::Message,
            0x04 => Self::Notice,
            0x05 => Self::Goodbye,
            0x10 => Self::Request,
            0x11 => Self::Response,
            other => return Err(FrameError::Kind(other)),
        })
    }
}

/// A received frame and its share of the peer's receive budget.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) content: Bytes,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// What bounds the reading of frames.
#[derive(Debug, Clone)]
pub(crate) struct FrameLimits {
    /// Largest frame, prefix and kind included.
    pub(crate) max: usize,
    /// From the first byte to the last.
    pub(crate) timeout: Duration,
    /// Bytes this peer may still make us hold.
    pub(crate) budget: Option<Arc<Semaphore>>,
}

/// Reads frames from a stream.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    inner: R,
    pub(crate) limits: FrameLimits,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) const fn new(inner: R, limits: FrameLimits) -> Self {
        Self { inner, limits }
    }

    /// The next frame; `None` if the stream ended between two frames.
    pub(crate) async fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.read_length().await? {
            Some(length) => self.read_frame(length).await.map(Some),
            None => Ok(None),
        }
    }

    /// The length of the next frame, checked; `None` if the stream ended between two frames.
    pub(crate) async fn read_length(&mut self) -> Result<Option<usize>, FrameError> {
        let mut prefix = [0; 4];
        if self.inner.read(&mut prefix[..1]).await? == 0 {
            return Ok(None);
        }
        let limit = self.limits.timeout;
        timeout(limit, self.inner.read_exact(&mut prefix[1..]))
            .await
            .map_err(|_| FrameError::Timeout(limit))??;
        let length = u32::from_be_bytes(prefix) as usize;
        let max = self.limits.max;
        match length {
            0 | 1 => Err(FrameError::Empty),
            _ if length > max - 4 => {
                Err(FrameError::TooLarge { limit: max, got: length.saturating_add(4) })
            }
            _ => Ok(Some(length)),
        }
    }

    /// Throws away what comes until the stream ends: whoever ends it has read everything.
    pub(crate) async fn drain(&mut self) {
        let mut waste = vec![0; DRAIN_BYTES];
        while matches!(self.inner.read(&mut waste).await, Ok(count) if count > 0) {}
    }

    /// The frame whose length was read. Waits for the peer's budget; what is allocated grows with
    /// the bytes that arrive.
    pub(crate) async fn read_frame(&mut self, length: usize) -> Result<Frame, FrameError> {
        let permit = match &self.limits.budget {
            Some(budget) => budget.clone().acquire_many_owned(length as u32).await.ok(),
            None => None,
        };
        let limit = self.limits.timeout;
        let (kind, content) = timeout(limit, read_content(&mut self.inner, length))
            .await
            .map_err(|_| FrameError::Timeout(limit))??;
        Ok(Frame { kind, content, permit })
    }
}

async fn read_content<R: AsyncRead + Unpin>(
    reader: &mut R,
    length: usize,
) -> Result<(Kind, Bytes), FrameError> {
    let mut kind = [0];
    reader.read_exact(&mut kind).await?;
    let kind = Kind::try_from(kind[0])?;
    let length = length - 1;
    let mut content = Vec::with_capacity(length.min(FIRST_ALLOCATION));
    reader.take(length as u64).read_to_end(&mut content).await?;
    if content.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok((kind, content.into()))
}

/// Writes frames to a stream.
#[derive(Debug)]
pub(crate) struct FrameWriter<W> {
    inner: W,
    intact: bool,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(crate) const fn new(inner: W) -> Self {
        Self { inner, intact: true }
    }

    /// Writes one frame; the caller flushes.
    pub(crate) async fn write(&mut self, kind: Kind, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len() + 1).map_err(io::Error::other)?;
        let mut head = [0; OVERHEAD];
        head[..4].copy_from_slice(&length.to_be_bytes());
        head[4] = kind as u8;
        self.intact = false;
        self.inner.write_all(&head).await?;
        self.inner.write_all(content).await?;
        self.intact = true;
        Ok(())
    }

    /// Whether the stream is between two frames; not so after an interrupted write.
    pub(crate) const fn is_intact(&self) -> bool {
        self.intact
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().await
    }

    /// Flushes and ends the stream in this direction.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::io::Cursor;

    fn reader(bytes: Vec<u8>, max: usize) -> FrameReader<Cursor<Vec<u8>>> {
        let timeout = Duration::from_secs(1);
        FrameReader::new(Cursor::new(bytes), FrameLimits { max, timeout, budget: None })
    }

    #[tokio::test]
    async fn frames_come_back_in_order() {
        let mut wire = Vec::new();
        FrameWriter::new(&mut wire).write(Kind::Message, b"one").await.unwrap();
        FrameWriter::new(&mut wire).write(Kind::Notice, b"two").await.unwrap();
        let mut reader = reader(wire, 100);
        let first = reader.read().await.unwrap().unwrap();
        assert_eq!((first.kind, &first.content[..]), (Kind::Message, &b"one"[..]));
        let second = reader.read().await.unwrap().unwrap();
        assert_eq!((second.kind, &second.content[..]), (Kind::Notice, &b"two"[..]));
        assert!(reader.read().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_limit_counts_prefix_and_kind() {
        let mut wire = Vec::new();
        FrameWriter::new(&mut wire).write(Kind::Message, &[7; 11]).await.unwrap();
        assert!(reader(wire.clone(), 16).read().await.unwrap().is_some());
        let error = reader(wire, 15).read().await.unwrap_err();
        assert!(matches!(error, FrameError::TooLarge { limit: 15, got: 16 }), "{error}");
    }

    #[tokio::test]
    async fn hostile_prefixes_are_refused() {
        let huge = reader(vec![0xff; 8], MAX_FRAME_BYTES).read().await.unwrap_err();
        assert!(matches!(huge, FrameError::TooLarge { .. }), "{huge}");
        let zero = reader(vec![0; 8], MAX_FRAME_BYTES).read().await.unwrap_err();
        assert!(matches!(zero, FrameError::Empty), "{zero}");
        let no_content = reader(vec![0, 0, 0, 1, 3], MAX_FRAME_BYTES).read().await.unwrap_err();
        assert!(matches!(no_content, FrameError::Empty), "{no_content}");
        let kind = reader(vec![0, 0, 0, 2, 0x99, 0], MAX_FRAME_BYTES).read().await.unwrap_err();
        assert!(matches!(kind, FrameError::Kind(0x99)), "{kind}");
        let cut = reader(vec![0, 0, 0, 9, 3, 1, 2], MAX_FRAME_BYTES).read().await.unwrap_err();
        assert!(!cut.is_violation(), "{cut}");
    }

    #[tokio::test]
    async fn a_frame_that_never_ends_times_out() {
        let (mut writer, stream) = tokio::io::duplex(64);
        let stream = tokio_util::compat::TokioAsyncReadCompatExt::compat(stream);
        let timeout = Duration::from_millis(50);
        let limits = FrameLimits { max: MAX_FRAME_BYTES, timeout, budget: None };
        let mut reader = FrameReader::new(stream, limits);
        tokio::io::AsyncWriteExt::write_all(&mut writer, &[0, 1, 0, 0, 3, 9]).await.unwrap();
        assert!(matches!(reader.read().await.unwrap_err(), FrameError::Timeout(t) if t == timeout));
    }

    #[tokio::test]
    async fn an_interrupted_write_is_noticed() {
        let (stream, _reader) = tokio::io::duplex(8);
        let stream = tokio_util::compat::TokioAsyncReadCompatExt::compat(stream);
        let mut writer = FrameWriter::new(stream);
        writer.write(Kind::Message, b"abc").await.unwrap();
        assert!(writer.is_intact());
        assert!(futures::poll!(Box::pin(writer.write(Kind::Message, b"too long"))).is_pending());
        assert!(!writer.is_intact());
    }

    #[tokio::test]
    async fn the_budget_holds_a_frame_back() {
        let mut wire = Vec::new();
        FrameWriter::new(&mut wire).write(Kind::Message, &[1; 10]).await.unwrap();
        FrameWriter::new(&mut wire).write(Kind::Message, &[2; 10]).await.unwrap();
        let budget = Arc::new(Semaphore::new(15));
        let mut reader = reader(wire, 100);
        reader.limits.budget = Some(budget.clone());
        let first = reader.read().await.unwrap().unwrap();
        assert_eq!(budget.available_permits(), 4);
        let mut second = Box::pin(reader.read());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(second.await.unwrap().unwrap().content[0], 2);
    }
}
