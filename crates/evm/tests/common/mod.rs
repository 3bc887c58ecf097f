//! A chain in a temporary database, for the tests of this folder.
#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::sync::Arc;

use alloy_consensus::{EthereumTxEnvelope, Signed, TxEip1559, TxLegacy, transaction::Recovered};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, bytes};
use peruri_chainspec::{ChainSpec, ChainSpecBuilder, PlogConfig};
use peruri_evm::{
    AssembledBlock, BlockAssembler, BlockExecutionOutcome, ExecutionError, NextBlockEnvAttributes,
    PeruriEvmConfig,
};
use peruri_ibft2::{ForkPoints, Ibft2Config, Ibft2Schedule};
use peruri_primitives::{Header, Receipt, SealedHeader, TransactionSigned};
use peruri_storage::{DbOptions, ProviderFactory, StateProvider, StateProviderBox};

pub const SENDER: Address = address!("00000000000000000000000000000000000000aa");
pub const COINBASE: Address = address!("00000000000000000000000000000000000000cc");
pub const BENEFICIARY: Address = address!("00000000000000000000000000000000000000be");
pub const CONTRACT: Address = address!("00000000000000000000000000000000000c0de0");
pub const SYSTEM: [Address; 4] = [
    eip4788::BEACON_ROOTS_ADDRESS,
    eip2935::HISTORY_STORAGE_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
];

/// `SSTORE(0, 1)`.
pub const MARK: Bytes = bytes!("6001600055");
/// `REVERT(0, 0)`.
pub const REVERT: Bytes = bytes!("5f5ffd");
pub const ETHER: u64 = 1_000_000_000_000_000_000;

#[derive(Debug, Clone)]
pub struct Setup {
    pub fork: EthereumHardfork,
    pub ibft2: Option<Ibft2Config>,
    pub accounts: Vec<(Address, GenesisAccount)>,
    pub contract_size_limit: Option<usize>,
    pub plog: Option<PlogConfig>,
    pub gas_limit: u64,
}

impl Setup {
    pub fn ibft2() -> Self {
        Self { ibft2: Some(Ibft2Config::default()), ..Self::plain() }
    }

    pub fn plain() -> Self {
        Self {
            fork: EthereumHardfork::Prague,
            ibft2: None,
            accounts: vec![(SENDER, funded(1000))],
            contract_size_limit: None,
            plog: None,
            gas_limit: 30_000_000,
        }
    }

    pub fn code(mut self, address: Address, code: Bytes) -> Self {
        self.accounts.push((address, GenesisAccount { code: Some(code), ..funded(0) }));
        self
    }

    pub fn system_contracts(self, code: &Bytes) -> Self {
        SYSTEM.into_iter().fold(self, |setup, address| setup.code(address, code.clone()))
    }

    pub fn reward(mut self, wei: u64, beneficiary: Option<Address>) -> Self {
        let config = self.ibft2.get_or_insert_default();
        config.block_reward = U256::from(wei);
        config.mining_beneficiary = beneficiary;
        self
    }

    pub fn fork(mut self, fork: EthereumHardfork) -> Self {
        self.fork = fork;
        self
    }

    pub fn start(self) -> Chain {
        Chain::new(self)
    }
}

pub fn funded(ether: u64) -> GenesisAccount {
    GenesisAccount { balance: U256::from(ether) * U256::from(ETHER), ..GenesisAccount::default() }
}

pub struct Chain {
    pub config: PeruriEvmConfig,
    pub factory: ProviderFactory,
    pub parent: SealedHeader,
    /// Between two blocks.
    pub seconds: u64,
    _dir: tempfile::TempDir,
}

impl Chain {
    fn new(setup: Setup) -> Self {
        let condition = if setup.fork >= EthereumHardfork::Shanghai {
            ForkCondition::Timestamp(0)
        } else {
            ForkCondition::Block(0)
        };
        let forks = [(setup.fork, condition)];
        let schedule = |config| Ibft2Schedule::new(config, vec![], &ForkPoints::default()).unwrap();
        let spec = ChainSpecBuilder {
            chain_id: 1337,
            forks: forks.into_iter().collect(),
            genesis: Genesis {
                gas_limit: setup.gas_limit,
                timestamp: 1000,
                difficulty: U256::from(1),
                alloc: setup.accounts.into_iter().collect(),
                ..Genesis::default()
            },
            ibft2: setup.ibft2.map(schedule),
            contract_size_limit: setup.contract_size_limit,
            plog: setup.plog,
            ..ChainSpecBuilder::default()
        };
        Self::of(Arc::new(spec.build().unwrap()))
    }

    pub fn of(spec: Arc<ChainSpec>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let factory =
            ProviderFactory::open(dir.path(), spec.clone(), DbOptions::default()).unwrap();
        factory.init_genesis().unwrap();
        let parent = factory.last_header().unwrap();
        Self { config: PeruriEvmConfig::new(spec), factory, parent, seconds: 1, _dir: dir }
    }

