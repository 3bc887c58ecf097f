//! A transparency log without a database: one EVM call after another on a state in memory.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::{collections::BTreeMap, sync::Arc};

use alloy_evm::Evm;
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, address};
use alloy_sol_types::{SolCall, SolError};
use peruri_chainspec::{ChainSpecBuilder, PlogConfig, PlogLog, PlogSource, PlogWriter};
use peruri_evm::{PeruriEvmConfig, plog::abi::IPlog};
use peruri_plog::{ENTRY_LEN, Entry, EntryType, PLOG_ADDRESS};
use peruri_primitives::Header;
use revm::{
    DatabaseCommit, Inspector,
    bytecode::Bytecode,
    context::TxEnv,
    context_interface::result::{ExecutionResult, Output},
    database::{CacheDB, EmptyDB},
    interpreter::{CallInputs, CallOutcome},
    state::AccountInfo,
};

alloy_sol_types::sol!(
    #[allow(missing_docs)]
    #[derive(Debug)]
    PlogCaller,
    "../../contracts/artifacts/PlogCaller.json"
);

pub const SIGNER: Address = address!("0x00000000000000000000000000000000000a0001");
pub const OTHER_SIGNER: Address = address!("0x00000000000000000000000000000000000a0002");
/// Signer of source 3; its account is delegated (EIP-7702) to a [`PlogCaller`].
pub const DELEGATED: Address = address!("0x00000000000000000000000000000000000a0003");
pub const ANYBODY: Address = address!("0x00000000000000000000000000000000000a0009");
/// Contracts of the kind [`PlogCaller`].
pub const GATEWAY: Address = address!("0x00000000000000000000000000000000000c0001");
pub const GOVERNANCE: Address = address!("0x00000000000000000000000000000000000c0002");
pub const STRANGER: Address = address!("0x00000000000000000000000000000000000c0003");

/// A log without subject chains, one with them, and one that does not exist.
pub const PLAIN: B256 = B256::repeat_byte(0xaa);
pub const CHAINED: B256 = B256::repeat_byte(0xbb);
pub const UNKNOWN: B256 = B256::repeat_byte(0xcc);

/// Two logs; source 1 of [`SIGNER`] with a gateway, source 2 of [`OTHER_SIGNER`], source 3 of
/// [`DELEGATED`]. Sources 1 and 3 write both logs, source 2 the one with chains.
pub fn plog_config() -> PlogConfig {
    let source = |id, signer, gateway| PlogSource { id, signer, gateway };
    let writers = [(PLAIN, 1), (CHAINED, 1), (CHAINED, 2), (PLAIN, 3), (CHAINED, 3)];
    PlogConfig {
        activation: ForkCondition::Block(0),
        governance: GOVERNANCE,
        logs: vec![PlogLog { id: PLAIN, mode: 0 }, PlogLog { id: CHAINED, mode: 1 }],
        sources: vec![
            source(1, SIGNER, Some(GATEWAY)),
            source(2, OTHER_SIGNER, None),
            source(3, DELEGATED, None),
        ],
        writers: writers.map(|(log, source)| PlogWriter { log, source }).to_vec(),
    }
}

/// The accounts that [`plog_config`] speaks of.
pub fn plog_accounts() -> Vec<(Address, GenesisAccount)> {
    let code = |address, code: Bytes| {
        (address, GenesisAccount { code: Some(code), nonce: Some(1), ..crate::common::funded(10) })
    };
    let caller = PlogCaller::DEPLOYED_BYTECODE.clone();
    let delegation = [&[0xef, 0x01, 0x00], STRANGER.as_slice()].concat();
    let mut accounts = [GATEWAY, GOVERNANCE, STRANGER].map(|it| code(it, caller.clone())).to_vec();
    accounts.push(code(DELEGATED, delegation.into()));
    accounts.extend([SIGNER, OTHER_SIGNER, ANYBODY].map(|it| (it, crate::common::funded(1000))));
    accounts
}

/// An entry that fits its place in the sequence.
pub fn entry(source: u32, seq: u64) -> Entry {
    Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: source,
        source_seq: seq,
        occurred_at: 1_767_225_600_000,
        activity_id: u128::from(seq).to_be_bytes(),
        subject: B256::repeat_byte(7),
        commitment: B256::repeat_byte(8),
        effect: B256::ZERO,
    }
}

/// The call that appends these entries.
pub fn append_call(log: B256, entries: &[Entry]) -> Vec<u8> {
    let first = entries[0];
    let bytes: Vec<[u8; ENTRY_LEN]> = entries.iter().map(Entry::encode).collect();
    IPlog::appendCall {
        logId: log,
        sourceId: first.source_id,
        firstSeq: first.source_seq,
        entries: bytes.concat().into(),
    }
    .abi_encode()
}

/// Entries `from`, `from + 1`, … of a source.
pub fn entries(source: u32, from: u64, count: u64) -> Vec<Entry> {
    (from..from + count).map(|seq| entry(source, seq)).collect()
}

/// The words of the log's account, without zeros.
pub type Words = BTreeMap<U256, U256>;

