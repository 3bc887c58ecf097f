//! A file, or standard input, with one CloudEvent per line.

use super::{Delivery, QueueSource, SourceError};
use crate::{ActivityError, rows::DeadLetter};
use std::path::Path;
use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt, BufReader, stdin},
};

/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// A file source. Nothing is remembered of how far it was read: what is read again is recognised.
pub struct FileSource {
    lines: Box<dyn AsyncBufRead + Send + Unpin>,
    /// Longest line that is kept whole.
    longest: usize,
    /// Number of the line that was read last, from 1.
    line: u64,
    ended: bool,
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("line", &self.line).finish_non_exhaustive()
    }
}

impl FileSource {
    /// Opens the file; `-` is standard input. Of a line with more than `longest` bytes only the
    /// beginning is kept, one byte more than that, so that it is refused for its length.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open(path: &Path, longest: usize) -> Result<Self, SourceError> {
        let lines: Box<dyn AsyncBufRead + Send + Unpin> = if path == Path::new("-") {
            Box::new(BufReader::with_capacity(BUFFER, stdin()))
        } else {
            let file = File::open(path).await.map_err(|error| failed(path, &error))?;
            Box::new(BufReader::with_capacity(BUFFER, file))
        };
        Ok(Self { lines, longest, line: 0, ended: false })
    }

    /// The next line without its end; `None` at the end of the file.
    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut any = false;
        loop {
            let read = self.lines.fill_buf().await?;
            if read.is_empty() {
                self.ended = true;
                return Ok(any.then_some(line));
            }
            any = true;
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            let room = (self.longest + 1).saturating_sub(line.len());
            line.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            let used = part.len() + usize::from(end.is_some());
            self.lines.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

impl QueueSource for FileSource {
    async fn next(&mut self, most: usize) -> Result<Vec<Delivery>, SourceError> {
        let mut deliveries = Vec::new();
        while deliveries.len() < most && !self.ended {
            let line = self.line().await.map_err(|error| SourceError(error.into()))?;
            let Some(mut message) = line else { break };
            self.line += 1;
            if message.last() == Some(&b'\r') {
                message.pop();
            }
            // An empty line is nothing, as at the end of many files.
            if !message.is_empty() {
                deliveries.push(Delivery { tag: self.line, message });
            }
        }
        Ok(deliveries)
    }

    async fn ack(&mut self, _: &[u64]) -> Result<(), SourceError> {
        Ok(())
    }

    async fn reject(&mut self, line: u64, reason: &ActivityError) -> Result<(), SourceError> {
        let reason = DeadLetter::new(&[], reason, 0).reason;
        tracing::warn!(target: "activity::file", line, reason, "a line was rejected");
        Ok(())
    }

    fn lag(&self) -> Option<u64> {
        None
    }
}

fn failed(path: &Path, error: &std::io::Error) -> SourceError {
    SourceError(format!("{}: {error}", path.display()).into())
}
