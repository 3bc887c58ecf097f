//! Ends of a process: `kill -9`, SIGTERM, SIGSTOP.

use crate::{Cluster, Result};

/// Kills each of `group`.
///
/// # Errors
/// [`crate::TestnetError::Io`].
pub async fn kill(cluster: &mut Cluster, group: &[usize]) -> Result<()> {
    for node in group {
        cluster.kill(*node).await?;
    }
    Ok(())
}

/// Asks each of `group` to stop; all must do so in time with exit code 0.
///
/// # Errors
/// As [`Cluster::stop`].
pub async fn terminate(cluster: &mut Cluster, group: &[usize]) -> Result<()> {
    for node in group {
        cluster.stop(*node).await?;
    }
    Ok(())
}

/// Stops each of `group` where it is; connections stay open.
///
/// # Errors
/// As [`Cluster::running`].
pub fn pause(cluster: &mut Cluster, group: &[usize]) -> Result<()> {
    group.iter().try_for_each(|node| cluster.running(*node)?.pause())
}

/// Lets each of `group` go on.
///
/// # Errors
/// As [`Cluster::running`].
pub fn resume(cluster: &mut Cluster, group: &[usize]) -> Result<()> {
    group.iter().try_for_each(|node| cluster.running(*node)?.resume())
}
