//! Who may send where a fee keeps nobody out.
//!
//! The list is a text file with one address a line; `#` starts a comment. It is read again when the
//! file's time, length or inode changes. A list that cannot be read or has a bad line is refused as
//! a whole, with file and line, and the list in use stays in use.

use crate::{PermissionError, sender::SenderClass};
use alloy_primitives::{Address, map::AddressSet};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Largest list in bytes: more than 300,000 addresses.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Shortest time between two looks at the file's time.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A list that was read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// Addresses in the file.
    pub listed: usize,
    /// Addresses that were not there before.
    pub added: usize,
    /// Addresses that are no longer there.
    pub removed: usize,
}

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

#[derive(Debug, Default)]
struct Watch {
    /// State of the file at the last look, good or bad; `None`: there was none.
    stamp: Option<Stamp>,
    next_look: Option<Instant>,
}

/// The senders that may send while the base fee is zero.
#[derive(Debug)]
pub struct SenderPermissions {
    path: Option<PathBuf>,
    open: bool,
    listed: ArcSwap<AddressSet>,
    always: ArcSwap<AddressSet>,
    watch: Mutex<Watch>,
}

impl SenderPermissions {
    /// A pool that takes transactions from everybody. Nobody is listed.
    pub fn open() -> Self {
        Self {
            path: None,
            open: true,
            listed: ArcSwap::default(),
            always: ArcSwap::default(),
            watch: Mutex::default(),
        }
    }

    /// The senders in the file `path` and `always` (validators and log sources). With `open`,
    /// others may send too, but listed senders come first.
    ///
    /// # Errors
    /// [`PermissionError`] if the file cannot be read or has a bad line.
    pub fn new(
        path: Option<PathBuf>,
        always: impl IntoIterator<Item = Address>,
        open: bool,
    ) -> Result<Self, PermissionError> {
        let permissions = Self { path, open, ..Self::open() };
        permissions.set_always(always);
        permissions.reload()?;
        Ok(permissions)
    }

    /// Whether senders that are not listed may send.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether `sender` is in the file or always allowed.
    pub fn is_listed(&self, sender: &Address) -> bool {
        self.listed.load().contains(sender) || self.always.load().contains(sender)
    }

    /// Addresses in the file.
    pub fn listed_count(&self) -> usize {
        self.listed.load().len()
    }

