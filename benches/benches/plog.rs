//! C7 PLOG append: 256 entries at the end of a log of 1,000,000, through the precompiled contract,
//! against what this needs at least: SHA-256 over the same leaves and nodes, and 12 storage writes in
//! bare revm.

#![allow(missing_docs)]

use alloy_consensus::Header;
use alloy_evm::{Evm, EvmEnv};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use criterion::{Criterion, criterion_group, criterion_main};
use peruri_chainspec::{ChainSpecBuilder, PlogConfig, PlogLog, PlogSource, PlogWriter};
use peruri_evm::{PeruriEvmConfig, plog::abi::IPlog};
use peruri_plog::{
    Entry, EntryType, Frontier, PLOG_ADDRESS,
    layout::{LogHead, LogSlots},
    leaf_hash, node_hash,
};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::TxEnv,
    database::{CacheDB, EmptyDB},
    state::AccountInfo,
};
use std::{hint::black_box, sync::Arc};

const SIZE: u64 = 1_000_000;
const ENTRIES: u64 = 256;
/// Slots that one append writes: 8 peaks at most here, and the words of log, past root and source.
const WRITES: u8 = 12;
const GAS: u64 = 10_000_000;
const CHAIN_ID: u64 = 1337;
const LOG: B256 = B256::repeat_byte(0x61);
const SIGNER: Address = Address::repeat_byte(0x51);
const WRITER: Address = Address::repeat_byte(0x12);

type State = CacheDB<EmptyDB>;

fn config() -> PeruriEvmConfig {
    let plog = PlogConfig {
        activation: ForkCondition::Block(0),
        governance: Address::repeat_byte(0x60),
        logs: vec![PlogLog { id: LOG, mode: 0 }],
        sources: vec![PlogSource { id: 1, signer: SIGNER, gateway: None }],
        writers: vec![PlogWriter { log: LOG, source: 1 }],
    };
    let spec = ChainSpecBuilder {
        chain_id: CHAIN_ID,
        forks: [(EthereumHardfork::Prague, ForkCondition::Timestamp(0))].into_iter().collect(),
        genesis: Genesis { gas_limit: GAS, ..Genesis::default() },
        plog: Some(plog),
        zero_base_fee: true,
        ..ChainSpecBuilder::default()
    };
    PeruriEvmConfig::new(Arc::new(spec.build().expect("chain")))
}

/// The log's account at [`SIZE`] entries, and a contract that writes [`WRITES`] slots.
fn state(account: &GenesisAccount) -> State {
    let mut state = CacheDB::new(EmptyDB::default());
    let code = Bytecode::new_raw(account.code.clone().unwrap_or_default());
    let info = AccountInfo { nonce: 1, ..AccountInfo::from_bytecode(code) };
    state.insert_account_info(PLOG_ADDRESS, info);
    let words = account.storage.iter().flatten();
    let words =
        words.map(|(slot, word)| (U256::from_be_bytes(slot.0), U256::from_be_bytes(word.0)));
    let log = LogSlots::new(LOG);
    let head = (log.head(), LogHead { size: SIZE, block: 1 }.pack());
    let peaks = (0..64).map(|level| (log.peak(level), U256::from(7)));
    for (slot, word) in words.chain(peaks).chain([head]) {
        state.insert_account_storage(PLOG_ADDRESS, slot, word).expect("in memory");
    }
    // PUSH1 1, PUSH1 slot, SSTORE
    let code: Vec<u8> = (0..WRITES).flat_map(|slot| [0x60, 1, 0x60, slot, 0x55]).collect();
    let code = Bytecode::new_raw(code.into());
    state.insert_account_info(WRITER, AccountInfo::from_bytecode(code));
    state
}

fn entries() -> Vec<Entry> {
    let entry = |source_seq| Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: 1,
        source_seq,
        occurred_at: 1_767_225_600_000,
        activity_id: u128::from(source_seq).to_be_bytes(),
        subject: B256::repeat_byte(7),
        commitment: B256::repeat_byte(8),
        effect: B256::ZERO,
    };
    (1..=ENTRIES).map(entry).collect()
}

fn transaction(to: Address, data: Bytes) -> TxEnv {
    TxEnv {
        caller: SIGNER,
        kind: TxKind::Call(to),
        data,
        gas_limit: GAS,
        chain_id: Some(CHAIN_ID),
        ..TxEnv::default()
    }
}

fn through_the_precompile(config: &PeruriEvmConfig, env: &EvmEnv, state: &mut State, tx: &TxEnv) {
    let mut evm = config.evm_with_env(state, env.clone());
    let done = evm.transact_raw(tx.clone()).expect("valid");
    assert!(done.result.is_success(), "{:?}", done.result);
    black_box(done.state);
}

/// Node hashes of the append: those of the tree and those of the batch's own root.
fn node_hashes(entries: &[Entry]) -> u64 {
    let peaks = vec![B256::ZERO; SIZE.count_ones() as usize];
    let mut tree = Frontier::from_peaks(SIZE, peaks).expect("peaks");
    let mut nodes = ENTRIES - 1;
    for entry in entries {
        tree.append(entry.leaf(), |level, _, _| nodes += u64::from(level > 0)).expect("room");
    }
    nodes + u64::from(tree.size().count_ones()) - 1
}

fn bare(env: &EvmEnv, state: &mut State, tx: &TxEnv, entries: &[[u8; 140]], nodes: u64) {
    let mut last = B256::ZERO;
    for entry in entries {
        last = leaf_hash(black_box(entry));
    }
    for _ in 0..nodes {
        last = node_hash(black_box(&last), &last);
    }
    black_box(last);
    let context = Context::mainnet().with_db(state);
    let context = context.with_block(env.block_env.clone()).with_cfg(env.cfg_env.clone());
    let done = context.build_mainnet().transact(tx.clone()).expect("valid");
    assert!(done.result.is_success(), "{:?}", done.result);
    black_box(done.state);
}

fn append(criterion: &mut Criterion) {
    let config = config();
    let plog = config.chain_spec().plog().expect("a log").clone();
    let mut state = state(&plog.account(0));
    let header = Header {
        number: 2,
        timestamp: 1_767_225_602,
        gas_limit: GAS,
        base_fee_per_gas: Some(0),
        ..Header::default()
    };
    let env = config.evm_env(&header.into());
    let entries = entries();
    let bytes: Vec<[u8; 140]> = entries.iter().map(Entry::encode).collect();
    let call =
        IPlog::appendCall { logId: LOG, sourceId: 1, firstSeq: 1, entries: bytes.concat().into() };
    let append = transaction(PLOG_ADDRESS, call.abi_encode().into());
    let writes = transaction(WRITER, Bytes::new());
    let nodes = node_hashes(&entries);

    let mut group = criterion.benchmark_group("C7 PLOG append at 1,000,000");
    group.bench_function("256 entries through the precompile", |bencher| {
        bencher.iter(|| through_the_precompile(&config, &env, &mut state, &append));
    });
    group.bench_function("256 entries, bare SHA-256 and 12 storage writes", |bencher| {
        bencher.iter(|| bare(&env, &mut state, &writes, &bytes, nodes));
    });
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
