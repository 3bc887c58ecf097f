//! One source as a running service: a thread that owns the [`Core`](crate::core::Core), and handles to
//! it.
//!
//! All that wait for a number are answered with one sync. The queue to the thread is bounded; what
//! does not fit is refused with `Full`. Readers never wait for the thread: they read committed rows up
//! to the marks of the last [`Snapshot`](crate::core::Snapshot).

mod exex;
mod handle;
mod metrics;
mod read;
mod thread;

pub use exex::{ActivityExEx, ExExFailure};
pub use handle::{Acceptance, ActivityHandle, QueueState, VoidTarget};
pub use read::{Completion, Completions, Status, StatusName};
pub(crate) use thread::{Command, Job};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
