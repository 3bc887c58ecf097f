//! Reads the node list again when its file's time, length or inode changes.

use super::NodeList;
use crate::NodeListError;
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, task::spawn_blocking, time::MissedTickBehavior};
use tracing::error;

/// What tells one state of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    seconds: i64,
    nanos: i64,
    len: u64,
    inode: u64,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            seconds: metadata.mtime(),
            nanos: metadata.mtime_nsec(),
            len: metadata.len(),
            inode: metadata.ino(),
        }
    }
}

/// The file's state; `None` if there is no file.
fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().as_ref().map(Stamp::from)
}

/// Notices changes. A change is taken when two looks in a row see the same new state, so that a
/// file that is just being written is not read by halves.
#[derive(Debug)]
struct Changes {
    taken: Option<Stamp>,
    seen: Option<Stamp>,
}

impl Changes {
    fn look(&mut self, now: Option<Stamp>) -> bool {
        let steady = now == self.seen;
        self.seen = now;
        let changed = steady && now != self.taken;
        if changed {
            self.taken = now;
        }
        changed
    }
}

/// Loads the list and sends what later changes give: a list, or why it cannot be used.
///
/// # Errors
/// [`NodeListError`] if the file cannot be used at the start.
pub(crate) fn watch(
    path: PathBuf,
    every: Duration,
) -> Result<(NodeList, mpsc::Receiver<Result<NodeList, NodeListError>>), NodeListError> {
    // The state before reading: a change while the file is read is then found by the first look.
    let taken = stamp(&path);
    let list = NodeList::load(&path)?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(run(path, every, Changes { taken, seen: taken }, sender));
    Ok((list, receiver))
}

async fn run(
    path: PathBuf,
    every: Duration,
    mut changes: Changes,
    sender: mpsc::Sender<Result<NodeList, NodeListError>>,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = sender.closed() => return,
        }
        let file = path.clone();
        // A file on a network share may be slow.
        let look = spawn_blocking(move || {
            let changed = changes.look(stamp(&file));
            (changed.then(|| NodeList::load(&file)), changes)
        });
        let result = match look.await {
            Ok((result, state)) => {
                changes = state;
                result
            }
            Err(error) => {
                error!(target: "network", %error, "the watch of the node list ended");
                return;
            }
        };
        if let Some(result) = result
            && sender.send(result).await.is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Option<Stamp> = Some(Stamp { seconds: 1, nanos: 0, len: 5, inode: 9 });
    const NEW: Option<Stamp> = Some(Stamp { seconds: 2, nanos: 0, len: 7, inode: 9 });
    const NEWER: Option<Stamp> = Some(Stamp { seconds: 2, nanos: 1, len: 9, inode: 9 });

    #[test]
    fn a_change_is_taken_once_and_only_when_it_is_steady() {
        let mut changes = Changes { taken: OLD, seen: OLD };
        assert!(!changes.look(OLD));
        assert!(!changes.look(NEW), "may still be written");
        assert!(!changes.look(NEWER), "was still written");
        assert!(changes.look(NEWER));
        assert!(!changes.look(NEWER), "reported once");
        assert!(!changes.look(None));
        assert!(changes.look(None), "a deleted file is reported");
        assert!(!changes.look(None));
    }
}
