//! Proofs and slot queries.

use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::{
    EIP1186AccountProofResponse, EIP1186StorageProof, StorageValuesRequest, StorageValuesResponse,
};
use alloy_serde::JsonStorageKey;
use alloy_trie::KECCAK_EMPTY;

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

/// `eth_getStorageValues`.
pub(crate) fn storage_values(
    ctx: &Inner,
    request: StorageValuesRequest,
    block: Option<BlockId>,
) -> RpcResult<StorageValuesResponse> {
    let total = request.total_slots();
    if total == 0 {
        return Err(RpcError::invalid("empty request"));
    }
    check_slots(ctx, total)?;
    let state = ctx.state(block)?;
    let mut response = StorageValuesResponse::with_capacity(request.len());
    for (address, keys) in request.into_inner() {
        let values = keys
            .into_iter()
            .map(|key| state.storage(address, key).map(Into::into))
            .collect::<Result<Vec<_>, _>>()?;
        response.insert(address, values);
    }
    Ok(response)
}

fn check_slots(ctx: &Inner, got: usize) -> RpcResult<()> {
    let limit = ctx.limits.max_slots;
    if got > limit {
        let (got, limit) = (got as u64, limit as u64);
        return Err(RpcError::Limit { what: "rpc.max-slots", got, limit });
    }
    Ok(())
}
