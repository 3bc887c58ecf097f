//! When an account first was what it is.

use super::search::{Creation, replay_block};
use crate::{RpcError, calls::Deadline, context::Inner, error::RpcResult};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_trace::otterscan::ContractCreator;
use reth_primitives_traits::Account;

/// The transaction of a sender with a nonce.
pub(super) fn by_sender_and_nonce(
    ctx: &Inner,
    sender: Address,
    nonce: u64,
) -> RpcResult<Option<B256>> {
    let Some(number) = first_block(ctx, sender, |account| account.nonce > nonce)? else {
        return Ok(None);
    };
    let Some(block) = ctx.block_by_number(number)? else { return Ok(None) };
    let mut transactions = block.transactions().iter().enumerate();
    let found =
        transactions.find(|&(index, tx)| block.sender(index) == sender && tx.nonce() == nonce);
    Ok(found.map(|(_, tx)| *tx.tx_hash()))
}

/// Who created the contract at `address`.
pub(super) fn creator(
    ctx: &Inner,
    address: Address,
    deadline: Deadline,
) -> RpcResult<Option<ContractCreator>> {
    let Some(number) = first_block(ctx, address, Account::has_bytecode)? else { return Ok(None) };
    let Some(block) = ctx.block_by_number(number)? else { return Ok(None) };
    if number == 0 {
        return Ok(None);
    }
    let mut found = None;
    replay_block(ctx, &block, Creation::of(address), deadline, |index, seen| {
        if let (Some(creator), None) = (seen.take(), found) {
            found = Some(ContractCreator { hash: *block.transactions()[index].tx_hash(), creator });
        }
    })?;
    Ok(found)
}

/// The first block after which `holds` for an account, if it holds now: once it does, it goes on
/// doing so, or nearly always (a contract may end and come again).
fn first_block(
    ctx: &Inner,
    address: Address,
    holds: impl Fn(&Account) -> bool,
) -> RpcResult<Option<u64>> {
    let factory = ctx.factory();
    let oldest = factory.windows()?.state;
    let holds_at = |number: u64| -> RpcResult<bool> {
        let account = factory.history_by_block_number(number)?.account(&address)?;
        Ok(account.is_some_and(|account| holds(&account)))
    };
    let mut newest = factory.best_block_number()?;
    if !holds_at(newest)? {
        return Ok(None);
    }
    let mut low = oldest;
    while low < newest {
        let middle = low + (newest - low) / 2;
        if holds_at(middle)? {
            newest = middle;
        } else {
            low = middle + 1;
        }
    }
    match newest {
        // It was so before the history that is kept.
        first if first == oldest && oldest > 0 => {
            Err(RpcError::OutsideWindow { what: "state", requested: oldest - 1, oldest })
        }
        first => Ok(Some(first)),
    }
}
