//! The transactions of an account.
//!
//! Candidates are the blocks that changed the account (the history of accounts tells them, one look-up
//! each) and those in which it logged (the index of logs). Each is executed again, since only that
//! tells who is called from within.

use super::block::{transaction, whole_receipt};
use crate::{
    RpcError,
    cache::CachedBlock,
    calls::Deadline,
    context::Inner,
    error::RpcResult,
    trace::{Meter, Replayed, replay, state_before},
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U256};
use alloy_rpc_types_trace::otterscan::TransactionsWithReceipts;
use peruri_evm::{EthEvmContext, SessionDb};
use peruri_storage::{Direction, LogTerm};
use revm::{
    Inspector,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome},
};
use std::{iter::Peekable, sync::Arc};

/// Blocks in which the account logged, in the order of the search.
type Logged<'b> = Peekable<Box<dyn Iterator<Item = u64> + 'b>>;

/// A search for a page of transactions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    address: Address,
    /// The block before or after which is searched; 0 for all blocks.
    block: u64,
    page_size: u64,
    direction: Direction,
}

impl Search {
    pub(super) const fn new(
        address: Address,
        block: u64,
        page_size: u64,
        direction: Direction,
    ) -> Self {
        Self { address, block, page_size, direction }
    }

    /// Looks at candidates until the page is full or there are no more.
    pub(super) fn run(
        self,
        ctx: &Inner,
        deadline: Deadline,
    ) -> RpcResult<TransactionsWithReceipts> {
        let head = ctx.factory().best_block_number()?;
        let (range, mut from) = match (self.direction, self.block) {
            (Direction::Older, block) => {
                let newest = block.checked_sub(1).unwrap_or(head).min(head);
                (1..=newest, Some(newest))
            }
            (Direction::Newer, block) => (block.saturating_add(1)..=head, block.checked_add(1)),
        };
        let logged = ctx.factory().blocks_with_term(LogTerm::Address(self.address), range)?;
        let mut logged: Logged<'_> = match self.direction {
            Direction::Older => Box::new(logged.iter().rev()) as Box<dyn Iterator<Item = u64>>,
            Direction::Newer => Box::new(logged.iter()),
        }
        .peekable();
        let mut found: Vec<(Arc<CachedBlock>, Vec<usize>)> = Vec::new();
        let (mut count, mut looked_at) = (0, 0);
        let mut more = false;
        loop {
            let next = self.candidate(ctx, from, &mut logged);
            if count >= self.page_size {
                more = !matches!(next, Ok(None));
                break;
            }
            let Some(number) = next? else { break };
            looked_at += 1;
            let limit = ctx.limits.max_search_blocks;
            if looked_at > limit {
                let what = "rpc.max-search-blocks";
                return Err(RpcError::Limit { what, got: looked_at, limit });
            }
            deadline.check()?;
            let Some(block) = ctx.block_by_number(number)? else { break };
            let indices = matches(ctx, &block, self.address, deadline)?;
            count += indices.len() as u64;
            if !indices.is_empty() {
                found.push((block, indices));
            }
            from = self.after(number);
        }
        if self.direction == Direction::Newer {
            found.reverse();
        }
        self.page(ctx, &found, more)
    }

    /// The next block to look at, from `from` on.
    fn candidate(
        self,
        ctx: &Inner,
        from: Option<u64>,
        logged: &mut Logged<'_>,
    ) -> RpcResult<Option<u64>> {
        // Block 0 has no transactions.
        let Some(from) = from.filter(|from| *from > 0) else { return Ok(None) };
        let changed = ctx.factory().account_change(self.address, from, self.direction)?;
        let next = match self.direction {
            Direction::Older => {
                while logged.next_if(|number| *number > from).is_some() {}
                changed.max(logged.peek().copied()).filter(|number| *number > 0)
            }
            Direction::Newer => {
                while logged.next_if(|number| *number < from).is_some() {}
                changed.into_iter().chain(logged.peek().copied()).min()
            }
        };
        // A block is executed on the state before it.
        let oldest = ctx.factory().windows()?.state;
        match (self.direction, next) {
            (Direction::Older, _) if oldest > 0 && next.is_none_or(|next| next <= oldest) => {
                let requested = next.unwrap_or_default();
                Err(RpcError::OutsideWindow { what: "state", requested, oldest })
            }
            (Direction::Newer, _) if oldest > 0 && from <= oldest => {
                Err(RpcError::OutsideWindow { what: "state", requested: from, oldest })
            }
            _ => Ok(next),
        }
    }

    const fn after(self, number: u64) -> Option<u64> {
        match self.direction {
            Direction::Older => number.checked_sub(1),
            Direction::Newer => number.checked_add(1),
        }
    }

    fn page(
        self,
        ctx: &Inner,
        found: &[(Arc<CachedBlock>, Vec<usize>)],
        more: bool,
    ) -> RpcResult<TransactionsWithReceipts> {
        let begins = self.block == 0;
        let (first_page, last_page) = match self.direction {
            Direction::Older => (begins, !more),
            Direction::Newer => (!more, begins),
        };
        let mut page = TransactionsWithReceipts {
            txs: Vec::new(),
            receipts: Vec::new(),
            first_page,
            last_page,
        };
        for (block, indices) in found {
            ctx.with_receipts(block)?;
            for index in indices.iter().rev() {
                page.txs.extend(transaction(block, *index));
                page.receipts.extend(whole_receipt(block, *index));
            }
        }
        Ok(page)
    }
}

