//! `eth_capabilities`: what history this node has.

use crate::{context::Inner, error::RpcResult};
use alloy_primitives::U64;
use peruri_rpc_api::{Capabilities, CapabilitiesHead, Capability, DeleteStrategy};

/// What can be asked of this node, and back to which block.
pub(crate) fn capabilities(ctx: &Inner) -> RpcResult<Capabilities> {
    let head = ctx.factory().last_header()?;
    let oldest = ctx.factory().windows()?;
    let kept = ctx.factory().options().history;
    let since = |oldest: u64, kept: Option<u64>| Capability {
        disabled: false,
        oldest_block: U64::from(oldest),
        delete_strategy: kept.map(DeleteStrategy::window),
    };
    Ok(Capabilities {
        head: CapabilitiesHead { number: U64::from(head.number), hash: head.hash() },
        state: since(oldest.state, kept.state),
        tx: since(0, None),
        logs: since(oldest.receipts, kept.receipts),
        receipts: since(oldest.receipts, kept.receipts),
        blocks: since(0, None),
        stateproofs: since(oldest.proofs, kept.proofs),
    })
}
