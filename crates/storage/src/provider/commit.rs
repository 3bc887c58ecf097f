//! The commit: one synced batch, then the head in memory, then the notification.

use std::sync::Arc;

use peruri_primitives::SealedHeader;

use super::{
    ProviderFactory, Windows,
    changes::{self, Pending},
    prune, rows, tries,
};
use crate::{
    CanonStateNotification, CommitExtras, ExecutedBlock, Head, ProviderError, ProviderResult,
    codecs::{blocks, keys, meta},
    db::{Batch, Column},
    plog,
};

/// Heights whose round records are kept.
const KEPT_ROUNDS: u64 = 100_000;

impl ProviderFactory {
    /// Commits the child of the head: one `WriteBatch`, synced. When this returns, the block is on
    /// disk, it is the head, and subscribers have been told.
    ///
    /// # Errors
    /// The block is not the head's child; or the write failed, which is fatal
    /// ([`ProviderError::is_fatal`]).
    pub fn commit_block(&self, block: &ExecutedBlock) -> ProviderResult<()> {
        self.commit_block_with(block, &CommitExtras::default())
    }

    /// [`commit_block`](Self::commit_block) with further rows in the same batch.
    ///
    /// # Errors
    /// As [`commit_block`](Self::commit_block); [`ProviderError::HeaderMismatch`] if a header with
    /// late seals has another block hash than the stored one.
    pub fn commit_block_with(
        &self,
        block: &ExecutedBlock,
        extras: &CommitExtras,
    ) -> ProviderResult<()> {
        self.commit_batch(std::slice::from_ref(block), extras)
    }

    /// Commits a chain of blocks, oldest first, with one sync: for import. All of them or none.
    ///
    /// # Errors
    /// As [`commit_block`](Self::commit_block).
    pub fn commit_blocks(&self, blocks: &[ExecutedBlock]) -> ProviderResult<()> {
        self.commit_batch(blocks, &CommitExtras::default())
    }

    fn commit_batch(
        &self,
        new_blocks: &[ExecutedBlock],
        extras: &CommitExtras,
    ) -> ProviderResult<()> {
        let Some(last) = new_blocks.last() else { return Ok(()) };
        if self.inner.db.is_poisoned() {
            return Err(ProviderError::Poisoned);
        }
        let writer = self.inner.writer.lock();
        let head = self.inner.head.read().clone().ok_or(ProviderError::NotInitialised)?;
        check_chain(&head, new_blocks)?;

        let mut batch = Batch::default();
        let mut windows = self.windows()?;
        self.write_late_seals(&mut batch, extras)?;
        self.write_blocks(&mut batch, &mut windows, new_blocks)?;
        if let Some(rounds) = &extras.rounds {
            write_rounds(&mut batch, last.number(), rounds)?;
        }
        if let Some(sequence) = extras.sign_record_seq {
            batch.put(Column::Meta, meta::SIGN_RECORD, sequence.to_be_bytes());
        }
        write_head(&mut batch, last, &windows);
        batch.write_synced(&self.inner.db, "block")?;

        for block in new_blocks {
            self.inner.caches.nodes.update(block);
        }
        *self.inner.head.write() = Some(last.recovered_block.clone_sealed_header());
        self.inner.publish_trie_floor(&windows);
        // Still under the writer's lock, so that subscribers see blocks in order.
        for block in new_blocks {
            let new = Arc::new(block.clone());
            // No subscriber is no error.
            let _ = self.inner.notifications.send(CanonStateNotification::Commit { new });
        }
        drop(writer);
        tracing::debug!(
            target: "storage::commit",
            number = last.number(),
            hash = %last.hash(),
            blocks = new_blocks.len(),
            "committed"
        );
        Ok(())
    }

    /// Adds the rows of blocks and moves the windows.
    pub(super) fn write_blocks(
        &self,
        batch: &mut Batch,
        windows: &mut Windows,
        new_blocks: &[ExecutedBlock],
    ) -> ProviderResult<()> {
        let db = &self.inner.db;
        let several = new_blocks.len() > 1;
        let mut pending = Pending::new(several);
        let mut plog = plog::Index::default();
        let versions = self.inner.options.history.proofs != Some(0);
        for block in new_blocks {
            // Flat rows and trie nodes are made side by side: neither needs the other.
            let (rows, trie) = rayon::join(
                || -> ProviderResult<Batch> {
                    let mut batch = Batch::default();
                    rows::write_block(&mut batch, block)?;
                    let old = changes::write_state(db, &mut batch, &mut pending, block)?;
                    batch.put(Column::BlockChanges, keys::number(block.number()), old.encode());
                    Ok(batch)
                },
                || {
                    let mut batch = Batch::default();
                    tries::write_nodes(&mut batch, block, versions);
                    batch
                },
            );
            batch.append(rows?);
            batch.append(trie);
            plog.write(db, batch, block.number(), &block.execution_output.plog_appends)?;
        }
        if let Some(last) = new_blocks.last() {
            prune::advance(
                db,
                batch,
                windows,
                &self.inner.options.history,
                prune::Head {
                    number: last.number(),
                    committed: new_blocks.len() as u64,
                    finished: self.inner.extension_heights.lowest(),
                },
            )?;
        }
        Ok(())
    }

    fn write_late_seals(&self, batch: &mut Batch, extras: &CommitExtras) -> ProviderResult<()> {
        for header in &extras.late_seals {
            let number = header.number;
            let stored = self.header_row(number)?.ok_or(ProviderError::BlockNotFound(number))?;
            let got = header.header().hash_slow();
            if stored.hash() != got {
                let expected = stored.hash();
                return Err(ProviderError::HeaderMismatch { number, expected, got });
            }
            batch.put(Column::Headers, keys::number(number), blocks::encode_header(header));
        }
        Ok(())
    }
}

/// The rows that make a batch the head.
pub(super) fn write_head(batch: &mut Batch, block: &ExecutedBlock, windows: &Windows) {
    let head = Head {
        number: block.number(),
        hash: block.hash(),
        state_root: block.recovered_block.header().state_root,
    };
    batch.put(Column::Meta, meta::HEAD, meta::encode_head(&head));
    batch.put(Column::Meta, meta::WINDOWS, meta::encode_windows(windows));
}

fn write_rounds(batch: &mut Batch, number: u64, rounds: &crate::RoundRecord) -> ProviderResult<()> {
    let row =
        serde_json::to_vec(rounds).map_err(|e| ProviderError::codec(Column::Rounds.name(), e))?;
    batch.put(Column::Rounds, keys::number(number), row);
    if let Some(old) = number.checked_sub(KEPT_ROUNDS) {
        batch.delete(Column::Rounds, keys::number(old));
    }
    Ok(())
}

/// Every block must be the child of the one before, and carry the root that was computed for it.
fn check_chain(head: &SealedHeader, new_blocks: &[ExecutedBlock]) -> ProviderResult<()> {
    let mut parent = (head.number, head.hash());
    for block in new_blocks {
        let number = block.number();
        let following = parent.0.saturating_add(1);
        if number != following {
            return Err(ProviderError::UnexpectedNumber { expected: following, got: number });
        }
        if block.parent_hash() != parent.1 {
            let (expected, got) = (parent.1, block.parent_hash());
            return Err(ProviderError::UnexpectedParent { number, expected, got });
        }
        let (expected, got) = (block.recovered_block.header().state_root, block.trie.root);
        if expected != got {
            return Err(ProviderError::StateRootMismatch { number, expected, got });
        }
        parent = (number, block.hash());
    }
    Ok(())
}
