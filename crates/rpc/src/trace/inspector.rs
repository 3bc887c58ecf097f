//! The tracer of the namespace `trace`.

use super::{
    meter::{Kept, KeptSteps, Meter},
    text::too_long,
};
use crate::error::RpcResult;
use alloy_primitives::{Address, Log, U256, map::HashSet};
use alloy_rpc_types_trace::parity::TraceType;
use peruri_chainspec::PLOG_ADDRESS;
use revm::{
    Inspector,
    context::ContextTr,
    inspector::JournalExt,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter},
};
use revm_inspectors::tracing::{
    ParityTraceBuilder, TraceLimits, TracingInspector, TracingInspectorConfig,
};

/// OpenEthereum leaves out calls of precompiled contracts that carry no value. The transparency log
/// is one by its address only: its calls change state, and who looks for them must find them.
#[derive(Debug)]
pub(crate) struct ParityInspector {
    inner: TracingInspector,
    limits: TraceLimits,
    /// Bytes of an answer.
    limit: usize,
}

impl ParityInspector {
    /// A tracer for what `types` ask for, whose answer has `limit` bytes at most, and its meter.
    pub(crate) fn new(types: &HashSet<TraceType>, limit: usize) -> (Self, Meter) {
        let config = TracingInspectorConfig::from_parity_config(types);
        // Writes to memory are counted here, the rest by the meter. Bytes become two digits.
        let limits = TraceLimits::default().set_max_recorded_bytes(Some(limit / 2));
        let inner = TracingInspector::new(config).with_limits(limits);
        let steps = types.contains(&TraceType::VmTrace).then(KeptSteps::default);
        let kept = Kept { frames: types.contains(&TraceType::Trace), logs: false, steps };
        (Self { inner, limits, limit }, Meter::new(kept, limit))
    }

    /// What was seen since the last time.
    pub(crate) fn take(&mut self) -> RpcResult<ParityTraceBuilder> {
        if self.inner.limit_exceeded() {
            return Err(too_long(self.limit + 1, self.limit));
        }
        let next = TracingInspector::new(*self.inner.config()).with_limits(self.limits);
        Ok(std::mem::replace(&mut self.inner, next).into_parity_builder())
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for ParityInspector {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.inner.initialize_interp(interpreter, context);
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.inner.step(interpreter, context);
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.inner.step_end(interpreter, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.inner.log(context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let is_log = inputs.bytecode_address == PLOG_ADDRESS;
        self.inner.config_mut().exclude_precompile_calls = !is_log;
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.inner.create(context, inputs)
    }

    fn create_end(
        &mut self,
        context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        Inspector::<CTX>::selfdestruct(&mut self.inner, contract, target, value);
    }
}
