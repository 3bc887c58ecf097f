//! The adversary with the patience of a test.

use crate::support::PATIENCE;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, identity::Keypair};
use peruri_adversary::{Client, Dials, IncomingStreams, key_of, wire};
use std::{io, time::Duration};
use tokio::time::timeout;

pub(crate) use peruri_adversary::wire::{HELLO, MESSAGE, REQUEST, SESSION, VERDICT, frame};

/// What `Says::default()` accepts.
const APPLICATION: &[u8] = b"chain 1";

pub(crate) struct Raw(Client);

impl Raw {
    pub(crate) fn new(key: u8) -> Self {
        Self::with_key(key_of([key; 32]).unwrap())
    }

    pub(crate) fn with_key(key: Keypair) -> Self {
        Self(Client::new(key).unwrap())
    }

    pub(crate) fn dial(&self, peer: PeerId, address: &Multiaddr) {
        self.0.dial(peer, address);
    }

    pub(crate) async fn until(&mut self, what: &str, condition: impl Fn(&Dials) -> bool) -> Dials {
        let reached = timeout(PATIENCE, self.0.until(condition)).await;
        let reached = reached.map(|dials| dials.unwrap());
        reached.unwrap_or_else(|_| panic!("in vain: {what}: {:?}", self.0.dials()))
    }

    pub(crate) fn accept(&mut self, protocol: StreamProtocol) -> IncomingStreams {
        self.0.accept(protocol).unwrap()
    }

    pub(crate) async fn open(
        &mut self,
        peer: PeerId,
        protocol: StreamProtocol,
    ) -> io::Result<Stream> {
        timeout(PATIENCE, self.0.open(peer, protocol)).await.unwrap()
    }

    /// Dials and goes through the handshake.
    pub(crate) async fn session(&mut self, peer: PeerId, address: &Multiaddr) -> Stream {
        timeout(PATIENCE, self.0.session(peer, address, APPLICATION)).await.unwrap().unwrap()
    }
}

/// The hello that `Says::default()` accepts.
pub(crate) fn hello(protocol: u32) -> Vec<u8> {
    wire::hello(protocol, APPLICATION)
}

pub(crate) async fn read_frame(stream: &mut Stream) -> (u8, Vec<u8>) {
    timeout(PATIENCE, wire::read_frame(stream)).await.unwrap().unwrap()
}

/// Whether the other end closes or resets the stream in time.
pub(crate) async fn is_closed(stream: &mut Stream, within: Duration) -> bool {
    let mut rest = Vec::new();
    timeout(within, futures::AsyncReadExt::read_to_end(stream, &mut rest)).await.is_ok()
}
