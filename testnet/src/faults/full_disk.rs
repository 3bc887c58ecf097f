//! A disk without a free block.

use crate::{Cluster, Result, SmallDisk, TestnetError};
use std::time::Duration;

/// How long a node may take to notice that it cannot write.
const NOTICED: Duration = Duration::from_secs(30);

/// Takes the last byte of the node's disk.
///
/// # Errors
/// [`TestnetError::Io`]; [`TestnetError::Answer`] if the node has no small disk.
pub fn fill(cluster: &Cluster, node: usize) -> Result<()> {
    disk(cluster, node)?.fill_up()
}

/// Waits until the node ended by itself with exit code 1, makes space and starts it.
///
/// # Errors
/// [`TestnetError::Timeout`] if the node goes on without being able to write, [`TestnetError::Answer`]
/// for another exit code, or as [`Cluster::start`].
pub async fn make_space(cluster: &mut Cluster, node: usize) -> Result<()> {
    let status = cluster.running(node)?.ended(NOTICED).await?;
    let last = cluster.member(node).options.last_line();
    if status.code() != Some(1) {
        return Err(TestnetError::Answer {
            method: format!("a full disk of node {node}"),
            expected: "exit code 1",
            got: format!("{status}: {last}"),
        });
    }
    disk(cluster, node)?.make_space()?;
    cluster.kill(node).await?;
    cluster.start(node).await
}

fn disk(cluster: &Cluster, node: usize) -> Result<&SmallDisk> {
    cluster.disks().small(node).ok_or_else(|| TestnetError::Answer {
        method: format!("node {node}"),
        expected: "a small disk",
        got: "none".to_owned(),
    })
}
