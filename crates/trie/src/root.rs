//! Root of the state after a block.

use crate::{
    ChangedNodes, EMPTY_ROOT_HASH, HashedCursor, HashedCursorFactory, HashedPostState,
    HashedPostStateSorted, HashedStorageSorted, OverlayHashedCursor, OverlayHashedCursors,
    OverlayTrieCursor, ReplacedNodes, StateRootOutput, StorageTrieUpdates, StoredBranch,
    StoredNode, TrieCursor, TrieCursorFactory, TrieError, TrieUpdates,
    builder::Builder,
    node::{LeafValue, Subtree},
    prefix_set::{keys_of, split_child},
    walker::{Walk, WalkPart, sort_by_path},
};
use alloy_primitives::{B256, map::B256Map};
use alloy_trie::Nibbles;
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
                let outcome = serial_root(trie, rows, &keys_of(&storage.slots))?;
                storage_outcome(&self.trie, *address, storage.wiped, outcome)
            })
            .collect::<Result<Vec<_>, TrieError<T::Error>>>()?;

        let storages = collect_storages(state, outcomes);
        let overlay = accounts_overlay(state, &storages.roots);
        let keys = keys_of(&overlay.accounts);
        let hashed = OverlayHashedCursors::new(&self.hashed, &overlay);
        let trie = self.trie.account_trie_cursor()?;
        let outcome = serial_root(trie, hashed.hashed_account_cursor()?, &keys)?;
        Ok(output(outcome, storages, keys.len()))
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
                storage_outcome(&self.trie, *address, storage.wiped, outcome).map(Some)
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, TrieError<T::Error>>>()?;

        let storages = collect_storages(state, outcomes);
        let overlay = accounts_overlay(state, &storages.roots);
        let keys = keys_of(&overlay.accounts);
        let hashed = OverlayHashedCursors::new(&self.hashed, &overlay);
        let open = || Ok((self.trie.account_trie_cursor()?, hashed.hashed_account_cursor()?));
        let outcome = parallel_root(open, &keys, self.split_threshold)?;
        Ok(output(outcome, storages, keys.len()))
    }
}

/// Root of one trie and what changes in its nodes.
#[derive(Debug)]
struct TrieOutcome {
    root: B256,
    nodes: ChangedNodes,
    visited: Vec<StoredNode>,
}

impl TrieOutcome {
    const fn unchanged(root: B256) -> Self {
        Self { root, nodes: Vec::new(), visited: Vec::new() }
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
    finish_serial(walk, root_node, keys)
}

fn finish_serial<T, H, E>(
    mut walk: Walk<T, H>,
    root_node: Option<StoredBranch>,
    keys: &[B256],
) -> Result<TrieOutcome, TrieError<E>>
where
    T: TrieCursor<Error = E>,
    H: HashedCursor<Error = E>,
    H::Value: LeafValue,
    E: Error + 'static,
{
    if keys.is_empty()
        && let Some(root) = root_node.as_ref().and_then(|node| node.root_hash)
    {
        return Ok(TrieOutcome::unchanged(root));
    }
    walk.whole(root_node, keys)?;
    let root = walk.builder.root();
    let WalkPart { nodes, visited, .. } = walk.into_part();
    Ok(TrieOutcome { root, nodes, visited })
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
        return finish_serial(walk, root_node, keys);
    }

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
    if lone_kept(&parts) {
        return finish_serial(walk, root_node, keys);
    }
    Ok(join_parts(parts, root_node))
}

/// Whether all that is left of a trie is one child that was taken over by its hash: the root is
/// then a leaf or an extension, for which that child has to be read.
fn lone_kept<V>(parts: &[WalkPart<V>]) -> bool {
    let mut subtrees = parts.iter().filter_map(|part| part.subtree.as_ref());
    matches!((subtrees.next(), subtrees.next()), (Some(Subtree::Kept(_)), None))
}

