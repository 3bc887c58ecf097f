//! What a block appended, entries included: the node's index of the log keeps them, and events do not
//! carry them.
//!
//! A call writes down its entries when it succeeds. Whether it stays, or an outer call is reverted
//! later, is known from the events of the receipts.

use super::abi::IPlog;
use alloy_primitives::{B256, Bytes, map::HashMap};
use alloy_sol_types::SolEvent;
use parking_lot::Mutex;
use peruri_plog::PLOG_ADDRESS;
use peruri_primitives::Receipt;
use peruri_storage::PlogAppend;
use std::sync::Arc;

/// Names an append: two with the same log, index and root after it have the same entries.
type Name = (B256, u64, B256);

/// The entries of the calls of a block, those included that were reverted afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<HashMap<Name, Bytes>>>);

impl Capture {
    /// Notes the entries of a call that has succeeded.
    pub(super) fn note(&self, log: B256, first_index: u64, root: B256, entries: Bytes) {
        self.0.lock().insert((log, first_index, root), entries);
    }

    /// The appends that the receipts of the block tell of, in order.
    ///
    /// # Errors
    /// The event of an append without the append: a bug.
    pub(crate) fn appends(&self, receipts: &[Receipt]) -> Result<Vec<PlogAppend>, NotCaptured> {
        let mut noted = self.0.lock();
        let mut appends = Vec::new();
        for (tx_index, receipt) in (0_u32..).zip(receipts) {
            for log in receipt.logs.iter().filter(|log| log.address == PLOG_ADDRESS) {
                let Ok(event) = IPlog::Appended::decode_log_data(&log.data) else { continue };
                let name = (event.logId, event.firstIndex, event.root);
                let entries = noted.remove(&name).ok_or(NotCaptured { tx_index })?;
                appends.push(PlogAppend {
                    log: event.logId,
                    source: event.sourceId,
                    first_seq: event.firstSeq,
                    first_index: event.firstIndex,
                    tx_index,
                    entries,
                });
            }
        }
        Ok(appends)
    }
}

/// An event of an append that no call has made.
#[derive(Debug, thiserror::Error)]
#[error("transaction {tx_index} has the event of an append that was not seen")]
pub(crate) struct NotCaptured {
    tx_index: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Log, LogData};

    fn receipt(events: &[IPlog::Appended]) -> Receipt {
        let log = |data: LogData| Log { address: PLOG_ADDRESS, data };
        let logs = events.iter().map(|event| log(event.encode_log_data())).collect();
        Receipt { logs, ..Receipt::default() }
    }

    fn appended(first_index: u64, root: u8) -> IPlog::Appended {
        IPlog::Appended {
            logId: B256::ZERO,
            sourceId: 1,
            firstSeq: first_index + 1,
            firstIndex: first_index,
            newSize: first_index + 1,
            batchRoot: B256::ZERO,
            root: B256::repeat_byte(root),
        }
    }

    #[test]
    fn what_was_reverted_is_left_out_and_the_rest_keeps_its_order() {
        let capture = Capture::default();
        for (index, root, entry) in [(0, 1, "reverted"), (0, 2, "a"), (1, 3, "b")] {
            capture.note(
                B256::ZERO,
                index,
                B256::repeat_byte(root),
                Bytes::from_static(entry.as_bytes()),
            );
        }
        let receipts = [receipt(&[]), receipt(&[appended(0, 2)]), receipt(&[appended(1, 3)])];
        let appends = capture.appends(&receipts).expect("captured");
        let told: Vec<_> =
            appends.iter().map(|it| (it.tx_index, it.first_seq, it.entries.as_ref())).collect();
        assert_eq!(told, [(1, 1, b"a".as_slice()), (2, 2, b"b")]);
    }

    #[test]
    fn an_event_without_its_call_is_an_error() {
        let receipts = [receipt(&[appended(0, 1)])];
        assert!(Capture::default().appends(&receipts).is_err());
    }
}
