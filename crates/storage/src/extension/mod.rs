//! Rows of extensions: what runs beside the chain keeps its own rows here, and how far it has come.
//!
//! | column family | key | value |
//! |---|---|---|
//! | `extension_rows` | length of the name (1 byte), name, the extension's own key | the extension's own value |
//! | `meta` | `extension/`, name | finished height, `u64` |
//!
//! - An extension sees its own keys only, and writes them in batches of its own
//!   ([`ExtensionBatch`]): all rows of a batch and the finished height in it, with one sync, or nothing.
//! - The **finished height** is the newest block the extension has done everything for. It never
//!   falls, and never leads the committed head. After a crash the extension goes on behind it.
//! - History is pruned behind the lowest finished height of the installed extensions only: the blocks
//!   after it keep their receipts, and their state and that of the one before stay readable.
//! - A failed write closes the whole store to writes, as for blocks.

mod batch;
mod heights;
mod store;
mod view;

pub use batch::ExtensionBatch;
pub(crate) use heights::Heights;
pub use store::ExtensionStore;
pub use view::{ExtensionRows, ExtensionView};

/// A key of an extension, and its value.
pub type ExtensionRow = (Vec<u8>, Vec<u8>);
