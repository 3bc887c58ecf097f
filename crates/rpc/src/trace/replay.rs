//! Transactions of a block, executed again where they stand.

use super::meter::Meter;
use crate::{
    RpcError,
    cache::CachedBlock,
    calls::{Deadline, DeadlineInspector},
    context::Inner,
    error::RpcResult,
};
use alloy_evm::FromRecoveredTx;
use alloy_rpc_types_eth::TransactionInfo;
use peruri_evm::{EthEvmContext, SessionDb};
use peruri_storage::{StateProvider, StateProviderBox};
use revm::{
    Inspector,
    context::{BlockEnv, TxEnv},
    context_interface::result::ResultAndState,
};
use std::ops::Range;

/// A transaction that was executed again and whose changes are not in the state yet.
pub(crate) struct Replayed<'s, 'a, T> {
    pub(crate) place: TransactionInfo,
    pub(crate) tx: TxEnv,
    pub(crate) block: &'s BlockEnv,
    pub(crate) tracer: &'s mut T,
    pub(crate) done: &'s ResultAndState,
    /// The state before the transaction.
    pub(crate) db: &'s mut SessionDb<'a>,
}

/// The state that a block began with.
pub(crate) fn state_before(ctx: &Inner, block: &CachedBlock) -> RpcResult<StateProviderBox> {
    let parent = block.number().checked_sub(1).ok_or(RpcError::GenesisNotTraceable)?;
    Ok(ctx.factory().history_by_block_number(parent)?)
}

/// Executes a block on `state` until the end of `range`. `tracer` watches the transactions of the
/// range, and `visit` sees each of them.
///
/// # Errors
///
/// The deadline's, the meter's, and those of `visit`.
pub(crate) fn replay<'a, T: Inspector<EthEvmContext<SessionDb<'a>>>>(
    ctx: &'a Inner,
    block: &CachedBlock,
    state: &'a dyn StateProvider,
    range: Range<usize>,
    (tracer, meter): (T, Meter),
    deadline: Deadline,
    mut visit: impl FnMut(Replayed<'_, 'a, T>) -> RpcResult<()>,
) -> RpcResult<()> {
    let config = &ctx.handles.evm_config;
    let header = block.header();
    let env = config.evm_env(header).block_env;
    let watch = ((tracer, meter), DeadlineInspector::new(deadline));
    let mut session = config
        .begin_inspected(header, config.block_context(header), state, watch)
        .map_err(RpcError::internal)?;
    for (index, tx) in block.block().transactions_recovered().enumerate().take(range.end) {
        deadline.check()?;
        if index < range.start {
            session.execute_transaction(tx).map_err(RpcError::internal)?;
            continue;
        }
        let place = TransactionInfo {
            hash: Some(*tx.inner().tx_hash()),
            index: Some(index as u64),
            block_hash: Some(block.hash()),
            block_number: Some(block.number()),
            base_fee: header.base_fee_per_gas,
            block_timestamp: Some(header.timestamp),
        };
        let tx_env = TxEnv::from_recovered_tx(*tx.inner(), tx.signer());
        let look = |watch: &mut ((T, Meter), DeadlineInspector), done: &_, db: &mut _| {
            let ((tracer, meter), clock) = watch;
            clock.verdict()?;
            meter.verdict()?;
            meter.next_transaction();
            visit(Replayed { place, tx: tx_env, block: &env, tracer, done, db })
        };
        session.inspect_transaction(tx, look).map_err(RpcError::internal)??;
    }
    Ok(())
}
