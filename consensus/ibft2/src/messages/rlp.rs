//! Strict reading and writing of the RLP that messages consist of.

use core::num::NonZeroUsize;

use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable, Header};

use super::error::DecodeError;

/// The payload of the list at the start of `buf`, which is moved behind it.
pub(super) fn list<'a>(buf: &mut &'a [u8], element: &'static str) -> Result<&'a [u8], DecodeError> {
    Header::decode_bytes(buf, true).map_err(|source| DecodeError::Rlp { element, source })
}

/// The byte string of `N` bytes at the start of `buf`, which is moved behind it.
pub(super) fn fixed<const N: usize>(
    buf: &mut &[u8],
    element: &'static str,
) -> Result<[u8; N], DecodeError> {
    let bytes =
        Header::decode_bytes(buf, false).map_err(|source| DecodeError::Rlp { element, source })?;
    bytes.try_into().map_err(|_| DecodeError::Length { element, expected: N, got: bytes.len() })
}

/// Whether an empty byte string stands at the start of `buf`, which is then moved behind it.
pub(super) fn absent(buf: &mut &[u8]) -> bool {
    match buf.split_first() {
        Some((&EMPTY_STRING_CODE, rest)) => {
            *buf = rest;
            true
        }
        _ => false,
    }
}

/// Fails unless `rest` is empty.
pub(super) const fn end(rest: &[u8], element: &'static str) -> Result<(), DecodeError> {
    if rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { element, bytes: rest.len() }) }
}

/// Number of items in the payload of a list.
pub(super) fn count(mut payload: &[u8], element: &'static str) -> Result<usize, DecodeError> {
    let mut items = 0usize;
    while !payload.is_empty() {
        let header =
            Header::decode(&mut payload).map_err(|source| DecodeError::Rlp { element, source })?;
        // The decoder has checked that so many bytes follow.
        payload = payload.get(header.payload_length..).unwrap_or_default();
        items = items.saturating_add(1);
    }
    Ok(items)
}

/// Reads a list of at most `limit` entries, each of at least `least` bytes, allocating for no more
/// of them than `buf` can hold.
pub(super) fn entries<T>(
    buf: &mut &[u8],
    element: &'static str,
    limit: usize,
    least: NonZeroUsize,
    mut entry: impl FnMut(&mut &[u8]) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut payload = list(buf, element)?;
    let got = count(payload, element)?;
    if got > limit {
        return Err(DecodeError::TooMany { element, limit, got });
    }
    // Items of a byte or two are no entries: one of them will end this with an error.
    let mut items = Vec::with_capacity(got.min(payload.len() / least));
    while !payload.is_empty() {
        items.push(entry(&mut payload)?);
    }
    Ok(items)
}

/// Length of an RLP list with its header.
pub(super) fn list_length(payload: usize) -> usize {
    payload.saturating_add(alloy_rlp::length_of_length(payload))
}

/// Writes the header of a list.
pub(super) fn list_header(payload_length: usize, out: &mut dyn BufMut) {
    Header { list: true, payload_length }.encode(out);
}

/// Sum of lengths.
pub(super) fn sum<const N: usize>(lengths: [usize; N]) -> usize {
    lengths.into_iter().fold(0, usize::saturating_add)
}

/// Writes a list of entries.
pub(super) fn write_entries<T: Encodable>(entries: &[T], out: &mut dyn BufMut) {
    list_header(entries_payload(entries), out);
    for entry in entries {
        entry.encode(out);
    }
}

/// Length of a list of entries with its header.
pub(super) fn entries_length<T: Encodable>(entries: &[T]) -> usize {
    list_length(entries_payload(entries))
}

fn entries_payload<T: Encodable>(entries: &[T]) -> usize {
    entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.length()))
}
