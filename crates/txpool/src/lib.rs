//! The transaction pool: what waits to be mined, in memory, bounded, and in an order that is fair
//! to every sender.
//!
//! * **Admission** ([`Pool::add_raw_transactions`](TransactionPool::add_raw_transactions)): a batch
//!   is decoded, de-duplicated *before* any signature is touched, recovered in parallel, checked
//!   against one view of the state and inserted under one lock. Each sender is recovered once; the
//!   recovered transaction is what block building and block import use.
//! * **Sub-pools** ([`SubPool`]): *pending* can be mined in the next block, *basefee* only waits for
//!   a lower base fee, *queued* waits for a nonce, for balance or for an ancestor.
//! * **Order** ([`BestTransactions`]): senders in turn. A sender that was served goes to the end of
//!   the line, a new one joins at the end, listed senders come before unlisted ones. A flood from
//!   many fresh accounts therefore delays nobody who already stands in line.
//! * **Lane**: appends of the transparency log's sources are told apart, since blocks take them first.
//! * **Permission** ([`SenderPermissions`]): where the base fee is zero a fee keeps nobody out, so
//!   only listed senders enter, unless the pool is open.
//! * **Bounds**: transactions per sender, count and bytes per sub-pool, blobs, unlisted external
//!   transactions, evicted hashes, listeners, files. What overflows is refused with an error.
//! * **Journal** ([`journal`]): transactions of local origin survive a restart.

#![forbid(unsafe_code)]

mod accounts;
mod best;
mod config;
mod error;
mod head;
pub mod journal;
mod metrics;
mod permission;
mod pool;
mod sender;
mod state;
#[cfg(test)]
mod test_utils;
mod traits;
mod transaction;
mod validate;

pub use accounts::{AccountCode, AccountReader, PoolAccount};
pub use best::{BestTransactions, BestTransactionsAttributes};
pub use config::{PoolConfig, SubPoolLimit};
pub use error::{JournalError, PermissionError, PoolError, PoolErrorKind, PoolResult};
pub use head::BlockInfo;
pub use journal::{JournalLoad, JournalSync};
pub use permission::{Reload, SenderPermissions};
pub use pool::{PendingTransactionsReceiver, Pool};
pub use sender::SubPool;
pub use traits::{
    CanonicalStateUpdate, ChangedAccount, ChangedAccounts, PoolContent, PoolSize, TransactionPool,
    TransactionsBySender,
};
pub use transaction::{TransactionOrigin, ValidPoolTransaction};
