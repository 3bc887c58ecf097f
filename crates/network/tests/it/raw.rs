//! A peer that speaks libp2p but keeps no rule of this crate.

use crate::support::PATIENCE;
use alloy_rlp::RlpEncodable;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder,
    identity::{Keypair, secp256k1},
    noise, ping,
    swarm::{
        NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use std::{io, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

pub(crate) const SESSION: StreamProtocol = StreamProtocol::new("/peruri/session/1");
pub(crate) const REQUEST: StreamProtocol = StreamProtocol::new("/peruri/request/1");
pub(crate) const HELLO: u8 = 1;
pub(crate) const VERDICT: u8 = 2;
pub(crate) const MESSAGE: u8 = 3;

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    ping: ping::Behaviour,
}

/// What became of the dials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dials {
    pub(crate) open: usize,
    pub(crate) ended: usize,
}

pub(crate) struct Raw {
    control: libp2p_stream::Control,
    dial: mpsc::UnboundedSender<(PeerId, Multiaddr)>,
    pub(crate) dials: watch::Receiver<Dials>,
}

#[derive(RlpEncodable)]
struct Hello {
    protocol: u32,
    instance: u64,
    started_ms: u64,
    version: String,
    application: alloy_primitives::Bytes,
}

impl Raw {
    pub(crate) fn new(key: u8) -> Self {
        let secret = secp256k1::SecretKey::try_from_bytes([key; 32]).unwrap();
        Self::with_key(Keypair::from(secp256k1::Keypair::from(secret)))
    }

    pub(crate) fn with_key(key: Keypair) -> Self {
        let streams = libp2p_stream::Behaviour::new();
        let control = streams.new_control();
        let behaviour = Behaviour { streams, ping: ping::Behaviour::default() };
        let mut swarm = SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| behaviour)
            .unwrap()
            .with_swarm_config(|c| c.with_idle_connection_timeout(PATIENCE))
            .build();
        let (dial, mut requests) = mpsc::unbounded_channel::<(PeerId, Multiaddr)>();
        let (report, dials) = watch::channel(Dials::default());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    request = requests.recv() => {
                        let Some((peer, address)) = request else { return };
                        let options = DialOpts::peer_id(peer)
                            .addresses(vec![address])
                            .condition(PeerCondition::Always)
                            .allocate_new_port()
                            .build();
                        swarm.dial(options).unwrap();
                    }
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::ConnectionEstablished { .. } => {
                            report.send_modify(|dials| dials.open += 1);
                        }
                        SwarmEvent::ConnectionClosed { .. } => {
                            report.send_modify(|dials| { dials.open -= 1; dials.ended += 1; });
                        }
                        SwarmEvent::OutgoingConnectionError { .. } => {
                            report.send_modify(|dials| dials.ended += 1);
                        }
                        _ => {}
                    }
                }
            }
        });
        Self { control, dial, dials }
    }

    pub(crate) fn dial(&self, peer: PeerId, address: &Multiaddr) {
        self.dial.send((peer, address.clone())).unwrap();
    }

    pub(crate) async fn until(&mut self, what: &str, condition: impl Fn(&Dials) -> bool) -> Dials {
        let reached = timeout(PATIENCE, self.dials.wait_for(|dials| condition(dials))).await;
        let reached = reached.map(|dials| *dials.unwrap());
        reached.unwrap_or_else(|_| panic!("in vain: {what}: {:?}", *self.dials.borrow()))
    }

    pub(crate) async fn open(
        &mut self,
        peer: PeerId,
        protocol: StreamProtocol,
    ) -> io::Result<Stream> {
        let opened = timeout(PATIENCE, self.control.open_stream(peer, protocol)).await.unwrap();
        opened.map_err(io::Error::other)
    }

    /// Dials and goes through the handshake.
    pub(crate) async fn session(&mut self, peer: PeerId, address: &Multiaddr) -> Stream {
        self.dial(peer, address);
        self.until("a connection", |dials| dials.open == 1).await;
        let mut stream = self.open(peer, SESSION).await.unwrap();
        stream.write_all(&hello(1)).await.unwrap();
        stream.write_all(&frame(VERDICT, &[0xc2, 1, 0x80])).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(read_frame(&mut stream).await.0, HELLO);
        let (kind, verdict) = read_frame(&mut stream).await;
        assert_eq!((kind, verdict.as_slice()), (VERDICT, &[0xc2, 1, 0x80][..]));
        stream
    }
}

/// The hello that `Says::default()` accepts.
pub(crate) fn hello(protocol: u32) -> Vec<u8> {
    let hello = Hello {
        protocol,
        instance: 4_711,
        started_ms: 1,
        version: "raw".to_owned(),
        application: b"chain 1".to_vec().into(),
    };
    frame(HELLO, &alloy_rlp::encode(hello))
}

pub(crate) fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = (content.len() as u32 + 1).to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(content);
    bytes
}

pub(crate) async fn read_frame(stream: &mut Stream) -> (u8, Vec<u8>) {
    let read = async {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.unwrap();
        let mut content = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut content).await.unwrap();
        (content.remove(0), content)
    };
    timeout(PATIENCE, read).await.unwrap()
}

/// Whether the other end closes or resets the stream in time.
pub(crate) async fn is_closed(stream: &mut Stream, within: Duration) -> bool {
    let mut rest = Vec::new();
    timeout(within, stream.read_to_end(&mut rest)).await.is_ok()
}
