//! Traces of the last block that was asked for more than once.
//!
//! A transaction is traced where it stands: all transactions before it are executed again. Whoever walks
//! through a block would have half of its square executed. The second question for a block therefore has
//! all of it traced, and the answers are kept until another block takes their place.

use super::text::too_long;
use crate::error::RpcResult;
use alloy_primitives::B256;
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use parking_lot::Mutex;
use peruri_rpc_api::Json;
use std::sync::Arc;

/// Bytes of text that are kept.
const MAX_BYTES: usize = 16 << 20;

/// What was asked: of which block, and in which way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) block: B256,
    pub(super) options: GethDebugTracingOptions,
}

/// The traces of one block, in order.
#[derive(Debug, Default)]
pub(super) struct Traces {
    texts: Vec<Json<GethTrace>>,
    bytes: usize,
}

impl Traces {
    pub(super) fn push(&mut self, text: Json<GethTrace>) -> RpcResult<()> {
        self.bytes += text.text().len();
        if self.bytes > MAX_BYTES {
            return Err(too_long(self.bytes, MAX_BYTES));
        }
        self.texts.push(text);
        Ok(())
    }
}

/// The block that was asked for last.
#[derive(Debug, Default)]
pub(super) struct LastBlock {
    last: Mutex<Option<(Question, Progress)>>,
}

#[derive(Debug, Clone)]
enum Progress {
    /// It was asked for once.
    Asked,
    /// It is being traced, or cannot be as a whole.
    Tried,
    Traced(Arc<Traces>),
}

impl LastBlock {
    /// The trace of transaction `index`, if the block was traced.
    pub(super) fn get(&self, question: &Question, index: usize) -> Option<Json<GethTrace>> {
        let last = self.last.lock();
        let (_, progress) = last.as_ref().filter(|(asked, _)| asked == question)?;
        match progress {
            Progress::Traced(traces) => traces.texts.get(index).cloned(),
            Progress::Asked | Progress::Tried => None,
        }
    }

    /// Notes a question. True if the whole block is to be traced now.
    pub(super) fn ask(&self, question: &Question) -> bool {
        // Without a tracer every instruction is answered: far too much to be kept.
        if question.options.tracer.is_none() {
            return false;
        }
        let mut last = self.last.lock();
        match last.as_mut().filter(|(asked, _)| asked == question) {
            Some((_, progress)) => {
                let is_second = matches!(progress, Progress::Asked);
                if is_second {
                    *progress = Progress::Tried;
                }
                is_second
            }
            None => {
                *last = Some((question.clone(), Progress::Asked));
                false
            }
        }
    }

    /// Keeps the traces, unless another block was asked for meanwhile.
    pub(super) fn keep(&self, question: &Question, traces: Traces) {
        let mut last = self.last.lock();
        if let Some((_, progress)) = last.as_mut().filter(|(asked, _)| asked == question) {
            *progress = Progress::Traced(Arc::new(traces));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(block: u8, tracer: &str) -> Question {
        let options = serde_json::from_value(json!({ "tracer": tracer })).expect("options");
        Question { block: B256::repeat_byte(block), options }
    }

    fn text(text: &str) -> Json<GethTrace> {
        Json::from_text(text.to_owned()).expect("JSON")
    }

    #[test]
    fn the_second_question_wants_the_whole_block() {
        let last = LastBlock::default();
        let (one, other) = (question(1, "callTracer"), question(2, "callTracer"));
        assert!(!last.ask(&one) && last.ask(&one));
        assert!(!last.ask(&one), "only one tries");
        let mut traces = Traces::default();
        traces.push(text("1")).expect("small");
        last.keep(&one, traces);
        assert_eq!(last.get(&one, 0).expect("kept").text(), "1");
        assert!(last.get(&one, 1).is_none() && last.get(&other, 0).is_none());
        assert!(last.get(&question(1, "prestateTracer"), 0).is_none());
        assert!(!last.ask(&other) && last.get(&one, 0).is_none(), "another block's turn");
        last.keep(&one, Traces::default());
        assert!(last.ask(&other), "late traces change nothing");
    }

    #[test]
    fn instructions_are_not_kept() {
        let options = GethDebugTracingOptions::default();
        let every = Question { block: B256::ZERO, options };
        let last = LastBlock::default();
        assert!(!last.ask(&every) && !last.ask(&every));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let half = text(&format!("\"{}\"", "x".repeat(MAX_BYTES / 2 - 2)));
        let mut traces = Traces::default();
        assert!(traces.push(half.clone()).is_ok() && traces.push(half).is_ok());
        assert!(traces.push(text("1")).is_err());
    }
}
