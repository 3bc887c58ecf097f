//! Merkle proofs of accounts and slots (EIP-1186).

use crate::{
    EMPTY_ROOT_HASH, HashedCursor, HashedCursorFactory, TrieAccountRow, TrieCursor,
    TrieCursorFactory, TrieError, node::LeafValue, prefix_set::PrefixSet, walker::Walk,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::B256Map};
use alloy_trie::{
    Nibbles,
    proof::{ProofNodes, ProofRetainer, ProofVerificationError, verify_proof},
};
use reth_primitives_traits::Account;
use std::error::Error;

/// Proof of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot, not hashed.
    pub key: B256,
    /// Its value, zero when it is absent.
    pub value: U256,
    /// Nodes from the storage root downwards; none when the account has no storage.
    pub proof: Vec<Bytes>,
}

impl StorageProof {
    /// Checks the value against a storage root.
    ///
    /// # Errors
    /// When the nodes do not lead from the root to the value.
    pub fn verify(&self, storage_root: B256) -> Result<(), ProofVerificationError> {
        let value = (!self.value.is_zero()).then(|| alloy_rlp::encode(self.value));
        verify_proof(storage_root, Nibbles::unpack(keccak256(self.key)), value, &self.proof)
    }
}

/// Proof of one account and some of its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The address, not hashed.
    pub address: Address,
    /// The account, `None` when it is absent.
    pub info: Option<Account>,
    /// Root of its storage, that of an empty storage when it is absent.
    pub storage_root: B256,
    /// Nodes from the state root downwards; none when the state is empty.
    pub proof: Vec<Bytes>,
    /// Proofs of the slots, in the order they were asked for.
    pub storage_proofs: Vec<StorageProof>,
}

impl AccountProof {
    /// Checks the account against a state root, and the slots against the account.
    ///
    /// # Errors
    /// When the nodes do not lead from the root to the account or to a value.
    pub fn verify(&self, state_root: B256) -> Result<(), ProofVerificationError> {
        let leaf = self.info.as_ref().map(|account| {
            alloy_rlp::encode(TrieAccountRow::new(account, self.storage_root).trie_account())
        });
        let path = Nibbles::unpack(keccak256(self.address));
        verify_proof(state_root, path, leaf, &self.proof)?;
        self.storage_proofs.iter().try_for_each(|slot| slot.verify(self.storage_root))
    }
}

/// Makes proofs over the state that its factories read.
#[derive(Clone, Copy, Debug)]
pub struct Proof<T, H> {
    trie: T,
    hashed: H,
}

impl<T, H> Proof<T, H>
where
    T: TrieCursorFactory,
    H: HashedCursorFactory<Error = T::Error>,
{
    /// Both factories read the same state.
    pub const fn new(trie: T, hashed: H) -> Self {
        Self { trie, hashed }
    }

    /// Proves one account and the given slots of it.
    ///
    /// # Errors
    /// When the store cannot be read or contradicts itself.
    pub fn account(
        &self,
        address: Address,
        slots: &[B256],
    ) -> Result<AccountProof, TrieError<T::Error>> {
        let (_, nodes) = self.account_nodes(vec![keccak256(address)])?;
        self.assemble(address, slots, &nodes)
    }

    /// Proves several accounts, each with some of its slots, in one walk over the account trie.
    /// Returns the state root too.
    ///
    /// # Errors
    /// When the store cannot be read or contradicts itself.
    pub fn multiproof(
        &self,
        targets: &[(Address, Vec<B256>)],
    ) -> Result<(B256, Vec<AccountProof>), TrieError<T::Error>> {
        let keys = targets.iter().map(|(address, _)| keccak256(address)).collect();
        let (root, nodes) = self.account_nodes(keys)?;
        let proofs = targets
            .iter()
            .map(|(address, slots)| self.assemble(*address, slots, &nodes))
            .collect::<Result<_, _>>()?;
        Ok((root, proofs))
    }

    fn account_nodes(&self, keys: Vec<B256>) -> Result<(B256, ProofNodes), TrieError<T::Error>> {
        let trie = self.trie.account_trie_cursor()?;
        retained(trie, self.hashed.hashed_account_cursor()?, keys)
    }

    fn assemble(
        &self,
        address: Address,
        slots: &[B256],
        nodes: &ProofNodes,
    ) -> Result<AccountProof, TrieError<T::Error>> {
        let hashed_address = keccak256(address);
        let row = row_at(&mut self.hashed.hashed_account_cursor()?, hashed_address)?;
        let storage_root = row.map_or(EMPTY_ROOT_HASH, |row| row.storage_root);
        Ok(AccountProof {
            address,
            info: row.map(Account::from),
            storage_root,
            proof: way_to(nodes, hashed_address),
            storage_proofs: self.slots(hashed_address, storage_root, slots)?,
        })
    }

    fn slots(
        &self,
        hashed_address: B256,
        storage_root: B256,
        slots: &[B256],
    ) -> Result<Vec<StorageProof>, TrieError<T::Error>> {
        let absent = |key: &B256| StorageProof { key: *key, ..Default::default() };
        if slots.is_empty() || storage_root == EMPTY_ROOT_HASH {
            return Ok(slots.iter().map(absent).collect());
        }
        let hashed: Vec<_> = slots.iter().map(keccak256).collect();
        let trie = self.trie.storage_trie_cursor(hashed_address)?;
        let mut rows = self.hashed.hashed_storage_cursor(hashed_address)?;
        let mut values = B256Map::default();
        for key in &hashed {
            values.insert(*key, row_at(&mut rows, *key)?.unwrap_or_default());
        }
        let rows = self.hashed.hashed_storage_cursor(hashed_address)?;
        let (_, nodes) = retained(trie, rows, hashed.clone())?;
        Ok(slots
            .iter()
            .zip(hashed)
            .map(|(key, hashed)| StorageProof {
                key: *key,
                value: values.get(&hashed).copied().unwrap_or_default(),
                proof: way_to(&nodes, hashed),
            })
            .collect())
    }
}

fn row_at<C: HashedCursor>(rows: &mut C, key: B256) -> Result<Option<C::Value>, C::Error> {
    Ok(rows.seek(key)?.filter(|(found, _)| *found == key).map(|(_, value)| value))
}

/// Walks to all keys and keeps the nodes on the way.
fn retained<T, H, E>(trie: T, rows: H, keys: Vec<B256>) -> Result<(B256, ProofNodes), TrieError<E>>
where
    T: TrieCursor<Error = E>,
    H: HashedCursor<Error = E>,
    H::Value: LeafValue,
    E: Error + 'static,
{
    let keys = PrefixSet::new(keys);
    let targets = keys.keys().iter().map(Nibbles::unpack).collect();
    let mut walk = Walk::with_proofs(trie, rows, ProofRetainer::new(targets));
    let root_node = walk.root_node()?;
    walk.whole(root_node, keys.keys())?;
    let root = walk.builder.root();
    let nodes = walk.builder.proofs.take().map(ProofRetainer::into_proof_nodes);
    Ok((root, nodes.unwrap_or_default()))
}

/// The nodes on the way to a key, from the root down. An empty trie has none.
fn way_to(nodes: &ProofNodes, key: B256) -> Vec<Bytes> {
    nodes
        .matching_nodes_sorted(&Nibbles::unpack(key))
        .into_iter()
        .map(|(_, node)| node)
        .filter(|node| node.as_ref() != [alloy_rlp::EMPTY_STRING_CODE])
        .collect()
}
