//! Stored trie nodes as of a block.
//!
//! `trie_versions` holds, for each node that a block changed, the node as it was *before* that block.
//! The node at block `N` is therefore the row of the first change after `N`, or the current node if
//! there was none. A row may say only what differs from the node after its block; then the newer rows
//! of the path are read too. Rows at or below `N` are never needed, so that the compaction filter may
//! drop old rows without looking at others.

use alloy_primitives::B256;
use peruri_trie::{Nibbles, StoredBranch};

use super::cursors::NewestNodes;
use crate::{
    ProviderError, ProviderResult,
    codecs::{
        keys,
        node_version::{self, NodeVersion},
    },
    db::{Column, Cursor, ReadView},
};

/// What a change row says about a path.
type Before = (Nibbles, Option<StoredBranch>);

/// Nodes of one trie as of a block inside the proof window.
pub(crate) struct NodesAt<'v> {
    view: &'v ReadView,
    address: Option<B256>,
    number: u64,
    newest: NewestNodes<'v>,
    versions: Option<Cursor<'v>>,
    started: bool,
    position: Option<Nibbles>,
}

impl<'v> NodesAt<'v> {
    pub(super) const fn new(view: &'v ReadView, address: Option<B256>, number: u64) -> Self {
        Self {
            view,
            address,
            number,
            newest: NewestNodes::new(view, None, address),
            versions: None,
            started: false,
            position: None,
        }
    }

    pub(super) const fn position(&self) -> Option<Nibbles> {
        self.position
    }

    pub(super) fn seek_exact(
        &mut self,
        path: Nibbles,
    ) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        self.started = true;
        let found = match self.first_change_after(&path)? {
            Some((_, before)) => before.map(|node| (path, node)),
            None => self.newest.seek_exact(path)?,
        };
        self.position = found.as_ref().map(|_| path);
        Ok(found)
    }

    pub(super) fn seek(
        &mut self,
        path: Nibbles,
    ) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        let newest = self.newest.seek(path)?;
        let from = keys::trie_version(self.address.as_ref(), &path, u64::MAX);
        self.versions()?.seek(from)?;
        self.merge(newest)
    }

    pub(super) fn next(&mut self) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        if !self.started {
            return self.seek(Nibbles::new());
        }
        match self.position {
            Some(position) => {
                let newest = self.newest_after(position)?;
                self.skip_versions(&position)?;
                self.merge(newest)
            }
            None => Ok(None),
        }
    }

    /// Takes the lesser of the current node and the next path that changed after the block; where
    /// both are one path, the change decides.
    fn merge(
        &mut self,
        mut newest: Option<(Nibbles, StoredBranch)>,
    ) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        self.started = true;
        let found = loop {
            let Some((path, before)) = self.next_change(newest.as_ref().map(|(path, _)| path))?
            else {
                break newest;
            };
            if newest.as_ref().is_some_and(|(current, _)| *current == path) {
                newest = self.newest_after(path)?;
            }
            match before {
                Some(node) => break Some((path, node)),
                // It came into being after the block.
                None => self.skip_versions(&path)?,
            }
        };
        self.position = found.as_ref().map(|(path, _)| *path);
        Ok(found)
    }

    /// The next path, not beyond `limit`, that changed after the block.
    fn next_change(&mut self, limit: Option<&Nibbles>) -> ProviderResult<Option<Before>> {
        loop {
            let number = self.number;
            let Some((key, _)) = self.versions()?.current()? else { return Ok(None) };
            let (Some(path), Some(changed)) =
                (keys::trie_version_path(key), keys::trie_version_number(key))
            else {
                return Err(malformed());
            };
            if limit.is_some_and(|limit| path > *limit) {
                return Ok(None);
            }
            if changed > number {
                return self.first_change_after(&path);
            }
            self.skip_versions(&path)?;
        }
    }

    /// The oldest change of `path` after the block: of its rows, newest first, the last one above.
    fn first_change_after(&mut self, path: &Nibbles) -> ProviderResult<Option<Before>> {
        let Some(after) = self.number.checked_add(1) else { return Ok(None) };
        let target = keys::trie_version(self.address.as_ref(), path, after);
        let scope = keys::trie_version_prefix(self.address.as_ref(), path);
        let versions = self.versions()?;
        let mut row = versions.seek_for_prev(target)?;
        // Changes from the one sought to newer ones, until one that needs no newer one.
        let mut changes = Vec::new();
        let mut node = loop {
            let version = match row {
                Some((key, row)) if key.starts_with(&scope) => {
                    node_version::decode(Column::TrieVersions.name(), row)?
                }
                _ if changes.is_empty() => return Ok(None),
                _ => break self.newest.seek_exact(*path)?.map(|(_, node)| node),
            };
            match version {
                NodeVersion::Absent => break None,
                NodeVersion::Whole(node) => break Some(node),
                NodeVersion::Changed(change) => changes.push(change),
            }
            row = versions.previous()?;
        };
        for change in changes.iter().rev() {
            let before = node.as_ref().and_then(|after| change.before(after));
            node = Some(before.ok_or_else(|| no_node_after(path))?);
        }
        Ok(Some((*path, node)))
    }

    /// First current node behind `path`.
    fn newest_after(&mut self, path: Nibbles) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        match self.newest.seek(path)? {
            Some((found, _)) if found == path => self.newest.next(),
            other => Ok(other),
        }
    }

    /// Moves behind all versions of a path. Block 0 changes no node, so the key is never taken.
    fn skip_versions(&mut self, path: &Nibbles) -> ProviderResult<()> {
        let behind = keys::trie_version(self.address.as_ref(), path, 0);
        self.versions()?.seek(behind)?;
        Ok(())
    }

    fn versions(&mut self) -> ProviderResult<&mut Cursor<'v>> {
        let rows = match self.versions.take() {
            Some(rows) => rows,
            None => {
                let scope = keys::trie_version_scope(self.address.as_ref());
                self.view.range_cursor(Column::TrieVersions, &scope)?
            }
        };
        Ok(self.versions.insert(rows))
    }
}

fn no_node_after(path: &Nibbles) -> ProviderError {
    let reason = format!("a version of node {path:?} does not fit the node after it");
    ProviderError::codec(Column::TrieVersions.name(), reason)
}

fn malformed() -> ProviderError {
    ProviderError::codec(Column::TrieVersions.name(), "key is not a node version key")
}
