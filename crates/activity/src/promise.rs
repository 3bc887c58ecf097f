//! Acceptance promises: the source's signature over an entry, before it is on chain.
//!
//! At the entry's number the log must hold this entry or a VOID with its activity id; anything else
//! is provable with the promise.

use crate::SourceKey;
use alloy_primitives::{B256, keccak256};
use peruri_plog::ENTRY_LEN;

/// What is signed: keccak256("peruri-accept-v1" ‖ u64 chain id ‖ u32 source ‖ entry), big-endian.
pub fn digest(chain_id: u64, source: u32, entry: &[u8; ENTRY_LEN]) -> B256 {
    let (chain_id, source) = (chain_id.to_be_bytes(), source.to_be_bytes());
    let parts: [&[u8]; 4] = [b"peruri-accept-v1", &chain_id, &source, entry];
    keccak256(parts.concat())
}

/// The promise: r ‖ s ‖ v, v 0 or 1, low s.
///
/// # Errors
/// The library's.
pub fn sign(
    key: &SourceKey,
    chain_id: u64,
    source: u32,
    entry: &[u8; ENTRY_LEN],
) -> Result<[u8; 65], alloy_signer::Error> {
    let signature = key.sign(&digest(chain_id, source, entry))?;
    let mut bytes = [0; 65];
    bytes[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    bytes[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
    bytes[64] = signature.v().into();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::{U256, b256, hex};

    /// Entry A of the log's vectors.
    const ENTRY: [u8; ENTRY_LEN] = hex!(
        "504c4731010000010000000100000000000000010000019b76daa8006f1f9f0e6f0b4d539a5e0a4b8f0c7d0155d1c9d0a69679a9b5636b3b5d1fce092f514779601d3a945e1dbbd6828c925c4ba0bf8035e3a1e8589f21723cfa0a4444f0d79b8db02e1182a9e9860280de210000000000000000000000000000000000000000000000000000000000000000"
    );

    #[test]
    fn the_promise_is_the_published_vector() {
        let expected = b256!("8713c5f29e889f7907dc2af79257fa3d3c6390b16eb93584a30b61c5de71b62b");
        assert_eq!(digest(7251, 1, &ENTRY), expected);
        let key = SourceKey::new(&U256::ONE.into()).unwrap();
        assert_eq!(
            sign(&key, 7251, 1, &ENTRY).unwrap(),
            hex!(
                "78f3a485483601fc84cbd7c061ceaa016cf370909c1de4d7a3c5df8925286b9c07e0a04c22b10fe21833568d747312fc4a4117c402cdfe8c9ad54c049adee86401"
            )
        );
    }

    #[test]
    fn a_promise_binds_chain_source_and_entry() {
        let mut other = ENTRY;
        other[139] = 1;
        let digests = [
            digest(1, 1, &ENTRY),
            digest(2, 1, &ENTRY),
            digest(1, 2, &ENTRY),
            digest(1, 1, &other),
        ];
        for (at, it) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(it), "{at}");
        }
    }
}
