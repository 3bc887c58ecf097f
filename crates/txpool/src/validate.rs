//! Checks of a transaction that need no account: its form, its price, its signature.

use crate::{PoolConfig, PoolErrorKind, head::Rules};
use alloy_consensus::{
    EthereumTxEnvelope, Signed, Transaction, TxEip4844, TxType, crypto::secp256k1::recover_signer,
};
use alloy_eips::{
    Decodable2718, eip4844::env_settings::EnvKzgSettings, eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, TxKind, keccak256};
use peruri_evm::plog::AppendCall;
use peruri_plog::PLOG_ADDRESS;
use peruri_primitives::{PooledTransaction, TransactionSigned};
use revm::primitives::{eip3860::MAX_INITCODE_SIZE, hardfork::SpecId};
use std::sync::Arc;

/// Decodes a transaction whose bytes are within the limit of its type.
pub(crate) fn decode(raw: &[u8], config: &PoolConfig) -> Result<PooledTransaction, PoolErrorKind> {
    let is_blob = raw.first() == Some(&(TxType::Eip4844 as u8));
    check_size(raw.len(), is_blob, config)?;
    PooledTransaction::decode_2718_exact(raw)
        .map_err(|error| PoolErrorKind::Decode(error.to_string()))
}

/// Checks the encoded length.
pub(crate) const fn check_size(
    size: usize,
    is_blob: bool,
    config: &PoolConfig,
) -> Result<(), PoolErrorKind> {
    let limit = if is_blob { config.max_blob_tx_bytes } else { config.max_tx_bytes };
    if size > limit {
        return Err(PoolErrorKind::OversizedData { size, limit });
    }
    Ok(())
}

/// Checks the pool's own policy, which no fork changes.
pub(crate) fn check_policy(
    tx: &PooledTransaction,
    rules: &Rules,
    config: &PoolConfig,
) -> Result<(), PoolErrorKind> {
    match tx.chain_id() {
        Some(got) if got != rules.chain_id => {
            return Err(PoolErrorKind::InvalidChainId { expected: rules.chain_id, got });
        }
        None if !config.allow_unprotected => return Err(PoolErrorKind::Unprotected),
        _ => {}
    }
    if tx.nonce() == u64::MAX {
        return Err(PoolErrorKind::NonceMax);
    }
    if let Some(tip) = tx.max_priority_fee_per_gas()
        && tip > tx.max_fee_per_gas()
    {
        return Err(PoolErrorKind::TipAboveFeeCap { tip, fee_cap: tx.max_fee_per_gas() });
    }
    if tx.gas_limit() > rules.block.gas_limit {
        let (gas, limit) = (tx.gas_limit(), rules.block.gas_limit);
        return Err(PoolErrorKind::ExceedsGasLimit { gas, limit });
    }
    let got = tx.authorization_list().map_or(0, <[_]>::len);
    if got > config.max_authorizations {
        return Err(PoolErrorKind::TooManyAuthorizations { got, limit: config.max_authorizations });
    }
    Ok(())
}

/// Checks what depends on the next block's fork: type, gas, init code, blob count.
pub(crate) fn check_fork<T: Transaction>(tx: &T, rules: &Rules) -> Result<(), PoolErrorKind> {
    let active = match TxType::try_from(tx.ty()) {
        Ok(TxType::Legacy) => true,
        Ok(TxType::Eip2930) => rules.spec.is_enabled_in(SpecId::BERLIN),
        Ok(TxType::Eip1559) => rules.spec.is_enabled_in(SpecId::LONDON),
        Ok(TxType::Eip4844) => rules.blobs.is_some(),
        Ok(TxType::Eip7702) => rules.spec.is_enabled_in(SpecId::PRAGUE),
        Err(_) => false,
    };
    if !active {
        return Err(PoolErrorKind::TxTypeNotSupported);
    }
    let gas = tx.gas_limit();
    if gas > rules.tx_gas_cap {
        return Err(PoolErrorKind::GasLimitTooHigh { gas, cap: rules.tx_gas_cap });
    }
    // Besu's `contractSizeLimit` leaves the limit of init code where EIP-3860 puts it.
    let size = tx.input().len();
    if rules.spec.is_enabled_in(SpecId::SHANGHAI) && tx.is_create() && size > MAX_INITCODE_SIZE {
        return Err(PoolErrorKind::MaxInitCodeSize { size, limit: MAX_INITCODE_SIZE });
    }
    if tx.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(PoolErrorKind::EmptyAuthorizationList);
    }
    if let (Some(blobs), Some(params)) = (tx.blob_count(), &rules.blobs) {
        if blobs == 0 {
            return Err(PoolErrorKind::NoBlobs);
        }
        if blobs > params.max_blobs_per_tx {
            return Err(PoolErrorKind::TooManyBlobs { got: blobs, limit: params.max_blobs_per_tx });
        }
    }
    check_intrinsic_gas(tx, rules)
}

