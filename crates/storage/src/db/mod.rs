//! The open database: column families, views, batches.

mod batch;
mod columns;
mod open;
mod view;

pub(crate) use batch::Batch;
pub(crate) use columns::Column;
pub(crate) use open::Db;
#[cfg(test)]
pub(crate) use open::SCHEMA_VERSION;
pub(crate) use view::{Cursor, ReadView};
