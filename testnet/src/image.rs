//! Disks that can lose power: an ext4 image lies on an XFS image with reflinks, both loop-mounted.
//!
//! Copying the ext4 image by reflink takes milliseconds and catches exactly what had reached the
//! disk: data that was never synced sits in the page cache of the mounted file system and is not in
//! the copy. Mounting the copy replays ext4's journal, as a machine does when power returns.

use crate::{
    Result, TestnetError,
    command::{find_program, run},
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// Size of the outer image: the disk and its copies, which share what did not change.
const OUTER_BYTES: u64 = 8 << 30;
/// Size of the disk.
const DISK_BYTES: u64 = 3 << 30;

/// Why a power cut cannot be played here; `None` if it can.
pub fn power_cut_obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it mounts images: run as root".to_owned());
    }
    for program in ["mkfs.xfs", "mkfs.ext4", "mount", "umount", "cp"] {
        if find_program(program).is_none() {
            return Some(format!("{program} is missing (xfsprogs, e2fsprogs)"));
        }
    }
    let trial = tempfile::tempdir().map_err(|e| e.to_string());
    let outcome = trial.and_then(|folder| {
        CutDisk::create(folder.path()).map(drop).map_err(|error| error.to_string())
    });
    outcome.err().map(|reason| format!("images cannot be mounted: {reason}"))
}

/// An ext4 disk whose state can be caught at any moment. Unmounted and removed when dropped.
#[derive(Debug)]
pub struct CutDisk {
    // Order matters: the disk is unmounted before the file system that its image lies on.
    disk: MountedImage,
    outer: MountedImage,
}

impl CutDisk {
    /// Makes and mounts the images under `folder`; needs root.
    ///
    /// # Errors
    /// [`TestnetError::Command`] with the failing program's message.
    pub fn create(folder: &Path) -> Result<Self> {
        let outer_image = folder.join("outer.img");
        make_image(&outer_image, OUTER_BYTES, &["mkfs.xfs", "-q", "-m", "reflink=1"])?;
        let outer = MountedImage::mount(&outer_image, &folder.join("outer"))?;
        let disk_image = outer.path().join("disk.img");
        make_image(&disk_image, DISK_BYTES, &["mkfs.ext4", "-q", "-F"])?;
        let disk = MountedImage::mount(&disk_image, &folder.join("disk"))?;
        Ok(Self { disk, outer })
    }

    /// Where the disk is mounted.
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// Where the file system is mounted that the disk's image lies on.
    pub fn outer_path(&self) -> &Path {
        self.outer.path()
    }

    /// Catches the disk as a power cut would leave it now. Returns the copy's image.
    ///
    /// # Errors
    /// [`TestnetError::Command`].
    pub fn cut(&self, name: &str) -> Result<PathBuf> {
        let copy = self.outer.path().join(name);
        let image = self.outer.path().join("disk.img");
        run(Command::new("cp").arg("--reflink=always").arg(image).arg(&copy))?;
        Ok(copy)
    }
}

/// A loop-mounted image. Unmounted, and its mount point and image removed, when dropped.
#[derive(Debug)]
pub struct MountedImage {
    image: PathBuf,
    path: PathBuf,
}

impl MountedImage {
    /// Mounts `image` at `path`, which is created.
    ///
    /// # Errors
    /// [`TestnetError::Command`].
    pub fn mount(image: &Path, path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(TestnetError::io(path.display().to_string()))?;
        // A copy of a mounted XFS would need `nouuid`; ext4 copies do not.
        run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(path))?;
        Ok(Self { image: image.to_owned(), path: path.to_owned() })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MountedImage {
    fn drop(&mut self) {
        match run(Command::new("umount").arg(&self.path)) {
            Ok(()) => {
                // Nothing depends on these; a leftover in a temporary folder goes with the folder.
                let _ = fs::remove_dir(&self.path);
                let _ = fs::remove_file(&self.image);
            }
            Err(error) => eprintln!("left mounted: {error}"),
        }
    }
}

pub(crate) fn make_image(path: &Path, bytes: u64, mkfs: &[&str]) -> Result<()> {
    let file = File::create(path).map_err(TestnetError::io(path.display().to_string()))?;
    file.set_len(bytes).map_err(TestnetError::io(path.display().to_string()))?;
    let program = find_program(mkfs[0]).unwrap_or_else(|| PathBuf::from(mkfs[0]));
    run(Command::new(program).args(&mkfs[1..]).arg(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_what_was_synced_and_nothing_else() {
        if let Some(reason) = power_cut_obstacle() {
            eprintln!("skipped: {reason}");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let disk = CutDisk::create(folder.path()).expect("disk");
        let synced = File::create(disk.path().join("synced")).expect("file");
        synced.sync_all().expect("sync");
        File::open(disk.path()).expect("folder").sync_all().expect("sync");
        fs::write(disk.path().join("unsynced"), b"gone").expect("file");
        let copy = disk.cut("cut.img").expect("cut");
        let after = MountedImage::mount(&copy, &folder.path().join("after")).expect("mount");
        assert!(after.path().join("synced").exists());
        assert!(!after.path().join("unsynced").exists());
    }
}
