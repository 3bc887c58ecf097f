use super::StoreError;
use alloy_primitives::B256;
use peruri_plog::ENTRY_LEN;

/// A row that this build has not written.
pub(crate) fn damaged(what: &'static str) -> StoreError {
    StoreError::new(format!("a damaged row of the inbox: {what}"))
}

/// Reads fields from the front of a row.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(row: &'a [u8], what: &'static str) -> Self {
        Self { rest: row, what }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged(self.what))?;
        self.rest = rest;
        Ok(*field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, StoreError> {
        Ok(self.take::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, StoreError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, StoreError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn hash(&mut self) -> Result<B256, StoreError> {
        self.take().map(B256::new)
    }

    pub(crate) fn entry(&mut self) -> Result<[u8; ENTRY_LEN], StoreError> {
        self.take()
    }

    pub(crate) fn address(&mut self) -> Result<alloy_primitives::Address, StoreError> {
        self.take().map(alloy_primitives::Address::new)
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), StoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(damaged(self.what)) }
    }
}
