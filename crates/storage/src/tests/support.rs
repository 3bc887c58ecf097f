//! A chain of blocks made from edits of a model state, without an EVM.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{Header as PlainHeader, SignableTransaction, TxLegacy};
use alloy_primitives::{
    Address, B256, Bytes, Log, Signature, TxKind, U256, keccak256, map::B256Map,
};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use peruri_chainspec::ChainSpec;
use peruri_primitives::{Block, BlockBody, Header, Receipt, RecoveredBlock, TransactionSigned};
use peruri_trie::{HashedPostState, HashedStorage, KECCAK_EMPTY};
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;
use tempfile::TempDir;

use crate::{BlockExecutionOutput, DbOptions, ExecutedBlock, ProviderFactory, StateProvider};

/// Funded in every test genesis.
/// Wishes.
pub(super) const ADD: crate::StoredWish = crate::StoredWish { add: true, force: false };
pub(super) const FORCED_DROP: crate::StoredWish = crate::StoredWish { add: false, force: true };
pub(super) const RICH: Address = Address::repeat_byte(0xaa);

pub(super) fn chain_spec(chain_id: u64) -> Arc<ChainSpec> {
    let json = format!(
        r#"{{
            "config": {{"chainId": {chain_id}, "homesteadBlock": 0, "eip150Block": 0,
                "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
                "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0}},
            "difficulty": "0x1", "gasLimit": "0x1000000", "nonce": "0x0", "timestamp": "0x0",
            "extraData": "0x", "mixHash":
              "0x0000000000000000000000000000000000000000000000000000000000000000",
            "coinbase": "0x0000000000000000000000000000000000000000",
            "alloc": {{
                "{RICH:x}": {{"balance": "0x1000"}},
                "{:x}": {{"balance": "0x1", "nonce": "0x1", "code": "0x6001600101",
                    "storage": {{
                        "0x0000000000000000000000000000000000000000000000000000000000000001":
                        "0x00000000000000000000000000000000000000000000000000000000000000ff"}}}}
            }}
        }}"#,
        Address::repeat_byte(0xcc)
    );
    Arc::new(ChainSpec::from_genesis_json(&json).expect("genesis").0)
}

/// One account of the model.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ModelAccount {
    pub(super) nonce: u64,
    pub(super) balance: U256,
    pub(super) code: Option<B256>,
    pub(super) storage: BTreeMap<B256, U256>,
}

pub(super) type Model = BTreeMap<Address, ModelAccount>;

/// The state of [`chain_spec`]'s genesis.
pub(super) fn genesis_model() -> Model {
    let mut model = Model::new();
    model.insert(RICH, ModelAccount { balance: U256::from(0x1000), ..Default::default() });
    let mut storage = BTreeMap::new();
    storage.insert(B256::with_last_byte(1), U256::from(0xff));
    let code = Some(keccak256([0x60, 1, 0x60, 1, 1]));
    model.insert(
        Address::repeat_byte(0xcc),
        ModelAccount { nonce: 1, balance: U256::from(1), code, storage },
    );
    model
}

/// Root by an independent implementation.
pub(super) fn model_root(model: &Model) -> B256 {
    state_root_unhashed(model.iter().map(|(address, account)| {
        let storage_root =
            storage_root_unhashed(account.storage.iter().map(|(slot, value)| (*slot, *value)));
        let account = TrieAccount::new(
            account.nonce,
            account.balance,
            storage_root,
            account.code.unwrap_or(KECCAK_EMPTY),
        );
        (*address, account)
    }))
}

/// One edit of the state.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    /// Sets nonce and balance; makes the account if there is none.
    Account(Address, u64, u64),
    /// Sets a slot of an existing account; zero removes it.
    Slot(Address, u8, u64),
    /// The same for any slot and word.
    Word(Address, B256, U256),
    /// Destroys the account and its storage.
    Destroy(Address),
    /// Destroys it and makes it again with one slot.
    Recreate(Address, u8, u64),
}

