//! Rows of headers and bodies.

use alloy_eips::{
    eip2718::{Decodable2718, Encodable2718},
    eip4895::Withdrawals,
};
use alloy_primitives::{Address, keccak256};
use alloy_rlp::{Decodable, Encodable};
use peruri_primitives::{BlockBody, Header, SealedHeader, TransactionSigned};

use super::{
    frames::{self, Dictionary, Frames},
    reader::{Reader, put_varint},
};
use crate::{ProviderError, ProviderResult};

const HEADERS: &str = "headers";
const BODIES: &str = "bodies";
/// Bytes of the checksum in front of a header: the beginning of the Keccak-256 of what follows.
const CHECKSUM: usize = 8;

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&keccak256(bytes)[..CHECKSUM]);
    checksum
}

/// Header row: a checksum, then the RLP of the header with its seals.
///
/// RLP, since its decoder checks lengths (that of Reth's Compact form panics on a damaged row). With a
/// checksum, since the block hash is computed from what is read and does not cover the seals: a row
/// that changed would be the header of another block, or one with other seals.
pub(crate) fn encode_header(header: &Header) -> Vec<u8> {
    let mut row = Vec::with_capacity(CHECKSUM + header.length());
    row.extend_from_slice(&[0; CHECKSUM]);
    header.encode(&mut row);
    let checksum = checksum(&row[CHECKSUM..]);
    row[..CHECKSUM].copy_from_slice(&checksum);
    row
}

/// Reads a header row and seals it: the block hash is computed from the header.
pub(crate) fn decode_header(row: &[u8]) -> ProviderResult<SealedHeader> {
    let mut reader = Reader::new(HEADERS, row);
    let expected = reader.take(CHECKSUM)?;
    let mut rlp = reader.rest();
    if checksum(rlp) != expected {
        return Err(reader.error("the checksum does not match"));
    }
    let header = Header::decode(&mut rlp).map_err(|e| ProviderError::codec(HEADERS, e))?;
    if !rlp.is_empty() {
        return Err(reader.error(format_args!("{} bytes behind the header", rlp.len())));
    }
    Ok(SealedHeader::seal_slow(header))
}

/// Body row: the RLP of ommers and withdrawals with its length, then each transaction in its EIP-2718
/// form behind its sender.
pub(crate) fn encode_body(body: &BlockBody, senders: &[Address]) -> Vec<u8> {
    let mut rest = Vec::new();
    body.ommers.encode(&mut rest);
    if let Some(withdrawals) = &body.withdrawals {
        withdrawals.encode(&mut rest);
    }
    let items = frames::encode(Dictionary::Transactions, body.transactions.len(), |index, out| {
        let sender = senders.get(index).copied().unwrap_or_default();
        out.extend_from_slice(sender.as_slice());
        body.transactions[index].encode_2718(out);
    });
    let mut row = Vec::with_capacity(rest.len() + items.len() + 4);
    put_varint(&mut row, rest.len() as u64);
    row.extend_from_slice(&rest);
    row.extend_from_slice(&items);
    row
}

fn split_body(row: &[u8]) -> ProviderResult<(&[u8], Frames<'_>)> {
    let mut reader = Reader::new(BODIES, row);
    let len = reader.len()?;
    let rest = reader.take(len)?;
    let frames = Frames::parse(BODIES, Dictionary::Transactions, reader.rest())?;
    Ok((rest, frames))
}

/// Reads a body row with the senders of its transactions.
pub(crate) fn decode_body(row: &[u8]) -> ProviderResult<(BlockBody, Vec<Address>)> {
    let (mut rest, frames) = split_body(row)?;
    let ommers = Vec::<Header>::decode(&mut rest).map_err(|e| ProviderError::codec(BODIES, e))?;
    let withdrawals = if rest.is_empty() {
        None
    } else {
        Some(Withdrawals::decode(&mut rest).map_err(|e| ProviderError::codec(BODIES, e))?)
    };
    let mut transactions = Vec::with_capacity(frames.len());
    let mut senders = Vec::with_capacity(frames.len());
    frames.for_each(|item| {
        let (transaction, sender) = decode_transaction(item)?;
        transactions.push(transaction);
        senders.push(sender);
        Ok(())
    })?;
    Ok((BlockBody { transactions, ommers, withdrawals }, senders))
}

/// Reads one transaction of a body row; `None` if there are not that many.
pub(crate) fn decode_body_transaction(
    row: &[u8],
    index: u64,
) -> ProviderResult<Option<(TransactionSigned, Address)>> {
    let (_, frames) = split_body(row)?;
    match usize::try_from(index) {
        Ok(index) => frames.get(index, decode_transaction),
        Err(_) => Ok(None),
    }
}

/// Number of transactions in a body row.
pub(crate) fn body_transaction_count(row: &[u8]) -> ProviderResult<usize> {
    Ok(split_body(row)?.1.len())
}