/// A state in memory and the rules of a chain with a log.
#[derive(Clone)]
pub struct Lab {
    pub config: PeruriEvmConfig,
    pub db: CacheDB<EmptyDB>,
    pub header: Header,
}

/// What a transaction did.
#[derive(Debug)]
pub struct Ran {
    pub result: ExecutionResult,
    /// Gas that the log's contract took, of its last call.
    pub plog_gas: Option<u64>,
    /// Slots of the log's account that changed: before, after.
    pub changed: BTreeMap<U256, (U256, U256)>,
}

impl Lab {
    pub fn new() -> Self {
        Self::of(plog_config(), plog_accounts())
    }

    pub fn of(plog: PlogConfig, accounts: Vec<(Address, GenesisAccount)>) -> Self {
        let spec = ChainSpecBuilder {
            chain_id: 1337,
            forks: [(EthereumHardfork::Prague, ForkCondition::Timestamp(0))].into_iter().collect(),
            genesis: Genesis {
                gas_limit: 1_000_000_000,
                alloc: accounts.into_iter().collect(),
                ..Genesis::default()
            },
            plog: Some(plog),
            zero_base_fee: true,
            ..ChainSpecBuilder::default()
        };
        let spec = Arc::new(spec.build().unwrap());
        let mut db = CacheDB::new(EmptyDB::default());
        for (address, account) in &spec.genesis().alloc {
            let code = account.code.clone().map(Bytecode::new_raw).unwrap_or_default();
            let nonce = account.nonce.unwrap_or_default();
            let info = AccountInfo::new(account.balance, nonce, code.hash_slow(), code);
            db.insert_account_info(*address, info);
            for (slot, word) in account.storage.iter().flatten() {
                let (slot, word) = (U256::from_be_bytes(slot.0), U256::from_be_bytes(word.0));
                db.insert_account_storage(*address, slot, word).unwrap();
            }
        }
        let header = alloy_consensus::Header {
            number: 5,
            timestamp: 1_767_225_602,
            gas_limit: 1_000_000_000,
            base_fee_per_gas: Some(0),
            ..Default::default()
        };
        Self { config: PeruriEvmConfig::new(spec), db, header: header.into() }
    }

    /// Runs a call and keeps what it did.
    pub fn send(&mut self, from: Address, to: Address, data: impl Into<Bytes>) -> Ran {
        self.send_with(from, to, data.into(), 0, 500_000_000)
    }

    pub fn send_with(
        &mut self,
        from: Address,
        to: Address,
        data: Bytes,
        value: u64,
        gas_limit: u64,
    ) -> Ran {
        let mut env = self.config.evm_env(&self.header);
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
        let tx = TxEnv {
            caller: from,
            kind: TxKind::Call(to),
            data,
            value: U256::from(value),
            gas_limit,
            chain_id: Some(1337),
            ..TxEnv::default()
        };
        let mut evm = self.config.evm_with_env_and_inspector(&mut self.db, env, Price::default());
        let done = evm.transact_raw(tx).unwrap();
        let plog_gas = evm.inspector().0;
        drop(evm);
        let storage = done.state.get(&PLOG_ADDRESS).map(|account| &account.storage);
        let changed = storage.into_iter().flatten().filter(|(_, word)| word.is_changed());
        let changed = changed
            .map(|(slot, word)| (*slot, (word.original_value(), word.present_value())))
            .collect();
        self.db.commit(done.state);
        Ran { result: done.result, plog_gas, changed }
    }

    /// A call of anybody that must succeed, and its answer.
    pub fn ask<C: SolCall>(&mut self, call: &C) -> C::Return {
        let ran = self.send(ANYBODY, PLOG_ADDRESS, call.abi_encode());
        C::abi_decode_returns(ran.output()).unwrap()
    }

    pub fn words(&self) -> Words {
        let account = self.db.cache.accounts.get(&PLOG_ADDRESS);
        let words = account.into_iter().flat_map(|account| &account.storage);
        words.filter(|(_, word)| !word.is_zero()).map(|(slot, word)| (*slot, *word)).collect()
    }
}

impl Ran {
    /// What a call that succeeded returned.
    pub fn output(&self) -> &Bytes {
        match &self.result {
            ExecutionResult::Success { output: Output::Call(data), .. } => data,
            other => panic!("{other:?}"),
        }
    }

    /// The data of a call that reverted.
    pub fn error(&self) -> &Bytes {
        match &self.result {
            ExecutionResult::Revert { output, .. } => output,
            other => panic!("{other:?}"),
        }
    }

    pub fn logs(&self) -> &[Log] {
        self.result.logs()
    }

    /// Checks that the call was refused with this error and left nothing behind.
    #[track_caller]
    pub fn refused<E: SolError>(&self, error: &E) {
        assert_eq!(*self.error(), Bytes::from(error.abi_encode()));
        assert!(self.changed.is_empty() && self.logs().is_empty());
    }
}

/// Notes what calls of the log cost.
#[derive(Default)]
struct Price(Option<u64>);

impl<CTX> Inspector<CTX> for Price {
    fn call_end(&mut self, _: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        if inputs.bytecode_address == PLOG_ADDRESS {
            self.0 = Some(outcome.result.gas.total_gas_spent());
        }
    }
}
