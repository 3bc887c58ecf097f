//! `ots_…`: what Otterscan asks.
//!
//! Everything follows from what there is: blocks and receipts from the cache, traces from executing
//! blocks again, searches from the history of accounts and the index of logs ([`search`]).

mod api;
mod block;
mod calls;
mod history;
mod search;

pub(crate) use api::Ots;
