//! Frames of the session, written by hand: a big-endian `u32` length, one byte of kind, content.

use alloy_rlp::RlpEncodable;
use futures::{AsyncRead, AsyncReadExt};
use libp2p::StreamProtocol;
use std::io;

/// Protocol of the session's stream.
pub const SESSION: StreamProtocol = StreamProtocol::new("/peruri/session/1");
/// Protocol of a request's stream.
pub const REQUEST: StreamProtocol = StreamProtocol::new("/peruri/request/1");
/// Version of the session's protocol.
pub const PROTOCOL_VERSION: u32 = 1;
/// Kind of a hello.
pub const HELLO: u8 = 1;
/// Kind of a verdict.
pub const VERDICT: u8 = 2;
/// Kind of a message of the application.
pub const MESSAGE: u8 = 3;
/// Content of a verdict that accepts: RLP of `[true, ""]`.
pub const ACCEPTED: [u8; 3] = [0xc2, 1, 0x80];
/// Largest frame that is read: more than a node ever sends.
const MOST: usize = 32 << 20;

#[derive(RlpEncodable)]
struct Hello {
    protocol: u32,
    instance: u64,
    started_ms: u64,
    version: String,
    application: alloy_primitives::Bytes,
}

/// The frame of a hello.
pub fn hello(protocol: u32, application: &[u8]) -> Vec<u8> {
    let hello = Hello {
        protocol,
        instance: 4_711,
        started_ms: 1,
        version: "raw".to_owned(),
        application: application.to_vec().into(),
    };
    frame(HELLO, &alloy_rlp::encode(hello))
}

/// A frame.
///
/// # Panics
/// If the content is too long for the length of a frame.
pub fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 1).expect("a frame has a length of four bytes");
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(content);
    bytes
}

/// Reads a frame: kind and content.
///
/// # Errors
/// If the stream ends or the frame is empty or longer than any of a node.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > MOST {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    let kind = content.remove(0);
    Ok((kind, content))
}
