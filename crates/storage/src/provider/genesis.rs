//! Block 0: the allocation becomes state, in chunks that count only once the head row is written.

use std::sync::Arc;

use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256, keccak256, map::B256Map};
use alloy_trie::KECCAK_EMPTY;
use peruri_primitives::{Block, BlockBody, RecoveredBlock};
use peruri_trie::{HashedPostState, HashedStorage, StateRootOutput};
use rayon::prelude::*;
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;

use super::{
    ProviderFactory, Windows,
    changes::{self, Pending},
    commit, rows, tries,
};
use crate::{
    BlockExecutionOutput, ExecutedBlock, ProviderError, ProviderResult,
    codecs::meta,
    db::{Batch, Column},
    state::StateCursors,
};

/// Accounts per synced chunk of a large allocation.
const CHUNK_ACCOUNTS: usize = 100_000;

impl ProviderFactory {
    /// Writes the chain specification's block 0 and its state, unless they are there already.
    /// Returns the genesis hash.
    ///
    /// What an interrupted call left behind is removed first: rows count only once the head row is
    /// written, which comes last.
    ///
    /// # Errors
    /// The database holds another chain; the allocation does not give the header's state root;
    /// writing failed.
    pub fn init_genesis(&self) -> ProviderResult<B256> {
        let hash = self.inner.chain_spec.genesis_hash();
        let _writer = self.inner.writer.lock();
        if self.stored_head()?.is_some() {
            self.check_genesis()?;
            return Ok(hash);
        }
        self.clear_leftovers()?;
        let block = self.genesis_block()?;
        let last = self.write_chunks(&block)?;
        self.write_genesis(last, &block)?;
        *self.inner.head.write() = Some(block.recovered_block.clone_sealed_header());
        tracing::info!(target: "storage::genesis", %hash, "wrote the genesis block");
        Ok(hash)
    }

    /// Rows without a head row are those of an interrupted genesis.
    fn clear_leftovers(&self) -> ProviderResult<()> {
        let db = self.db();
        let mut batch = rocksdb::WriteBatch::default();
        for column in Column::ALL.into_iter().filter(|column| *column != Column::Meta) {
            batch.delete_range_cf(db.cf(column)?, [].as_slice(), [0xff; 80].as_slice());
        }
        db.write_synced("removal of an interrupted genesis", batch)
    }

    fn genesis_block(&self) -> ProviderResult<ExecutedBlock> {
        let spec = &self.inner.chain_spec;
        let alloc: Vec<_> = spec.genesis().alloc.iter().collect();
        let hashed: Vec<_> = alloc.into_par_iter().map(hash_account).collect();
        let mut state = HashedPostState::default();
        let mut bytecodes = B256Map::default();
        for (address, account, storage, code) in hashed {
            state.accounts.insert(address, Some(account));
            if !storage.storage.is_empty() {
                state.storages.insert(address, storage);
            }
            if let (Some(hash), Some(code)) = (account.bytecode_hash, code) {
                bytecodes.insert(hash, code);
            }
        }
        let trie = self.genesis_root(&state)?;
        let header = spec.genesis_header().clone();
        if trie.root != header.state_root {
            let (expected, got) = (header.state_root, trie.root);
            return Err(ProviderError::GenesisStateRoot { expected, got });
        }
        let withdrawals = header.withdrawals_root.is_some().then(Default::default);
        let body = BlockBody { withdrawals, ..Default::default() };
        let recovered =
            RecoveredBlock::new(Block::new(header, body), Vec::new(), spec.genesis_hash());
        Ok(ExecutedBlock {
            recovered_block: Arc::new(recovered),
            execution_output: Arc::new(BlockExecutionOutput { bytecodes, ..Default::default() }),
            hashed_state: Arc::new(state),
            trie: Arc::new(trie),
        })
    }

    /// Root of the allocation on an empty database.
    fn genesis_root(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        let view = crate::db::ReadView::new(Arc::clone(self.db()));
        let cursors = StateCursors::newest(&view);
        Ok(peruri_trie::ParallelStateRoot::new(cursors, cursors).root_with_updates(state)?)
    }

    /// Writes the state of a large allocation in synced chunks, up to the last chunk, which is
    /// returned for the batch with the head row.
    fn write_chunks(&self, block: &ExecutedBlock) -> ProviderResult<Batch> {
        let db = self.db();
        let mut addresses: Vec<B256> = block.hashed_state.accounts.keys().copied().collect();
        addresses.par_sort_unstable();
        let mut batch = Batch::default();
        for (index, chunk) in addresses.chunks(CHUNK_ACCOUNTS).enumerate() {
            if index > 0 {
                std::mem::take(&mut batch).write_synced(db, "genesis state")?;
            }
            let part = part_of(block, chunk);
            changes::write_state(db, &mut batch, &mut Pending::default(), &part)?;
        }
        Ok(batch)
    }

    fn write_genesis(&self, mut batch: Batch, block: &ExecutedBlock) -> ProviderResult<()> {
        let db = self.db();
        tries::write_nodes(&mut batch, block, false);
        rows::write_block(&mut batch, block)?;
        batch.put(Column::Meta, meta::GENESIS, *block.hash());
        commit::write_head(&mut batch, block, &Windows::default());
        batch.write_synced(db, "genesis block")
    }
}

/// The block with the state of some of its accounts only.
fn part_of(block: &ExecutedBlock, addresses: &[B256]) -> ExecutedBlock {
    let mut state = HashedPostState::default();
    let mut roots = B256Map::default();
    for address in addresses {
        if let Some(account) = block.hashed_state.accounts.get(address) {
            state.accounts.insert(*address, *account);
        }
        if let Some(storage) = block.hashed_state.storages.get(address) {
            state.storages.insert(*address, storage.clone());
        }
        if let Some(root) = block.trie.storage_roots.get(address) {
            roots.insert(*address, *root);
        }
    }
    let trie =
        StateRootOutput { root: block.trie.root, storage_roots: roots, ..Default::default() };
    ExecutedBlock { hashed_state: Arc::new(state), trie: Arc::new(trie), ..block.clone() }
}

type HashedGenesisAccount = (B256, Account, HashedStorage, Option<Bytecode>);

fn hash_account((address, account): (&Address, &GenesisAccount)) -> HashedGenesisAccount {
    let code = account.code.as_ref().filter(|code| !code.is_empty());
    let code = code.map(|code| Bytecode::new_raw(code.clone()));
    let code_hash = code.as_ref().map(Bytecode::hash_slow).filter(|hash| *hash != KECCAK_EMPTY);
    let storage = account
        .storage
        .iter()
        .flatten()
        .filter(|(_, value)| !value.is_zero())
        .map(|(slot, value)| (keccak256(slot), U256::from_be_bytes(value.0)))
        .collect();
    let fields = Account::new(account.nonce.unwrap_or_default(), account.balance, code_hash);
    (keccak256(address), fields, HashedStorage { wiped: false, storage }, code)
}
