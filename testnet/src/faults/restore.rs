//! Old backups that are put back: the data folder, with or without the sign state.

use super::files::{remove, replace};
use crate::{Cluster, NodeOptions, Result};
use std::path::{Path, PathBuf};

/// Copies of folders as they were.
#[derive(Debug)]
pub struct Backup {
    sign_state: bool,
    nodes: Vec<(usize, PathBuf)>,
}

impl Backup {
    /// Stops each of `group`, copies its data folder (and its sign state, if `sign_state`), starts it
    /// again.
    ///
    /// # Errors
    /// As [`Cluster::stop`] and [`Cluster::start`]; [`crate::TestnetError::Command`].
    pub async fn take(cluster: &mut Cluster, group: &[usize], sign_state: bool) -> Result<Self> {
        let mut this = Self { sign_state, nodes: Vec::new() };
        for node in group {
            cluster.stop(*node).await?;
            let member = cluster.member(*node);
            let backup = member.folder.join("backup");
            for (live, copy) in this.pairs(&member.options, &backup) {
                replace(&live, &copy)?;
            }
            this.nodes.push((*node, backup));
            cluster.start(*node).await?;
        }
        Ok(this)
    }

    /// Kills the nodes, puts the copies in place of what is there, starts them.
    ///
    /// # Errors
    /// As [`Cluster::start`]; [`crate::TestnetError::Command`].
    pub async fn put_back(self, cluster: &mut Cluster) -> Result<()> {
        for (node, backup) in &self.nodes {
            cluster.kill(*node).await?;
            for (live, copy) in self.pairs(&cluster.member(*node).options, backup) {
                replace(&copy, &live)?;
            }
            remove(backup)?;
            cluster.start(*node).await?;
        }
        Ok(())
    }

    /// Folders with the places of their copies.
    fn pairs(&self, options: &NodeOptions, backup: &Path) -> Vec<(PathBuf, PathBuf)> {
        let mut pairs = vec![(options.datadir.clone(), backup.join("data"))];
        if self.sign_state {
            pairs.push((options.sign_state(), backup.join("sign")));
        }
        pairs
    }
}