    pub fn state(&self) -> StateProviderBox {
        self.factory.latest().unwrap()
    }

    pub fn attributes(&self) -> NextBlockEnvAttributes {
        NextBlockEnvAttributes {
            timestamp: self.parent.timestamp + self.seconds,
            coinbase: COINBASE,
            gas_limit: self.parent.gas_limit,
            prev_randao: B256::repeat_byte(0x11),
            parent_beacon_block_root: B256::repeat_byte(0x22),
            ..NextBlockEnvAttributes::default()
        }
    }

    pub fn next_header(&self) -> Header {
        self.config.next_header(&self.parent, &self.attributes())
    }

    /// Executes a next block as its builder does; all transactions are [`SENDER`]'s.
    pub fn execute(
        &self,
        txs: &[TransactionSigned],
        state: &dyn StateProvider,
    ) -> Result<BlockExecutionOutcome, ExecutionError> {
        self.execute_from(&sent(txs.to_vec()), state)
    }

    /// Executes a next block as its builder does, each transaction with its sender.
    pub fn execute_from(
        &self,
        txs: &[(Address, TransactionSigned)],
        state: &dyn StateProvider,
    ) -> Result<BlockExecutionOutcome, ExecutionError> {
        let header = self.next_header();
        let mut session = self.config.begin(&header, self.config.block_context(&header), state)?;
        for (sender, tx) in txs {
            session.execute_transaction(Recovered::new_unchecked(tx, *sender))?;
        }
        session.finish()
    }

    /// Builds a next block.
    pub fn build(&self, txs: Vec<TransactionSigned>) -> AssembledBlock {
        self.build_from(sent(txs))
    }

    fn build_from(&self, txs: Vec<(Address, TransactionSigned)>) -> AssembledBlock {
        let state = self.state();
        let outcome = self.execute_from(&txs, &state).unwrap();
        let (senders, txs) = txs.into_iter().unzip();
        BlockAssembler::new(self.config.clone())
            .assemble_block(self.next_header(), txs, senders, Default::default(), outcome, &state)
            .unwrap()
    }

    /// Builds, validates and commits a next block.
    pub fn advance(&mut self, txs: Vec<TransactionSigned>) {
        self.advance_from(sent(txs));
    }

    /// The same, each transaction with its sender; the receipts.
    pub fn advance_from(&mut self, txs: Vec<(Address, TransactionSigned)>) -> Vec<Receipt> {
        let built = self.build_from(txs).executed;
        let block = (*built.recovered_block).clone();
        let checked = self.config.process_block(block, &self.state()).unwrap();
        assert_eq!(checked.trie.root, built.trie.root);
        self.factory.commit_block(&checked).unwrap();
        self.parent = self.factory.last_header().unwrap();
        checked.execution_output.receipts.clone()
    }

    pub fn balance(&self, address: Address) -> U256 {
        self.state().account(&address).unwrap().map(|a| a.balance).unwrap_or_default()
    }

    pub fn slot(&self, address: Address, slot: u64) -> U256 {
        self.state().storage(address, U256::from(slot).into()).unwrap()
    }
}

pub fn recovered(tx: &TransactionSigned) -> Recovered<&TransactionSigned> {
    Recovered::new_unchecked(tx, SENDER)
}

fn sent(txs: Vec<TransactionSigned>) -> Vec<(Address, TransactionSigned)> {
    txs.into_iter().map(|tx| (SENDER, tx)).collect()
}

/// A transaction of [`SENDER`] with any signature: the executor takes the sender as given.
pub fn tx(nonce: u64, to: TxKind, gas_limit: u64, input: Bytes) -> TransactionSigned {
    let tx = TxEip1559 {
        chain_id: 1337,
        nonce,
        gas_limit,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to,
        input,
        ..TxEip1559::default()
    };
    EthereumTxEnvelope::Eip1559(Signed::new_unhashed(tx, signature()))
}

/// A call of the transparency log with enough gas for small ones.
pub fn plog_tx(nonce: u64, input: Bytes) -> TransactionSigned {
    tx(nonce, TxKind::Call(peruri_chainspec::PLOG_ADDRESS), 1_000_000, input)
}

pub fn call(nonce: u64, to: Address) -> TransactionSigned {
    tx(nonce, TxKind::Call(to), 100_000, Bytes::new())
}

pub fn legacy(nonce: u64, to: Address) -> TransactionSigned {
    let tx = TxLegacy {
        nonce,
        gas_limit: 100_000,
        gas_price: 1_000_000_000,
        to: TxKind::Call(to),
        ..TxLegacy::default()
    };
    EthereumTxEnvelope::Legacy(Signed::new_unhashed(tx, signature()))
}

fn signature() -> Signature {
    Signature::new(U256::from(1), U256::from(1), false)
}
