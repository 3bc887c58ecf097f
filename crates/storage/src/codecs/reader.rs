//! A bounds-checked reader over a row.

use alloy_primitives::B256;

use crate::{ProviderError, ProviderResult};

/// Reads a row front to back; running out of bytes is an error that names the column family.
pub(crate) struct Reader<'a> {
    column: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(column: &'static str, row: &'a [u8]) -> Self {
        Self { column, rest: row }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> ProviderResult<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.error(format_args!("{len} bytes expected, {} left", self.rest.len()))),
        }
    }

    fn array<const N: usize>(&mut self) -> ProviderResult<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> ProviderResult<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> ProviderResult<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> ProviderResult<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> ProviderResult<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn hash(&mut self) -> ProviderResult<B256> {
        Ok(B256::new(self.array()?))
    }

    /// An unsigned LEB128 number.
    pub(crate) fn varint(&mut self) -> ProviderResult<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error("number is longer than 64 bits"))
    }

    /// A count or length that must fit the bytes that are left.
    pub(crate) fn len(&mut self) -> ProviderResult<usize> {
        let value = self.varint()?;
        usize::try_from(value)
            .ok()
            .filter(|len| *len <= self.rest.len())
            .ok_or_else(|| self.error(format_args!("length {value} exceeds the row")))
    }

    /// The unread bytes.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Checks that everything was read.
    pub(crate) fn finish(self) -> ProviderResult<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(format_args!("{} bytes too many", self.rest.len())))
        }
    }

    pub(crate) fn error(&self, reason: impl std::fmt::Display) -> ProviderError {
        ProviderError::codec(self.column, reason)
    }
}

/// Appends an unsigned LEB128 number.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut reader = Reader::new("test", &out);
            assert_eq!(reader.varint().ok(), Some(value));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn overlong_and_truncated_are_errors() {
        assert!(Reader::new("test", &[0xff; 11]).varint().is_err());
        assert!(Reader::new("test", &[0x80]).varint().is_err());
        assert!(Reader::new("test", &[5, 1]).len().is_err());
        assert!(Reader::new("test", &[0; 3]).u32().is_err());
        assert!(Reader::new("test", &[0]).finish().is_err());
    }
}
