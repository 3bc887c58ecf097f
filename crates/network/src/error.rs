//! What can go wrong.

use std::{io, path::PathBuf, time::Duration};

/// An error of the network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Not a secp256k1 secret key.
    #[error("not a secp256k1 secret key")]
    SecretKey,
    /// Neither TCP nor QUIC is switched on.
    #[error("neither TCP nor QUIC is switched on")]
    NoTransport,
    /// The listening address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Address that was asked for.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// A transport or protocol cannot be set up.
    #[error("cannot set up {what}: {reason}")]
    Setup {
        /// Part that failed.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A multiaddr that cannot be dialled.
    #[error("cannot dial {address}: {reason}")]
    Address {
        /// The multiaddr.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not an enode URL.
    #[error("{text}: {reason}; expected enode://PUBLIC_KEY@HOST:PORT")]
    Enode {
        /// What was read.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The node list cannot be used.
    #[error(transparent)]
    NodeList(#[from] NodeListError),
    /// The network's queue of commands is full.
    #[error("the network's queue of commands is full")]
    Busy,
    /// The network has been shut down.
    #[error("the network has been shut down")]
    Closed,
}

/// A node list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeListError {
    /// The file cannot be read.
    #[error("cannot read node list {path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is larger than any honest list.
    #[error("node list {path} has more than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        limit: u64,
    },
    /// The file is empty: more likely half written than meant.
    #[error("the node list is empty")]
    Empty,
    /// Not the TOML of a node list.
    #[error("node list is not readable: {0}")]
    Toml(String),
    /// A node with a bad address.
    #[error("node {name}: address {address}: {reason}")]
    Address {
        /// Name of the node.
        name: String,
        /// The address as written.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A node with a bad enode URL.
    #[error("node {name}: {reason}")]
    Enode {
        /// Name of the node.
        name: String,
        /// What is wrong with the URL.
        reason: String,
    },
    /// A node without address.
    #[error("node {name} has no address")]
    NoAddress {
        /// Name of the node.
        name: String,
    },
    /// Addresses of one node name different peer ids.
    #[error("node {name}: its addresses name two peer ids, {first} and {second}")]
    TwoPeerIds {
        /// Name of the node.
        name: String,
        /// Peer id of the first address.
        first: String,
        /// Another one.
        second: String,
    },
    /// Two nodes with one peer id.
    #[error("nodes {first} and {second} have the same peer id {peer_id}")]
    Twice {
        /// Name of the first node.
        first: String,
        /// Name of the second.
        second: String,
        /// Their peer id.
        peer_id: String,
    },
}

/// Why a message was not taken for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no such session, or no longer.
    #[error("the peer is not connected")]
    NotConnected,
    /// The peer's queue is full.
    #[error("the peer's send queue is full")]
    Full,
    /// A message must have at least one byte.
    #[error("the message is empty")]
    Empty,
    /// The message is larger than the transport carries.
    #[error("the message has {got} bytes, at most {limit} are carried")]
    TooLarge {
        /// Most bytes.
        limit: usize,
        /// Bytes of the message.
        got: usize,
    },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no such session, or no longer.
    #[error("the peer is not connected")]
    NotConnected,
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The request is empty or too large.
    #[error("the request has {got} bytes, 1 to {limit} are carried")]
    Size {
        /// Most bytes.
        limit: usize,
        /// Bytes of the request.
        got: usize,
    },
    /// The stream broke, or the peer gave no answer.
    #[error("the request failed: {0}")]
    Io(#[from] io::Error),
    /// The answer is not a valid frame.
    #[error("bad answer: {0}")]
    Frame(FrameError),
}

/// A stream that breaks within a frame is a broken stream, not a bad answer.
impl From<FrameError> for RequestError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(source) => Self::Io(source),
            error => Self::Frame(error),
        }
    }
}

/// A frame that a peer must not send.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length prefix is above the limit; nothing was allocated.
    #[error("a frame of {got} bytes was announced, the limit is {limit}")]
    TooLarge {
        /// Most bytes.
        limit: usize,
        /// Announced bytes.
        got: usize,
    },
    /// The length prefix, or the content, is zero.
    #[error("an empty frame")]
    Empty,
    /// The frame did not end in time.
    #[error("a frame did not end within {0:?}")]
    Timeout(Duration),
    /// A frame of a kind that has no place here.
    #[error("unexpected frame of kind {0:#04x}")]
    Kind(u8),
    /// The content cannot be decoded.
    #[error("undecodable frame: {0}")]
    Decode(String),
    /// The stream broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FrameError {
    /// Whether the peer did what no honest peer does; a broken stream is nobody's fault.
    pub const fn is_violation(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}