/// The transactions of a block that an account has to do with.
fn matches(
    ctx: &Inner,
    block: &CachedBlock,
    address: Address,
    deadline: Deadline,
) -> RpcResult<Vec<usize>> {
    let mut indices = Vec::new();
    replay_block(ctx, block, Touch::of(address), deadline, |index, seen| {
        let direct = block.sender(index) == address
            || block.transactions().get(index).and_then(|tx| tx.to()) == Some(address);
        if seen.take() || direct {
            indices.push(index);
        }
    })?;
    Ok(indices)
}

/// Executes a block again and shows each transaction's index to `visit`, with what `inspector` saw.
pub(super) fn replay_block<I>(
    ctx: &Inner,
    block: &CachedBlock,
    inspector: I,
    deadline: Deadline,
    mut visit: impl FnMut(usize, &mut I),
) -> RpcResult<()>
where
    I: for<'a> Inspector<EthEvmContext<SessionDb<'a>>>,
{
    let all = 0..block.transaction_count();
    if all.is_empty() {
        return Ok(());
    }
    let state = state_before(ctx, block)?;
    let watch = (inspector, Meter::idle(ctx.max_response()));
    replay(ctx, block, &*state, all, watch, deadline, |replayed| {
        let Replayed { place, tracer, .. } = replayed;
        if let Some(index) = place.index.and_then(|index| usize::try_from(index).ok()) {
            visit(index, tracer);
        }
        Ok(())
    })
}

/// Whether an account calls, is called, is created, or receives what a contract leaves.
#[derive(Debug)]
struct Touch {
    address: Address,
    seen: bool,
}

impl Touch {
    const fn of(address: Address) -> Self {
        Self { address, seen: false }
    }

    fn take(&mut self) -> bool {
        std::mem::take(&mut self.seen)
    }

    fn look(&mut self, addresses: &[Address]) {
        self.seen |= addresses.contains(&self.address);
    }
}

impl<CTX> Inspector<CTX> for Touch {
    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.look(&[inputs.caller, inputs.target_address, inputs.bytecode_address]);
        None
    }

    fn create_end(
        &mut self,
        _context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.look(&[inputs.caller()]);
        self.look(outcome.address.as_slice());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, _value: U256) {
        self.look(&[contract, target]);
    }
}

/// Who creates an account.
#[derive(Debug)]
pub(super) struct Creation {
    address: Address,
    creator: Option<Address>,
}

impl Creation {
    pub(super) const fn of(address: Address) -> Self {
        Self { address, creator: None }
    }

    pub(super) fn take(&mut self) -> Option<Address> {
        self.creator.take()
    }
}

impl<CTX> Inspector<CTX> for Creation {
    fn create_end(
        &mut self,
        _context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        if outcome.address == Some(self.address) && outcome.result.is_ok() {
            self.creator = Some(inputs.caller());
        }
    }
}
