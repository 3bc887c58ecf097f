//! Recovery of senders, and which secp256k1 implementation does it.

use alloy_primitives::Address;
use reth_primitives_traits::transaction::{
    recover::{recover_signers, recover_signers_unchecked},
    signed::RecoveryError,
};

use crate::TransactionSigned;

/// Recovers the sender of each transaction, in parallel on Rayon's global pool. Signatures with a
/// high `s` are refused (EIP-2, Homestead).
///
/// # Errors
/// The first transaction whose sender cannot be recovered.
pub fn recover_senders(transactions: &[TransactionSigned]) -> Result<Vec<Address>, RecoveryError> {
    recover_signers(transactions)
}

/// [`recover_senders`] without EIP-2: what blocks before Homestead may contain.
///
/// # Errors
/// The first transaction whose sender cannot be recovered.
pub fn recover_senders_unchecked(
    transactions: &[TransactionSigned],
) -> Result<Vec<Address>, RecoveryError> {
    recover_signers_unchecked(transactions)
}

/// Name of the function that recovers a transaction's sender in this build.
fn sender_recovery_backend() -> &'static str {
    std::any::type_name_of_val(&alloy_consensus::crypto::secp256k1::public_key_to_address)
}

/// Checks that sender recovery runs on libsecp256k1 (about 38 µs a signature) and not on the
/// pure-Rust implementation (about 185 µs). Both are in the dependency graph; a lost cargo feature
/// would otherwise only show as a slow node.
///
/// # Errors
/// The name of the implementation that is linked instead.
pub fn assert_libsecp256k1() -> Result<(), &'static str> {
    let backend = sender_recovery_backend();
    if backend.contains("impl_secp256k1") { Ok(()) } else { Err(backend) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    use alloy_consensus::{SignableTransaction, TxLegacy, crypto::secp256k1::sign_message};
    use alloy_primitives::{B256, Signature, U256, address, uint};

    /// Address of the private key 1.
    const SENDER: Address = address!("7e5f4552091a69125d5dfcb7b8c2659029395bdf");

    fn signed(nonce: u64, high_s: bool) -> TransactionSigned {
        let transaction = TxLegacy { nonce, ..TxLegacy::default() };
        let hash = transaction.signature_hash();
        let mut signature = sign_message(B256::with_last_byte(1), hash).unwrap();
        if high_s {
            let order =
                uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
            let s: U256 = order - signature.s();
            signature = Signature::new(signature.r(), s, !signature.v());
        }
        transaction.into_signed(signature).into()
    }

    #[test]
    fn libsecp256k1_is_linked() {
        assert_eq!(assert_libsecp256k1(), Ok(()));
    }

    #[test]
    fn senders_are_recovered_in_order() {
        let transactions: Vec<_> = (0..50).map(|nonce| signed(nonce, false)).collect();
        assert_eq!(recover_senders(&transactions).unwrap(), vec![SENDER; 50]);
        assert!(recover_senders(&[]).unwrap().is_empty());
    }

    #[test]
    fn high_s_is_refused_from_homestead_on() {
        let transactions = [signed(0, false), signed(1, true)];
        assert!(recover_senders(&transactions).is_err());
        assert_eq!(recover_senders_unchecked(&transactions).unwrap(), [SENDER, SENDER]);
    }
}
