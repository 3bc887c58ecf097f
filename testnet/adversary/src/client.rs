//! Connections and streams, as many as are asked for.

use crate::wire::{self, SESSION};
use futures::{AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder,
    identity::{Keypair, secp256k1},
    noise, ping,
    swarm::{
        NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use libp2p_stream::IncomingStreams;
use std::{io, time::Duration};
use tokio::sync::{mpsc, watch};

/// Connections without a stream stay open for this long.
const IDLE: Duration = Duration::from_secs(3_600);

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    ping: ping::Behaviour,
}

/// What became of the dials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dials {
    /// Connections that are open. To the dialler a connection is open before the other end has
    /// decided whether it wants it.
    pub open: usize,
    /// Dials that failed and connections that were closed.
    pub ended: usize,
}

/// A libp2p node over TCP, Noise and yamux that answers pings and does nothing else by itself.
/// Its connections close with the last clone.
#[derive(Clone)]
pub struct Client {
    control: libp2p_stream::Control,
    dial: mpsc::UnboundedSender<(PeerId, Multiaddr)>,
    dials: watch::Receiver<Dials>,
}

/// The libp2p key of a secp256k1 secret.
///
/// # Errors
/// If the secret is zero or not below the order of the curve.
pub fn key_of(secret: [u8; 32]) -> io::Result<Keypair> {
    let secret = secp256k1::SecretKey::try_from_bytes(secret).map_err(io::Error::other)?;
    Ok(Keypair::from(secp256k1::Keypair::from(secret)))
}

impl Client {
    /// A client with this identity on the current tokio runtime.
    ///
    /// # Errors
    /// If the transport cannot be set up.
    pub fn new(key: Keypair) -> io::Result<Self> {
        let streams = libp2p_stream::Behaviour::new();
        let control = streams.new_control();
        let behaviour = Behaviour { streams, ping: ping::Behaviour::default() };
        let swarm = SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .map_err(io::Error::other)?
            .with_behaviour(|_| behaviour)
            .map_err(io::Error::other)?
            .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
            .build();
        let (dial, requests) = mpsc::unbounded_channel();
        let (report, dials) = watch::channel(Dials::default());
        tokio::spawn(drive(swarm, requests, report));
        Ok(Self { control, dial, dials })
    }

    /// Dials once, whatever connections there are.
    pub fn dial(&self, peer: PeerId, address: &Multiaddr) {
        // The swarm's task ends with this value.
        let _ = self.dial.send((peer, address.clone()));
    }

    /// What has become of the dials so far.
    pub fn dials(&self) -> Dials {
        *self.dials.borrow()
    }

    /// Waits until `condition` holds for the dials.
    ///
    /// # Errors
    /// If the runtime that the client lives on ends.
    pub async fn until(&mut self, condition: impl Fn(&Dials) -> bool) -> io::Result<Dials> {
        self.dials.wait_for(|dials| condition(dials)).await.map(|it| *it).map_err(io::Error::other)
    }

    /// Opens a stream to a connected peer; the peer decides whether it speaks `protocol`.
    ///
    /// # Errors
    /// If the peer is not connected, refuses or closes.
    pub async fn open(&mut self, peer: PeerId, protocol: StreamProtocol) -> io::Result<Stream> {
        self.control.open_stream(peer, protocol).await.map_err(io::Error::other)
    }

    /// Takes streams of `protocol` that peers open from now on.
    ///
    /// # Errors
    /// If they are taken already.
    pub fn accept(&mut self, protocol: StreamProtocol) -> io::Result<IncomingStreams> {
        self.control.accept(protocol).map_err(io::Error::other)
    }

    /// Dials and goes through the session's handshake with `application` as the application's part
    /// of the hello.
    ///
    /// # Errors
    /// If the connection or the handshake fails, or the peer refuses.
    pub async fn session(
        &mut self,
        peer: PeerId,
        address: &Multiaddr,
        application: &[u8],
    ) -> io::Result<Stream> {
        let before = self.dials();
        self.dial(peer, address);
        let dialled = self.until(|now| now.open > before.open || now.ended > before.ended).await?;
        if dialled.open <= before.open {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let mut stream = self.open(peer, SESSION).await?;
        stream.write_all(&wire::hello(wire::PROTOCOL_VERSION, application)).await?;
        stream.write_all(&wire::frame(wire::VERDICT, &wire::ACCEPTED)).await?;
        stream.flush().await?;
        let (kind, _) = wire::read_frame(&mut stream).await?;
        if kind != wire::HELLO {
            return Err(io::Error::other(format!("a frame of kind {kind} instead of a hello")));
        }
        let (kind, content) = wire::read_frame(&mut stream).await?;
        if (kind, content.as_slice()) != (wire::VERDICT, &wire::ACCEPTED[..]) {
            return Err(io::Error::other(String::from_utf8_lossy(&content).into_owned()));
        }
        Ok(stream)
    }
}

/// Ends when the [`Client`] is dropped.
async fn drive(
    mut swarm: Swarm<Behaviour>,
    mut requests: mpsc::UnboundedReceiver<(PeerId, Multiaddr)>,
    report: watch::Sender<Dials>,
) {
    loop {
        tokio::select! {
            request = requests.recv() => {
                let Some((peer, address)) = request else { return };
                let options = DialOpts::peer_id(peer)
                    .addresses(vec![address])
                    .condition(PeerCondition::Always)
                    .allocate_new_port()
                    .build();
                if swarm.dial(options).is_err() {
                    report.send_modify(|dials| dials.ended += 1);
                }
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
}
