//! Root of the state after a block.

use crate::{
    EMPTY_ROOT_HASH, HashedCursor, HashedCursorFactory, HashedPostState, HashedPostStateSorted,
    HashedStorageSorted, OverlayHashedCursor, OverlayHashedCursors, OverlayTrieCursor,
    StateRootOutput, StorageTrieUpdates, TrieCursor, TrieCursorFactory, TrieError, TrieUpdates,
    builder::{Builder, StoredNode},
    node::LeafValue,
    prefix_set::{keys_of, split_child},
    walker::{Walk, WalkPart},
};
use alloy_primitives::{B256, map::B256Map};
use alloy_trie::{BranchNodeCompact, Nibbles};
use rayon::prelude::*;
use std::error::Error;
use tracing::debug;

/// From more changed keys on than this, one trie is split by first nibble.
const SPLIT_THRESHOLD: usize = 256;

/// Computes a state root on the calling thread.
#[derive(Clone, Copy, Debug)]
pub struct StateRoot<T, H> {
    trie: T,
    hashed: H,
}

impl<T, H> StateRoot<T, H>
where
    T: TrieCursorFactory,
    H: HashedCursorFactory<Error = T::Error>,
{
    /// Both factories read the same state: that of the parent block.
    pub const fn new(trie: T, hashed: H) -> Self {
        Self { trie, hashed }
    }

    /// The root after `state` is put on top of what the factories read, and what changes in the
    /// stored nodes by that.
    ///
    /// # Errors
    /// When the store cannot be read or contradicts itself.
    pub fn root_with_updates(
        &self,
        state: &HashedPostState,
    ) -> Result<StateRootOutput, TrieError<T::Error>> {
        let storages = state.sorted_storages();
        let outcomes = storages
            .iter()
            .filter(|(_, storage)| has_changes(storage))
            .map(|(address, storage)| {
                let (trie, rows) = open_storage(&self.trie, &self.hashed, *address, storage)?;
                Ok((*address, storage.wiped, serial_root(trie, rows, &keys_of(&storage.slots))?))
            })
            .collect::<Result<Vec<_>, TrieError<T::Error>>>()?;

        let (storage_tries, storage_roots) = collect_storages(state, outcomes);
        let overlay = accounts_overlay(state, &storage_roots);
        let keys = keys_of(&overlay.accounts);
        let hashed = OverlayHashedCursors::new(&self.hashed, &overlay);
        let trie = self.trie.account_trie_cursor()?;
        let outcome = serial_root(trie, hashed.hashed_account_cursor()?, &keys)?;
        Ok(output(outcome, storage_tries, storage_roots, keys.len()))
    }
}

/// Computes a state root on the threads of the current rayon pool. Gives the result of
/// [`StateRoot`], node for node.
///
/// The storage tries are spread over the threads first. Then the account trie, like any storage
/// trie with many changes, is split by the first nibble: each part is walked by cursors of its own
/// and the sixteen subtrees are joined under the root.
#[derive(Clone, Copy, Debug)]
pub struct ParallelStateRoot<T, H> {
    trie: T,
    hashed: H,
    split_threshold: usize,
}