/// Applies edits to the model and returns what an execution would hand to the store.
pub(super) fn apply(model: &mut Model, edits: &[Edit]) -> HashedPostState {
    let mut post = HashedPostState::default();
    for edit in edits {
        match edit {
            Edit::Account(address, nonce, balance) => {
                let account = model.entry(*address).or_default();
                account.nonce = *nonce;
                account.balance = U256::from(*balance);
                post.accounts.insert(keccak256(address), Some(fields(account)));
            }
            Edit::Slot(address, slot, value) => {
                let (slot, value) = (B256::with_last_byte(*slot), U256::from(*value));
                set_word(model, &mut post, *address, slot, value);
            }
            Edit::Word(address, slot, value) => set_word(model, &mut post, *address, *slot, *value),
            Edit::Destroy(address) => {
                if model.remove(address).is_none() {
                    continue;
                }
                post.accounts.insert(keccak256(address), None);
                post.storages.insert(keccak256(address), wiped());
            }
            Edit::Recreate(address, slot, value) => {
                let mut account = ModelAccount { nonce: 1, ..Default::default() };
                let (slot, value) = (B256::with_last_byte(*slot), U256::from(*value));
                set(&mut account, slot, value);
                post.accounts.insert(keccak256(address), Some(fields(&account)));
                let storage = post.storages.entry(keccak256(address)).or_default();
                *storage = wiped();
                if !value.is_zero() {
                    storage.storage.insert(keccak256(slot), value);
                }
                model.insert(*address, account);
            }
        }
    }
    post
}

fn set_word(
    model: &mut Model,
    post: &mut HashedPostState,
    address: Address,
    slot: B256,
    value: U256,
) {
    let Some(account) = model.get_mut(&address) else { return };
    set(account, slot, value);
    let storage = post.storages.entry(keccak256(address)).or_default();
    storage.storage.insert(keccak256(slot), value);
    post.accounts.insert(keccak256(address), Some(fields(account)));
}

fn wiped() -> HashedStorage {
    HashedStorage { wiped: true, storage: B256Map::default() }
}

fn set(account: &mut ModelAccount, slot: B256, value: U256) {
    if value.is_zero() {
        account.storage.remove(&slot);
    } else {
        account.storage.insert(slot, value);
    }
}

fn fields(account: &ModelAccount) -> Account {
    Account::new(account.nonce, account.balance, account.code)
}

/// Compares a provider with the model, on every address of both.
pub(super) fn assert_state(provider: &dyn StateProvider, model: &Model, addresses: &[Address]) {
    for address in addresses.iter().chain(model.keys()) {
        let expected = model.get(address);
        assert_eq!(provider.account(address).unwrap(), expected.map(fields), "account {address}");
        for slot in 0..16u8 {
            let slot = B256::with_last_byte(slot);
            let value = expected.and_then(|account| account.storage.get(&slot));
            assert_eq!(
                provider.storage(*address, slot).unwrap(),
                value.copied().unwrap_or_default(),
                "slot {slot} of {address}"
            );
        }
    }
}

/// A store in a temporary folder with the model of its head.
pub(super) struct TestChain {
    pub(super) dir: TempDir,
    pub(super) factory: ProviderFactory,
    pub(super) model: Model,
    options: DbOptions,
}

impl TestChain {
    pub(super) fn new() -> Self {
        Self::with_options(DbOptions::default())
    }

    pub(super) fn with_options(options: DbOptions) -> Self {
        let dir = TempDir::new().unwrap();
        let factory = ProviderFactory::open(dir.path().join("db"), chain_spec(1), options).unwrap();
        factory.init_genesis().unwrap();
        Self { dir, factory, model: genesis_model(), options }
    }

    /// Closes and opens the database again.
    pub(super) fn reopen(self) -> Self {
        let Self { dir, factory, model, options } = self;
        drop(factory);
        let factory = ProviderFactory::open(dir.path().join("db"), chain_spec(1), options).unwrap();
        Self { dir, factory, model, options }
    }

