//! Keys of the simulated validators.
//!
//! Bulk runs sign with a keyed hash in the form of a secp256k1 signature: the address stands in `r`
//! and the tag in `s`, so recovery is a comparison. What matters of the real thing is kept: a
//! signature that nobody made recovers to an address that nobody has, and flipping `s` (with the
//! recovery id) gives a second signature of the same author, with a high `s`.

use alloy_consensus::crypto::secp256k1::{recover_signer_unchecked, sign_message};
use alloy_primitives::{Address, B256, Signature, U256, keccak256, uint};

use crate::choices::split_mix;

/// What an honest signer uses.
const NONCE: u64 = 0x1111_1111_1111_1111;

const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

/// How signatures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// A keyed hash.
    Keyed,
    /// secp256k1.
    Real,
}

/// Recovery of authors; holds no secret.
#[derive(Debug, Clone, Copy)]
pub struct Recovery(pub Scheme);

impl Recovery {
    /// The author of a signature over `hash`.
    pub fn recover(self, hash: &B256, signature: &[u8; 65]) -> Option<Address> {
        match self.0 {
            Scheme::Keyed => Some(recover_keyed(hash, signature)),
            Scheme::Real => {
                let r = U256::from_be_slice(&signature[..32]);
                let s = U256::from_be_slice(&signature[32..64]);
                let signature = Signature::new(r, s, signature[64] == 1);
                recover_signer_unchecked(&signature, *hash).ok()
            }
        }
    }
}

/// The keys of the members `0..n`, in ascending order of their addresses.
#[derive(Debug, Clone)]
pub struct KeyRing {
    scheme: Scheme,
    keys: Vec<(Address, B256)>,
}

