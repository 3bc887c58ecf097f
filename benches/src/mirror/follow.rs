//! Completions as they are told to a caller who waits for them.

use super::stage::LIMIT;
use crate::machine::unix_ms;
use eyre::{Result, ensure};
use peruri_rpc_api::ActivityCompletion;
use peruri_testnet::MirrorClient;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Longest wait for one answer.
const WAIT: Duration = Duration::from_secs(10);

/// A completion, and when it was told in Unix milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) completion: ActivityCompletion,
    pub(super) at_ms: f64,
}

/// Some of what is final goes here: its index in the log.
pub(super) struct Sample {
    pub(super) one_in: usize,
    pub(super) indices: mpsc::Sender<u64>,
}

/// `count` completions from number `first` on.
///
/// # Errors
/// If no more come, or one is no inclusion.
pub(super) async fn follow(
    client: &MirrorClient,
    first: u64,
    count: usize,
    sample: Option<Sample>,
) -> Result<Vec<Told>> {
    let (mut all, mut from, mut progress) = (Vec::with_capacity(count), first, Instant::now());
    while all.len() < count {
        ensure!(progress.elapsed() < LIMIT, "{} of {count} are final, then no more", all.len());
        let found = client.completions(from, WAIT).await?;
        let at_ms = unix_ms();
        from = found.next;
        for completion in found.items {
            ensure!(completion.status == "included", "not included: {completion:?}");
            if let Some(sample) = sample.as_ref().filter(|it| all.len().is_multiple_of(it.one_in)) {
                sample.indices.send(completion.leaf_index).await?;
            }
            all.push(Told { completion, at_ms });
            progress = Instant::now();
        }
    }
    Ok(all)
}
