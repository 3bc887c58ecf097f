//! Steps 5 and 6: from the state root to the log's size and root.

use super::{
    fault::{Check, Fault},
    trie::{TrieError, value_at},
};
use crate::{
    layout::{LogHead, LogSlots, PLOG_ADDRESS},
    receipt::{Receipt, StateProof, StorageItem},
};
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use alloy_trie::TrieAccount;

/// The storage root of the precompile's account in the state with this root.
pub(super) fn storage_root(state: &StateProof, state_root: B256) -> Result<B256, Fault> {
    let fault = |sub, detail: String| Fault::new(Check::Account, sub, detail);
    if state.address != PLOG_ADDRESS {
        let detail = format!("{:?}, expected {PLOG_ADDRESS:?}", state.address);
        return Err(fault("ADDRESS", detail));
    }
    let account = value_at(state_root, PLOG_ADDRESS.as_slice(), &state.account_proof)
        .map_err(|error| fault(error.code(), error.to_string()))?;
    let account: TrieAccount =
        whole(&account).map_err(|error| fault("ACCOUNT", format!("malformed: {error}")))?;
    Ok(account.storage_root)
}

/// Checks that the storage holds the receipt's size and root, and returns the block of the last
/// append.
pub(super) fn check_head(
    receipt: &Receipt,
    storage_root: B256,
    header_number: u64,
) -> Result<u64, Fault> {
    let fault = |sub, detail: String| Fault::new(Check::Storage, sub, detail);
    let [head, root] = receipt.state.storage_proof.as_slice() else {
        let got = receipt.state.storage_proof.len();
        return Err(fault("COUNT", format!("{got} storage proofs, expected 2")));
    };
    let slots = LogSlots::new(receipt.log.id);
    let head = word(head, slots.head(), storage_root)?;
    let root = word(root, slots.root(), storage_root)?;
    let LogHead { size, block } = LogHead::unpack(head);
    if (LogHead { size, block }.pack()) != head {
        return Err(fault(
            "WORD",
            format!("the upper half of the head word {head:#x} is not zero"),
        ));
    }
    if size != receipt.log.size {
        return Err(fault("SIZE", format!("size {}, the state has {size}", receipt.log.size)));
    }
    if B256::from(root) != receipt.log.root {
        let detail = format!("root {}, the state has {}", receipt.log.root, B256::from(root));
        return Err(fault("ROOT", detail));
    }
    if block > header_number {
        let detail = format!("last append in block {block}, after the header's {header_number}");
        return Err(fault("BLOCK", detail));
    }
    Ok(block)
}

/// The word at `slot`.
fn word(item: &StorageItem, slot: U256, storage_root: B256) -> Result<U256, Fault> {
    let fault = |sub, detail: String| Fault::new(Check::Storage, sub, detail);
    let key = B256::from(slot);
    if item.key != key {
        return Err(fault("KEY", format!("key {}, expected {key}", item.key)));
    }
    let trie = |error: TrieError| fault(error.code(), format!("key {key}: {error}"));
    let bytes = value_at(storage_root, key.as_slice(), &item.proof).map_err(trie)?;
    let value: U256 =
        whole(&bytes).map_err(|error| fault("NODE", format!("key {key}: {error}")))?;
    if item.value != value {
        let detail = format!("value {:#x}, the proof has {value:#x}", item.value);
        return Err(fault("VALUE", detail));
    }
    Ok(value)
}

/// Decodes RLP of which nothing is left over.
pub(super) fn whole<T: Decodable>(mut bytes: &[u8]) -> alloy_rlp::Result<T> {
    let value = T::decode(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}
