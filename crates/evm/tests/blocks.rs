//! Rewards, fees, error classes, and the comparison of a block with its header.
#![allow(clippy::unwrap_used)]

mod common;

use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bloom, Bytes, TxKind, U256, map::HashMap};
use common::{
    BENEFICIARY, COINBASE, CONTRACT, Chain, ETHER, MARK, SENDER, Setup, call, legacy, recovered, tx,
};
use peruri_evm::{ExecutionError, TransactionError};
use peruri_primitives::{Block, Header, RecoveredBlock};
use peruri_storage::{ProviderError, ProviderResult, StateProvider, StateProviderBox};
use peruri_trie::{AccountProof, HashedPostState, StateRootOutput};
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;

#[test]
fn the_reward_goes_to_the_coinbase() {
    let mut chain = Setup::ibft2().reward(5, None).start();
    chain.advance(vec![]);
    chain.advance(vec![]);
    assert_eq!(chain.balance(COINBASE), U256::from(10));
}

#[test]
fn reward_and_fees_go_to_the_beneficiary() {
    let mut chain = Setup::ibft2().reward(5, Some(BENEFICIARY)).start();
    let fees = chain.build(vec![call(0, CONTRACT)]).fees;
    assert_eq!(fees, 21_000 * 1_000_000_000);
    chain.advance(vec![call(0, CONTRACT)]);
    assert_eq!(chain.balance(BENEFICIARY), U256::from(fees) + U256::from(5));
    assert_eq!(chain.balance(COINBASE), U256::ZERO);
}

#[test]
fn a_zero_reward_touches_nothing() {
    let chain = Setup::ibft2().reward(0, Some(BENEFICIARY)).start();
    let outcome = chain.execute(&[], &chain.state()).unwrap();
    assert!(outcome.bundle.state.is_empty());
    assert_eq!(chain.build(vec![]).executed.trie.root, chain.parent.state_root);
}

#[test]
fn ethereum_pays_its_own_reward_before_the_merge_and_none_after() {
    let mut chain = Setup::plain().fork(EthereumHardfork::London).start();
    chain.advance(vec![]);
    assert_eq!(chain.balance(COINBASE), U256::from(2) * U256::from(ETHER));
    let mut chain = Setup::plain().fork(EthereumHardfork::Shanghai).start();
    chain.advance(vec![]);
    assert_eq!(chain.balance(COINBASE), U256::ZERO);
}

#[test]
fn an_invalid_transaction_leaves_the_session_usable() {
    let chain = Setup::ibft2().start();
    let (header, state) = (chain.next_header(), chain.state());
    let ctx = chain.config.block_context(&header);
    let mut session = chain.config.begin(&header, ctx, &state).unwrap();
    session.execute_transaction(recovered(&call(0, CONTRACT))).unwrap();

    let error = session.execute_transaction(recovered(&call(0, CONTRACT))).unwrap_err();
    assert!(error.transaction_error().is_some_and(TransactionError::is_nonce_too_low), "{error}");
    let too_big = tx(1, TxKind::Call(CONTRACT), 30_000_000, Bytes::new());
    let error = session.execute_transaction(recovered(&too_big)).unwrap_err();
    assert!(error.transaction_error().is_some_and(TransactionError::is_block_full), "{error}");
    assert!(matches!(error, ExecutionError::InvalidTransaction { index: 1, .. }));

    let done = session.execute_transaction(recovered(&call(1, CONTRACT))).unwrap();
    assert!(done.success);
    assert_eq!(session.gas_used(), 42_000);
    assert_eq!(session.gas_available(), 30_000_000 - 42_000);
    let outcome = session.finish().unwrap();
    assert_eq!((outcome.gas_used, outcome.receipts.len()), (42_000, 2));
}

#[test]
fn a_reverted_transaction_is_not_an_error() {
    let chain = Setup::ibft2().code(CONTRACT, common::REVERT).start();
    let outcome = chain.execute(&[call(0, CONTRACT)], &chain.state()).unwrap();
    assert!(!outcome.receipts[0].success);
}

/// A state whose database fails on one account.
#[derive(Debug)]
struct Broken {
    inner: StateProviderBox,
    at: Address,
}

