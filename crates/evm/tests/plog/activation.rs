//! How a log begins in a running chain, and what a failing database is.

use alloy_hardforks::ForkCondition;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use peruri_chainspec::PlogConfig;
use peruri_evm::plog::{PlogAccountError, abi::IPlog, check_plog_account};
use peruri_plog::{
    PLOG_ADDRESS,
    layout::{LogHead, LogSlots},
};
use peruri_storage::{NoProgress, ProviderError, ProviderResult, StateProvider, StateProviderBox};
use peruri_trie::{AccountProof, HashedPostState, StateRootOutput};
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;

use crate::{
    common::{Chain, SENDER, Setup, funded, plog_tx},
    lab::{CHAINED, PLAIN, SIGNER, append_call, entries, plog_accounts, plog_config},
};

fn chain(activation: ForkCondition) -> Chain {
    let mut setup = Setup::ibft2();
    setup.accounts.extend(plog_accounts());
    setup.plog = Some(PlogConfig { activation, ..plog_config() });
    setup.start()
}

fn append(from: u64, nonce: u64) -> (Address, peruri_primitives::TransactionSigned) {
    (SIGNER, plog_tx(nonce, append_call(CHAINED, &entries(1, from, 3)).into()))
}

fn account(chain: &Chain) -> Option<Account> {
    chain.state().account(&PLOG_ADDRESS).unwrap()
}

/// Words of the account as the configuration writes them in block `number`.
fn check_account(chain: &Chain, number: u64) {
    let account = account(chain).unwrap();
    assert_eq!((account.nonce, account.bytecode_hash), (1, Some(keccak256([0xfe]))));
    let state = chain.state();
    for (slot, word) in plog_config().account(number).storage.unwrap() {
        assert_eq!(state.storage(PLOG_ADDRESS, slot).unwrap(), U256::from_be_bytes(word.0));
    }
    let code = state.bytecode_by_hash(&keccak256([0xfe])).unwrap().unwrap();
    assert_eq!(code.original_bytes(), Bytes::from_static(&[0xfe]));
}

fn check_state(chain: &Chain) {
    let report = chain.factory.verify_state(&mut NoProgress).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let (spec, head) = (chain.config.chain_spec(), chain.parent.header());
    check_plog_account(spec, head, &chain.state()).unwrap();
}

#[test]
fn a_log_of_genesis_takes_entries_in_block_1() {
    let mut chain = chain(ForkCondition::Block(0));
    check_account(&chain, 0);
    check_state(&chain);
    chain.advance_from(vec![append(1, 0), append(4, 1)]);
    let head = LogHead { size: 6, block: 1 }.pack();
    let slot = LogSlots::new(CHAINED).head();
    assert_eq!(chain.state().storage(PLOG_ADDRESS, slot.into()).unwrap(), head);
    check_state(&chain);
}

#[test]
fn a_log_begins_at_its_block_or_time() {
    // Blocks of `Chain` are a second apart; genesis is at 1,000.
    for activation in [ForkCondition::Block(3), ForkCondition::Timestamp(1_003)] {
        let mut chain = chain(activation);
        // Before, the address is an empty account: a call succeeds and does nothing.
        let receipts = chain.advance_from(vec![append(1, 0)]);
        assert!(receipts[0].success && receipts[0].logs.is_empty());
        chain.advance_from(vec![]);
        assert_eq!(account(&chain), None);
        check_state(&chain);
        // In its first block the first transaction meets it; the beginning itself emits nothing.
        let receipts = chain.advance_from(vec![append(1, 1)]);
        assert_eq!(receipts.len(), 1);
        assert!(receipts[0].success && receipts[0].logs.len() == 1);
        assert_eq!(receipts[0].logs[0].address, PLOG_ADDRESS);
        let plain = LogSlots::new(PLAIN).head();
        let head = chain.state().storage(PLOG_ADDRESS, plain.into()).unwrap();
        assert_eq!(LogHead::unpack(head), LogHead { size: 0, block: 3 });
        check_state(&chain);
        // It begins once.
        chain.advance_from(vec![append(4, 2)]);
        let slot = LogSlots::new(CHAINED).head();
        let head = chain.state().storage(PLOG_ADDRESS, slot.into()).unwrap();
        assert_eq!(LogHead::unpack(head), LogHead { size: 6, block: 4 });
        check_state(&chain);
        // And the past has none.
        let past = chain.factory.history_by_block_number(2).unwrap();
        assert_eq!(past.account(&PLOG_ADDRESS).unwrap(), None);
        assert_eq!(past.storage(PLOG_ADDRESS, B256::ZERO).unwrap(), U256::ZERO);
        let then = chain.factory.history_by_block_number(3).unwrap();
        assert_eq!(then.account(&PLOG_ADDRESS).unwrap().unwrap().nonce, 1);
    }
}