impl KeyRing {
    /// Keys of `count` members.
    pub fn new(scheme: Scheme, count: usize) -> Self {
        let mut keys: Vec<(Address, B256)> = (0..count)
            .map(|index| {
                let secret =
                    keccak256([b"peruri simulator key", &index.to_be_bytes()[..]].concat());
                (address_of(scheme, secret), secret)
            })
            .collect();
        keys.sort();
        Self { scheme, keys }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What recovers these keys' signatures.
    pub fn recovery(&self) -> Recovery {
        Recovery(self.scheme)
    }

    /// Address of a member.
    pub fn address(&self, member: usize) -> Address {
        self.keys[member].0
    }

    /// All addresses, ascending.
    pub fn addresses(&self) -> Vec<Address> {
        self.keys.iter().map(|key| key.0).collect()
    }

    /// The member with this address.
    pub fn member(&self, address: &Address) -> Option<usize> {
        self.keys.binary_search_by_key(address, |key| key.0).ok()
    }

    /// Another signature of `member` over `hash`, as everybody can make as many as he likes of his
    /// own.
    ///
    /// # Panics
    /// If the key is none of this ring.
    pub fn sign_again(&self, member: usize, hash: B256, nonce: u64) -> [u8; 65] {
        match self.scheme {
            Scheme::Keyed => sign_keyed(self.keys[member].0, &hash, nonce),
            Scheme::Real => self.sign(member, hash),
        }
    }

    /// Signs `hash` as `member`, with a low `s`.
    ///
    /// # Panics
    /// If the key is none of this ring.
    pub fn sign(&self, member: usize, hash: B256) -> [u8; 65] {
        let (address, secret) = self.keys[member];
        match self.scheme {
            Scheme::Keyed => sign_keyed(address, &hash, NONCE),
            Scheme::Real => {
                let made = sign_message(secret, hash).expect("hashes below the order are keys");
                let made = made.normalized_s();
                let mut bytes = [0; 65];
                bytes[..32].copy_from_slice(&made.r().to_be_bytes::<32>());
                bytes[32..64].copy_from_slice(&made.s().to_be_bytes::<32>());
                bytes[64] = u8::from(made.v());
                bytes
            }
        }
    }
}

/// The other signature of the same author over the same hash.
pub fn malleate(signature: &[u8; 65]) -> [u8; 65] {
    let s = U256::from_be_slice(&signature[32..64]);
    let mut other = *signature;
    other[32..64].copy_from_slice(&N.wrapping_sub(s).to_be_bytes::<32>());
    other[64] ^= 1;
    other
}

fn address_of(scheme: Scheme, secret: B256) -> Address {
    match scheme {
        Scheme::Keyed => Address::from_slice(&secret[..20]),
        Scheme::Real => {
            let probe = B256::repeat_byte(1);
            let signature = sign_message(secret, probe).expect("hashes below the order are keys");
            recover_signer_unchecked(&signature, probe).expect("a signature recovers")
        }
    }
}

fn sign_keyed(address: Address, hash: &B256, nonce: u64) -> [u8; 65] {
    let tag = tag(&address, hash, nonce);
    let mut bytes = [0x11; 65];
    bytes[1..21].copy_from_slice(address.as_slice());
    bytes[21..29].copy_from_slice(&nonce.to_be_bytes());
    bytes[33..41].copy_from_slice(&tag[0].to_be_bytes());
    bytes[41..49].copy_from_slice(&tag[1].to_be_bytes());
    bytes[64] = (tag[0] & 1) as u8;
    bytes
}

fn recover_keyed(hash: &B256, signature: &[u8; 65]) -> Address {
    let low = if signature[32] > 0x7f { malleate(signature) } else { *signature };
    let address = Address::from_slice(&low[1..21]);
    if sign_keyed(address, hash, word(&low[21..29])) == low {
        return address;
    }
    let mut nobody = [0; 20];
    let mut state = word(&low[1..9]) ^ word(&hash[..8]) ^ word(&low[33..41]).rotate_left(17);
    for chunk in nobody.chunks_mut(8) {
        chunk.copy_from_slice(&split_mix(&mut state).to_be_bytes()[..chunk.len()]);
    }
    Address::new(nobody)
}

fn tag(address: &Address, hash: &B256, nonce: u64) -> [u64; 2] {
    let mut state = 0x0dd0_5ec2_e700_0001 ^ nonce;
    for part in
        [&address[..8], &address[8..16], &hash[..8], &hash[8..16], &hash[16..24], &hash[24..]]
    {
        state ^= word(part);
        state = split_mix(&mut state);
    }
    [split_mix(&mut state), split_mix(&mut state)]
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use peruri_ibft2::Seal;

    use super::*;

    fn check(scheme: Scheme) {
        let ring = KeyRing::new(scheme, 4);
        let hash = keccak256("a");
        for member in 0..4 {
            let signature = ring.sign(member, hash);
            Seal::new(signature).unwrap();
            let recover = |signature: &[u8; 65]| ring.recovery().recover(&hash, signature);
            assert_eq!(recover(&signature), Some(ring.address(member)));
            assert_eq!(recover(&malleate(&signature)), Some(ring.address(member)));
            Seal::new(malleate(&signature)).unwrap();
            assert!(signature[32] < 0x80 && malleate(&signature)[32] > 0x7f);
            let other = ring.recovery().recover(&keccak256("b"), &signature);
            assert_ne!(other, Some(ring.address(member)));
            for index in 0..64 {
                let mut bad = signature;
                bad[index] ^= 4;
                assert_ne!(recover(&bad), Some(ring.address(member)), "{index}");
            }
        }
    }

    #[test]
    fn keyed_signatures_behave_like_signatures() {
        check(Scheme::Keyed);
    }

    #[test]
    fn real_signatures() {
        check(Scheme::Real);
    }

    #[test]
    fn members_are_ascending() {
        let ring = KeyRing::new(Scheme::Keyed, 10);
        assert!(ring.addresses().is_sorted());
        assert_eq!(ring.member(&ring.address(7)), Some(7));
    }
}
