//! The nodes that may connect, as a TOML file:
//!
//! ```toml
//! [[node]]
//! name = "Peruri"
//! enode = "enode://1b84…@node1.example.org:30303"
//!
//! [[node]]
//! name = "NOTA"
//! addresses = [
//!     "/dns4/node1.example.org/tcp/30303/p2p/16Uiu2HAmJb2e28qLXxT5kZxVUUoJt72EMzNGXB47Rxx5hw3q4YjS",
//!     "/dns4/node1.example.org/udp/30303/quic-v1/p2p/16Uiu2HAmJb2e28qLXxT5kZxVUUoJt72EMzNGXB47Rxx5hw3q4YjS",
//! ]
//! ```
//!
//! An enode URL stands for the addresses over QUIC and TCP. A node that only dials and is never dialled has the address `/p2p/PEER_ID`.

mod watch;

pub(crate) use watch::watch;

use crate::{Enode, NodeListError, PeerIdentity, event::peer_of};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Largest node list: more than 5,000 nodes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A node that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name for the operator.
    pub name: String,
    /// Peer id and Ethereum address.
    pub peer: PeerIdentity,
    /// Where to dial it, each with its peer id at the end; may be empty.
    pub addresses: Vec<Multiaddr>,
}

/// The nodes that may connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeList {
    nodes: Vec<Node>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    #[serde(default)]
    node: Vec<NodeForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeForm {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enode: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
}

impl NodeList {
    /// A list of these nodes.
    ///
    /// # Errors
    /// [`NodeListError::Twice`] if two have the same peer id.
    pub fn new(nodes: Vec<Node>) -> Result<Self, NodeListError> {
        let mut seen = BTreeMap::new();
        for node in &nodes {
            if let Some(first) = seen.insert(node.peer.peer_id, &node.name) {
                return Err(NodeListError::Twice {
                    first: first.clone(),
                    second: node.name.clone(),
                    peer_id: node.peer.peer_id.to_string(),
                });
            }
        }
        Ok(Self { nodes })
    }

    /// Reads the list from its file.
    ///
    /// # Errors
    /// [`NodeListError`]: not readable, too large, or not a list.
    pub fn load(path: &Path) -> Result<Self, NodeListError> {
        let io = |error: io::Error| NodeListError::Io {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let mut text = String::new();
        let file = File::open(path).map_err(io)?;
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(io)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(NodeListError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
        }
        Self::parse(&text)
    }

    /// Reads the list from its text.
    ///
    /// # Errors
    /// [`NodeListError`] names what is wrong and where. A text without anything is an error, too:
    /// a file that is just being written must not lock everybody out.
    pub fn parse(text: &str) -> Result<Self, NodeListError> {
        if text.trim().is_empty() {
            return Err(NodeListError::Empty);
        }
        let form: FileForm =
            toml::from_str(text).map_err(|error| NodeListError::Toml(error.to_string()))?;
        Self::new(form.node.into_iter().map(Node::try_from).collect::<Result<_, _>>()?)
    }

    /// The list as the text of its file.
    pub fn to_toml(&self) -> String {
        if self.nodes.is_empty() {
            return "node = []\n".to_owned();
        }
        let node = self.nodes.iter().map(NodeForm::from).collect();
        // Strings and arrays of strings always have a TOML form.
        toml::to_string_pretty(&FileForm { node }).unwrap_or_default()
    }

    /// The nodes in the order of the file.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node with this peer id.
    pub fn get(&self, peer: &PeerId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.peer.peer_id == *peer)
    }
}

impl From<&Node> for NodeForm {
    fn from(node: &Node) -> Self {
        let mut addresses: Vec<_> = node.addresses.iter().map(Multiaddr::to_string).collect();
        if addresses.is_empty() {
            addresses.push(Multiaddr::from(Protocol::P2p(node.peer.peer_id)).to_string());
        }
        Self { name: node.name.clone(), enode: None, addresses }
    }
}

impl TryFrom<NodeForm> for Node {
    type Error = NodeListError;

    fn try_from(form: NodeForm) -> Result<Self, NodeListError> {
        let mut peer: Option<PeerIdentity> = None;
        let mut addresses = Vec::new();
        let enode = form.enode.as_deref().map(str::parse::<Enode>).transpose();
        let enode = enode.map_err(|error| NodeListError::Enode {
            name: form.name.clone(),
            reason: error.to_string(),
        })?;
        let of_enode = enode.iter().flat_map(Enode::addresses).map(|address| address.to_string());
        for text in of_enode.chain(form.addresses.iter().cloned()) {
            let bad = |reason: &str| NodeListError::Address {
                name: form.name.clone(),
                address: text.clone(),
                reason: reason.to_owned(),
            };
            let address: Multiaddr = text.parse().map_err(|_| bad("not a multiaddr"))?;
            let found = identity_in(&address).map_err(bad)?;
            match peer {
                Some(first) if first != found => {
                    return Err(NodeListError::TwoPeerIds {
                        name: form.name.clone(),
                        first: first.peer_id.to_string(),
                        second: found.peer_id.to_string(),
                    });
                }
                _ => peer = Some(found),
            }
            if address.len() > Multiaddr::from(Protocol::P2p(found.peer_id)).len() {
                check_dialable(&address).map_err(bad)?;
                addresses.push(address);
            }
        }
        let peer = peer.ok_or_else(|| NodeListError::NoAddress { name: form.name.clone() })?;
        Ok(Self { name: form.name, peer, addresses })
    }
}

