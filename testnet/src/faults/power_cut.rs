//! A power cut: what had not reached the disk is gone.

use super::{crash, files};
use crate::{Cluster, Disks, Result, TestnetError};

/// Cuts the power of each of `group` at the same moment and puts back what the disk held. The nodes
/// stay down.
///
/// They are stopped before the disk is caught, so that nothing leaves them that the disk knows nothing
/// of, and killed after it.
///
/// # Errors
/// [`TestnetError::Command`]; [`TestnetError::Answer`] if the network has no such disk.
pub async fn cut_power(cluster: &mut Cluster, group: &[usize], name: &str) -> Result<()> {
    crash::pause(cluster, group)?;
    let cut = cluster.disks().cut().ok_or_else(|| TestnetError::Answer {
        method: "a power cut".to_owned(),
        expected: "a disk that can lose power",
        got: "none".to_owned(),
    })?;
    let after = Disks::after_power_cut(cut, &cluster.options().folder, name)?;
    crash::kill(cluster, group).await?;
    for node in group {
        let member = cluster.member(*node);
        let live = cut_home(cluster, &member.name)?;
        files::replace(&after.path().join(&member.name), &live)?;
    }
    Ok(())
}

fn cut_home(cluster: &Cluster, name: &str) -> Result<std::path::PathBuf> {
    let home = cluster.disks().cut().map(|cut| cut.path().join(name));
    home.ok_or_else(|| TestnetError::Answer {
        method: "a power cut".to_owned(),
        expected: "a disk that can lose power",
        got: "none".to_owned(),
    })
}
