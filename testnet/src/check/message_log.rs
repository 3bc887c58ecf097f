//! The consensus messages that a node sent and received, as it logged them.
//!
//! A file is a sequence of records: one byte for the direction (0 sent, 1 received), the length of the
//! rest as 4 bytes, big endian, the message's code and RLP. The last record of a killed process may be
//! cut short.

use crate::{Result, TestnetError};
use peruri_ibft2::{DecodeLimits, Message};
use std::{fs, path::Path};

/// A message of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Sent by the node, not received.
    pub sent: bool,
    /// The message; `None` where received bytes are none.
    pub message: Option<Message>,
}

/// Reads all whole records of a file.
///
/// # Errors
/// [`TestnetError::Io`]; [`TestnetError::Answer`] for a record with an unknown direction, or with sent
/// bytes that are no message.
pub fn read_message_log(path: &Path) -> Result<Vec<LogRecord>> {
    let bytes = fs::read(path).map_err(TestnetError::io(path.display().to_string()))?;
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while let Some((direction, content)) = next_record(&mut rest) {
        let at = bytes.len() - rest.len() - content.len();
        let wrong = |expected, got: String| TestnetError::Answer {
            method: format!("{}, byte {at}", path.display()),
            expected,
            got,
        };
        let sent = match direction {
            0 => true,
            1 => false,
            other => return Err(wrong("direction 0 or 1", other.to_string())),
        };
        let message = match Message::from_wire(content, &DecodeLimits::DEFAULT) {
            Ok(message) => Some(message),
            Err(error) if sent => return Err(wrong("a consensus message", error.to_string())),
            Err(_) => None,
        };
        records.push(LogRecord { sent, message });
    }
    Ok(records)
}

/// Takes a whole record off the front.
fn next_record<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (head, tail) = rest.split_first_chunk::<5>()?;
    let [direction, length @ ..] = *head;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    let (content, after) = tail.split_at_checked(length)?;
    *rest = after;
    Some((direction, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::signatures::tests::prepare;
    use peruri_ibft2::Dialect;

    fn record(direction: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("short").to_be_bytes();
        [&[direction], length.as_slice(), content].concat()
    }

    #[test]
    fn whole_records_are_read_and_a_torn_one_is_left() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        let message = prepare(1, 7, 0, 3);
        let wire = message.to_wire(Dialect::V26);
        let torn = &record(0, &wire)[..20];
        let bytes = [record(0, &wire), record(1, &wire), record(1, b"junk"), torn.to_vec()];
        fs::write(&path, bytes.concat()).expect("file");
        let records = read_message_log(&path).expect("log");
        let expected = [(true, Some(message.clone())), (false, Some(message)), (false, None)];
        assert_eq!(records, expected.map(|(sent, message)| LogRecord { sent, message }));
    }

    #[test]
    fn a_log_that_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        for bytes in [record(2, b""), record(0, b"junk")] {
            fs::write(&path, bytes).expect("file");
            assert!(read_message_log(&path).is_err());
        }
    }
}