/// Joins the sixteen parts of a trie under its root.
fn join_parts<V: LeafValue>(
    parts: Vec<WalkPart<V>>,
    root_node: Option<StoredBranch>,
) -> TrieOutcome {
    let mut builder = Builder::new(true);
    let sum = |len: fn(&WalkPart<V>) -> usize| parts.iter().map(len).sum::<usize>();
    let mut nodes = Vec::with_capacity(sum(|part| part.nodes.len()) + 1);
    let mut visited = Vec::with_capacity(sum(|part| part.visited.len()) + 1);
    // The root, whose path is before all others: what becomes of it is known at the end.
    if let Some(node) = root_node {
        visited.push((Nibbles::new(), node));
        nodes.push((Nibbles::new(), None));
    }
    for part in parts {
        nodes.extend(part.nodes);
        visited.extend(part.visited);
        if let Some(subtree) = part.subtree {
            builder.push(subtree);
        }
    }
    builder.close(0, 0);
    match (builder.nodes.pop(), nodes.first_mut()) {
        (Some((path, node)), Some((first, slot))) if *first == path => *slot = Some(node),
        (Some((path, node)), _) => nodes.insert(0, (path, Some(node))),
        (None, _) => {}
    }
    let root = builder.root();
    TrieOutcome { root, nodes, visited }
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

/// What became of the storage trie of an account. The nodes of one that was dropped were not
/// visited by the walk, which started from nothing; they are read here.
fn storage_outcome<T: TrieCursorFactory>(
    trie: &T,
    address: B256,
    is_deleted: bool,
    mut outcome: TrieOutcome,
) -> Result<StorageOutcome, TrieError<T::Error>> {
    if is_deleted {
        let mut cursor = trie.storage_trie_cursor(address)?;
        let mut node = cursor.seek(Nibbles::new())?;
        while let Some(found) = node {
            outcome.visited.push(found);
            node = cursor.next()?;
        }
        let again = |path| outcome.nodes.binary_search_by(|(new, _)| new.cmp(path)).is_ok();
        let gone = outcome.visited.iter().filter(|(path, _)| !again(path));
        let gone: Vec<_> = gone.map(|(path, _)| (*path, None)).collect();
        outcome.nodes.extend(gone);
        sort_by_path(&mut outcome.nodes);
    }
    Ok(StorageOutcome { address, is_deleted, outcome })
}

struct StorageOutcome {
    address: B256,
    is_deleted: bool,
    outcome: TrieOutcome,
}

/// What changed in all storage tries.
#[derive(Default)]
struct Storages {
    tries: B256Map<StorageTrieUpdates>,
    replaced: B256Map<Vec<StoredNode>>,
    roots: B256Map<B256>,
}

fn collect_storages(state: &HashedPostState, outcomes: Vec<StorageOutcome>) -> Storages {
    let mut storages = Storages::default();
    storages.tries.reserve(outcomes.len());
    storages.replaced.reserve(outcomes.len());
    let Storages { tries, replaced, roots } = &mut storages;
    for StorageOutcome { address, is_deleted, outcome } in outcomes {
        roots.insert(address, outcome.root);
        replaced.insert(address, outcome.visited);
        tries.insert(address, StorageTrieUpdates { is_deleted, nodes: outcome.nodes });
    }
    // Should a later block make the account again, its storage starts empty.
    let removed = state.accounts.iter().filter(|(_, account)| account.is_none());
    roots.extend(removed.map(|(address, _)| (*address, EMPTY_ROOT_HASH)));
    storages
}

fn accounts_overlay(
    state: &HashedPostState,
    storage_roots: &B256Map<B256>,
) -> HashedPostStateSorted {
    let accounts = state.sorted_accounts(storage_roots);
    HashedPostStateSorted { accounts, storages: B256Map::default() }
}

fn output(outcome: TrieOutcome, storages: Storages, changed: usize) -> StateRootOutput {
    debug!(
        target: "trie::root",
        root = %outcome.root,
        changed,
        storages = storages.roots.len(),
        nodes = outcome.nodes.len(),
        "computed state root"
    );
    StateRootOutput {
        root: outcome.root,
        updates: TrieUpdates { account_nodes: outcome.nodes, storage_tries: storages.tries },
        replaced: ReplacedNodes {
            account_nodes: outcome.visited,
            storage_tries: storages.replaced,
        },
        storage_roots: storages.roots,
    }
}