    /// Executes edits on the head.
    pub(super) fn execute(&self, edits: &[Edit]) -> (ExecutedBlock, Model) {
        let head = self.factory.last_header().unwrap();
        let state = self.factory.latest().unwrap();
        execute(state.as_ref(), (head.number, head.hash()), &self.model, edits, 0, vec![], vec![])
    }

    /// Executes and commits edits.
    pub(super) fn commit(&mut self, edits: &[Edit]) -> ExecutedBlock {
        let (block, model) = self.execute(edits);
        self.factory.commit_block(&block).unwrap();
        self.model = model;
        block
    }

    /// Commits a block with these transactions and receipts.
    pub(super) fn commit_with(
        &mut self,
        transactions: Vec<TransactionSigned>,
        receipts: Vec<Receipt>,
    ) -> ExecutedBlock {
        let head = self.factory.last_header().unwrap();
        let state = self.factory.latest().unwrap();
        let parent = (head.number, head.hash());
        let (block, model) =
            execute(state.as_ref(), parent, &self.model, &[], 0, transactions, receipts);
        self.factory.commit_block(&block).unwrap();
        self.model = model;
        block
    }
}

/// Makes the child of `parent` on a state; `salt` tells siblings apart.
pub(super) fn execute(
    state: &dyn StateProvider,
    parent: (u64, B256),
    model: &Model,
    edits: &[Edit],
    salt: u8,
    transactions: Vec<TransactionSigned>,
    receipts: Vec<Receipt>,
) -> (ExecutedBlock, Model) {
    let mut model = model.clone();
    let post = apply(&mut model, edits);
    let trie = state.state_root_with_updates(&post).unwrap();
    assert_eq!(trie.root, model_root(&model), "incremental root at block {}", parent.0 + 1);
    let header = PlainHeader {
        parent_hash: parent.1,
        number: parent.0 + 1,
        state_root: trie.root,
        timestamp: parent.0 + 1,
        extra_data: Bytes::from(vec![salt]),
        ..PlainHeader::default()
    };
    let senders = vec![RICH; transactions.len()];
    let body = BlockBody { transactions, ..Default::default() };
    let block = Block { header: Header::from(header), body };
    let output = BlockExecutionOutput {
        gas_used: receipts.last().map_or(0, |receipt: &Receipt| receipt.cumulative_gas_used),
        receipts,
        ..Default::default()
    };
    let executed = ExecutedBlock {
        recovered_block: Arc::new(RecoveredBlock::new_unhashed(block, senders)),
        execution_output: Arc::new(output),
        hashed_state: Arc::new(post),
        trie: Arc::new(trie),
    };
    (executed, model)
}

/// A transaction that only has to be distinct.
pub(super) fn transaction(nonce: u64) -> TransactionSigned {
    let tx = TxLegacy {
        nonce,
        gas_price: 7,
        gas_limit: 21_000,
        to: TxKind::Call(RICH),
        input: Bytes::from(vec![nonce as u8; (nonce % 70) as usize]),
        ..TxLegacy::default()
    };
    tx.into_signed(Signature::test_signature()).into()
}

/// A receipt with logs of these addresses and topics.
pub(super) fn receipt(cumulative_gas_used: u64, logs: &[(Address, Vec<B256>)]) -> Receipt {
    Receipt {
        tx_type: alloy_consensus::TxType::Legacy,
        success: true,
        cumulative_gas_used,
        logs: logs
            .iter()
            .map(|(address, topics)| Log::new_unchecked(*address, topics.clone(), Bytes::new()))
            .collect(),
    }
}

/// Code that is the revert of its index.
pub(super) fn code(index: u8) -> (B256, Bytecode) {
    let code = Bytecode::new_raw(Bytes::from(vec![0x60, index, 0x60, 0, 0xfd]));
    (code.hash_slow(), code)
}
