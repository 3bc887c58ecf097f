//! Who a peer is: one secp256k1 key gives both the libp2p peer id and the Ethereum address.

use crate::NetworkError;
use alloy_primitives::Address;
use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey, secp256k1},
};
use std::fmt;

/// Multihash code of a key that is part of the peer id itself.
const IDENTITY_MULTIHASH: u64 = 0;

/// The Ethereum address of the key inside `peer`; `None` if it is not a secp256k1 key.
///
/// A compressed secp256k1 key is short enough to be inlined into the peer id, so the address can
/// be computed from the id alone (libp2p specification, "Peer Ids").
pub fn address_of(peer: &PeerId) -> Option<Address> {
    let multihash = peer.as_ref();
    if multihash.code() != IDENTITY_MULTIHASH {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    // One key must not have two spellings, or a banned peer would come back under the other.
    if PeerId::from_public_key(&key) != *peer {
        return None;
    }
    let point = key.try_into_secp256k1().ok()?.to_bytes_uncompressed();
    Some(Address::from_raw_public_key(&point[1..]))
}

/// A peer whose id is a secp256k1 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// libp2p peer id, proven by the Noise or TLS handshake.
    pub peer_id: PeerId,
    /// Ethereum address of the same key.
    pub address: Address,
}

impl PeerIdentity {
    /// The identity behind `peer_id`; `None` if its key is not secp256k1.
    pub fn new(peer_id: PeerId) -> Option<Self> {
        Some(Self { peer_id, address: address_of(&peer_id)? })
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.peer_id, self.address)
    }
}

/// The key of this node. A validator uses its validator key.
#[derive(Clone)]
pub struct NodeIdentity {
    keypair: Keypair,
    identity: PeerIdentity,
}

impl NodeIdentity {
    /// The identity of a secp256k1 secret key.
    ///
    /// # Errors
    /// [`NetworkError::SecretKey`] if the bytes are zero or not below the order of the curve.
    pub fn from_secret(mut secret: [u8; 32]) -> Result<Self, NetworkError> {
        let secret = secp256k1::SecretKey::try_from_bytes(&mut secret)
            .map_err(|_| NetworkError::SecretKey)?;
        let keypair = Keypair::from(secp256k1::Keypair::from(secret));
        let identity =
            PeerIdentity::new(keypair.public().to_peer_id()).ok_or(NetworkError::SecretKey)?;
        Ok(Self { keypair, identity })
    }

    /// libp2p peer id of this node.
    pub const fn peer_id(&self) -> PeerId {
        self.identity.peer_id
    }

    /// Ethereum address of this node.
    pub const fn address(&self) -> Address {
        self.identity.address
    }

    pub(crate) const fn keypair(&self) -> &Keypair {
        &self.keypair
    }
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeIdentity").field(&self.identity).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::{address, hex};

    #[test]
    fn address_is_the_one_of_the_ethereum_key() {
        // First key of the well-known mnemonic "test test … junk".
        let secret = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        let identity = NodeIdentity::from_secret(secret).unwrap();
        let expected = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(identity.address(), expected);
        assert_eq!(address_of(&identity.peer_id()), Some(expected));
        assert!(identity.peer_id().to_base58().starts_with("16Uiu2HA"));
    }

    #[test]
    fn other_keys_have_no_address() {
        assert_eq!(address_of(&PeerId::random()), None);
        let sha256 = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".parse().unwrap();
        assert_eq!(address_of(&sha256), None);
        // A well-formed Ed25519 key: type 1, 32 bytes.
        let mut bytes = vec![0x00, 36, 0x08, 0x01, 0x12, 32];
        bytes.extend([7; 32]);
        assert_eq!(address_of(&PeerId::from_bytes(&bytes).unwrap()), None);
    }

    #[test]
    fn bad_secrets_are_refused() {
        assert!(NodeIdentity::from_secret([0; 32]).is_err());
        assert!(NodeIdentity::from_secret([0xff; 32]).is_err());
    }

    #[test]
    fn the_secret_is_not_printed() {
        let text = format!("{:?}", NodeIdentity::from_secret([7; 32]).unwrap());
        assert!(!text.contains("0707"), "{text}");
    }
}
