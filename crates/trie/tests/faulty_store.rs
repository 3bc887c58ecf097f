//! A store that contradicts itself gives an error, neither a panic nor a wrong root.
#![allow(clippy::unwrap_used)]

mod common;

use alloy_primitives::{B256, U256};
use common::{Chain, Edit, hashed_key};
use peruri_trie::{
    HashedCursor, HashedCursorFactory, HashedPostState, HashedStorageCursor, Nibbles,
    ParallelStateRoot, StateRoot, TrieAccountRow, TrieError, test_utils::MemoryStore,
};
use reth_primitives_traits::Account;
use std::convert::Infallible;

fn filled() -> MemoryStore {
    let mut chain = Chain::default();
    let fill: Vec<_> = (0..3_000).map(|account| Edit::SetAccount { account, nonce: 1 }).collect();
    chain.edit(&fill, hashed_key);
    chain.store
}

fn touch_all() -> HashedPostState {
    let mut state = HashedPostState::default();
    for n in (0..3_000).step_by(3) {
        state.accounts.insert(hashed_key(n), Some(Account::new(2, U256::from(2), None)));
    }
    state
}

#[test]
fn missing_node() {
    let mut store = filled();
    let path = Nibbles::from_nibbles([5]);
    store.account_nodes.remove(&path).unwrap();
    let serial = StateRoot::new(&store, &store).root_with_updates(&touch_all()).unwrap_err();
    assert!(matches!(serial, TrieError::MissingNode { prefix, .. } if prefix == path));
    let parallel =
        ParallelStateRoot::new(&store, &store).root_with_updates(&touch_all()).unwrap_err();
    assert!(matches!(parallel, TrieError::MissingNode { prefix, .. } if prefix == path));
}

#[test]
fn malformed_nodes() {
    for path in [Nibbles::new(), Nibbles::from_nibbles([5])] {
        let mut store = filled();
        let node = store.account_nodes.get_mut(&path).unwrap();
        node.hashes = node.hashes[1..].to_vec().into();
        let error = StateRoot::new(&store, &store).root_with_updates(&touch_all()).unwrap_err();
        assert!(matches!(error, TrieError::MalformedNode { path: at, expected, got }
                if at == path && expected == got + 1));
    }
}

/// Hands out rows in descending order.
struct Backwards(MemoryStore);

struct BackwardsCursor<'a>(Box<dyn Iterator<Item = (B256, TrieAccountRow)> + 'a>);

impl HashedCursor for BackwardsCursor<'_> {
    type Value = TrieAccountRow;
    type Error = Infallible;

    fn seek(&mut self, _key: B256) -> Result<Option<(B256, TrieAccountRow)>, Infallible> {
        Ok(self.0.next())
    }

    fn next(&mut self) -> Result<Option<(B256, TrieAccountRow)>, Infallible> {
        Ok(self.0.next())
    }

    fn get(&mut self, _key: B256) -> Result<Option<TrieAccountRow>, Infallible> {
        Ok(None)
    }
}

struct NoSlots;

impl HashedCursor for NoSlots {
    type Value = U256;
    type Error = Infallible;

    fn seek(&mut self, _key: B256) -> Result<Option<(B256, U256)>, Infallible> {
        Ok(None)
    }

    fn next(&mut self) -> Result<Option<(B256, U256)>, Infallible> {
        Ok(None)
    }

    fn get(&mut self, _key: B256) -> Result<Option<U256>, Infallible> {
        Ok(None)
    }
}

impl HashedStorageCursor for NoSlots {}

impl HashedCursorFactory for Backwards {
    type Error = Infallible;
    type AccountCursor<'a> = BackwardsCursor<'a>;
    type StorageCursor<'a> = NoSlots;

    fn hashed_account_cursor(&self) -> Result<Self::AccountCursor<'_>, Infallible> {
        Ok(BackwardsCursor(Box::new(self.0.accounts.iter().rev().map(|(k, v)| (*k, *v)))))
    }

    fn hashed_storage_cursor(&self, _hashed_address: B256) -> Result<NoSlots, Infallible> {
        Ok(NoSlots)
    }
}

#[test]
fn rows_out_of_order() {
    let rows = Backwards(filled());
    assert!(NoSlots.is_storage_empty().unwrap());
    let nodes = MemoryStore::default();
    let error = StateRoot::new(&nodes, &rows).root_with_updates(&touch_all()).unwrap_err();
    assert!(matches!(error, TrieError::UnorderedRows { previous, got } if got < previous));
}
