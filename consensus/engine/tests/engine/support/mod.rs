//! What the tests work with: chains, nodes in temporary folders, running engines, whole networks.

mod chain;
mod cluster;
mod folders;
mod node;
mod running;

pub(crate) use chain::{Genesis, call, signer, transfer, unix_seconds, validator_key};
pub(crate) use cluster::{Cluster, Live};
pub(crate) use folders::{block_file, copy_dir, messages_of, newest_slot, sign_files};
pub(crate) use node::{Node, consensus, encoded, hashes, importer, open_db, seal, signed};
pub(crate) use running::Running;

use std::time::{Duration, Instant};

/// Longest wait for what must come; a loaded machine may be slow.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How long something that must not come is waited for: many periods of 20 ms.
pub(crate) const QUIET: Duration = Duration::from_millis(400);

/// Asks until the answer is there, where nothing tells that it is.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(since.elapsed() < SOON, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
