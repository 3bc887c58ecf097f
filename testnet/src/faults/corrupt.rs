//! A flipped bit in a file of a stopped node.

use crate::{Cluster, Result, TestnetError};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which file is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    /// A table of the database (`*.sst`).
    Table,
    /// The write-ahead log of the database (`*.log`).
    Log,
    /// A file of the sign state.
    SignState,
}

/// A flipped bit; [`Corruption::repair`] is what an operator does about it.
#[derive(Debug)]
pub struct Corruption {
    node: usize,
    victim: Victim,
    flipped: Option<(PathBuf, u64)>,
}

impl Corruption {
    /// Kills the node, flips a bit in one of its files, starts it without waiting: it may run on, as
    /// nobody reads that byte, or end and say why. A node without such a file (a database that has
    /// written no table yet) is only restarted.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub async fn cause(
        cluster: &mut Cluster,
        node: usize,
        victim: Victim,
        random: &mut StdRng,
    ) -> Result<Self> {
        cluster.kill(node).await?;
        let options = &cluster.member(node).options;
        let files = match victim {
            Victim::Table => files(&options.datadir, Some("sst"))?,
            Victim::Log => files(&options.datadir, Some("log"))?,
            Victim::SignState => files(&options.sign_state(), None)?,
        };
        let flipped = match files.choose(random) {
            Some(file) => Some((file.clone(), flip_random_bit(file, random)?)),
            None => None,
        };
        cluster.spawn(node)?;
        Ok(Self { node, victim, flipped })
    }

    /// What was hit, for the log of a run.
    pub fn describe(&self) -> String {
        match &self.flipped {
            Some((file, bit)) => format!("bit {bit} of {}", file.display()),
            None => format!("no file of kind {:?} yet", self.victim),
        }
    }

    /// A damaged database is thrown away and synced anew. A damaged sign state is put right by hand,
    /// if the node refused it: nothing was signed since.
    ///
    /// # Errors
    /// As [`Cluster::start`]; [`TestnetError::Io`].
    pub async fn repair(self, cluster: &mut Cluster) -> Result<()> {
        if self.victim != Victim::SignState {
            super::wipe(cluster, &[self.node]).await?;
            return super::replace(cluster, &[self.node]).await;
        }
        if cluster.running(self.node)?.alive().is_ok() {
            return Ok(());
        }
        // Reaps the process that ended.
        cluster.kill(self.node).await?;
        if let Some((file, bit)) = &self.flipped {
            flip(file, *bit)?;
        }
        cluster.start(self.node).await
    }
}

/// All files under `folder`, or those with this extension, which are not empty; sorted.
fn files(folder: &Path, extension: Option<&str>) -> Result<Vec<PathBuf>> {
    let io = || TestnetError::io(folder.display().to_string());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io())? {
        let entry = entry.map_err(io())?;
        let (path, metadata) = (entry.path(), entry.metadata().map_err(io())?);
        if metadata.is_dir() {
            found.extend(files(&path, extension)?);
        } else if metadata.len() > 0
            && extension.is_none_or(|wanted| path.extension().is_some_and(|it| it == wanted))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn flip_random_bit(file: &Path, random: &mut StdRng) -> Result<u64> {
    let metadata = fs::metadata(file).map_err(TestnetError::io(file.display().to_string()))?;
    let bit = random.random_range(0..metadata.len().saturating_mul(8));
    flip(file, bit)?;
    Ok(bit)
}

fn flip(file: &Path, bit: u64) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let io = || TestnetError::io(file.display().to_string());
    let handle = fs::File::options().read(true).write(true).open(file).map_err(io())?;
    let mut byte = [0];
    handle.read_exact_at(&mut byte, bit / 8).map_err(io())?;
    byte[0] ^= 1 << (bit % 8);
    handle.write_all_at(&byte, bit / 8).map_err(io())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn exactly_one_bit_is_flipped_and_can_be_put_right() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("1.sst");
        fs::write(&file, [0; 100]).expect("file");
        let bit = flip_random_bit(&file, &mut StdRng::seed_from_u64(1)).expect("flipped");
        let after = fs::read(&file).expect("file");
        assert_eq!(after.len(), 100);
        assert_eq!(after.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        flip(&file, bit).expect("flipped back");
        assert_eq!(fs::read(&file).expect("file"), [0; 100]);
    }

    #[test]
    fn files_are_found_by_kind() {
        let folder = tempfile::tempdir().expect("folder");
        let deep = folder.path().join("db");
        fs::create_dir(&deep).expect("folder");
        for (name, text) in [("1.sst", "x"), ("2.sst", ""), ("3.log", "x")] {
            fs::write(deep.join(name), text).expect("file");
        }
        assert_eq!(files(folder.path(), Some("sst")).expect("files"), [deep.join("1.sst")]);
        assert_eq!(files(folder.path(), None).expect("files").len(), 2);
    }
}