#[test]
fn an_empty_first_block_holds_exactly_the_configured_words() {
    for activation in [ForkCondition::Block(1), ForkCondition::Timestamp(1_001)] {
        let mut chain = chain(activation);
        chain.advance_from(vec![]);
        check_account(&chain, 1);
        check_state(&chain);
        let root = chain.parent.state_root;
        chain.advance_from(vec![]);
        assert_eq!(chain.parent.state_root, root, "a later block changes nothing");
    }
}

/// A block that skips over the time begins the log too.
#[test]
fn the_first_block_after_the_time_begins_it() {
    let mut chain = chain(ForkCondition::Timestamp(1_001));
    chain.seconds = 100;
    chain.advance_from(vec![append(1, 0)]);
    assert_eq!(chain.parent.timestamp, 1_100);
    check_state(&chain);
    assert_eq!(account(&chain).unwrap().nonce, 1);
}

#[test]
fn a_balance_is_kept() {
    let mut setup = Setup::ibft2();
    setup.accounts.extend(plog_accounts());
    setup.plog = Some(PlogConfig { activation: ForkCondition::Block(2), ..plog_config() });
    let mut chain = setup.start();
    let mut gift = crate::common::call(0, PLOG_ADDRESS);
    if let alloy_consensus::EthereumTxEnvelope::Eip1559(tx) = &mut gift {
        tx.tx_mut().value = U256::from(77);
    }
    chain.advance_from(vec![(SENDER, gift)]);
    assert_eq!(account(&chain).unwrap().balance, U256::from(77));
    assert_eq!(account(&chain).unwrap().nonce, 0);
    chain.advance_from(vec![append(1, 0)]);
    assert_eq!(account(&chain).unwrap().balance, U256::from(77));
    assert_eq!(account(&chain).unwrap().nonce, 1);
    check_state(&chain);
}

#[test]
fn a_state_without_the_account_is_named_with_its_block() {
    // A chain without a log, looked at with the rules of one that has it.
    let mut setup = Setup::ibft2();
    setup.accounts.push((PLOG_ADDRESS, funded(1)));
    let mut other = setup.start();
    other.advance(vec![]);
    let with_log = chain(ForkCondition::Block(0));
    let error =
        check_plog_account(with_log.config.chain_spec(), other.parent.header(), &other.state())
            .unwrap_err();
    assert!(matches!(error, PlogAccountError::Missing { block: 1, nonce: 0, .. }));
    assert!(error.to_string().starts_with("block 1: "), "{error}");
    let later = chain(ForkCondition::Block(2));
    check_plog_account(later.config.chain_spec(), other.parent.header(), &other.state()).unwrap();
}

/// A state whose database fails on one slot of the log.
#[derive(Debug)]
struct Broken {
    inner: StateProviderBox,
    at: B256,
}

impl StateProvider for Broken {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        self.inner.account(address)
    }
    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        if slot == self.at {
            return Err(ProviderError::Poisoned);
        }
        self.inner.storage(address, slot)
    }
    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        self.inner.bytecode_by_hash(hash)
    }
    fn block_hash(&self, number: u64) -> ProviderResult<Option<B256>> {
        self.inner.block_hash(number)
    }
    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        self.inner.state_root_with_updates(state)
    }
    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        self.inner.proof(address, slots)
    }
}

/// The block is given up; neither it nor its transaction is blamed.
#[test]
fn a_failing_database_is_never_the_calls_fault() {
    let chain = chain(ForkCondition::Block(0));
    let log = LogSlots::new(CHAINED);
    for at in [log.head(), log.mode()] {
        let broken = Broken { inner: chain.state(), at: at.into() };
        let error = chain.execute_from(&[append(1, 0)], &broken).unwrap_err();
        assert!(error.is_internal() && !error.is_invalid_transaction(), "{error}");
    }
    // A refusal is a receipt.
    let bad = (SIGNER, plog_tx(0, IPlog::headCall { logId: B256::ZERO }.abi_encode().into()));
    let outcome = chain.execute_from(&[bad], &chain.state()).unwrap();
    assert!(!outcome.receipts[0].success);
}
