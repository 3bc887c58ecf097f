//! Ends an execution that takes too long.

use super::pool::Deadline;
use crate::error::RpcResult;
use revm::{
    Inspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        InterpreterTypes, interpreter_types::LoopControl,
    },
};
use std::time::Instant;

/// Instructions between two looks at the clock. Reading it takes as long as a few instructions; the
/// slowest instruction (a read from disk, a heavy precompile) is some milliseconds.
const INTERVAL: u32 = 64;

/// An inspector that halts every frame once the deadline has passed.
#[derive(Debug)]
pub(crate) struct DeadlineInspector {
    deadline: Deadline,
    steps: u32,
    expired: bool,
}

impl DeadlineInspector {
    pub(crate) const fn new(deadline: Deadline) -> Self {
        Self { deadline, steps: 0, expired: false }
    }

    /// The deadline's error if an execution was ended.
    pub(crate) const fn verdict(&self) -> RpcResult<()> {
        if self.expired { Err(self.deadline.error()) } else { Ok(()) }
    }

    fn check(&mut self) {
        if Instant::now() >= self.deadline.at {
            self.expired = true;
        }
    }
}

impl<CTX, INTR: InterpreterTypes> Inspector<CTX, INTR> for DeadlineInspector {
    fn step(&mut self, interpreter: &mut Interpreter<INTR>, _context: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(INTERVAL) {
            self.check();
        }
        // Another inspector may have ended the frame before.
        if self.expired && interpreter.bytecode.is_not_end() {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn call(&mut self, _context: &mut CTX, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.check();
        None
    }

    fn create(&mut self, _context: &mut CTX, _inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.check();
        None
    }
}
