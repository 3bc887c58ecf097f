//! Flat rows and trie nodes against the head's state root, and the repair of the nodes.

use std::{cell::RefCell, collections::HashSet, sync::Arc};

use alloy_primitives::{B256, hex};
use peruri_trie::{Nibbles, Rebuild, RebuildSink, StoredBranch, pack_path};

use super::{
    Discrepancy, Progress, RepairReport, VerifyReport, counted::Counted, progress::Counter,
};
use crate::{
    ProviderError, ProviderFactory, ProviderResult,
    codecs::{keys, node},
    db::{Batch, Column, Db, ReadView},
    state::StateCursors,
};

/// Bytes of repaired rows per synced write.
const REPAIR_CHUNK: usize = 32 << 20;

impl ProviderFactory {
    /// Computes the state root from the flat rows alone and compares it with the head's header, every
    /// storage root with its account row, and every stored trie node with the one that belongs there.
    ///
    /// # Errors
    /// The database is empty or cannot be read.
    pub fn verify_state(&self, progress: &mut dyn Progress) -> ProviderResult<VerifyReport> {
        let mut check = Check::new(self, None)?;
        check.run(self, progress)?;
        Ok(check.report)
    }

    /// Makes the stored trie nodes those that belong to the flat rows. Flat rows are never changed:
    /// if their roots are wrong, nothing is written. With `dry_run` nothing is written either.
    ///
    /// # Errors
    /// The database is empty or cannot be read; writing failed (fatal).
    pub fn repair_trie(
        &self,
        dry_run: bool,
        progress: &mut dyn Progress,
    ) -> ProviderResult<RepairReport> {
        let _writer = self.write_lock();
        let mut check = Check::new(self, None)?;
        check.run(self, progress)?;
        let found = check.report;
        let damaged = found.damaged_rows > 0;
        if dry_run || found.is_clean() || damaged {
            return Ok(RepairReport { found, repaired: 0 });
        }
        let mut repair = Check::new(self, Some(Repair::default()))?;
        repair.run(self, progress)?;
        let repaired = repair.finish_repair()?;
        self.caches().nodes.clear();
        Ok(RepairReport { found, repaired })
    }
}

#[derive(Default)]
struct Repair {
    batch: Batch,
    count: u64,
}

/// One pass over the flat rows.
struct Check {
    db: Arc<Db>,
    view: ReadView,
    report: VerifyReport,
    repair: Option<Repair>,
    /// Keys of the nodes that belong in the store.
    expected: HashSet<Vec<u8>>,
}

impl Check {
    fn new(factory: &ProviderFactory, repair: Option<Repair>) -> ProviderResult<Self> {
        let state = factory.committed_state()?;
        let report = VerifyReport {
            number: state.head().number,
            state_root: state.head().state_root,
            ..VerifyReport::default()
        };
        Ok(Self {
            db: Arc::clone(factory.db()),
            view: ReadView::new(Arc::clone(factory.db())),
            report,
            repair,
            expected: HashSet::new(),
        })
    }

    fn run(
        &mut self,
        factory: &ProviderFactory,
        progress: &mut dyn Progress,
    ) -> ProviderResult<()> {
        let total = factory
            .estimated_rows(Column::HashedAccounts)?
            .saturating_add(factory.estimated_rows(Column::HashedStorages)?);
        let counter = RefCell::new(Counter::new(progress, total));
        let view = ReadView::new(Arc::clone(&self.db));
        let rows = Counted::new(StateCursors::newest(&view), &counter);
        let got = Rebuild::new(&rows).state(self)?;
        self.report.rows = counter.borrow().done;
        let expected = self.report.state_root;
        if got != expected {
            self.report.add(Discrepancy::StateRoot { expected, got });
        }
        self.find_orphans()?;
        self.find_unexpected(Column::AccountsTrie)?;
        self.find_unexpected(Column::StoragesTrie)?;
        counter.borrow_mut().finish();
        Ok(())
    }

    fn check_node(
        &mut self,
        column: Column,
        key: Vec<u8>,
        node: &StoredBranch,
    ) -> ProviderResult<()> {
        self.report.nodes = self.report.nodes.saturating_add(1);
        let row = node::encode(node);
        let what = match self.view.get(column, &key)? {
            Some(stored) if *stored == row => None,
            Some(_) => Some("wrong"),
            None => Some("missing"),
        };
        if let Some(what) = what {
            let hex = hex::encode(&key);
            self.report.add(Discrepancy::Node { column: column.name(), key: hex, what });
            if let Some(repair) = &mut self.repair {
                repair.batch.put(column, key.clone(), row);
                repair.count = repair.count.saturating_add(1);
                self.write_chunk()?;
            }
        }
        self.expected.insert(key);
        Ok(())
    }

    /// Stored nodes that the flat rows do not call for.
    fn find_unexpected(&mut self, column: Column) -> ProviderResult<()> {
        let view = ReadView::new(Arc::clone(&self.db));
        let mut rows = view.cursor(column)?;
        let mut row = rows.first()?;
        while let Some((key, _)) = row {
            if !self.expected.contains(key) {
                let hex = hex::encode(key);
                let what = "not expected";
                self.report.add(Discrepancy::Node { column: column.name(), key: hex, what });
                if let Some(repair) = &mut self.repair {
                    repair.batch.delete(column, key);
                    repair.count = repair.count.saturating_add(1);
                }
            }
            row = rows.next()?;
        }
        self.write_chunk()
    }

    /// Slots whose account does not exist never enter a root.
    fn find_orphans(&mut self) -> ProviderResult<()> {
        let view = ReadView::new(Arc::clone(&self.db));
        let mut rows = view.cursor(Column::HashedStorages)?;
        let mut row = rows.first()?;
        while let Some((key, _)) = row {
            let address = key.get(..32).map(B256::from_slice).unwrap_or_default();
            if view.get(Column::HashedAccounts, address)?.is_none() {
                self.report.add(Discrepancy::OrphanSlots { hashed_address: address });
            }
            row = rows.seek(keys::storage(&address, &B256::repeat_byte(0xff)))?;
            if row.is_some_and(|(key, _)| key.starts_with(address.as_slice())) {
                row = rows.next()?;
            }
        }
        Ok(())
    }

    fn write_chunk(&mut self) -> ProviderResult<()> {
        match &mut self.repair {
            Some(repair) if repair.batch.bytes() > REPAIR_CHUNK => {
                std::mem::take(&mut repair.batch).write_synced(&self.db, "trie repair")
            }
            _ => Ok(()),
        }
    }

    fn finish_repair(self) -> ProviderResult<u64> {
        match self.repair {
            Some(repair) => {
                repair.batch.write_synced(&self.db, "trie repair")?;
                Ok(repair.count)
            }
            None => Ok(0),
        }
    }
}

impl RebuildSink for Check {
    type Error = ProviderError;

    fn account_node(&mut self, path: Nibbles, node: StoredBranch) -> ProviderResult<()> {
        self.check_node(Column::AccountsTrie, pack_path(&path).to_vec(), &node)
    }

    fn storage_node(
        &mut self,
        hashed_address: B256,
        path: Nibbles,
        node: StoredBranch,
    ) -> ProviderResult<()> {
        let key = keys::storage_node(&hashed_address, &path).to_vec();
        self.check_node(Column::StoragesTrie, key, &node)
    }

    fn wrong_storage_root(
        &mut self,
        hashed_address: B256,
        in_row: B256,
        of_slots: B256,
    ) -> ProviderResult<()> {
        self.report.add(Discrepancy::StorageRoot { hashed_address, in_row, of_slots });
        Ok(())
    }
}
