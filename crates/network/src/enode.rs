//! Enode URLs, the form in which Ethereum operators know nodes:
//! `enode://PUBLIC_KEY@HOST:PORT`, with the public key as 128 hexadecimal digits.
//!
//! Key and peer id are the same thing in two spellings, and a node listens on one port over TCP and
//! QUIC, so that an enode URL says all that is needed to find a node. HOST may be a DNS name.

use crate::{NetworkError, PeerIdentity};
use alloy_primitives::hex;
use libp2p::{
    Multiaddr, PeerId,
    identity::{PublicKey, secp256k1},
    multiaddr::Protocol,
};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// Port of a node whose URL names none.
const DEFAULT_PORT: u16 = 30303;

/// A node's key and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enode {
    key: secp256k1::PublicKey,
    host: String,
    port: u16,
}

impl Enode {
    /// The node with this key at this host.
    ///
    /// # Errors
    /// [`NetworkError::Enode`] if `peer` is not the id of a secp256k1 key.
    pub fn new(peer: &PeerId, host: String, port: u16) -> Result<Self, NetworkError> {
        let key = PublicKey::try_decode_protobuf(peer.as_ref().digest())
            .ok()
            .and_then(|key| key.try_into_secp256k1().ok())
            .ok_or_else(|| bad(&peer.to_string(), "no peer id of a secp256k1 key"))?;
        Ok(Self { key, host, port })
    }

    /// The URL of a peer that is seen at a multiaddr; `None` if that has no IP address or the peer no
    /// secp256k1 key.
    pub fn at(peer: &PeerId, address: &Multiaddr) -> Option<String> {
        let socket = socket_of(address)?;
        let host = match socket.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Some(Self::new(peer, host, socket.port()).ok()?.to_string())
    }

    /// Peer id and Ethereum address.
    ///
    /// # Errors
    /// Never for a key that was read; [`NetworkError::SecretKey`] otherwise.
    pub fn identity(&self) -> Result<PeerIdentity, NetworkError> {
        let peer = PublicKey::from(self.key.clone()).to_peer_id();
        PeerIdentity::new(peer).ok_or(NetworkError::SecretKey)
    }

    /// Where to dial it: over QUIC and over TCP.
    pub fn addresses(&self) -> [Multiaddr; 2] {
        let peer = PublicKey::from(self.key.clone()).to_peer_id();
        let host = match self.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => Protocol::Ip4(ip),
            Ok(IpAddr::V6(ip)) => Protocol::Ip6(ip),
            Err(_) => Protocol::Dns(self.host.clone().into()),
        };
        let base = Multiaddr::from(host);
        let quic = base.clone().with(Protocol::Udp(self.port)).with(Protocol::QuicV1);
        let tcp = base.with(Protocol::Tcp(self.port));
        [quic, tcp].map(|address| address.with(Protocol::P2p(peer)))
    }
}

impl FromStr for Enode {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let rest = text.strip_prefix("enode://").ok_or_else(|| bad(text, "no enode:// URL"))?;
        // What geth appends for a discovery port of its own.
        let rest = rest.split('?').next().unwrap_or(rest);
        let (key, place) = rest.split_once('@').ok_or_else(|| bad(text, "no @HOST:PORT"))?;
        let key = hex::decode(key).map_err(|_| bad(text, "the public key is not hexadecimal"))?;
        if key.len() != 64 {
            return Err(bad(text, "the public key has not 128 digits"));
        }
        let key = secp256k1::PublicKey::try_from_bytes(&[&[4], key.as_slice()].concat())
            .map_err(|_| bad(text, "the public key is no point of secp256k1"))?;
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| bad(text, "the port is not a number"))?)
            }
            _ => (place, DEFAULT_PORT),
        };
        if host.is_empty() {
            return Err(bad(text, "no host"));
        }
        Ok(Self { key, host: host.to_owned(), port })
    }
}

impl fmt::Display for Enode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = hex::encode(&self.key.to_bytes_uncompressed()[1..]);
        write!(f, "enode://{key}@{}:{}", self.host, self.port)
    }
}

/// The IP address and port of a multiaddr.
pub(crate) fn socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    let mut ip = None;
    for part in address {
        match part {
            Protocol::Ip4(it) => ip = Some(IpAddr::V4(it)),
            Protocol::Ip6(it) => ip = Some(IpAddr::V6(it)),
            Protocol::Tcp(port) | Protocol::Udp(port) => return Some(SocketAddr::new(ip?, port)),
            _ => return None,
        }
    }
    None
}

fn bad(text: &str, reason: &'static str) -> NetworkError {
    NetworkError::Enode { text: text.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::NodeIdentity;

    fn enode(host: &str) -> String {
        let peer = NodeIdentity::from_secret([7; 32]).unwrap().peer_id();
        Enode::new(&peer, host.to_owned(), 30303).unwrap().to_string()
    }

    #[test]
    fn the_url_round_trips_and_names_the_peer() {
        let identity = NodeIdentity::from_secret([7; 32]).unwrap();
        for host in ["10.0.0.1", "node1.example.org", "[::1]"] {
            let text = enode(host);
            let read: Enode = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            assert_eq!(read.identity().unwrap().address, identity.address());
        }
    }

    #[test]
    fn it_is_dialled_over_quic_and_tcp() {
        let read: Enode = enode("node1.example.org").parse().unwrap();
        let [quic, tcp] = read.addresses().map(|address| address.to_string());
        assert!(quic.starts_with("/dns/node1.example.org/udp/30303/quic-v1/p2p/16Uiu2"), "{quic}");
        assert!(tcp.starts_with("/dns/node1.example.org/tcp/30303/p2p/16Uiu2"), "{tcp}");
        let ip: Enode = enode("[::1]").parse().unwrap();
        assert!(ip.addresses()[1].to_string().starts_with("/ip6/::1/tcp/30303"));
    }

    #[test]
    fn the_port_may_be_left_out() {
        let text = enode("[::1]").replace(":30303", "");
        let read: Enode = text.parse().unwrap();
        assert_eq!(read.to_string(), enode("[::1]"));
        let discovery: Enode = format!("{}?discport=0", enode("10.0.0.1")).parse().unwrap();
        assert_eq!(discovery.to_string(), enode("10.0.0.1"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = enode("h");
        for (text, reason) in [
            ("http://x", "no enode://"),
            ("enode://12", "no @HOST"),
            ("enode://zz@h:1", "not hexadecimal"),
            ("enode://1234@h:1", "128 digits"),
            (&*format!("enode://{}@h:1", "11".repeat(64)), "no point"),
            (&*good.replace("@h", "@"), "no host"),
            (&*good.replace(":30303", ":x"), "not a number"),
        ] {
            let error = text.parse::<Enode>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
