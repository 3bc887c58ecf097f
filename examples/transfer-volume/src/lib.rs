//! An execution extension that sums up what transactions moved: the example of how to write one.
//!
//! The loop is in `exex`, the rows in [`Volumes`], the JSON-RPC methods in `rpc`.

#![forbid(unsafe_code)]

mod exex;
mod rpc;
mod volume;

pub use exex::transfer_volume;
pub use rpc::{NAMESPACE, VolumeApiClient, methods};
pub use volume::{Volume, Volumes};

/// Name of the extension: of its rows, in metrics and in `exex_getHeights`.
pub const NAME: &str = "transfer-volume";
