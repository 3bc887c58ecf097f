//! What the pool tells apart as the lane's.

use super::support::*;
use alloy_consensus::{TxEip1559, TxLegacy};
use alloy_primitives::{B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use peruri_evm::plog::{AppendCall, abi::IPlog};
use peruri_plog::{ENTRY_LEN, PLOG_ADDRESS};
use peruri_primitives::PooledTransaction;
use peruri_txpool::{Pool, PoolErrorKind, TransactionOrigin, TransactionPool};
use std::sync::atomic::Ordering;

/// A pool in whose state signer 0 is that of source 7.
fn pool() -> Pool {
    let (pool, accounts) = open_pool();
    accounts.sources.lock().insert(7, signer(0).address());
    pool
}

fn input(source: u32, entries: usize) -> Bytes {
    let append = IPlog::appendCall {
        logId: B256::ZERO,
        sourceId: source,
        firstSeq: 5,
        entries: vec![1; entries * ENTRY_LEN].into(),
    };
    append.abi_encode().into()
}

fn append(source: u32, entries: usize) -> TxEip1559 {
    let input = input(source, entries);
    TxEip1559 { to: TxKind::Call(PLOG_ADDRESS), gas_limit: 20_000_000, input, ..call() }
}

fn lane(tx: &PooledTransaction) -> Option<AppendCall> {
    let pool = pool();
    pool.add_raw_transaction(TransactionOrigin::External, raw(tx)).unwrap();
    let lane = pool.get(tx.tx_hash()).unwrap().lane();
    assert_eq!(pool.status().lane, usize::from(lane.is_some()));
    lane
}

#[test]
fn an_append_of_the_signer_of_an_active_source_is_the_lanes() {
    let call = lane(&eip1559(0, append(7, 3)));
    assert_eq!(call, Some(AppendCall { source: 7, first_seq: 5, next_seq: 8 }));
    // As many entries as one call may have.
    assert!(lane(&eip1559(0, append(7, 1_024))).is_some());
}

#[test]
fn anything_else_is_ordinary() {
    let ordinary = [
        ("another signer", eip1559(1, append(7, 1))),
        ("no source of this signer", eip1559(0, append(8, 1))),
        ("a value", eip1559(0, TxEip1559 { value: U256::ONE, ..append(7, 1) })),
        ("another contract", eip1559(0, TxEip1559 { to: call().to, ..append(7, 1) })),
        ("another function", {
            let input = IPlog::headCall { logId: B256::ZERO }.abi_encode().into();
            eip1559(0, TxEip1559 { input, ..append(7, 1) })
        }),
        ("another type", {
            let TxEip1559 { gas_limit, to, input, .. } = append(7, 1);
            legacy(
                0,
                TxLegacy { chain_id: Some(CHAIN), gas_limit, to, input, ..TxLegacy::default() },
            )
        }),
    ];
    for (what, tx) in ordinary {
        assert_eq!(lane(&tx), None, "{what}");
    }
}

#[test]
fn what_is_due_was_here_for_a_block() {
    let pool = pool();
    let tx = eip1559(0, append(7, 1));
    pool.add_raw_transaction(TransactionOrigin::External, raw(&tx)).unwrap();
    let due =
        |entered_by| pool.lane_due(entered_by).iter().map(|tx| *tx.hash()).collect::<Vec<_>>();
    mine(&pool, vec![], &[]);
    let later = eip1559(0, TxEip1559 { nonce: 1, ..append(7, 1) });
    pool.add_raw_transaction(TransactionOrigin::External, raw(&later)).unwrap();
    assert_eq!(due(0), [*tx.tx_hash()]);
    assert_eq!(due(1), [*tx.tx_hash(), *later.tx_hash()]);
    // Who was reverted here is nobody's fault.
    pool.lane_reverted(&[*tx.tx_hash()]);
    assert!(due(1).is_empty());
}

#[test]
fn a_state_that_cannot_be_read_is_the_nodes_failure() {
    let (pool, accounts) = open_pool();
    accounts.fail.store(true, Ordering::Relaxed);
    let refusal =
        pool.add_raw_transaction(TransactionOrigin::External, raw(&eip1559(0, append(7, 1))));
    assert!(matches!(refusal.unwrap_err().kind, PoolErrorKind::AccountRead(_)));
}