/// The gas a transaction must have to start at all, and the floor for its data (EIP-7623).
fn check_intrinsic_gas<T: Transaction>(tx: &T, rules: &Rules) -> Result<(), PoolErrorKind> {
    let (accounts, slots) = tx
        .access_list()
        .map_or((0, 0), |list| (list.len() as u64, list.storage_keys_count() as u64));
    let authorizations = tx.authorization_list().map_or(0, <[_]>::len) as u64;
    let cost =
        rules.gas.initial_tx_gas(tx.input(), tx.is_create(), accounts, slots, authorizations, None);
    let gas = tx.gas_limit();
    let needed = cost.initial_total_gas();
    if gas < needed {
        return Err(PoolErrorKind::IntrinsicGas { gas, needed });
    }
    let needed = cost.floor_gas();
    if rules.spec.is_enabled_in(SpecId::PRAGUE) && gas < needed {
        return Err(PoolErrorKind::FloorDataGas { gas, needed });
    }
    Ok(())
}

/// Parts a pooled transaction into what stands in a block and its sidecar.
pub(crate) fn split_sidecar(
    tx: PooledTransaction,
) -> (TransactionSigned, Option<Arc<BlobTransactionSidecarVariant>>) {
    match tx {
        EthereumTxEnvelope::Legacy(tx) => (tx.into(), None),
        EthereumTxEnvelope::Eip2930(tx) => (tx.into(), None),
        EthereumTxEnvelope::Eip1559(tx) => (tx.into(), None),
        EthereumTxEnvelope::Eip7702(tx) => (tx.into(), None),
        EthereumTxEnvelope::Eip4844(signed) => {
            let (with_sidecar, signature, hash) = signed.into_parts();
            let (tx, sidecar) = with_sidecar.into_parts();
            let signed = Signed::<TxEip4844>::new_unchecked(tx, signature, hash);
            (signed.into(), Some(Arc::new(sidecar)))
        }
    }
}

/// Puts a blob transaction and its sidecar together again.
pub(crate) fn join_sidecar(
    tx: TransactionSigned,
    sidecar: Option<&BlobTransactionSidecarVariant>,
) -> Option<PooledTransaction> {
    Some(match tx {
        EthereumTxEnvelope::Legacy(tx) => tx.into(),
        EthereumTxEnvelope::Eip2930(tx) => tx.into(),
        EthereumTxEnvelope::Eip1559(tx) => tx.into(),
        EthereumTxEnvelope::Eip7702(tx) => tx.into(),
        EthereumTxEnvelope::Eip4844(signed) => {
            let (tx, signature, hash) = signed.into_parts();
            let tx = tx.with_sidecar(sidecar?.clone());
            EthereumTxEnvelope::Eip4844(Signed::new_unchecked(tx, signature, hash))
        }
    })
}

/// Checks that a blob transaction's sidecar has the active fork's form and proves its blobs.
pub(crate) fn check_sidecar(tx: &PooledTransaction, rules: &Rules) -> Result<(), PoolErrorKind> {
    let Some(signed) = tx.as_eip4844() else { return Ok(()) };
    let osaka = rules.spec.is_enabled_in(SpecId::OSAKA);
    let sidecar = signed.tx().sidecar();
    if sidecar.is_eip7594() != osaka {
        let expected =
            if osaka { "cell proofs needed (EIP-7594)" } else { "cell proofs too early" };
        return Err(PoolErrorKind::SidecarVersion(expected));
    }
    signed
        .tx()
        .validate_blob(EnvKzgSettings::Default.get())
        .map_err(|error| PoolErrorKind::InvalidSidecar(error.to_string()))
}

/// The accounts whose code an EIP-7702 transaction sets. An authorization with a bad signature has
/// no effect when executed and none here.
pub(crate) fn authorities(tx: &PooledTransaction) -> Box<[Address]> {
    let Some(list) = tx.authorization_list() else { return Box::default() };
    let mut authorities: Vec<_> = list
        .iter()
        .filter_map(|authorization| {
            let signature = authorization.signature().ok()?;
            recover_signer(&signature, authorization.inner().signature_hash()).ok()
        })
        .collect();
    authorities.sort_unstable();
    authorities.dedup();
    authorities.into_boxed_slice()
}

/// What `tx` appends to the transparency log, if it has the form of the lane's transactions: type 2,
/// without value, to the log itself.
pub(crate) fn append_call(tx: &PooledTransaction) -> Option<AppendCall> {
    let tx = tx.as_eip1559()?.tx();
    if tx.to != TxKind::Call(PLOG_ADDRESS) || !tx.value.is_zero() {
        return None;
    }
    AppendCall::decode(&tx.input)
}

/// Hash to report for bytes that did not decode.
pub(crate) fn hash_of_undecoded(raw: &[u8], config: &PoolConfig) -> alloy_primitives::TxHash {
    if raw.len() <= config.max_tx_bytes { keccak256(raw) } else { Default::default() }
}