impl<T, H> ParallelStateRoot<T, H>
where
    T: TrieCursorFactory + Sync,
    H: HashedCursorFactory<Error = T::Error> + Sync,
{
    /// Both factories read the same state: that of the parent block.
    pub const fn new(trie: T, hashed: H) -> Self {
        Self { trie, hashed, split_threshold: SPLIT_THRESHOLD }
    }

    /// Splits a trie from more changed keys on than this, instead of from 256 on.
    pub const fn with_split_threshold(mut self, changed: usize) -> Self {
        self.split_threshold = changed;
        self
    }

    /// The root after `state` is put on top of what the factories read, and what changes in the
    /// stored nodes by that.
    ///
    /// # Errors
    /// When the store cannot be read or contradicts itself.
    pub fn root_with_updates(
        &self,
        state: &HashedPostState,
    ) -> Result<StateRootOutput, TrieError<T::Error>> {
        let storages: Vec<_> = state.storages.iter().collect();
        let outcomes = storages
            .into_par_iter()
            .map(|(address, storage)| {
                let storage = storage.to_sorted();
                if !has_changes(&storage) {
                    return Ok(None);
                }
                let open = || open_storage(&self.trie, &self.hashed, *address, &storage);
                let outcome = parallel_root(open, &keys_of(&storage.slots), self.split_threshold)?;
                Ok(Some((*address, storage.wiped, outcome)))
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, TrieError<T::Error>>>()?;

        let (storage_tries, storage_roots) = collect_storages(state, outcomes);
        let overlay = accounts_overlay(state, &storage_roots);
        let keys = keys_of(&overlay.accounts);
        let hashed = OverlayHashedCursors::new(&self.hashed, &overlay);
        let open = || Ok((self.trie.account_trie_cursor()?, hashed.hashed_account_cursor()?));
        let outcome = parallel_root(open, &keys, self.split_threshold)?;
        Ok(output(outcome, storage_tries, storage_roots, keys.len()))
    }
}

/// Root of one trie and what changes in its nodes.
#[derive(Debug)]
struct TrieOutcome {
    root: B256,
    nodes: Vec<StoredNode>,
    removed: Vec<Nibbles>,
}

impl TrieOutcome {
    const fn unchanged(root: B256) -> Self {
        Self { root, nodes: Vec::new(), removed: Vec::new() }
    }
}

fn serial_root<T, H, E>(trie: T, rows: H, keys: &[B256]) -> Result<TrieOutcome, TrieError<E>>
where
    T: TrieCursor<Error = E>,
    H: HashedCursor<Error = E>,
    H::Value: LeafValue,
    E: Error + 'static,
{
    let mut walk = Walk::new(trie, rows);
    let root_node = walk.root_node()?;
    finish_serial(walk, root_node.as_ref(), keys)
}

fn finish_serial<T, H, E>(
    mut walk: Walk<T, H>,
    root_node: Option<&BranchNodeCompact>,
    keys: &[B256],
) -> Result<TrieOutcome, TrieError<E>>
where
    T: TrieCursor<Error = E>,
    H: HashedCursor<Error = E>,
    H::Value: LeafValue,
    E: Error + 'static,
{
    if keys.is_empty()
        && let Some(root) = root_node.and_then(|node| node.root_hash)
    {
        return Ok(TrieOutcome::unchanged(root));
    }
    walk.whole(root_node, keys)?;
    let root = walk.builder.root();
    Ok(TrieOutcome { root, nodes: walk.builder.nodes, removed: walk.removed })
}

fn parallel_root<T, H, E>(
    open: impl Fn() -> Result<(T, H), E> + Sync,
    keys: &[B256],
    split_threshold: usize,
) -> Result<TrieOutcome, TrieError<E>>
where
    T: TrieCursor<Error = E>,
    H: HashedCursor<Error = E>,
    H::Value: LeafValue + Send,
    E: Error + Send + 'static,
{
    let (trie, rows) = open()?;
    let mut walk = Walk::new(trie, rows);
    let root_node = walk.root_node()?;
    if keys.len() <= split_threshold || (root_node.is_none() && walk.has_nodes()?) {
        return finish_serial(walk, root_node.as_ref(), keys);
    }
    drop(walk);

    let mut rest = keys;
    let jobs: Vec<_> = (0..16u8).map(|digit| (digit, split_child(&mut rest, 0, digit))).collect();
    let parts = jobs
        .into_par_iter()
        .with_max_len(1)
        .map(|(digit, keys)| {
            let (trie, rows) = open()?;
            let mut walk = Walk::new(trie, rows);
            match &root_node {
                Some(node) => walk.child(&Nibbles::new(), node, digit, keys)?,
                None => walk.rows(&Nibbles::from_nibbles([digit]))?,
            }
            Ok(walk.into_part())
        })
        .collect::<Result<Vec<WalkPart<H::Value>>, TrieError<E>>>()?;
    Ok(join_parts(parts, root_node.is_some()))
}

/// Joins the sixteen parts of a trie under its root.
fn join_parts<V: LeafValue>(parts: Vec<WalkPart<V>>, had_root_node: bool) -> TrieOutcome {
    let mut builder = Builder::new(true);
    let mut removed = Vec::new();
    builder.nodes.reserve(parts.iter().map(|part| part.nodes.len()).sum::<usize>() + 1);
    for part in parts {
        builder.nodes.extend(part.nodes);
        removed.extend(part.removed);
        if let Some(subtree) = part.subtree {
            builder.push(subtree);
        }
    }
    builder.close(0, 0);
    if had_root_node && builder.nodes.last().is_none_or(|(path, _)| !path.is_empty()) {
        removed.push(Nibbles::new());
    }
    let root = builder.root();
    TrieOutcome { root, nodes: builder.nodes, removed }
}

const fn has_changes(storage: &HashedStorageSorted) -> bool {
    storage.wiped || !storage.slots.is_empty()
}

type StorageCursors<'a, T, H> = (
    OverlayTrieCursor<'a, <T as TrieCursorFactory>::StorageTrieCursor<'a>>,
    OverlayHashedCursor<'a, <H as HashedCursorFactory>::StorageCursor<'a>, alloy_primitives::U256>,
);

/// Cursors over the storage of one account with its changes on top.
fn open_storage<'a, T, H>(
    trie: &'a T,
    hashed: &'a H,
    address: B256,
    storage: &'a HashedStorageSorted,
) -> Result<StorageCursors<'a, T, H>, T::Error>
where
    T: TrieCursorFactory,
    H: HashedCursorFactory<Error = T::Error>,
{
    let (nodes, rows) = if storage.wiped {
        (None, None)
    } else {
        let rows = hashed.hashed_storage_cursor(address)?;
        (Some(trie.storage_trie_cursor(address)?), Some(rows))
    };
    Ok((OverlayTrieCursor::new(nodes, &[]), OverlayHashedCursor::new(rows, &storage.slots)))
}

