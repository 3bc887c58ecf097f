//! Oracles and random edits.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use alloy_primitives::{B256, U256, map::B256Map};
use alloy_trie::{BranchNodeCompact, HashBuilder, TrieAccount, TrieMask};
use eth_trie::{EthTrie, MemoryDB, Trie};
use peruri_trie::{
    HashedPostState, Nibbles, OverlayHashedCursors, OverlayTrieCursors, ParallelStateRoot,
    StateRoot, StateRootOutput, StoredBranch, StoredNode,
    test_utils::{MemoryStore, Nodes},
};
use rand::{Rng, rngs::StdRng};
use reth_primitives_traits::Account;
use std::{collections::BTreeMap, sync::Arc};

/// Stored nodes as alloy has them: without the hashes of leaves and extensions.
pub type CompactNodes = BTreeMap<Nibbles, BranchNodeCompact>;

pub fn compact(nodes: &Nodes) -> CompactNodes {
    let compact = |node: &StoredBranch| {
        let branches = (0..16).filter(|digit| node.branch_mask.is_bit_set(*digit));
        BranchNodeCompact::new(
            node.state_mask,
            node.tree_mask,
            node.branch_mask,
            branches.map(|digit| node.hash_of(digit).expect("a branch is hashed")).collect(),
            node.root_hash,
        )
    };
    nodes.iter().map(|(path, node)| (*path, compact(node))).collect()
}

