//! The change row of a block: every changed account and slot with its value *before* the block.

use alloy_primitives::{B256, U256};
use peruri_trie::TrieAccountRow;

use super::{
    account,
    reader::{Reader, put_varint},
};
use crate::ProviderResult;

const COLUMN: &str = "block_changes";

/// Hashed address, and hashed slots with the values before.
pub(crate) type OldSlots = (B256, Vec<(B256, U256)>);

/// What a block changed, with old values; ascending by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BlockChanges {
    /// Hashed address and the account before; `None` if there was none.
    pub(crate) accounts: Vec<(B256, Option<TrieAccountRow>)>,
    /// Changed slots by account.
    pub(crate) storages: Vec<OldSlots>,
}

impl BlockChanges {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * (self.accounts.len() + 1));
        put_varint(&mut out, self.accounts.len() as u64);
        for (address, before) in &self.accounts {
            out.extend_from_slice(address.as_slice());
            put_bytes(&mut out, &before.as_ref().map(account::encode).unwrap_or_default());
        }
        put_varint(&mut out, self.storages.len() as u64);
        for (address, slots) in &self.storages {
            out.extend_from_slice(address.as_slice());
            put_varint(&mut out, slots.len() as u64);
            for (slot, before) in slots {
                out.extend_from_slice(slot.as_slice());
                put_bytes(&mut out, &account::encode_value(before));
            }
        }
        out
    }

    pub(crate) fn decode(row: &[u8]) -> ProviderResult<Self> {
        let mut reader = Reader::new(COLUMN, row);
        let mut changes = Self::default();
        for _ in 0..reader.len()? {
            let address = reader.hash()?;
            let len = reader.len()?;
            changes.accounts.push((address, account::decode_version(COLUMN, reader.take(len)?)?));
        }
        for _ in 0..reader.len()? {
            let address = reader.hash()?;
            let count = reader.len()?;
            let mut slots = Vec::with_capacity(count.min(1024));
            for _ in 0..count {
                let slot = reader.hash()?;
                let len = reader.len()?;
                slots.push((slot, account::decode_value(COLUMN, reader.take(len)?)?));
            }
            changes.storages.push((address, slots));
        }
        reader.finish()?;
        Ok(changes)
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_round_trip() -> ProviderResult<()> {
        let changes = BlockChanges {
            accounts: vec![
                (B256::repeat_byte(1), None),
                (B256::repeat_byte(2), Some(TrieAccountRow::default())),
            ],
            storages: vec![(
                B256::repeat_byte(2),
                vec![(B256::repeat_byte(5), U256::ZERO), (B256::repeat_byte(6), U256::MAX)],
            )],
        };
        let row = changes.encode();
        assert_eq!(BlockChanges::decode(&row)?, changes);
        for len in 0..row.len() {
            assert!(BlockChanges::decode(&row[..len]).is_err());
        }
        assert_eq!(BlockChanges::decode(&BlockChanges::default().encode())?, Default::default());
        Ok(())
    }
}