fn collect_storages(
    state: &HashedPostState,
    outcomes: Vec<(B256, bool, TrieOutcome)>,
) -> (B256Map<StorageTrieUpdates>, B256Map<B256>) {
    let mut tries = B256Map::with_capacity_and_hasher(outcomes.len(), Default::default());
    let mut roots = B256Map::with_capacity_and_hasher(outcomes.len(), Default::default());
    for (address, is_deleted, outcome) in outcomes {
        roots.insert(address, outcome.root);
        let updates = StorageTrieUpdates {
            is_deleted,
            nodes: outcome.nodes.into_iter().collect(),
            removed: outcome.removed.into_iter().collect(),
        };
        tries.insert(address, updates);
    }
    // Should a later block make the account again, its storage starts empty.
    let removed = state.accounts.iter().filter(|(_, account)| account.is_none());
    roots.extend(removed.map(|(address, _)| (*address, EMPTY_ROOT_HASH)));
    (tries, roots)
}

fn accounts_overlay(
    state: &HashedPostState,
    storage_roots: &B256Map<B256>,
) -> HashedPostStateSorted {
    let accounts = state.sorted_accounts(storage_roots);
    HashedPostStateSorted { accounts, storages: B256Map::default() }
}

fn output(
    outcome: TrieOutcome,
    storage_tries: B256Map<StorageTrieUpdates>,
    storage_roots: B256Map<B256>,
    changed: usize,
) -> StateRootOutput {
    debug!(
        target: "trie::root",
        root = %outcome.root,
        changed,
        storages = storage_roots.len(),
        nodes = outcome.nodes.len(),
        removed = outcome.removed.len(),
        "computed state root"
    );
    StateRootOutput {
        root: outcome.root,
        updates: TrieUpdates {
            account_nodes: outcome.nodes.into_iter().collect(),
            removed_nodes: outcome.removed.into_iter().collect(),
            storage_tries,
        },
        storage_roots,
    }
}
