//! Namespace `activity`.

mod answer;
mod params;
mod pubsub;
mod read;
mod write;

pub(crate) use pubsub::ActivityPubSub;
pub(crate) use read::ActivityRead;
pub(crate) use write::ActivityWrite;
