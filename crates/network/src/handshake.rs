//! What two nodes tell each other first.
//!
//! Both send a hello, both judge the other's, both say their verdict. The network's own part names
//! protocol version, process and software; the application's part is opaque.

use crate::{FrameError, PeerIdentity, ProcessInfo, frame::MAX_HANDSHAKE_BYTES};
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Encodable, Header, RlpDecodable, RlpEncodable};
use std::fmt;

/// Version of what this crate speaks. Peers with another one are refused.
pub const PROTOCOL_VERSION: u32 = 1;
/// Longest software version that is taken over; longer ones are cut.
const MAX_VERSION_CHARS: usize = 128;
/// Longest reason that is told and taken over.
const MAX_REASON_CHARS: usize = 512;

/// What this node tells a connecting peer, and its judgement of what the peer tells.
///
/// Both functions run in the connection's task: they may look something up, but not block for long.
pub trait Handshake: Send + Sync + 'static {
    /// What the peer is told, at most 64 KiB.
    fn hello(&self, peer: &PeerIdentity) -> Bytes;

    /// Whether the peer that says `hello` may stay.
    ///
    /// # Errors
    /// [`Refusal`]; its reason is told to the peer and recorded.
    fn check(&self, peer: &PeerIdentity, hello: &Bytes) -> Result<(), Refusal>;
}

/// Why a peer is turned away. The peer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For both operators.
    pub reason: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The process at one end.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Hello {
    /// Always the first field, so that every version can name the other's.
    pub(crate) protocol: u32,
    pub(crate) instance: u64,
    pub(crate) started_ms: u64,
    pub(crate) version: String,
    pub(crate) application: Bytes,
}

impl Hello {
    /// The hello as frame content.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] if the application's part is too long to be sent.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let bytes = alloy_rlp::encode(self);
        if bytes.len() + 5 > MAX_HANDSHAKE_BYTES {
            return Err(FrameError::TooLarge { limit: MAX_HANDSHAKE_BYTES, got: bytes.len() + 5 });
        }
        Ok(bytes)
    }

    /// Reads a hello; one of another protocol version is refused before the rest is looked at.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Result<Self, Refusal>, FrameError> {
        let mut fields = Header::decode_bytes(&mut &*bytes, true).map_err(undecodable)?;
        let protocol = u32::decode(&mut fields).map_err(undecodable)?;
        if protocol != PROTOCOL_VERSION {
            return Ok(Err(Refusal::new(format!(
                "protocol version differs: {PROTOCOL_VERSION} here, {protocol} there"
            ))));
        }
        let mut hello: Self = alloy_rlp::decode_exact(bytes).map_err(undecodable)?;
        hello.version = printable(&hello.version, MAX_VERSION_CHARS);
        Ok(Ok(hello))
    }
}

/// Whether this end keeps the connection.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Verdict {
    pub(crate) accepted: bool,
    pub(crate) reason: String,
}

impl Verdict {
    pub(crate) const fn accept() -> Self {
        Self { accepted: true, reason: String::new() }
    }

    pub(crate) fn refuse(reason: &str) -> Self {
        Self { accepted: false, reason: printable(reason, MAX_REASON_CHARS) }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut verdict: Self = alloy_rlp::decode_exact(bytes).map_err(undecodable)?;
        verdict.reason = printable(&verdict.reason, MAX_REASON_CHARS);
        Ok(verdict)
    }
}

/// Two live processes use the receiver's identity.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Notice {
    first: WireProcess,
    second: WireProcess,
}

#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct WireProcess {
    address: String,
    instance: u64,
    started_ms: u64,
}

impl Notice {
    pub(crate) fn new(first: &ProcessInfo, second: &ProcessInfo) -> Self {
        let wire = |process: &ProcessInfo| WireProcess {
            address: process.address.clone(),
            instance: process.instance,
            started_ms: process.started_ms,
        };
        Self { first: wire(first), second: wire(second) }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        alloy_rlp::decode_exact(bytes).map_err(undecodable)
    }

    /// The process that stays, the process that was turned away.
    pub(crate) fn processes(self) -> (ProcessInfo, ProcessInfo) {
        let plain = |process: WireProcess| ProcessInfo {
            address: printable(&process.address, MAX_REASON_CHARS),
            instance: process.instance,
            started_ms: process.started_ms,
        };
        (plain(self.first), plain(self.second))
    }
}

/// The reason in a goodbye frame.
pub(crate) fn goodbye_reason(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes), MAX_REASON_CHARS)
}

/// Foreign text goes into logs and terminals: no control characters, no endless lines.
fn printable(text: &str, max_chars: usize) -> String {
    text.chars()
        .take(max_chars)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

fn undecodable(error: alloy_rlp::Error) -> FrameError {
    FrameError::Decode(error.to_string())
}

/// RLP of a notice or verdict.
pub(crate) fn encode(value: &impl Encodable) -> Vec<u8> {
    alloy_rlp::encode(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hello() -> Hello {
        Hello {
            protocol: PROTOCOL_VERSION,
            instance: 7,
            started_ms: 8,
            version: "peruri-chain/1".to_owned(),
            application: vec![1, 2, 3].into(),
        }
    }

    #[test]
    fn hello_round_trip() {
        assert_eq!(Hello::decode(&hello().encode().unwrap()).unwrap().unwrap(), hello());
    }

    #[test]
    fn another_version_is_named_whatever_follows() {
        #[derive(RlpEncodable)]
        struct Future {
            protocol: u32,
            something: Vec<u64>,
        }
        let bytes = alloy_rlp::encode(Future { protocol: 9, something: vec![1, 2] });
        let refusal = Hello::decode(&bytes).unwrap().unwrap_err();
        assert_eq!(refusal.reason, "protocol version differs: 1 here, 9 there");
    }

    #[test]
    fn rubbish_is_an_error() {
        for bytes in [&b""[..], b"\x80", b"hello", b"\xc1\x01", b"\xf9\xff\xff"] {
            assert!(Hello::decode(bytes).is_err(), "{bytes:?}");
        }
        let mut trailing = hello().encode().unwrap();
        trailing.push(0);
        assert!(Hello::decode(&trailing).is_err());
        assert!(Verdict::decode(b"\x01").is_err());
        assert!(Notice::decode(b"\xc0").is_err());
    }

    #[test]
    fn a_hello_above_the_limit_is_not_sent() {
        let long = Hello { application: vec![0; MAX_HANDSHAKE_BYTES].into(), ..hello() };
        assert!(matches!(long.encode(), Err(FrameError::TooLarge { .. })));
        let legal = Hello { application: vec![0; 64 << 10].into(), ..hello() };
        assert!(legal.encode().is_ok());
    }

    #[test]
    fn foreign_text_is_made_printable() {
        let verdict = Verdict { accepted: false, reason: format!("a\x1b[2J{}", "b".repeat(999)) };
        let read = Verdict::decode(&encode(&verdict)).unwrap();
        assert!(read.reason.chars().all(|c| !c.is_control()));
        assert_eq!(read.reason.chars().count(), MAX_REASON_CHARS);
    }
}
