//! The signed transactions: ordinary EIP-1559 calls of `append`.

use super::Limits;
use crate::{
    SourceKey,
    rows::{Sealed, StoreError},
};
use alloy_consensus::{
    SignableTransaction, Transaction, TxEip1559, TxEnvelope, transaction::SignerRecoverable,
};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use peruri_evm::plog::{abi::IPlog, append_gas};
use peruri_plog::{ENTRY_LEN, Entry, PLOG_ADDRESS};

/// Gas of any transaction (Yellow Paper, G_transaction).
const TRANSACTION_GAS: u64 = 21_000;
/// Gas of a token of calldata, and its floor (EIP-7623); a zero byte is one token, another four.
const TOKEN_GAS: u64 = 4;
const TOKEN_FLOOR_GAS: u64 = 10;
/// How often the base fee of now may be multiplied until the block: bytes that are signed are never
/// signed anew with a better price.
const BASE_FEE_HEADROOM: u128 = 64;

/// What all transactions of a source have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) key: &'a SourceKey,
    pub(crate) chain_id: u64,
    pub(crate) log: B256,
    pub(crate) source: u32,
}

/// Gas that a transaction with these entries needs.
pub(crate) fn gas_limit(entries: &[[u8; ENTRY_LEN]], input: &[u8], limits: &Limits) -> u64 {
    let tokens: u64 = input.iter().map(|byte| if *byte == 0 { 1 } else { 4 }).sum();
    let execution = append_gas(entries, limits.subject_chains);
    let standard = TOKEN_GAS.saturating_mul(tokens).saturating_add(execution);
    TRANSACTION_GAS.saturating_add(standard.max(TOKEN_FLOOR_GAS.saturating_mul(tokens)))
}

/// Signs the append of as many of `entries` as the limits allow, at least one.
///
/// # Errors
/// The key cannot sign.
pub(crate) fn seal(
    terms: &Terms<'_>,
    nonce: u64,
    first_seq: u64,
    entries: &[[u8; ENTRY_LEN]],
    limits: &Limits,
) -> Result<Sealed, StoreError> {
    let (mut taken, mut input, mut gas);
    let mut count = entries.len();
    loop {
        taken = entries.get(..count).unwrap_or_default();
        input = call(terms, first_seq, taken);
        gas = gas_limit(taken, &input, limits);
        if gas <= limits.max_gas || count <= 1 {
            break;
        }
        count = count.div_ceil(2);
    }
    let tx = TxEip1559 {
        chain_id: terms.chain_id,
        nonce,
        gas_limit: gas,
        max_fee_per_gas: u128::from(limits.base_fee).saturating_mul(BASE_FEE_HEADROOM),
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(PLOG_ADDRESS),
        value: U256::ZERO,
        input,
        access_list: Default::default(),
    };
    let signature = terms.key.sign(&tx.signature_hash()).map_err(StoreError::new)?;
    let tx = TxEnvelope::Eip1559(tx.into_signed(signature));
    let count = u32::try_from(taken.len()).map_err(StoreError::new)?;
    let raw = tx.encoded_2718().into();
    Ok(Sealed { nonce, first_seq, count, hash: *tx.tx_hash(), raw })
}

fn call(terms: &Terms<'_>, first_seq: u64, entries: &[[u8; ENTRY_LEN]]) -> Bytes {
    let Terms { log, source, .. } = *terms;
    let entries = entries.concat().into();
    let call = IPlog::appendCall { logId: log, sourceId: source, firstSeq: first_seq, entries };
    call.abi_encode().into()
}

/// Reads a transaction that this source may have sealed: its entries are those of the numbers that it
/// appends. `None` if it is anything else.
pub(crate) fn decode_own(raw: &Bytes, terms: &Terms<'_>) -> Option<(Sealed, Vec<[u8; ENTRY_LEN]>)> {
    let tx = TxEnvelope::decode_2718_exact(raw).ok()?;
    let meant = tx.is_eip1559()
        && tx.to() == Some(PLOG_ADDRESS)
        && tx.value().is_zero()
        && tx.chain_id() == Some(terms.chain_id)
        && tx.recover_signer().ok() == Some(terms.key.address());
    let call = IPlog::appendCall::abi_decode(tx.input()).ok().filter(|_| meant)?;
    let (entries, rest) = call.entries.as_chunks::<ENTRY_LEN>();
    let fits = rest.is_empty()
        && !entries.is_empty()
        && (call.logId, call.sourceId) == (terms.log, terms.source)
        && (call.firstSeq..)
            .zip(entries)
            .all(|(seq, entry)| Entry::check_appended(entry, terms.source, seq, false).is_ok());
    let count = u32::try_from(entries.len()).ok().filter(|_| fits)?;
    let (nonce, hash) = (tx.nonce(), *tx.tx_hash());
    let sealed = Sealed { nonce, first_seq: call.firstSeq, count, hash, raw: raw.clone() };
    Some((sealed, entries.to_vec()))
}

