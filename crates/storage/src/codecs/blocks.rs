//! Rows of headers and bodies.

use alloy_consensus::Header as PlainHeader;
use alloy_eips::{
    eip2718::{Decodable2718, Encodable2718},
    eip4895::Withdrawals,
};
use alloy_primitives::Address;
use alloy_rlp::{Decodable, Encodable};
use peruri_primitives::{BlockBody, Header, SealedHeader, TransactionSigned};
use reth_codecs::Compact;

use super::{
    frames::{self, Dictionary, Frames},
    reader::{Reader, put_varint},
};
use crate::{ProviderError, ProviderResult};

const HEADERS: &str = "headers";
const BODIES: &str = "bodies";
/// Fewest bytes a header in Compact form takes: bit flags, six hashes, an address and a bloom filter.
const MIN_HEADER: usize = 4 + 5 * 32 + 20 + 256;

/// Header row: the header with its seals in Compact form.
pub(crate) fn encode_header(header: &Header) -> Vec<u8> {
    let plain: &PlainHeader = header;
    let mut row = Vec::with_capacity(768);
    plain.to_compact(&mut row);
    row
}

/// Reads a header row and seals it: the block hash is computed from the header.
pub(crate) fn decode_header(row: &[u8]) -> ProviderResult<SealedHeader> {
    if row.len() < MIN_HEADER {
        return Err(ProviderError::codec(HEADERS, format_args!("{} bytes", row.len())));
    }
    let (header, _) = PlainHeader::from_compact(row, row.len());
    Ok(SealedHeader::seal_slow(Header::from(header)))
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
