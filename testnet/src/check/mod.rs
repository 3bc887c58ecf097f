//! What must hold after a scenario, one property per file. Each check takes data and returns what it
//! found wrong, in words; nothing found is good.
//!
//! | module | property |
//! |---|---|
//! | `fork` | one hash per height, on all nodes, ever; blocks name their parents |
//! | `roots` | equal state, receipts and transactions roots |
//! | `transactions` | what a node showed as included is on all nodes, in the same block |
//! | `heads` | no node's head goes back |
//! | `signatures` | no validator signed two different things of one kind |
//! | `recovery` | blocks go on in time |

mod chain;
mod fork;
mod heads;
mod message_log;
mod recovery;
mod roots;
mod signatures;
mod transactions;

pub use chain::{Chain, ChainBlock};
pub use fork::forks;
pub use heads::heads_that_went_back;
pub use message_log::{LogRecord, read_message_log};
pub use recovery::{Bounds, Phase, late_blocks, slowest_block};
pub use roots::differing_roots;
pub use signatures::{SignatureLedger, signing_domain};
pub use transactions::{lost_transactions, missing_receipts};

/// A few findings in one line, with the number of those left out.
pub fn summary(findings: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = findings.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    match findings.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}
