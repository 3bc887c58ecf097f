//! Ends an execution that takes too long.

use super::pool::Deadline;
use revm::{
    Inspector,
    inspector::NoOpInspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        InterpreterTypes,
    },
};
use std::time::Instant;

/// Instructions between two looks at the clock. Reading it takes as long as a few instructions; the
/// slowest instruction (a read from disk, a heavy precompile) is some milliseconds.
const INTERVAL: u32 = 64;

/// An inspector that halts every frame once the deadline has passed.
#[derive(Debug)]
pub(crate) struct DeadlineInspector<I = NoOpInspector> {
    deadline: Deadline,
    steps: u32,
    expired: bool,
    /// Another inspector to run beside.
    pub(crate) inner: I,
}

impl DeadlineInspector {
    pub(crate) const fn new(deadline: Deadline) -> Self {
        Self::with(deadline, NoOpInspector)
    }
}

impl<I> DeadlineInspector<I> {
    pub(crate) const fn with(deadline: Deadline, inner: I) -> Self {
        Self { deadline, steps: 0, expired: false, inner }
    }

    /// Whether an execution was ended.
    pub(crate) const fn expired(&self) -> bool {
        self.expired
    }

    fn check(&mut self) {
        if Instant::now() >= self.deadline.at {
            self.expired = true;
        }
    }
}

impl<CTX, INTR, I> Inspector<CTX, INTR> for DeadlineInspector<I>
where
    INTR: InterpreterTypes,
    I: Inspector<CTX, INTR>,
{
    fn step(&mut self, interpreter: &mut Interpreter<INTR>, context: &mut CTX) {
        self.inner.step(interpreter, context);
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(INTERVAL) {
            self.check();
        }
        if self.expired {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.check();
        self.inner.call(context, inputs)
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.check();
        self.inner.create(context, inputs)
    }
}
