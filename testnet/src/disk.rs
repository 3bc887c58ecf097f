//! Small disks that can be filled: what a node does when there is no space left.

use crate::{
    MountedImage, Result, TestnetError,
    command::{find_program, run},
    image::make_image,
};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// Why a small disk cannot be made here; `None` if it can.
pub fn disk_full_obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it mounts an image: run as root".to_owned());
    }
    for program in ["mkfs.ext4", "mount", "umount"] {
        if find_program(program).is_none() {
            return Some(format!("{program} is missing (e2fsprogs)"));
        }
    }
    let trial = tempfile::tempdir().map_err(|e| e.to_string());
    let outcome = trial.and_then(|folder| {
        SmallDisk::create(folder.path(), 16 << 20).map(drop).map_err(|error| error.to_string())
    });
    outcome.err().map(|reason| format!("images cannot be mounted: {reason}"))
}

/// An ext4 disk of a given size, with a file on it that takes space away. Unmounted and removed when
/// dropped.
#[derive(Debug)]
pub struct SmallDisk {
    disk: MountedImage,
}

impl SmallDisk {
    /// Makes and mounts a disk of `bytes` under `folder`; needs root.
    ///
    /// # Errors
    /// [`TestnetError::Command`] with the failing program's message.
    pub fn create(folder: &Path, bytes: u64) -> Result<Self> {
        let image = folder.join("small.img");
        // Nothing is set aside for root: the node of the scenario runs as root too.
        make_image(&image, bytes, &["mkfs.ext4", "-q", "-F", "-m", "0"])?;
        Ok(Self { disk: MountedImage::mount(&image, &folder.join("small"))? })
    }

    /// Where the disk is mounted.
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// Moves a folder to the disk; a symbolic link stays in its place.
    ///
    /// # Errors
    /// [`TestnetError::Command`], [`TestnetError::Io`].
    pub fn take(&self, folder: &Path) -> Result<()> {
        let there = self.path().join(folder.file_name().unwrap_or_default());
        run(Command::new("mv").arg(folder).arg(&there))?;
        symlink(&there, folder).map_err(TestnetError::io(folder.display().to_string()))
    }

    /// Free bytes.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn free(&self) -> Result<u64> {
        let stat = statvfs(self.path()).map_err(self.io())?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Takes space away until about `room` bytes are free.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn fill(&self, room: u64) -> Result<()> {
        let file = self.open_ballast()?;
        let length = file.metadata().map_err(self.io())?.len();
        let more = self.free()?.saturating_sub(room);
        if more == 0 {
            return Ok(());
        }
        fallocate(&file, FallocateFlags::empty(), length, more).map_err(self.io())
    }

    /// Takes the very last bytes, block by block.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn fill_up(&self) -> Result<()> {
        let file = self.open_ballast()?;
        let mut length = file.metadata().map_err(self.io())?.len();
        for step in [1 << 20, 64 << 10, 4 << 10] {
            loop {
                match fallocate(&file, FallocateFlags::empty(), length, step) {
                    Ok(()) => length += step,
                    Err(rustix::io::Errno::NOSPC) => break,
                    Err(error) => return Err(self.io()(error)),
                }
            }
        }
        Ok(())
    }

    /// Gives back what [`fill`](Self::fill) and [`fill_up`](Self::fill_up) took.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn make_space(&self) -> Result<()> {
        let path = self.ballast();
        if path.exists() {
            fs::remove_file(&path).map_err(TestnetError::io(path.display().to_string()))?;
        }
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    fn open_ballast(&self) -> Result<File> {
        let path = self.ballast();
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        file.map_err(TestnetError::io(path.display().to_string()))
    }

    fn io<E: Into<std::io::Error>>(&self) -> impl Fn(E) -> TestnetError + use<E> {
        let what = self.path().display().to_string();
        move |source| TestnetError::Io { what: what.clone(), source: source.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn a_full_disk_takes_nothing_and_space_can_be_made() {
        if let Some(reason) = disk_full_obstacle() {
            eprintln!("skipped: {reason}");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let disk = SmallDisk::create(folder.path(), 32 << 20).expect("disk");
        let file = disk.path().join("file");
        disk.fill(4 << 20).expect("filled");
        assert!(disk.free().expect("free") <= 5 << 20);
        fs::write(&file, vec![1; 1 << 20]).expect("fits");
        disk.fill_up().expect("filled");
        let error = fs::write(disk.path().join("more"), vec![1; 1 << 20]).expect_err("full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        disk.make_space().expect("space");
        fs::write(&file, vec![1; 8 << 20]).expect("fits");
    }
}
