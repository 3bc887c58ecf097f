//! Namespace `eth`.

mod api;
mod capabilities;
mod config;
mod fees;
mod filters;
mod logs;
mod proof;
mod pubsub;

pub(crate) use api::Eth;
pub(crate) use filters::{EthFilters, FilterStore};
pub(crate) use pubsub::{EthPubSub, follow, send_all};