/// Sender and nonce of any transaction.
pub(crate) fn sender_and_nonce(raw: &Bytes) -> Option<(Address, u64)> {
    let tx = TxEnvelope::decode_2718_exact(raw).ok()?;
    Some((tx.recover_signer().ok()?, tx.nonce()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use peruri_plog::EntryType;

    fn entries(count: u64) -> Vec<[u8; ENTRY_LEN]> {
        let entry = |seq| Entry {
            kind: EntryType::Activity,
            flags: 0,
            schema: 1,
            source_id: 1,
            source_seq: seq,
            occurred_at: 1 << 40,
            activity_id: [7; 16],
            subject: B256::repeat_byte(8),
            commitment: B256::repeat_byte(9),
            effect: B256::ZERO,
        };
        (5..5 + count).map(|seq| entry(seq).encode()).collect()
    }

    fn limits() -> Limits {
        Limits { base_fee: 0, max_gas: 1 << 24, subject_chains: false }
    }

    #[test]
    fn what_was_sealed_is_read_again_and_the_same_twice() {
        let key = SourceKey::new(&B256::repeat_byte(1)).unwrap();
        let terms = Terms { key: &key, chain_id: 7251, log: B256::repeat_byte(2), source: 1 };
        let sealed = seal(&terms, 3, 5, &entries(4), &limits()).unwrap();
        assert_eq!(seal(&terms, 3, 5, &entries(4), &limits()).unwrap(), sealed);
        assert_eq!(decode_own(&sealed.raw, &terms), Some((sealed.clone(), entries(4))));
        assert_eq!(sender_and_nonce(&sealed.raw), Some((key.address(), 3)));
        let tx = TxEnvelope::decode_2718_exact(&sealed.raw).unwrap();
        assert_eq!((tx.max_fee_per_gas(), tx.max_priority_fee_per_gas()), (0, Some(0)));
        let other = SourceKey::new(&B256::repeat_byte(2)).unwrap();
        for strange in [
            Terms { key: &other, ..terms },
            Terms { chain_id: 1, ..terms },
            Terms { log: B256::ZERO, ..terms },
            Terms { source: 2, ..terms },
        ] {
            assert_eq!(decode_own(&sealed.raw, &strange), None);
        }
        let shifted = seal(&terms, 3, 6, &entries(4), &limits()).unwrap();
        assert_eq!(decode_own(&shifted.raw, &terms), None);
    }

    #[test]
    fn a_run_is_split_when_it_needs_too_much_gas() {
        let key = SourceKey::new(&B256::repeat_byte(1)).unwrap();
        let terms = Terms { key: &key, chain_id: 1, log: B256::ZERO, source: 1 };
        let chains = Limits { subject_chains: true, ..limits() };
        let full = seal(&terms, 0, 5, &entries(256), &chains).unwrap();
        // About 11.4 M with subject chains by the log's price table, and calldata.
        assert_eq!(full.count, 256);
        let split = seal(&terms, 0, 5, &entries(1_024), &chains).unwrap();
        assert_eq!(split.count, 256);
        let one = seal(&terms, 0, 5, &entries(9), &Limits { max_gas: 1, ..chains }).unwrap();
        assert_eq!(one.count, 1);
        let dear = seal(&terms, 0, 5, &entries(1), &Limits { base_fee: 10, ..limits() }).unwrap();
        let tx = TxEnvelope::decode_2718_exact(&dear.raw).unwrap();
        assert_eq!(tx.max_fee_per_gas(), 640);
    }

    #[test]
    fn gas_covers_the_floor_of_calldata_and_the_execution() {
        let plain = limits();
        let many = entries(256);
        let key = SourceKey::new(&B256::repeat_byte(1)).unwrap();
        let terms = Terms { key: &key, chain_id: 1, log: B256::ZERO, source: 1 };
        let input = call(&terms, 5, &many);
        let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
        let tokens = zeros + 4 * (input.len() as u64 - zeros);
        assert_eq!(gas_limit(&many, &input, &plain), 21_000 + 10 * tokens);
        let chains = Limits { subject_chains: true, ..plain };
        let execution = append_gas(&many, true);
        assert_eq!(gas_limit(&many, &input, &chains), 21_000 + 4 * tokens + execution);
    }
}
