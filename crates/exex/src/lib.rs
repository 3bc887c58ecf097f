//! Execution extensions: code that runs beside the chain and is told of every committed block.
//!
//! # Contract
//!
//! - **Order**: an extension receives every block after its finished height once, in order, without
//!   gap ([`ExExNotification::ChainCommitted`]). A block is on disk before it is told. Finality is
//!   instant: nothing is ever reverted.
//! - **Replay**: blocks that were committed while the extension did not run, or was too slow for its
//!   buffer, are read from the database, with content equal to what was told live
//!   ([`CommittedBlock`]). A slow extension is told so ([`ExExNotification::Lagged`]) and need not do
//!   anything about it: the chain never waits for an extension.
//! - **Height**: an extension says how far it is, by [`ExExEvent::FinishedHeight`] or in a batch with
//!   rows of its own ([`ExtensionBatch`](peruri_storage::ExtensionBatch)). The height is durable. It
//!   may lag behind the head, never lead it. After a crash or a stop, blocks above it come again:
//!   what an extension does with a block outside its own batch must bear being done twice.
//! - **Retention**: receipts and state that an installed extension has not read yet are not pruned.
//! - **Failure**: an extension is a critical task of the node. When it fails, or ends before it is asked
//!   to, the node stops and names it.
//!
//! ```no_run
//! # use peruri_exex::{ExExContext, ExExError, ExExEvent, ExExNotification};
//! async fn count_transactions(mut ctx: ExExContext) -> Result<(), ExExError> {
//!     let mut count = 0;
//!     while let Some(notification) = ctx.notifications.next().await? {
//!         if let ExExNotification::ChainCommitted { new } = notification {
//!             count += new.receipts.len();
//!             ctx.events.send(ExExEvent::FinishedHeight(new.number()));
//!         }
//!     }
//!     // The node stops.
//!     println!("{count} transactions");
//!     Ok(())
//! }
//! ```
//!
//! An extension that must survive crashes without counting twice keeps its count in
//! [`ExExContext::store`] and writes it together with the height; `examples/transfer-volume` does.

#![forbid(unsafe_code)]

mod block;
mod context;
mod error;
mod event;
mod manager;
mod metrics;
mod notification;
mod notifications;
mod provider;

pub use block::CommittedBlock;
pub use context::ExExContext;
pub use error::ExExError;
pub use event::{ExExEvent, ExExEvents};
pub use manager::{ExExHandle, ExExManager};
pub use notification::ExExNotification;
pub use notifications::ExExNotifications;
pub use provider::ExExProvider;
