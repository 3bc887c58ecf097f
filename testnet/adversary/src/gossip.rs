//! Messages of gossipsub, written by hand, as the library writes none that harm.
//!
//! Field numbers are those of the gossipsub specification's `RPC` (v1.0 to v1.2): an RPC holds
//! subscriptions (1) and a control message (3), which holds IHAVE (1), IWANT (2), GRAFT (3),
//! PRUNE (4) and IDONTWANT (5).

use futures::{AsyncRead, AsyncReadExt};
use libp2p::{
    Multiaddr, StreamProtocol,
    core::PeerRecord,
    identity::{Keypair, SigningError},
};
use std::io;

/// Protocol with PRUNE backoff and peer exchange.
pub const MESHSUB: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");

/// Wire type of a number.
const VARINT: u64 = 0;
/// Wire type of a length-delimited field.
const BYTES: u64 = 2;
/// Longest RPC that is read: more than a node ever sends.
const MOST: usize = 4 << 20;

/// A peer in the peer exchange of a PRUNE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangedPeer {
    /// Its peer id.
    pub id: Vec<u8>,
    /// A signed record of its addresses.
    pub record: Vec<u8>,
}

impl ExchangedPeer {
    /// The peer with this key, truthfully signed, at these addresses.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn new(key: &Keypair, addresses: Vec<Multiaddr>) -> Result<Self, SigningError> {
        let record = PeerRecord::new(key, addresses)?;
        Ok(Self {
            id: key.public().to_peer_id().to_bytes(),
            record: record.into_signed_envelope().into_protobuf_encoding(),
        })
    }
}

/// An RPC that is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rpc {
    subscriptions: Vec<u8>,
    control: Vec<u8>,
}

impl Rpc {
    /// An empty RPC.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a subscription.
    #[must_use]
    pub fn subscribe(mut self, topic: &str) -> Self {
        let mut entry = Vec::new();
        number(&mut entry, 1, 1);
        bytes(&mut entry, 2, topic.as_bytes());
        bytes(&mut self.subscriptions, 1, &entry);
        self
    }

    /// Adds an IHAVE.
    #[must_use]
    pub fn ihave(mut self, topic: &str, ids: &[Vec<u8>]) -> Self {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, topic.as_bytes());
        ids.iter().for_each(|id| bytes(&mut entry, 2, id));
        bytes(&mut self.control, 1, &entry);
        self
    }

    /// Adds an IWANT.
    #[must_use]
    pub fn iwant(mut self, ids: &[Vec<u8>]) -> Self {
        let mut entry = Vec::new();
        ids.iter().for_each(|id| bytes(&mut entry, 1, id));
        bytes(&mut self.control, 2, &entry);
        self
    }

    /// Adds a GRAFT.
    #[must_use]
    pub fn graft(mut self, topic: &str) -> Self {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, topic.as_bytes());
        bytes(&mut self.control, 3, &entry);
        self
    }

    /// Adds a PRUNE with a backoff in seconds.
    #[must_use]
    pub fn prune(mut self, topic: &str, peers: &[ExchangedPeer], backoff: u64) -> Self {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, topic.as_bytes());
        for peer in peers {
            let mut info = Vec::new();
            bytes(&mut info, 1, &peer.id);
            bytes(&mut info, 2, &peer.record);
            bytes(&mut entry, 2, &info);
        }
        number(&mut entry, 3, backoff);
        bytes(&mut self.control, 4, &entry);
        self
    }

    /// Adds an IDONTWANT.
    #[must_use]
    pub fn idontwant(mut self, ids: &[Vec<u8>]) -> Self {
        let mut entry = Vec::new();
        ids.iter().for_each(|id| bytes(&mut entry, 1, id));
        bytes(&mut self.control, 5, &entry);
        self
    }

    /// The RPC as it travels, with its length in front.
    pub fn encode(&self) -> Vec<u8> {
        let mut rpc = self.subscriptions.clone();
        if !self.control.is_empty() {
            bytes(&mut rpc, 3, &self.control);
        }
        let mut out = Vec::with_capacity(rpc.len() + 10);
        varint(&mut out, rpc.len() as u64);
        out.extend(rpc);
        out
    }
}

/// What is of interest in an RPC of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Number of GRAFTs.
    pub grafts: usize,
    /// Number of PRUNEs.
    pub prunes: usize,
}

impl Heard {
    fn in_rpc(rpc: &[u8]) -> io::Result<Self> {
        let mut heard = Self::default();
        for (_, control) in fields(rpc)?.into_iter().filter(|(field, _)| *field == 3) {
            for (field, _) in fields(control)? {
                match field {
                    3 => heard.grafts += 1,
                    4 => heard.prunes += 1,
                    _ => {}
                }
            }
        }
        Ok(heard)
    }
}

/// Reads the RPCs that a node sends.
#[derive(Debug)]
pub struct Received<S>(S);

impl<S: AsyncRead + Unpin> Received<S> {
    /// The RPCs on this stream.
    pub const fn new(stream: S) -> Self {
        Self(stream)
    }

    /// The next RPC.
    ///
    /// # Errors
    /// If the stream ends or holds no RPC.
    pub async fn next(&mut self) -> io::Result<Heard> {
        let mut length = Vec::new();
        while length.last().is_none_or(|byte| byte & 0x80 != 0) {
            let mut byte = [0];
            self.0.read_exact(&mut byte).await?;
            length.extend(byte);
        }
        let length = usize::try_from(read_varint(&mut &length[..])?).map_err(io::Error::other)?;
        let mut rpc = vec![0; length.min(MOST)];
        self.0.read_exact(&mut rpc).await?;
        Heard::in_rpc(&rpc)
    }
}

/// The length-delimited fields of a message; other ones are passed over.
fn fields(mut message: &[u8]) -> io::Result<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = read_varint(&mut message)?;
        let value = read_varint(&mut message)?;
        match tag & 7 {
            BYTES => {
                let length = usize::try_from(value).map_err(io::Error::other)?;
                let (content, rest) =
                    message.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
                message = rest;
                found.push((tag >> 3, content));
            }
            VARINT => {}
            other => return Err(io::Error::other(format!("wire type {other}"))),
        }
    }
    Ok(found)
}

fn read_varint(bytes: &mut &[u8]) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | VARINT);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Seven bits a byte, lowest first; the highest bit says that more follow.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prune_is_written_as_the_specification_says() {
        let written = Rpc::new().prune("t", &[], 300).encode();
        // length 10; control (3): PRUNE (4): topic "t" (1), backoff 300 (3).
        assert_eq!(written, [10, 0x1a, 8, 0x22, 6, 0x0a, 1, b't', 0x18, 0xac, 2]);
    }

    #[test]
    fn the_largest_number_takes_ten_bytes() {
        let mut out = Vec::new();
        varint(&mut out, u64::MAX);
        assert_eq!(out, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(read_varint(&mut &out[..]).expect("a number"), u64::MAX);
        assert!(read_varint(&mut &[0xff; 10][..]).is_err());
    }

    #[test]
    fn what_is_written_is_heard() {
        let rpc = Rpc::new().subscribe("t").graft("t").graft("u").prune("t", &[], 1).encode();
        let heard = Heard::in_rpc(&rpc[1..]).expect("an RPC");
        assert_eq!(heard, Heard { grafts: 2, prunes: 1 });
    }
}
