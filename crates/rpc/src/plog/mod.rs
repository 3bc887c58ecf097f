//! Namespace `plog`.

mod api;
mod params;
mod pubsub;
mod receipt;
mod snapshot;
mod terms;

pub(crate) use api::Plog;
pub(crate) use pubsub::PlogPubSub;
