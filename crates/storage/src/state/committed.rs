//! State of a committed block: the head of a view, or an older one.

use std::sync::Arc;

use alloy_primitives::{Address, B256, BlockNumber, U256, keccak256};
use peruri_trie::{
    AccountProof, HashedPostState, ParallelStateRoot, Proof, StateRootOutput, TrieAccountRow,
};
use quick_cache::sync::Cache;
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;

use super::{
    StateCursors, StateProvider,
    cursors::{newest_account, newest_slot},
    history,
    node_cache::NodeCache,
};
use crate::{
    Head, ProviderError, ProviderResult,
    codecs::{blocks, keys, meta},
    db::{Column, Db, ReadView},
    provider::Windows,
};

/// Contracts whose analysed code stays in memory (at most 24 KiB each, 48 KiB with init code rules).
const CACHED_CODES: usize = 256;

/// What all views of one store share in memory.
#[derive(Debug)]
pub(crate) struct Caches {
    /// Recently used code. Analysing the jump destinations of a contract costs more than reading it.
    codes: Cache<B256, Bytecode>,
    /// Nodes of the newest state.
    pub(crate) nodes: NodeCache,
}

impl Caches {
    /// Caches with about `node_bytes` bytes of trie nodes.
    pub(crate) fn new(node_bytes: usize) -> Self {
        Self { codes: Cache::new(CACHED_CODES), nodes: NodeCache::new(node_bytes) }
    }
}

/// A view with what is needed to read state from it.
pub(crate) struct CommittedState {
    view: ReadView,
    head: Head,
    /// The block whose state this is; `None` for the view's head.
    at: Option<BlockNumber>,
    caches: Arc<Caches>,
}

impl std::fmt::Debug for CommittedState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommittedState").field("block", &self.number()).finish_non_exhaustive()
    }
}

impl CommittedState {
    /// State of the newest committed block. The head is read from the snapshot itself, as everything
    /// else is, so that they belong together whatever is committed meanwhile.
    pub(crate) fn latest(db: &Arc<Db>, caches: &Arc<Caches>) -> ProviderResult<Self> {
        let view = ReadView::new(Arc::clone(db));
        let head = match view.get(Column::Meta, meta::HEAD)? {
            Some(row) => meta::decode_head(&row)?,
            None => return Err(ProviderError::NotInitialised),
        };
        Ok(Self { view, head, at: None, caches: Arc::clone(caches) })
    }

    /// Oldest blocks that can be read. Most questions are for the head and need no answer to this.
    fn windows(&self) -> ProviderResult<Windows> {
        match self.view.get(Column::Meta, meta::WINDOWS)? {
            Some(row) => meta::decode_windows(&row),
            None => Ok(Windows::default()),
        }
    }

    /// State of a committed block.
    ///
    /// # Errors
    /// The block is above the head or below the state window.
    pub(crate) fn at_number(
        db: &Arc<Db>,
        caches: &Arc<Caches>,
        number: BlockNumber,
    ) -> ProviderResult<Self> {
        let mut state = Self::latest(db, caches)?;
        if number > state.head.number {
            return Err(ProviderError::BlockNotFound(number));
        }
        let oldest = state.windows()?.state;
        if number < oldest {
            return Err(ProviderError::OutsideWindow { what: "state", requested: number, oldest });
        }
        state.at = (number != state.head.number).then_some(number);
        Ok(state)
    }

    /// Number of the block whose state this is.
    pub(crate) fn number(&self) -> BlockNumber {
        self.at.unwrap_or(self.head.number)
    }

    /// Head of the view.
    pub(crate) const fn head(&self) -> &Head {
        &self.head
    }

    /// The snapshot.
    pub(crate) const fn view(&self) -> &ReadView {
        &self.view
    }

    /// Cursors for trie work.
    ///
    /// # Errors
    /// The block is outside the proof window.
    pub(crate) fn cursors(&self) -> ProviderResult<StateCursors<'_>> {
        let Some(number) = self.at else {
            return Ok(StateCursors::cached(&self.view, &self.caches.nodes, self.head.number));
        };
        let oldest = self.windows()?.proofs;
        if number < oldest {
            return Err(ProviderError::OutsideWindow { what: "proofs", requested: number, oldest });
        }
        Ok(StateCursors::at(&self.view, number))
    }

    /// The flat row of an account.
    pub(crate) fn account_row(&self, address: &B256) -> ProviderResult<Option<TrieAccountRow>> {
        match self.at {
            Some(number) => history::account_at(&self.view, address, number),
            None => newest_account(&self.view, address),
        }
    }

    /// A slot by its hashes.
    pub(crate) fn slot(&self, address: &B256, slot: &B256) -> ProviderResult<U256> {
        match self.at {
            Some(number) => history::slot_at(&self.view, address, slot, number),
            None => newest_slot(&self.view, address, slot),
        }
    }

    /// State root of this block, from its header.
    fn state_root(&self) -> ProviderResult<B256> {
        match self.at {
            None => Ok(self.head.state_root),
            Some(number) => {
                let row = self
                    .view
                    .get(Column::Headers, keys::number(number))?
                    .ok_or(ProviderError::BlockNotFound(number))?;
                Ok(blocks::decode_header(&row)?.state_root)
            }
        }
    }

    /// A compaction may drop rows of `trie_versions` under a view that is held for very long. A proof
    /// is therefore checked against the header before it is given away.
    pub(crate) fn check_proof(&self, proof: &AccountProof) -> ProviderResult<()> {
        let Err(error) = proof.verify(self.state_root()?) else { return Ok(()) };
        Err(match self.at {
            Some(requested) => ProviderError::OutsideWindow {
                what: "proofs",
                requested,
                oldest: self.windows()?.proofs.max(requested.saturating_add(1)),
            },
            None => ProviderError::Trie(error.to_string()),
        })
    }
}

impl StateProvider for CommittedState {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        Ok(self.account_row(&keccak256(address))?.map(|row| row.account()))
    }

    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        self.slot(&keccak256(address), &keccak256(slot))
    }

    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        if let Some(code) = self.caches.codes.get(hash) {
            return Ok(Some(code));
        }
        let Some(row) = self.view.get(Column::Bytecodes, hash)? else { return Ok(None) };
        let code = Bytecode::new_raw_checked(row.to_vec().into())
            .map_err(|e| ProviderError::codec(Column::Bytecodes.name(), e))?;
        self.caches.codes.insert(*hash, code.clone());
        Ok(Some(code))
    }

    fn block_hash(&self, number: BlockNumber) -> ProviderResult<Option<B256>> {
        if number > self.number() {
            return Ok(None);
        }
        if number == self.head.number {
            return Ok(Some(self.head.hash));
        }
        let row = self.view.get(Column::Headers, keys::number(number))?;
        row.map(|row| Ok(blocks::decode_header(&row)?.hash())).transpose()
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        let cursors = self.cursors()?;
        Ok(ParallelStateRoot::new(cursors, cursors).root_with_updates(state)?)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        let cursors = self.cursors()?;
        let proof = Proof::new(cursors, cursors).account(address, slots)?;
        self.check_proof(&proof)?;
        Ok(proof)
    }
}
