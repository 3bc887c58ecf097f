//! `eth_simulateV1`: blocks of calls on top of a block, with changes to their headers and to the state.
//!
//! A simulated block runs in a session and is completed by the assembler, as a proposed one is: system
//! calls, the block reward, precompiled contracts, roots and hash are those that the chain would
//! have. The next one stands on it as on a candidate. What is left out of the rules: signatures,
//! EIP-3607, EIP-7825 and, unless `validation` is asked for, nonces and the base fee.
//!
//! Bounds: 256 blocks, the gas cap over all calls together, the time of a call, the size of an answer.

mod block;
mod call;
mod error;
mod plan;
mod watch;

use crate::{
    RpcError,
    calls::Deadline,
    context::{Inner, Target},
    error::RpcResult,
    json::{Writer, write_block_fields},
};
use alloy_eips::BlockId;
use alloy_rpc_types_eth::{
    TransactionRequest,
    simulate::{SimulatePayload, SimulatedBlock},
};
use block::Simulator;
use peruri_rpc_api::Json;
use peruri_storage::CandidateChain;

/// Simulates the blocks of `payload` on top of a block, the head by default.
pub(crate) fn simulate(
    ctx: &Inner,
    payload: SimulatePayload<TransactionRequest>,
    block: Option<BlockId>,
    deadline: Deadline,
) -> RpcResult<Json<Vec<SimulatedBlock>>> {
    let mut chain = CandidateChain::default();
    let base = match ctx.target(block)? {
        Target::Committed(header) => *header,
        Target::Pending(pending) => {
            let header = pending.recovered_block.clone_sealed_header();
            chain.push(pending);
            header
        }
    };
    let full = payload.return_full_transactions;
    let plan = plan::plan(base.header(), payload.block_state_calls)?;
    let mut simulator = Simulator {
        ctx,
        chain,
        parent: base,
        gas_left: ctx.limits.gas_cap,
        validation: payload.validation,
        trace_transfers: payload.trace_transfers,
        deadline,
    };
    let mut out = Writer::with_capacity(4096);
    out.begin_array();
    for planned in plan {
        let (block, calls) = simulator.run(planned)?;
        out.begin();
        write_block_fields(&mut out, &block, full);
        out.key("calls");
        out.raw(&serde_json::to_string(&calls)?);
        out.end();
        let limit = ctx.max_response();
        if out.len() > limit {
            let (got, limit) = (out.len() as u64, limit as u64);
            return Err(RpcError::Limit { what: "rpc.max-response-size", got, limit });
        }
    }
    out.end_array();
    Ok(out.finish()?)
}
