//! Why bytes are no consensus message.

use crate::seal::SealError;

/// Why bytes are no consensus message. The peer that delivered them is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message is longer than allowed.
    #[error("message has {got} bytes, at most {limit} are allowed")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
        /// The length found.
        got: usize,
    },
    /// No message has this code.
    #[error("message code {got}, expected 0 to 3")]
    Code {
        /// The code found.
        got: u8,
    },
    /// The message is empty, so it has no code either.
    #[error("empty message")]
    Empty,
    /// An element is missing, of the wrong kind, or not minimally encoded.
    #[error("{element}: {source}")]
    Rlp {
        /// The element that was read.
        element: &'static str,
        /// What the RLP decoder said.
        source: alloy_rlp::Error,
    },
    /// An element of fixed width has another one.
    #[error("{element} has {got} bytes, expected {expected}")]
    Length {
        /// The element that was read.
        element: &'static str,
        /// Its width in bytes.
        expected: usize,
        /// The width found.
        got: usize,
    },
    /// Bytes follow the last element.
    #[error("{bytes} bytes after the end of {element}")]
    Trailing {
        /// What should have ended.
        element: &'static str,
        /// How many bytes follow.
        bytes: usize,
    },
    /// A list has more entries than allowed.
    #[error("{got} {element}, at most {limit} are allowed")]
    TooMany {
        /// What the list holds.
        element: &'static str,
        /// The limit.
        limit: usize,
        /// Number of entries found.
        got: usize,
    },
    /// A signature or seal is none.
    #[error("{element}: {source}")]
    Signature {
        /// The element that was read.
        element: &'static str,
        /// What is wrong with it.
        source: SealError,
    },
    /// The signature of a message has an `s` above half of the order of the curve.
    #[error("signature with a high s")]
    HighS,
    /// The body of a block is not two or three lists.
    #[error("block body has {got} elements, expected 2 or 3")]
    Body {
        /// Number of elements found.
        got: usize,
    },
    /// A block access list, which belongs to a fork that is not supported.
    #[error("block access list of {bytes} bytes, which no supported fork has")]
    AccessList {
        /// Its length.
        bytes: usize,
    },
}