/// Root and stored nodes by alloy's hash builder.
pub fn alloy_trie_of(leaves: &BTreeMap<B256, Vec<u8>>) -> (B256, CompactNodes) {
    let mut builder = HashBuilder::default().with_updates(true);
    let mut digits = 0u16;
    for (key, value) in leaves {
        digits |= 1 << (key[0] >> 4);
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let (_, nodes) = builder.split();
    let mut nodes: CompactNodes = nodes.into_iter().collect();
    if digits.count_ones() > 1 {
        let mask = TrieMask::new(digits);
        let none = TrieMask::default();
        let bare = || BranchNodeCompact::new(mask, none, none, vec![], Some(root));
        nodes.entry(Nibbles::new()).or_insert_with(bare);
    }
    (root, nodes)
}

/// Root by an independent implementation.
pub fn eth_trie_of(leaves: &BTreeMap<B256, Vec<u8>>) -> (B256, EthTrie<MemoryDB>) {
    let mut trie = EthTrie::new(Arc::new(MemoryDB::new(true)));
    for (key, value) in leaves {
        trie.insert(key.as_slice(), value).unwrap();
    }
    (trie.root_hash().unwrap(), trie)
}

pub fn storage_leaves(slots: &BTreeMap<B256, U256>) -> BTreeMap<B256, Vec<u8>> {
    slots.iter().map(|(key, value)| (*key, alloy_rlp::encode(value))).collect()
}

pub fn account_leaves(store: &MemoryStore) -> BTreeMap<B256, Vec<u8>> {
    store.accounts.iter().map(|(key, row)| (*key, alloy_rlp::encode(row.trie_account()))).collect()
}

/// Compares a store with what the oracles make of its flat rows.
pub fn check_store(store: &MemoryStore, root: B256, thorough: bool) {
    let mut storage_nodes = BTreeMap::new();
    for (address, row) in &store.accounts {
        let slots = store.storages.get(address).cloned().unwrap_or_default();
        let leaves = storage_leaves(&slots);
        let (storage_root, nodes) = alloy_trie_of(&leaves);
        assert_eq!(row.storage_root, storage_root, "storage root of {address}");
        if thorough {
            assert_eq!(alloy_trie::root::storage_root(slots), storage_root);
            assert_eq!(eth_trie_of(&leaves).0, storage_root);
        }
        if !nodes.is_empty() {
            storage_nodes.insert(*address, nodes);
        }
    }
    let leaves = account_leaves(store);
    let (expected, nodes) = alloy_trie_of(&leaves);
    assert_eq!(root, expected, "state root");
    assert_eq!(compact(&store.account_nodes), nodes, "account nodes");
    let compact: BTreeMap<_, _> =
        store.storage_nodes.iter().map(|(address, nodes)| (*address, compact(nodes))).collect();
    assert_eq!(compact, storage_nodes, "storage nodes");
    if thorough {
        let accounts = store.accounts.iter().map(|(k, row)| (*k, TrieAccount::from(*row)));
        assert_eq!(alloy_trie::root::state_root(accounts), expected);
        assert_eq!(eth_trie_of(&leaves).0, expected);
        let mut rebuilt = store.clone();
        assert_eq!(rebuilt.rebuild().unwrap(), expected);
        assert_eq!(&rebuilt, store, "rebuild");
    }
}

/// One edit. Which key an index means is up to [`key`].
#[derive(Clone, Debug)]
pub enum Edit {
    SetAccount {
        account: u16,
        nonce: u64,
    },
    RemoveAccount {
        account: u16,
    },
    /// Destroyed and made again.
    RecreateAccount {
        account: u16,
        nonce: u64,
        slots: Vec<(u16, u64)>,
    },
    SetSlots {
        account: u16,
        slots: Vec<(u16, u64)>,
        touch: bool,
    },
}

/// Keys that collide a lot: up to three digits at positions anywhere, all others zero, so that
/// long extensions, deep branches and nodes short enough to be inlined occur.
pub fn key(index: u16) -> B256 {
    sparse_key(index, [0, 1, 2, 5, 31, 32, 62, 63])
}

/// Like [`key`], but all keys start alike, so that the root is an extension.
pub fn deep_key(index: u16) -> B256 {
    sparse_key(index, [2, 3, 4, 31, 32, 33, 62, 63])
}

fn sparse_key(index: u16, positions: [usize; 8]) -> B256 {
    // Neighbouring indices shall not mean similar keys.
    let bits = u32::from(index).wrapping_mul(0x9e37_79b1) >> 8;
    let mut key = B256::ZERO;
    let mut set = |position: usize, digit: u32| {
        key.0[position / 2] |= (digit as u8) << (4 * (1 - position % 2));
    };
    set(positions[(bits & 7) as usize], (bits >> 6) & 3);
    set(positions[(bits >> 3 & 7) as usize], (bits >> 8) & 3);
    if bits >> 10 & 1 == 0 {
        set(63, (bits >> 11) & 3);
    }
    key
}

/// Keys as they occur: without structure.
pub fn hashed_key(index: u16) -> B256 {
    alloy_primitives::keccak256(index.to_be_bytes())
}

/// Turns edits into a state change that fits the state.
pub fn post_state(
    exists: &dyn Fn(&B256) -> bool,
    edits: &[Edit],
    key: fn(u16) -> B256,
) -> HashedPostState {
    let mut state = HashedPostState::default();
    for edit in edits {
        match edit {
            Edit::SetAccount { account, nonce } => {
                state.accounts.insert(key(*account), Some(account_with(*nonce)));
            }
            Edit::RemoveAccount { account } => {
                let address = key(*account);
                state.accounts.insert(address, None);
                let storage = state.storages.entry(address).or_default();
                storage.wiped = true;
                storage.storage.clear();
            }
            Edit::RecreateAccount { account, nonce, slots } => {
                let address = key(*account);
                state.accounts.insert(address, Some(account_with(*nonce)));
                let storage = state.storages.entry(address).or_default();
                storage.wiped = true;
                storage.storage.clear();
                storage.storage.extend(slots.iter().map(|(s, v)| (key(*s), U256::from(*v))));
            }
            Edit::SetSlots { account, slots, touch } => {
                let address = key(*account);
                let there = match state.accounts.get(&address) {
                    Some(account) => account.is_some(),
                    None => exists(&address),
                };
                if !there || *touch {
                    state.accounts.insert(address, Some(account_with(7)));
                }
                let storage = state.storages.entry(address).or_default();
                storage.storage.extend(slots.iter().map(|(s, v)| (key(*s), U256::from(*v))));
            }
        }
    }
    state
}

fn account_with(nonce: u64) -> Account {
    let code = (nonce.is_multiple_of(3)).then(|| B256::repeat_byte(nonce as u8 | 1));
    Account::new(nonce, U256::from(nonce) << (nonce % 200) as usize, code)
}

pub fn random_edit(rng: &mut StdRng, space: u16) -> Edit {
    let account = rng.random_range(0..space);
    let mut slots = || {
        let count = rng.random_range(1..6);
        let value = |rng: &mut StdRng| match rng.random_range(0..6) {
            0..3 => 0,
            3 => 1,
            4 => rng.random_range(0..300),
            _ => rng.random(),
        };
        (0..count).map(|_| (rng.random_range(0..space), value(rng))).collect::<Vec<_>>()
    };
    let slots = slots();
    let nonce = rng.random_range(0..1000);
    match rng.random_range(0..10) {
        0..3 => Edit::SetAccount { account, nonce },
        3..6 => Edit::RemoveAccount { account },
        6 => Edit::RecreateAccount { account, nonce, slots },
        _ => Edit::SetSlots { account, slots, touch: rng.random() },
    }
}

/// A chain of states: `store` has every block applied, `base` only the older ones, the rest lies
/// in merged overlays.
#[derive(Debug, Default)]
pub struct Chain {
    pub store: MemoryStore,
    pub root: B256,
    base: MemoryStore,
    pending: HashedPostState,
    output: StateRootOutput,
    split: bool,
}

impl Chain {
    /// Puts a block on top. All ways to its root must agree.
    pub fn extend(&mut self, state: &HashedPostState) -> StateRootOutput {
        let serial = StateRoot::new(&self.store, &self.store).root_with_updates(state).unwrap();
        self.split = !self.split;
        let threshold = if self.split { 0 } else { 256 };
        let parallel = ParallelStateRoot::new(&self.store, &self.store)
            .with_split_threshold(threshold)
            .root_with_updates(state)
            .unwrap();
        assert_eq!(parallel, serial, "parallel");
        assert!(serial.updates.account_nodes.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(serial.replaced.account_nodes.is_sorted_by(|(a, _), (b, _)| a < b));

        self.check_replaced(&serial);

        let nodes = &self.output.updates;
        let rows = self.pending.to_sorted(&self.output.storage_roots);
        let over = StateRoot::new(
            OverlayTrieCursors::new(&self.base, nodes),
            OverlayHashedCursors::new(&self.base, &rows),
        )
        .root_with_updates(state)
        .unwrap();
        assert_eq!(over, serial, "over pending blocks");

        self.store.apply(state, &serial);
        self.pending.extend(state);
        self.output.updates.extend(serial.updates.clone());
        self.output.storage_roots.extend(&serial.storage_roots);
        self.output.root = serial.root;
        self.root = serial.root;
        serial
    }

    /// What is replaced must be what the store has at every path that is written or removed.
    fn check_replaced(&self, output: &StateRootOutput) {
        let updates = &output.updates;
        check_replaced(
            &self.store.account_nodes,
            &updates.account_nodes,
            &output.replaced.account_nodes,
        );
        for (address, updates) in &updates.storage_tries {
            let none = Nodes::new();
            let stored = self.store.storage_nodes.get(address).unwrap_or(&none);
            let replaced = &output.replaced.storage_tries[address];
            check_replaced(stored, &updates.nodes, replaced);
            if updates.is_deleted {
                assert_eq!(&replaced.iter().cloned().collect::<Nodes>(), stored);
            }
        }
    }

    /// Writes the pending blocks at once.
    pub fn flush(&mut self) {
        self.base.apply(&self.pending, &self.output);
        self.pending = HashedPostState::default();
        self.output = StateRootOutput { root: self.root, ..Default::default() };
        self.output.storage_roots = B256Map::default();
        assert_eq!(self.base, self.store, "flushed");
    }

    pub fn edit(&mut self, edits: &[Edit], key: fn(u16) -> B256) -> StateRootOutput {
        let state = post_state(&|address| self.store.accounts.contains_key(address), edits, key);
        self.extend(&state)
    }
}

fn check_replaced(stored: &Nodes, updates: &peruri_trie::ChangedNodes, replaced: &[StoredNode]) {
    let replaced: Nodes = replaced.iter().cloned().collect();
    let expected: Nodes = updates
        .iter()
        .filter_map(|(path, _)| stored.get(path).map(|node| (*path, node.clone())))
        .collect();
    assert_eq!(replaced, expected, "replaced");
}
