//! Namespace `eth`.

mod api;
mod fees;
mod filters;
mod logs;
mod proof;
mod pubsub;

pub(crate) use api::Eth;
pub(crate) use filters::{EthFilters, FilterStore};
pub(crate) use pubsub::{EthPubSub, follow};
