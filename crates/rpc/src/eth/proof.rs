//! Proofs and slot queries.

use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof, StorageValuesRequest};
use alloy_serde::JsonStorageKey;
use alloy_trie::KECCAK_EMPTY;
use std::collections::BTreeMap;

/// `eth_getProof` (EIP-1186).
pub(crate) fn proof(
    ctx: &Inner,
    address: Address,
    keys: Vec<JsonStorageKey>,
    block: Option<BlockId>,
) -> RpcResult<EIP1186AccountProofResponse> {
    check_slots(ctx, keys.len())?;
    let slots: Vec<B256> = keys.iter().map(JsonStorageKey::as_b256).collect();
    let proof = ctx.state(block)?.proof(address, &slots)?;
    let info = proof.info.unwrap_or_default();
    let storage_proof = keys
        .into_iter()
        .zip(proof.storage_proofs)
        .map(|(key, slot)| EIP1186StorageProof { key, value: slot.value, proof: slot.proof })
        .collect();
    Ok(EIP1186AccountProofResponse {
        address,
        balance: info.balance,
        code_hash: info.bytecode_hash.unwrap_or(KECCAK_EMPTY),
        nonce: info.nonce,
        storage_hash: proof.storage_root,
        account_proof: proof.proof,
        storage_proof,
    })
}

/// `eth_getStorageValues`. Values are words of 32 bytes, not quantities.
pub(crate) fn storage_values(
    ctx: &Inner,
    request: StorageValuesRequest,
    block: Option<BlockId>,
) -> RpcResult<BTreeMap<Address, Vec<B256>>> {
    let total = request.total_slots();
    if total == 0 {
        return Err(RpcError::invalid("empty request"));
    }
    check_slots(ctx, total)?;
    let state = ctx.state(block)?;
    let read = |address: Address, keys: Vec<B256>| {
        let value = |key| Ok(B256::from(state.storage(address, key)?));
        Ok((address, keys.into_iter().map(value).collect::<RpcResult<_>>()?))
    };
    request.into_inner().into_iter().map(|(address, keys)| read(address, keys)).collect()
}

fn check_slots(ctx: &Inner, got: usize) -> RpcResult<()> {
    let limit = ctx.limits.max_slots;
    if got > limit {
        let (got, limit) = (got as u64, limit as u64);
        return Err(RpcError::Limit { what: "rpc.max-slots", got, limit });
    }
    Ok(())
}
