//! Bounds what a tracer keeps.
//!
//! A loop of a few instructions costs little gas and fills gigabytes with steps, stacks, copies of
//! memory and call data. The meter stands beside the tracer and counts the least text that what it
//! keeps can become; when that is more than an answer may hold, it ends the execution.

use super::text::too_long;
use crate::error::RpcResult;
use alloy_primitives::{
    Log, U256,
    map::{AddressMap, HashSet},
};
use revm::{
    Inspector,
    bytecode::opcode::{SLOAD, SSTORE},
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        interpreter_types::{Jumps, LoopControl, MemoryTr, ReturnData},
    },
};

/// Bytes of `{"pc":0,"op":"ADD","gas":1,"gasCost":3,"depth":1},`.
const STEP: usize = 50;
/// Bytes of `"0x0",`.
const STACK_WORD: usize = 6;
/// Bytes of 32 bytes in hex, with prefix, quotes and comma.
const WORD: usize = 69;
/// Bytes of a call without input and output.
const FRAME: usize = 180;
/// Bytes of a log without topics and data.
const LOG: usize = 80;

/// What a tracer keeps of an execution.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept {
    /// Calls and creations with input and output.
    pub(super) frames: bool,
    /// Logs.
    pub(super) logs: bool,
    /// Instructions.
    pub(super) steps: Option<KeptSteps>,
}

/// What a tracer keeps of an instruction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KeptSteps {
    pub(super) stack: bool,
    pub(super) memory: bool,
    /// All slots of the contract that were touched so far, for each that is touched.
    pub(super) storage: bool,
    pub(super) return_data: bool,
    /// Instructions of a transaction after which none is kept.
    pub(super) most: Option<u64>,
}

/// Counts; one for all transactions whose traces are in memory together.
#[derive(Debug)]
pub(crate) struct Meter {
    kept: Kept,
    bytes: usize,
    limit: usize,
    /// Instructions of the transaction.
    steps: u64,
    /// Touched slots of the transaction.
    slots: AddressMap<HashSet<U256>>,
}

impl Meter {
    /// A meter for a tracer that keeps `kept`, for an answer of `limit` bytes.
    pub(super) fn new(kept: Kept, limit: usize) -> Self {
        Self { kept, bytes: 0, limit, steps: 0, slots: AddressMap::default() }
    }

    /// A meter for a tracer that keeps next to nothing.
    pub(crate) fn idle(limit: usize) -> Self {
        Self::new(Kept::default(), limit)
    }

    /// Begins the next transaction.
    pub(super) fn next_transaction(&mut self) {
        self.steps = 0;
        self.slots.clear();
    }

    /// The error of an execution that was ended.
    pub(super) const fn verdict(&self) -> RpcResult<()> {
        if self.is_over() { Err(too_long(self.bytes, self.limit)) } else { Ok(()) }
    }

    const fn is_over(&self) -> bool {
        self.bytes > self.limit
    }

    const fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn add_frame(&mut self, data: usize) {
        if self.kept.frames {
            self.add(FRAME + 2 * data);
        }
    }

    fn add_output(&mut self, output: usize) {
        if self.kept.frames {
            self.add(2 * output);
        }
    }

    fn add_step(&mut self, kept: KeptSteps, interpreter: &Interpreter) {
        let mut bytes = STEP;
        if kept.stack {
            bytes += STACK_WORD * interpreter.stack.len();
        }
        if kept.memory {
            bytes += WORD * (interpreter.memory.size() / 32);
        }
        if kept.return_data {
            bytes += 2 * interpreter.return_data.buffer().len();
        }
        if kept.storage
            && matches!(interpreter.bytecode.opcode(), SLOAD | SSTORE)
            && let Some(slot) = interpreter.stack.data().last()
        {
            let slots = self.slots.entry(interpreter.input.target_address).or_default();
            slots.insert(*slot);
            bytes += 2 * WORD * slots.len();
        }
        self.add(bytes);
    }
}

impl<CTX> Inspector<CTX> for Meter {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        if let Some(kept) = self.kept.steps
            && kept.most.is_none_or(|most| self.steps < most)
        {
            self.steps += 1;
            self.add_step(kept, interpreter);
        }
        if self.is_over() && interpreter.bytecode.is_not_end() {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn log(&mut self, _context: &mut CTX, log: Log) {
        if self.kept.logs {
            self.add(LOG + WORD * log.topics().len() + 2 * log.data.data.len());
        }
    }

    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.add_frame(inputs.input.len());
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.add_output(outcome.result.output.len());
    }

    fn create(&mut self, _context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.add_frame(inputs.init_code().len());
        None
    }

    fn create_end(
        &mut self,
        _context: &mut CTX,
        _inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.add_output(outcome.result.output.len());
    }
}
