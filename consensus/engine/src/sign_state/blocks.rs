//! The files that hold blocks.

use super::{
    SignStateError,
    files::{self, Content},
};
use peruri_ibft2::{Block, BlockHash};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Names of the files: this and a number.
const PREFIX: &str = "block-";

/// As many files as were ever needed at once, each with one block; one that is not needed any more
/// takes the next.
#[derive(Debug)]
pub(super) struct BlockFiles {
    folder: PathBuf,
    /// What each file holds; `None` where that is nothing, or not whole.
    held: BTreeMap<u32, Option<BlockHash>>,
}

impl BlockFiles {
    /// Those of a folder in which there are none.
    pub(super) fn none(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: BTreeMap::new() }
    }

    /// Those in `folder`, and the `named` blocks in them. What else they hold may be overwritten.
    ///
    /// # Errors
    /// The failed read.
    pub(super) fn read(
        folder: &Path,
        named: &[BlockHash],
    ) -> Result<(Self, Vec<Arc<Block>>), SignStateError> {
        let (mut this, mut blocks) = (Self::none(folder), Vec::new());
        for entry in fs::read_dir(folder).map_err(files::io_error("read", folder))? {
            let name = entry.map_err(files::io_error("read", folder))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let Some(number) = number.and_then(|number| number.parse().ok()) else { continue };
            let block = read_block(&this.path(number))?.filter(|b| named.contains(&b.hash()));
            this.held.insert(number, block.as_ref().map(Block::hash));
            blocks.extend(block.map(Arc::new));
        }
        Ok((this, blocks))
    }

    /// Makes `block` durable, if it is not, in a file that holds none of the `needed` blocks.
    ///
    /// # Errors
    /// The failed write.
    pub(super) fn put(
        &mut self,
        block: &Block,
        mut needed: impl FnMut(&BlockHash) -> bool,
    ) -> Result<(), SignStateError> {
        let hash = block.hash();
        if self.held.values().flatten().any(|held| *held == hash) {
            return Ok(());
        }
        let mut free = self.held.iter().filter(|(_, held)| !held.as_ref().is_some_and(&mut needed));
        let next = || self.held.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        let number = free.next().map_or_else(next, |(number, _)| *number);
        self.held.insert(number, None);
        files::overwrite(&self.path(number), &alloy_rlp::encode(block))?;
        self.held.insert(number, Some(hash));
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{PREFIX}{number}"))
    }
}

/// The block in a file, if it is whole.
fn read_block(path: &Path) -> Result<Option<Block>, SignStateError> {
    match files::read(path)? {
        Content::Whole(bytes) => Ok(Block::decode(&mut bytes.as_slice()).ok()),
        Content::Missing | Content::Damaged(_) => Ok(None),
    }
}