    /// Replaces the senders that are allowed whatever the file says.
    pub fn set_always(&self, always: impl IntoIterator<Item = Address>) {
        self.always.store(Arc::new(always.into_iter().collect()));
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// [`PermissionError`]; the list in use stays in use.
    pub fn reload(&self) -> Result<Reload, PermissionError> {
        let Some(path) = &self.path else {
            return Ok(Reload { listed: 0, added: 0, removed: 0 });
        };
        let mut watch = self.watch.lock();
        self.read_into(path, &mut watch)
    }

    /// Reads the file again if it looks changed; looks at most once a second. A bad file is
    /// reported once per change.
    ///
    /// # Errors
    /// [`PermissionError`]; the list in use stays in use.
    pub fn reload_if_changed(&self) -> Result<Option<Reload>, PermissionError> {
        let Some(path) = &self.path else { return Ok(None) };
        // Somebody else is looking.
        let Some(mut watch) = self.watch.try_lock() else { return Ok(None) };
        let now = Instant::now();
        if watch.next_look.is_some_and(|at| now < at) {
            return Ok(None);
        }
        watch.next_look = Some(now + POLL_INTERVAL);
        let stamp = fs::metadata(path).ok().map(|metadata| Stamp::from(&metadata));
        if stamp == watch.stamp {
            return Ok(None);
        }
        self.read_into(path, &mut watch).map(Some)
    }

    fn read_into(&self, path: &Path, watch: &mut Watch) -> Result<Reload, PermissionError> {
        watch.stamp = None;
        let text = read_bounded(path, &mut watch.stamp)?;
        let new = parse(path, &text)?;
        let old = self.listed.load();
        let reload = Reload {
            listed: new.len(),
            added: new.difference(&old).count(),
            removed: old.difference(&new).count(),
        };
        self.listed.store(Arc::new(new));
        Ok(reload)
    }

    pub(crate) fn class(&self, sender: &Address) -> SenderClass {
        if self.is_listed(sender) { SenderClass::Listed } else { SenderClass::Unknown }
    }
}

/// Reads the file; `stamp` gets its state even if it turns out bad.
fn read_bounded(path: &Path, stamp: &mut Option<Stamp>) -> Result<String, PermissionError> {
    let io = |source: io::Error| PermissionError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    *stamp = Some(Stamp::from(&metadata));
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    let got = bytes.len() as u64;
    if got > MAX_FILE_BYTES {
        return Err(PermissionError::TooLarge {
            path: path.to_owned(),
            limit: MAX_FILE_BYTES,
            got,
        });
    }
    String::from_utf8(bytes).map_err(|error| PermissionError::NotUtf8 {
        path: path.to_owned(),
        valid: error.utf8_error().valid_up_to(),
    })
}

fn parse(path: &Path, text: &str) -> Result<AddressSet, PermissionError> {
    let mut listed = AddressSet::default();
    for (index, line) in text.lines().enumerate() {
        let entry = line.split_once('#').map_or(line, |(entry, _)| entry).trim();
        if entry.is_empty() {
            continue;
        }
        let address = entry.strip_prefix("0x").and_then(|_| entry.parse::<Address>().ok());
        let Some(address) = address else {
            return Err(PermissionError::Line {
                path: path.to_owned(),
                line: index + 1,
                got: entry.chars().take(64).collect(),
            });
        };
        listed.insert(address);
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const A: Address = Address::repeat_byte(0xaa);
    const B: Address = Address::repeat_byte(0xbb);
    const V: Address = Address::repeat_byte(0x01);

    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("senders");
        fs::write(&path, content).unwrap();
        (dir, path)
    }

    fn ready_to_look(permissions: &SenderPermissions) {
        permissions.watch.lock().next_look = None;
    }

    #[test]
    fn comments_blank_lines_and_spaces() {
        let (_dir, path) = file(&format!("# bank\n\n  {A}  # teller\r\n{B}\n"));
        let permissions = SenderPermissions::new(Some(path), [V], false).unwrap();
        assert_eq!(permissions.listed_count(), 2);
        assert!(
            permissions.is_listed(&A) && permissions.is_listed(&B) && permissions.is_listed(&V)
        );
        assert!(!permissions.is_listed(&Address::ZERO));
    }

    #[test]
    fn missing_file_is_an_error_at_start() {
        let dir = tempfile::tempdir().unwrap();
        let error = SenderPermissions::new(Some(dir.path().join("no")), [], false).unwrap_err();
        assert!(matches!(error, PermissionError::Io { .. }));
    }

    #[test]
    fn bad_line_is_named_and_the_old_list_stays() {
        let (_dir, path) = file(&format!("{A}\n"));
        let permissions = SenderPermissions::new(Some(path.clone()), [], false).unwrap();
        fs::write(&path, format!("{B}\nnot an address\n")).unwrap();
        ready_to_look(&permissions);
        match permissions.reload_if_changed().unwrap_err() {
            PermissionError::Line { line, got, .. } => {
                assert_eq!((line, got.as_str()), (2, "not an address"));
            }
            other => panic!("{other}"),
        }
        assert!(permissions.is_listed(&A) && !permissions.is_listed(&B));
        // The same bad file is not reported again by the watch, but it is by an explicit call.
        ready_to_look(&permissions);
        assert_eq!(permissions.reload_if_changed().unwrap(), None);
        assert!(permissions.reload().is_err());
    }

    #[test]
    fn not_utf8_keeps_the_old_list() {
        let (_dir, path) = file(&format!("{A}\n"));
        let permissions = SenderPermissions::new(Some(path.clone()), [], false).unwrap();
        fs::write(&path, [b'#', 0xff, 0xfe]).unwrap();
        assert!(matches!(permissions.reload(), Err(PermissionError::NotUtf8 { valid: 1, .. })));
        assert!(permissions.is_listed(&A));
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let (dir, path) = file(&format!("{A}\n"));
        let permissions = SenderPermissions::new(Some(path.clone()), [], false).unwrap();
        ready_to_look(&permissions);
        assert_eq!(permissions.reload_if_changed().unwrap(), None);
        let new = dir.path().join("new");
        fs::write(&new, format!("{B}\n")).unwrap();
        fs::rename(&new, &path).unwrap();
        // Not before the interval is over.
        assert_eq!(permissions.reload_if_changed().unwrap(), None);
        ready_to_look(&permissions);
        let reload = permissions.reload_if_changed().unwrap();
        assert_eq!(reload, Some(Reload { listed: 1, added: 1, removed: 1 }));
        assert!(permissions.is_listed(&B) && !permissions.is_listed(&A));
    }

    #[test]
    fn a_deleted_file_keeps_the_list() {
        let (_dir, path) = file(&format!("{A}\n"));
        let permissions = SenderPermissions::new(Some(path.clone()), [], false).unwrap();
        fs::remove_file(&path).unwrap();
        ready_to_look(&permissions);
        assert!(permissions.reload_if_changed().is_err());
        assert!(permissions.is_listed(&A));
    }

    #[test]
    fn an_address_without_prefix_is_refused() {
        let (_dir, path) = file(&"aa".repeat(20));
        assert!(SenderPermissions::new(Some(path), [], false).is_err());
    }
}
