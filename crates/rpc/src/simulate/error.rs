//! Why a simulation is refused, under the codes of execution-apis.

use crate::{RpcError, calls::invalid_text};
use peruri_evm::{ExecutionError, TransactionError};
use revm::context_interface::result::InvalidTransaction;

/// A nonce below the account's.
pub(super) const NONCE_TOO_LOW: i32 = -38010;
/// A nonce above the account's.
pub(super) const NONCE_TOO_HIGH: i32 = -38011;
/// A fee below the block's base fee.
pub(super) const BASE_FEE_TOO_LOW: i32 = -38012;
/// Not enough gas for the transaction's intrinsic cost.
pub(super) const INTRINSIC_GAS: i32 = -38013;
/// Not enough funds for gas and value.
pub(super) const INSUFFICIENT_FUNDS: i32 = -38014;
/// More gas than the block has left.
pub(super) const BLOCK_GAS_LIMIT: i32 = -38015;
/// Block numbers do not ascend.
pub(super) const BLOCK_NUMBER: i32 = -38020;
/// Timestamps do not ascend.
pub(super) const TIMESTAMP: i32 = -38021;
/// Init code beyond the limit of EIP-3860.
pub(super) const INIT_CODE_SIZE: i32 = -38025;
/// More blocks than may be simulated at once.
pub(super) const CLIENT_LIMIT: i32 = -38026;

pub(super) fn refused(code: i32, reason: impl Into<String>) -> RpcError {
    RpcError::Simulation { code, reason: reason.into() }
}

/// The error of a block or call that could not be executed.
pub(super) fn execution(error: ExecutionError) -> RpcError {
    match error {
        ExecutionError::InvalidTransaction { reason, .. } => transaction(&reason),
        ExecutionError::InvalidBlock(reason) => RpcError::invalid(reason),
        ExecutionError::Provider(error) => error.into(),
        error => RpcError::internal(error),
    }
}

fn transaction(reason: &TransactionError) -> RpcError {
    match reason {
        TransactionError::GasLimitExceedsBlock { .. } => {
            refused(BLOCK_GAS_LIMIT, reason.to_string())
        }
        TransactionError::Invalid(invalid) => match code(invalid) {
            Some(code) => refused(code, invalid_text(invalid)),
            None => RpcError::invalid(invalid_text(invalid)),
        },
        other => RpcError::invalid(other.to_string()),
    }
}

const fn code(error: &InvalidTransaction) -> Option<i32> {
    Some(match error {
        InvalidTransaction::NonceTooLow { .. } => NONCE_TOO_LOW,
        InvalidTransaction::NonceTooHigh { .. } => NONCE_TOO_HIGH,
        InvalidTransaction::GasPriceLessThanBasefee => BASE_FEE_TOO_LOW,
        InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
        | InvalidTransaction::GasFloorMoreThanGasLimit { .. } => INTRINSIC_GAS,
        InvalidTransaction::LackOfFundForMaxFee { .. }
        | InvalidTransaction::OverflowPaymentInTransaction => INSUFFICIENT_FUNDS,
        InvalidTransaction::CallerGasLimitMoreThanBlock => BLOCK_GAS_LIMIT,
        InvalidTransaction::CreateInitCodeSizeLimit => INIT_CODE_SIZE,
        _ => return None,
    })
}