/// The identity at the end of an address.
pub(crate) fn identity_in(address: &Multiaddr) -> Result<PeerIdentity, &'static str> {
    let peer = peer_of(address).ok_or("does not end with /p2p/PEER_ID")?;
    PeerIdentity::new(peer).ok_or("its peer id is not that of a secp256k1 key")
}

/// Whether the transports of this crate can dial the address: host, TCP or QUIC, peer id.
pub(crate) fn check_dialable(address: &Multiaddr) -> Result<(), &'static str> {
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let (host, transport) = match parts.as_slice() {
        [host, transport @ .., Protocol::P2p(_)] => (host, transport),
        _ => return Err("does not end with /p2p/PEER_ID"),
    };
    if !matches!(
        host,
        Protocol::Ip4(_)
            | Protocol::Ip6(_)
            | Protocol::Dns(_)
            | Protocol::Dns4(_)
            | Protocol::Dns6(_)
    ) {
        return Err("does not begin with an IP address or a DNS name");
    }
    match transport {
        [Protocol::Tcp(_)] | [Protocol::Udp(_), Protocol::QuicV1] => Ok(()),
        _ => Err("neither /tcp/PORT nor /udp/PORT/quic-v1"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::NodeIdentity;

    fn id(byte: u8) -> PeerId {
        NodeIdentity::from_secret([byte; 32]).unwrap().peer_id()
    }

    fn list(addresses: &[String]) -> Result<NodeList, NodeListError> {
        NodeList::parse(&format!("[[node]]\nname = \"A\"\naddresses = {addresses:?}\n"))
    }

    #[test]
    fn text_and_back() {
        let (a, b) = (id(1), id(2));
        let text = format!(
            "# pilot\n[[node]]\nname = \"A\"\naddresses = [\"/dns4/a.example/tcp/30303/p2p/{a}\", \
             \"/ip6/::1/udp/30303/quic-v1/p2p/{a}\"]\n[[node]]\nname = \"B\"\naddresses = [\"/p2p/{b}\"]\n"
        );
        let list = NodeList::parse(&text).unwrap();
        assert_eq!(list.get(&a).unwrap().addresses.len(), 2);
        assert!(list.get(&b).unwrap().addresses.is_empty());
        assert!(list.get(&id(3)).is_none());
        assert_eq!(NodeList::parse(&list.to_toml()).unwrap(), list);
        let empty = NodeList::default();
        assert_eq!(NodeList::parse(&empty.to_toml()).unwrap(), empty);
    }

    #[test]
    fn bad_lists_are_named() {
        let (a, b) = (id(1), id(2));
        assert_eq!(NodeList::parse(" \n"), Err(NodeListError::Empty));
        assert!(matches!(NodeList::parse("node"), Err(NodeListError::Toml(_))));
        assert!(matches!(NodeList::parse("nodes = []"), Err(NodeListError::Toml(_))));
        assert!(matches!(list(&[]), Err(NodeListError::NoAddress { .. })));
        for address in [
            "nonsense".to_owned(),
            "/ip4/1.2.3.4/tcp/1".to_owned(),
            format!("/ip4/1.2.3.4/udp/1/p2p/{a}"),
            format!("/unix/socket/p2p/{a}"),
            format!("/ip4/1.2.3.4/tcp/1/ws/p2p/{a}"),
            format!("/ip4/1.2.3.4/tcp/1/p2p/{}", PeerId::random()),
        ] {
            let result = list(std::slice::from_ref(&address));
            assert!(matches!(result, Err(NodeListError::Address { .. })), "{address}: {result:?}");
        }
        let two = [a, b].map(|peer| format!("/ip4/1.2.3.4/tcp/1/p2p/{peer}"));
        assert!(matches!(list(&two), Err(NodeListError::TwoPeerIds { .. })));
        let node =
            |name: &str| format!("[[node]]\nname = \"{name}\"\naddresses = [\"/p2p/{a}\"]\n");
        let twice = NodeList::parse(&(node("A") + &node("B")));
        assert!(matches!(twice, Err(NodeListError::Twice { .. })));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.toml");
        assert!(matches!(NodeList::load(&path), Err(NodeListError::Io { .. })));
        std::fs::write(&path, vec![b'#'; MAX_FILE_BYTES as usize + 1]).unwrap();
        assert!(matches!(NodeList::load(&path), Err(NodeListError::TooLarge { .. })));
    }
}
