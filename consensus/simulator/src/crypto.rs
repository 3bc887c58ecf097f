//! The cryptography that the cores under test are given.

use alloy_primitives::{Address, B256};
use peruri_ibft2::crypto::{Crypto, Signature65};

use crate::keys::Recovery;

/// Recovery by the simulator's keys.
#[derive(Debug, Clone, Copy)]
pub struct SimCrypto(pub Recovery);

impl Crypto for SimCrypto {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        self.0.recover(hash, signature.as_bytes())
    }
}