impl StateProvider for Broken {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        if *address == self.at { Err(ProviderError::Poisoned) } else { self.inner.account(address) }
    }
    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
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

#[test]
fn a_failing_database_is_never_the_blocks_fault() {
    let cancun = || Setup::plain().fork(EthereumHardfork::Cancun).system_contracts(&MARK);
    let cases = [
        (Setup::ibft2().start(), SENDER),
        (Setup::ibft2().start(), CONTRACT),
        (Setup::ibft2().reward(1, Some(BENEFICIARY)).start(), BENEFICIARY),
        (cancun().start(), BEACON_ROOTS_ADDRESS),
        (Setup::plain().fork(EthereumHardfork::London).start(), COINBASE),
    ];
    for (chain, at) in cases {
        let broken = Broken { inner: chain.state(), at };
        let error = chain.execute(&[call(0, CONTRACT)], &broken).unwrap_err();
        assert!(error.is_internal() && !error.is_invalid_transaction(), "{at}: {error}");
    }
}

/// A block that differs from a good one in its header.
fn altered(chain: &Chain, change: impl FnOnce(&mut Header)) -> ExecutionError {
    let built = chain.build(vec![call(0, CONTRACT)]).executed;
    let block = (*built.recovered_block).clone();
    let senders = block.senders().to_vec();
    let Block { mut header, body } = block.into_block();
    change(&mut header);
    let block = RecoveredBlock::new_unhashed(Block { header, body }, senders);
    let error = chain.config.process_block(block, &chain.state()).unwrap_err();
    assert!(!error.is_internal() && !error.is_invalid_transaction(), "{error}");
    error
}

#[test]
fn every_field_that_execution_decides_is_compared() {
    use ExecutionError as E;
    let chain = Setup::ibft2().start();
    let wrong = B256::repeat_byte(7);
    assert!(matches!(altered(&chain, |h| h.gas_used = 1), E::GasUsedMismatch { expected: 1, .. }));
    let ethereum = Setup::plain().fork(EthereumHardfork::Cancun).start();
    assert!(matches!(
        altered(&ethereum, |h| h.blob_gas_used = Some(131_072)),
        E::BlobGasUsedMismatch { got: 0, .. }
    ));
    assert!(matches!(
        altered(&chain, |h| h.logs_bloom = Bloom::repeat_byte(1)),
        E::LogsBloomMismatch { .. }
    ));
    assert!(matches!(altered(&chain, |h| h.receipts_root = wrong), E::ReceiptsRootMismatch { .. }));
    for requests_hash in [None, Some(wrong)] {
        assert!(matches!(
            altered(&chain, |h| h.requests_hash = requests_hash),
            E::RequestsHashMismatch { .. }
        ));
    }
    assert!(matches!(altered(&chain, |h| h.state_root = wrong), E::StateRootMismatch { .. }));
}

#[test]
fn receipts_before_byzantium_carry_state_roots() {
    let mut chain = Setup::plain().fork(EthereumHardfork::Homestead).start();
    let state = chain.state();
    let header = chain.next_header();
    let ctx = chain.config.block_context(&header);
    let mut session = chain.config.begin(&header, ctx, &state).unwrap().with_post_states();
    for nonce in 0..2 {
        session.execute_transaction(recovered(&legacy(nonce, CONTRACT))).unwrap();
    }
    let outcome = session.finish().unwrap();
    let roots: HashMap<_, _> = outcome.post_states.iter().map(|root| (*root, ())).collect();
    assert_eq!(roots.len(), 2, "each transaction changes the state");
    let senders = vec![SENDER; 2];
    let built = peruri_evm::BlockAssembler::new(chain.config.clone())
        .assemble_block(
            header,
            vec![legacy(0, CONTRACT), legacy(1, CONTRACT)],
            senders,
            Default::default(),
            outcome,
            &state,
        )
        .unwrap();
    let block = (*built.executed.recovered_block).clone();
    let checked = chain.config.process_block(block, &chain.state()).unwrap();
    chain.factory.commit_block(&checked).unwrap();
    chain.parent = chain.factory.last_header().unwrap();
    assert_eq!(chain.parent.number, 1);
}
