//! The lane: which appends of the transparency log's sources come first in a block.
//!
//! A transaction of the lane, judged on the parent's state: its sender is the signer of an active
//! source, its first number is the one that the source continues with, or follows that of the lane's
//! transaction before it, and its nonce is executable. That it is a type-2 transaction without value
//! that calls `append` or `appendRoot` is known from the pool.
//!
//! This is the builder's policy, not a rule of validity.

use alloy_primitives::{Address, map::HashSet};
use peruri_evm::plog::AppendCall;
use peruri_plog::{
    PLOG_ADDRESS,
    layout::{SourceProgress, SourceSigner, SourceSlots},
};
use peruri_primitives::RecoveredBlock;
use peruri_storage::{ProviderResult, StateProvider};
use peruri_txpool::ValidPoolTransaction;
use std::{collections::BTreeMap, sync::Arc};

/// Transactions of one sender, in the order of their nonces: each one needs those before it.
pub type LaneChain = Vec<Arc<ValidPoolTransaction>>;

/// Sorts out the candidates of the pool whose turn has come on `state`, in the order in which a block
/// takes them: by source, then by nonce. A signer of several sources stands where the source of its
/// first transaction stands.
///
/// # Errors
/// The state cannot be read.
pub fn judge(
    candidates: Vec<Arc<ValidPoolTransaction>>,
    state: &dyn StateProvider,
) -> ProviderResult<Vec<LaneChain>> {
    let mut by_sender: BTreeMap<Address, LaneChain> = BTreeMap::new();
    for tx in candidates {
        by_sender.entry(tx.sender()).or_default().push(tx);
    }
    let mut sources = Sources { state, expected: BTreeMap::new() };
    let mut chains = Vec::with_capacity(by_sender.len());
    for (sender, candidates) in by_sender {
        let chain = sources.chain(sender, candidates)?;
        if let Some(source) = chain.first().and_then(|tx| tx.lane()).map(|call| call.source) {
            chains.push((source, chain));
        }
    }
    chains.sort_by_key(|(source, _)| *source);
    Ok(chains.into_iter().map(|(_, chain)| chain).collect())
}

/// How many of the lane's transactions `due` a block leaves out although `share` percent of its gas
/// limit would have held them.
pub fn left_out(due: &[LaneChain], block: &RecoveredBlock, share: u8) -> u64 {
    let held: HashSet<_> = block.body().transactions.iter().map(|tx| *tx.tx_hash()).collect();
    let mut room = gas(block.header().gas_limit, share);
    let mut left_out = 0_u64;
    for tx in due.iter().flatten() {
        let Some(rest) = room.checked_sub(tx.gas_limit()) else { break };
        room = rest;
        left_out = left_out.saturating_add(u64::from(!held.contains(tx.hash())));
    }
    left_out
}

/// Gas of the lane in a block with this gas limit.
pub(crate) fn gas(limit: u64, share: u8) -> u64 {
    let gas = u128::from(limit).saturating_mul(share.into()) / 100;
    u64::try_from(gas).unwrap_or(u64::MAX).min(limit)
}

/// The sources as they would be after what has been judged so far.
struct Sources<'a> {
    state: &'a dyn StateProvider,
    /// Signer of an active source, and the number it continues with.
    expected: BTreeMap<u32, Option<(Address, u64)>>,
}

impl Sources<'_> {
    /// The first transactions of a sender, as long as each is the source's next.
    fn chain(&mut self, sender: Address, candidates: LaneChain) -> ProviderResult<LaneChain> {
        let mut nonce = self.state.account(&sender)?.map_or(0, |account| account.nonce);
        let mut chain = LaneChain::new();
        for tx in candidates {
            let Some(call) = tx.lane().filter(|_| tx.nonce() == nonce) else { break };
            if !self.take(sender, call)? {
                break;
            }
            nonce = nonce.saturating_add(1);
            chain.push(tx);
        }
        Ok(chain)
    }

    fn take(&mut self, sender: Address, call: AppendCall) -> ProviderResult<bool> {
        let expected = match self.expected.get_mut(&call.source) {
            Some(known) => known,
            None => {
                let read = source(self.state, call.source)?;
                self.expected.entry(call.source).or_insert(read)
            }
        };
        let is_next = *expected == Some((sender, call.first_seq));
        if is_next {
            *expected = Some((sender, call.next_seq));
        }
        Ok(is_next)
    }
}

/// Signer and next number of a source; `None` if it is unknown or switched off.
fn source(state: &dyn StateProvider, id: u32) -> ProviderResult<Option<(Address, u64)>> {
    let slots = SourceSlots::new(id);
    let read = |slot: alloy_primitives::U256| state.storage(PLOG_ADDRESS, slot.into());
    let signer = SourceSigner::unpack(read(slots.signer())?);
    if !signer.active {
        return Ok(None);
    }
    Ok(Some((signer.signer, SourceProgress::unpack(read(slots.progress())?).next_seq)))
}
