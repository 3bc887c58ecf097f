//! The precompiled contract: one call, in the order of its checks.

use alloy_evm::precompiles::{DynPrecompile, PrecompileInput};
use alloy_primitives::Bytes;
use revm::precompile::{
    PrecompileError, PrecompileHalt, PrecompileId, PrecompileOutput, PrecompileResult,
};

use super::{
    abi::IPlog,
    account::Account,
    append::{append, append_root},
    call::Call,
    capture::Capture,
    gas::{self, Meter},
    govern::Governance,
    read,
    stop::{Stop, require},
};

/// The contract as the EVM calls it.
///
/// Stateful: results of a plain one may be kept by input, but these depend on state and caller.
/// `capture` gets the entries of every append.
pub(crate) fn precompile(capture: Capture) -> DynPrecompile {
    let run = move |input: PrecompileInput<'_>| run(input, &capture);
    DynPrecompile::new_stateful(PrecompileId::Custom("PLOG".into()), run)
}

/// Runs one call. The call frame takes a checkpoint before it and reverts to it unless this
/// succeeds, so that nothing has to be undone here.
fn run(input: PrecompileInput<'_>, capture: &Capture) -> PrecompileResult {
    let reservoir = input.reservoir;
    let mut meter = Meter::new(input.gas);
    match execute(input, &mut meter, capture) {
        Ok(answer) => Ok(PrecompileOutput::new(meter.used(), answer, reservoir)),
        Err(Stop::Refused(error)) => Ok(PrecompileOutput::revert(meter.used(), error, reservoir)),
        Err(Stop::OutOfGas) => Ok(PrecompileOutput::halt(PrecompileHalt::OutOfGas, reservoir)),
        Err(Stop::Fatal(error)) => Err(PrecompileError::Fatal(error)),
    }
}

/// The checks that need no state, the price, then the function.
fn execute(
    input: PrecompileInput<'_>,
    meter: &mut Meter,
    capture: &Capture,
) -> Result<Bytes, Stop> {
    meter.charge(gas::ENTRY)?;
    require(input.is_direct_call(), &IPlog::DirectCallOnly {})?;
    require(input.value.is_zero(), &IPlog::BadCall {})?;
    let call = Call::decode(input.data, input.is_static)?;
    meter.charge(gas::price(&call))?;
    let caller = input.caller;
    let account = &mut Account::new(input.internals);
    match call {
        Call::Append(call) => append(&call, caller, account, meter, capture),
        Call::AppendRoot(call) => append_root(&call, caller, account, capture),
        Call::CreateLog { log, mode } => {
            done(Governance::of(caller, account)?.create_log(log, mode))
        }
        Call::SetSource { source, signer, active } => {
            done(Governance::of(caller, account)?.set_source(source, signer, active))
        }
        Call::SetGateway { source, gateway } => {
            done(Governance::of(caller, account)?.set_gateway(source, gateway))
        }
        Call::SetWriter { log, source, allowed } => {
            done(Governance::of(caller, account)?.set_writer(log, source, allowed))
        }
        Call::SetGovernance { governance } => {
            done(Governance::of(caller, account)?.set_governance(governance))
        }
        Call::Head { log } => read::head(log, account),
        Call::RootAt { log, size } => read::root_at(log, size, account),
        Call::Frontier { log } => read::frontier(log, account, meter),
        Call::SourceState { source } => read::source_state(source, account),
        Call::SubjectHead { log, subject } => read::subject_head(log, subject, account),
        Call::VerifyInclusion(proof) => Ok(read::inclusion(&proof)),
        Call::VerifyConsistency(proof) => Ok(read::consistency(&proof)),
    }
}

/// The answer of a function that returns nothing.
fn done(result: Result<(), Stop>) -> Result<Bytes, Stop> {
    result.map(|()| Bytes::new())
}
