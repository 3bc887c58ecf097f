//! Folders that are copied, replaced and removed behind a stopped node's back.

use crate::{Result, TestnetError, command::run};
use std::{fs, io::ErrorKind, path::Path, process::Command};

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(TestnetError::io(folder.display().to_string())(error))
        }
        _ => Ok(()),
    }
}

/// Makes `to` a copy of the folder `from`, whatever it was before.
pub(super) fn replace(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(TestnetError::io(parent.display().to_string()))?;
    }
    run(Command::new("cp").arg("-a").arg("--").arg(from).arg(to))?;
    // The node rightly takes files that it did not write itself for durable.
    let io = || TestnetError::io(to.display().to_string());
    let folder = fs::File::open(to).map_err(io())?;
    rustix::fs::syncfs(&folder).map_err(|error| io()(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_folder_has_nothing_of_the_old_one() {
        let folder = tempfile::tempdir().expect("folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("deep/new"));
        for (path, file) in [(&old, "kept"), (&new, "gone")] {
            fs::create_dir_all(path).expect("folder");
            fs::write(path.join(file), file).expect("file");
        }
        replace(&old, &new).expect("replaced");
        assert_eq!(fs::read_to_string(new.join("kept")).expect("file"), "kept");
        assert!(!new.join("gone").exists() && old.join("kept").exists());
        remove(&new).expect("removed");
        remove(&new).expect("nothing to do");
    }
}
