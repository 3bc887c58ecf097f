//! Root and nodes from flat rows alone.

use crate::{
    HashedCursor, HashedCursorFactory, StoredBranch, StoredNode, TrieAccountRow, TrieError,
    builder::Builder, leaves::Leaves, node::LeafValue, walker::Walk,
};
use alloy_primitives::B256;
use alloy_trie::Nibbles;
use std::{error::Error, marker::PhantomData};

/// Receives what a [`Rebuild`] finds, as it goes. Nodes of one trie come with each one after those
/// below it; nodes of different tries are mixed.
pub trait RebuildSink {
    /// What receiving can fail with: the error of the store that is read.
    type Error;

    /// A node of the account trie.
    ///
    /// # Errors
    /// To end the rebuild.
    fn account_node(&mut self, path: Nibbles, node: StoredBranch) -> Result<(), Self::Error>;

    /// A node of the storage trie of an account.
    ///
    /// # Errors
    /// To end the rebuild.
    fn storage_node(
        &mut self,
        hashed_address: B256,
        path: Nibbles,
        node: StoredBranch,
    ) -> Result<(), Self::Error>;

    /// An account whose row names another storage root than its slots have. The state root is
    /// computed with that of the slots.
    ///
    /// # Errors
    /// To end the rebuild.
    fn wrong_storage_root(
        &mut self,
        hashed_address: B256,
        in_row: B256,
        of_slots: B256,
    ) -> Result<(), Self::Error>;
}

/// Computes all nodes that are to be stored, and the state root, from flat rows. Stored nodes and
/// the storage roots of the rows are not looked at. Memory stays small: the account trie is done
/// in 256 parts, and nodes are handed over after each part of a trie.
#[derive(Clone, Copy, Debug)]
pub struct Rebuild<H> {
    hashed: H,
}

impl<H: HashedCursorFactory> Rebuild<H> {
    /// Reads the rows of this factory.
    pub const fn new(hashed: H) -> Self {
        Self { hashed }
    }

    /// Rebuilds all tries and returns the state root.
    ///
    /// # Errors
    /// When rows cannot be read or are out of order, or the sink ends it.
    pub fn state<S>(&self, sink: &mut S) -> Result<B256, TrieError<H::Error>>
    where
        S: RebuildSink<Error = H::Error>,
    {
        let mut leaves = Leaves::new(self.hashed.hashed_account_cursor()?);
        leaves.position(&B256::ZERO)?;
        let mut joined = Builder::new(true);
        let mut rows = Vec::new();
        for high in 0..16u8 {
            let mark = joined.mark();
            for low in 0..16u8 {
                rows.clear();
                self.checked_rows(&mut leaves, 16 * high + low, sink, &mut rows)?;
                let mut walk = Walk::new((), RowSlice::new(&rows));
                walk.rows(&Nibbles::from_nibbles([high, low]))?;
                hand_over_accounts(std::mem::take(&mut walk.builder.nodes), sink)?;
                if let Some(subtree) = walk.builder.take_settled() {
                    joined.push(subtree);
                }
            }
            joined.close(1, mark);
        }
        joined.close(0, 0);
        hand_over_accounts(std::mem::take(&mut joined.nodes), sink)?;
        Ok(joined.root())
    }

    /// Takes the rows whose key starts with this byte and gives them the storage roots of their
    /// slots.
    fn checked_rows<C, S>(
        &self,
        leaves: &mut Leaves<C>,
        first_byte: u8,
        sink: &mut S,
        rows: &mut Vec<(B256, TrieAccountRow)>,
    ) -> Result<(), TrieError<H::Error>>
    where
        C: HashedCursor<Value = TrieAccountRow, Error = H::Error>,
        S: RebuildSink<Error = H::Error>,
    {
        let mut key = B256::ZERO;
        key.0[0] = first_byte;
        while leaves.shares(&key, 2) {
            let taken = leaves.take_with(|address, row| (address, *row))?;
            let Some((address, mut row)) = taken else { break };
            let of_slots = self.storage(address, sink)?;
            if row.storage_root != of_slots {
                sink.wrong_storage_root(address, row.storage_root, of_slots)?;
                row.storage_root = of_slots;
            }
            rows.push((address, row));
        }
        Ok(())
    }

    /// Rebuilds the storage trie of one account and returns its root.
    ///
    /// # Errors
    /// When rows cannot be read or are out of order, or the sink ends it.
    pub fn storage<S>(
        &self,
        hashed_address: B256,
        sink: &mut S,
    ) -> Result<B256, TrieError<H::Error>>
    where
        S: RebuildSink<Error = H::Error>,
    {
        let mut walk = Walk::new((), self.hashed.hashed_storage_cursor(hashed_address)?);
        for high in 0..16u8 {
            let mark = walk.builder.mark();
            for low in 0..16u8 {
                walk.rows(&Nibbles::from_nibbles([high, low]))?;
            }
            walk.builder.close(1, mark);
            for (path, node) in walk.builder.nodes.drain(..) {
                sink.storage_node(hashed_address, path, node)?;
            }
        }
        walk.builder.close(0, 0);
        for (path, node) in walk.builder.nodes.drain(..) {
            sink.storage_node(hashed_address, path, node)?;
        }
        Ok(walk.builder.root())
    }
}

fn hand_over_accounts<S: RebuildSink>(
    nodes: Vec<StoredNode>,
    sink: &mut S,
) -> Result<(), S::Error> {
    nodes.into_iter().try_for_each(|(path, node)| sink.account_node(path, node))
}

/// Rows in memory, ascending.
#[derive(Debug)]
struct RowSlice<'a, V, E> {
    rows: &'a [(B256, V)],
    next: usize,
    error: PhantomData<fn() -> E>,
}

impl<'a, V, E> RowSlice<'a, V, E> {
    const fn new(rows: &'a [(B256, V)]) -> Self {
        Self { rows, next: 0, error: PhantomData }
    }
}

impl<V: LeafValue, E: Error + Send + Sync + 'static> HashedCursor for RowSlice<'_, V, E> {
    type Value = V;
    type Error = E;

    fn seek(&mut self, key: B256) -> Result<Option<(B256, V)>, E> {
        self.next = self.rows.partition_point(|(k, _)| *k < key);
        self.next()
    }

    fn next(&mut self) -> Result<Option<(B256, V)>, E> {
        let row = self.rows.get(self.next).copied();
        self.next += 1;
        Ok(row)
    }

    fn get(&mut self, key: B256) -> Result<Option<V>, E> {
        let found = self.rows.binary_search_by_key(&key, |(key, _)| *key);
        Ok(found.ok().and_then(|at| self.rows.get(at)).map(|(_, value)| *value))
    }
}
