//! From a request to what the EVM runs.

use super::{pool::Deadline, precompiles::PrecompileChanges};
use crate::{
    RpcError,
    context::{Inner, Target},
    error::RpcResult,
};
use alloy_eips::BlockId;
use alloy_evm::{
    EvmEnv,
    call::{CallError, caller_gas_allowance},
    overrides::{apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{Address, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use peruri_storage::{ProviderError, StateProviderBox, StateProviderDatabase};
use revm::{Database, context::TxEnv, database::CacheDB};

/// State that calls write to without consequence.
pub(crate) type CallDb = CacheDB<StateProviderDatabase<StateProviderBox>>;

/// A request with its block and overrides.
#[derive(Debug, Default)]
pub(crate) struct CallInput {
    pub(crate) request: TransactionRequest,
    pub(crate) block: Option<BlockId>,
    pub(crate) state_overrides: Option<StateOverride>,
    pub(crate) block_overrides: Option<Box<BlockOverrides>>,
}

/// All that an execution needs.
pub(crate) struct Prepared {
    pub(crate) env: EvmEnv,
    pub(crate) tx: TxEnv,
    pub(crate) db: CallDb,
    pub(crate) precompiles: PrecompileChanges,
    /// Whether the request named a gas limit.
    pub(crate) has_gas: bool,
    pub(crate) deadline: Deadline,
}

impl CallInput {
    /// Looks up block and state, applies the overrides and fills in what the request leaves out.
    ///
    /// As geth does: the nonce is the account's, base fee, block gas limit and EIP-3607 are not
    /// enforced, without a gas price `BASEFEE` is zero, and gas is limited by the cap and by what
    /// the sender can pay.
    pub(crate) fn prepare(self, ctx: &Inner, deadline: Deadline) -> RpcResult<Prepared> {
        let target = ctx.target(self.block)?;
        let state = ctx.state_of(&target)?;
        let config = &ctx.handles.evm_config;
        let mut env = match &target {
            Target::Committed(header) => config.evm_env(header.header()),
            Target::Pending(block) => config.evm_env(block.recovered_block.header()),
        };
        let mut db = CacheDB::new(StateProviderDatabase::new(state));
        if let Some(overrides) = self.block_overrides {
            apply_block_overrides(*overrides, &mut db, &mut env.block_env);
        }
        let mut precompiles = PrecompileChanges::default();
        if let Some(mut overrides) = self.state_overrides {
            precompiles = PrecompileChanges::take(&mut overrides)?;
            apply_state_overrides(overrides, &mut db)
                .map_err(|error| RpcError::invalid(error.to_string()))?;
        }
        let has_gas = self.request.gas.is_some();
        let tx = tx_env(self.request, &mut env, &mut db, ctx.limits.gas_cap)?;
        Ok(Prepared { env, tx, db, precompiles, has_gas, deadline })
    }
}

fn tx_env(
    mut request: TransactionRequest,
    env: &mut EvmEnv,
    db: &mut CallDb,
    gas_cap: u64,
) -> RpcResult<TxEnv> {
    let chain_id = env.cfg_env.chain_id;
    if let Some(got) = request.chain_id.filter(|got| *got != chain_id) {
        return Err(RpcError::Execution(format!(
            "chainId does not match node's (have={got}, want={chain_id})"
        )));
    }
    let cfg = &mut env.cfg_env;
    cfg.disable_block_gas_limit = true;
    cfg.disable_eip3607 = true;
    cfg.disable_base_fee = true;
    // EIP-7825 limits transactions, not calls.
    cfg.tx_gas_limit_cap = Some(u64::MAX);
    let from = request.from.unwrap_or_default();
    request.nonce = Some(db.basic(from)?.map_or(0, |account| account.nonce));
    request.gas = Some(request.gas.unwrap_or(gas_cap).min(gas_cap));
    let mut tx: TxEnv =
        request.try_into_tx_env(env).map_err(|error| RpcError::invalid(error.to_string()))?;
    if tx.gas_price == 0 {
        env.block_env.basefee = 0;
    } else {
        tx.gas_limit = tx.gas_limit.min(allowance(db, &tx)?);
    }
    if tx.max_fee_per_blob_gas == 0
        && let Some(blob) = &mut env.block_env.blob_excess_gas_and_price
    {
        blob.blob_gasprice = 0;
    }
    Ok(tx)
}

/// Gas that the sender can pay at the transaction's price after its value and blob fee.
fn allowance(db: &mut CallDb, tx: &TxEnv) -> RpcResult<u64> {
    caller_gas_allowance(db, tx).map_err(|error| match error {
        CallError::Database(error) => error.into(),
        CallError::InsufficientFunds(error) => {
            insufficient_funds(tx.caller, error.balance, error.cost)
        }
    })
}

/// geth's words for a sender that cannot pay.
pub(crate) fn insufficient_funds(sender: Address, balance: U256, cost: U256) -> RpcError {
    RpcError::Execution(format!(
        "insufficient funds for gas * price + value: address {sender} have {balance} want {cost}"
    ))
}

/// Errors of the database under a call.
impl From<revm::context_interface::result::EVMError<ProviderError>> for RpcError {
    fn from(error: revm::context_interface::result::EVMError<ProviderError>) -> Self {
        use revm::context_interface::result::EVMError;
        match error {
            EVMError::Database(error) => error.into(),
            EVMError::Transaction(error) => Self::Execution(super::run::invalid_text(&error)),
            EVMError::Header(error) => Self::internal(error),
            EVMError::Custom(error) => Self::internal(error),
            error => Self::internal(error),
        }
    }
}
