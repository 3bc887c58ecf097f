//! Logs of calls, with transfers of the native coin among them.

use alloy_primitives::{Address, B256, Log, LogData, U256};
use revm::{
    Inspector,
    context_interface::{ContextTr, JournalTr},
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome},
};
use revm_inspectors::transfer::{TRANSFER_EVENT_TOPIC, TRANSFER_LOG_EMITTER};

/// Collects the logs of a block's calls in the order of their making, each with its number. Numbers
/// count what was forgotten too, as geth's do. On request each transfer of value is the log that a
/// token would make (ERC-7528).
///
/// What a failed frame did is forgotten with it, its own transfer too; the tracer of
/// `revm-inspectors` keeps that one.
#[derive(Debug, Default)]
pub(super) struct CallLogs {
    with_transfers: bool,
    /// Logs of the open frames, outermost first.
    frames: Vec<Vec<(u64, Log)>>,
    done: Vec<(u64, Log)>,
    made: u64,
}

impl CallLogs {
    pub(super) fn new(with_transfers: bool) -> Self {
        Self { with_transfers, ..Self::default() }
    }

    /// The logs of the call that ended.
    pub(super) fn take(&mut self) -> Vec<(u64, Log)> {
        self.frames.clear();
        std::mem::take(&mut self.done)
    }

    fn push(&mut self, log: Log) {
        self.frames.last_mut().unwrap_or(&mut self.done).push((self.made, log));
        self.made += 1;
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if self.with_transfers && !value.is_zero() {
            let topics = vec![TRANSFER_EVENT_TOPIC, from.into_word(), to.into_word()];
            let data = LogData::new_unchecked(topics, B256::from(value).into());
            self.push(Log { address: TRANSFER_LOG_EMITTER, data });
        }
    }

    fn close(&mut self, ok: bool) {
        let logs = self.frames.pop().unwrap_or_default();
        if ok {
            self.frames.last_mut().unwrap_or(&mut self.done).extend(logs);
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for CallLogs {
    fn log(&mut self, _context: &mut CTX, log: Log) {
        self.push(log);
    }

    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.frames.push(Vec::new());
        let value = inputs.transfer_value().unwrap_or_default();
        self.transfer(inputs.transfer_from(), inputs.transfer_to(), value);
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.close(outcome.result.is_ok());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.frames.push(Vec::new());
        // A failed read fails the creation itself a moment later.
        if let Ok(caller) = context.journal_mut().load_account(inputs.caller()) {
            let address = inputs.created_address(caller.data.info.nonce);
            self.transfer(inputs.caller(), address, inputs.value());
        }
        None
    }

    fn create_end(
        &mut self,
        _context: &mut CTX,
        _inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.close(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}

/// Addresses that every call begins with in its access list: precompiled contracts are warm (EIP-2929)
/// also where a state override took them away.
#[derive(Debug)]
pub(super) struct WarmAddresses(pub(super) Vec<Address>);

impl WarmAddresses {
    fn warm<CTX: ContextTr>(&self, context: &mut CTX) {
        if context.journal().depth() == 0 {
            for address in &self.0 {
                // A failed read is met again by who looks at the account.
                let _ = context.journal_mut().load_account(*address);
            }
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for WarmAddresses {
    fn call(&mut self, context: &mut CTX, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.warm(context);
        None
    }

    fn create(&mut self, context: &mut CTX, _inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.warm(context);
        None
    }
}
