//! A lost disk: the data folder is gone, key and sign state are kept.

use super::files::remove;
use crate::{Cluster, Result};

/// Kills each of `group` and removes its data folder.
///
/// # Errors
/// [`crate::TestnetError::Io`].
pub async fn wipe(cluster: &mut Cluster, group: &[usize]) -> Result<()> {
    for node in group {
        cluster.kill(*node).await?;
        remove(&cluster.member(*node).options.datadir)?;
    }
    Ok(())
}

/// Makes new data folders, as an operator does with `init`, and starts the nodes: they get the chain
/// from the others.
///
/// # Errors
/// As [`Cluster::start`]; [`crate::TestnetError::Command`] if `init` refuses.
pub async fn replace(cluster: &mut Cluster, group: &[usize]) -> Result<()> {
    for node in group {
        cluster.member(*node).options.init().await?;
        cluster.start(*node).await?;
    }
    Ok(())
}
