//! What the data folders and sign states of a network lie on.

use crate::{CutDisk, MountedImage, Result, SmallDisk};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Size of a small disk: a fresh database takes a part of it.
const SMALL_BYTES: u64 = 512 << 20;

/// Which disks a scenario needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DiskChoice {
    /// The folder's own.
    #[default]
    Plain,
    /// A disk of its own that can be filled, for each of these members.
    Small(Vec<usize>),
    /// One disk for all that can lose power.
    Cut,
}

/// The disks of a network. Unmounted when dropped.
#[derive(Debug)]
pub struct Disks {
    small: BTreeMap<usize, SmallDisk>,
    cut: Option<CutDisk>,
}

impl Disks {
    pub(super) fn create(choice: &DiskChoice, folder: &Path) -> Result<Self> {
        let mut this = Self { small: BTreeMap::new(), cut: None };
        match choice {
            DiskChoice::Plain => {}
            DiskChoice::Small(members) => {
                for member in members {
                    let place = folder.join(format!("disk-{member}"));
                    std::fs::create_dir_all(&place)
                        .map_err(crate::TestnetError::io(place.display().to_string()))?;
                    this.small.insert(*member, SmallDisk::create(&place, SMALL_BYTES)?);
                }
            }
            DiskChoice::Cut => this.cut = Some(CutDisk::create(folder)?),
        }
        Ok(this)
    }

    /// Where the data folder and sign state of a member lie, if not in its own folder.
    pub(super) fn home(&self, index: usize, name: &str) -> Option<PathBuf> {
        let small = self.small.get(&index).map(SmallDisk::path);
        let path = small.or_else(|| self.cut.as_ref().map(CutDisk::path))?;
        Some(path.join(name))
    }

    /// The small disk of a member.
    pub fn small(&self, index: usize) -> Option<&SmallDisk> {
        self.small.get(&index)
    }

    /// The disk that can lose power.
    pub const fn cut(&self) -> Option<&CutDisk> {
        self.cut.as_ref()
    }

    /// Mount points, those first that have to be unmounted first.
    pub(super) fn mounts(&self) -> Vec<PathBuf> {
        let small = self.small.values().map(SmallDisk::path);
        let cut = self.cut.iter().flat_map(|cut| [cut.path(), cut.outer_path()]);
        small.chain(cut).map(Path::to_owned).collect()
    }

    /// Catches the disk as a power cut would leave it now and mounts what it holds.
    ///
    /// # Errors
    /// [`crate::TestnetError::Command`].
    pub fn after_power_cut(cut: &CutDisk, folder: &Path, name: &str) -> Result<MountedImage> {
        let image = cut.cut(&format!("{name}.img"))?;
        MountedImage::mount(&image, &folder.join(name))
    }
}
