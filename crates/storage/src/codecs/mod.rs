//! Keys and rows, one codec per file. Every decoder returns an error on bytes it did not write.

pub(crate) mod account;
pub(crate) mod blocks;
pub(crate) mod changes;
pub(crate) mod frames;
pub(crate) mod keys;
pub(crate) mod meta;
pub(crate) mod node;
pub(crate) mod node_version;
pub(crate) mod reader;
pub(crate) mod receipts;