fn decode_transaction(item: &[u8]) -> ProviderResult<(TransactionSigned, Address)> {
    let mut reader = Reader::new(BODIES, item);
    let sender = Address::from_slice(reader.take(20)?);
    let mut bytes = reader.rest();
    let transaction =
        TransactionSigned::decode_2718(&mut bytes).map_err(|e| ProviderError::codec(BODIES, e))?;
    if !bytes.is_empty() {
        return Err(ProviderError::codec(BODIES, "bytes behind a transaction"));
    }
    Ok((transaction, sender))
}

#[cfg(test)]
mod tests {
    use alloy_consensus::Header as PlainHeader;
    use alloy_primitives::{B64, B256, Bloom, Bytes, U256};
    use peruri_chainspec::ChainSpec;
    use proptest::prelude::*;

    use super::*;

    /// How many of the fields that forks added a header has: they come in this order, without gaps.
    fn with_fork_fields(mut header: PlainHeader, count: usize, word: B256) -> PlainHeader {
        let number = u64::from_be_bytes(word[..8].try_into().expect("8 bytes"));
        let has = |index| count > index;
        header.base_fee_per_gas = has(0).then_some(number);
        header.withdrawals_root = has(1).then_some(word);
        header.blob_gas_used = has(2).then_some(number >> 7);
        header.excess_blob_gas = has(3).then_some(number >> 9);
        header.parent_beacon_block_root = has(4).then_some(word);
        header.requests_hash = has(5).then_some(word);
        header
    }

    fn header() -> impl Strategy<Value = Header> {
        let words = any::<[[u8; 32]; 6]>();
        let numbers = any::<[u64; 5]>();
        let extra_data = proptest::collection::vec(any::<u8>(), 0..300);
        (words, numbers, extra_data, 0..=6usize, any::<u8>()).prop_map(
            |(words, numbers, extra_data, fork_fields, byte)| {
                let header = PlainHeader {
                    parent_hash: words[0].into(),
                    ommers_hash: words[1].into(),
                    beneficiary: Address::from_slice(&words[1][..20]),
                    state_root: words[2].into(),
                    transactions_root: words[3].into(),
                    receipts_root: words[4].into(),
                    logs_bloom: Bloom::repeat_byte(byte),
                    difficulty: U256::from(numbers[0]),
                    number: numbers[1],
                    gas_limit: numbers[2],
                    gas_used: numbers[3],
                    timestamp: numbers[4],
                    mix_hash: words[5].into(),
                    nonce: B64::repeat_byte(byte),
                    extra_data: Bytes::from(extra_data),
                    ..PlainHeader::default()
                };
                with_fork_fields(header, fork_fields, words[5].into()).into()
            },
        )
    }

    #[test]
    fn a_header_with_seals_keeps_its_hash() {
        let header = ChainSpec::dev().genesis_header().clone();
        let sealed = decode_header(&encode_header(&header)).expect("decodes");
        assert_eq!(sealed.hash(), ChainSpec::dev().genesis_hash());
        assert_eq!(sealed.header(), &header);
    }

    proptest! {
        #[test]
        fn headers_round_trip(header in header()) {
            let sealed = decode_header(&encode_header(&header)).expect("decodes");
            prop_assert_eq!(sealed.header(), &header);
        }

        #[test]
        fn a_truncated_header_is_an_error(header in header(), cut in any::<prop::sample::Index>()) {
            let row = encode_header(&header);
            prop_assert!(decode_header(&row[..cut.index(row.len())]).is_err());
        }

        #[test]
        fn a_flipped_bit_in_a_header_is_an_error(
            header in header(),
            byte in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut row = encode_header(&header);
            let byte = byte.index(row.len());
            row[byte] ^= 1 << bit;
            prop_assert!(decode_header(&row).is_err());
        }

        #[test]
        fn random_bytes_are_no_header(row in proptest::collection::vec(any::<u8>(), 0..800)) {
            prop_assert!(decode_header(&row).is_err());
        }

        /// A checksum that is right by chance, or written by a faulty build, must not lead to a panic.
        #[test]
        fn a_right_checksum_does_not_bring_a_panic(
            header in header(),
            place in any::<prop::sample::Index>(),
            noise in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut row = encode_header(&header);
            let start = CHECKSUM + place.index(row.len() - CHECKSUM);
            let end = row.len().min(start + noise.len());
            row.splice(start..end, noise);
            let sum = checksum(&row[CHECKSUM..]);
            row[..CHECKSUM].copy_from_slice(&sum);
            // What decodes is what the row says, in the one form it can have.
            if let Ok(sealed) = decode_header(&row) {
                prop_assert_eq!(encode_header(sealed.header()), row);
            }
        }
    }
}
