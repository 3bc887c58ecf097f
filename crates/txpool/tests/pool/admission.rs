use super::support::*;
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use peruri_primitives::PooledTransaction;
use peruri_txpool::{
    PoolAccount, PoolConfig, PoolErrorKind, SenderPermissions, TransactionOrigin, TransactionPool,
};
use std::sync::atomic::Ordering;

const LOCAL: TransactionOrigin = TransactionOrigin::Local;

fn refusal(tx: &PooledTransaction) -> String {
    let (pool, _) = open_pool();
    let refusal = pool.add_raw_transaction(LOCAL, raw(tx)).unwrap_err();
    assert_eq!(pool.status().total(), 0);
    refusal.to_string()
}

#[test]
fn a_transfer_becomes_pending() {
    let (pool, _) = open_pool();
    let tx = transfer(0, 0);
    assert_eq!(pool.add_raw_transaction(LOCAL, raw(&tx)), Ok(*tx.tx_hash()));
    let found = pool.get(tx.tx_hash()).unwrap();
    assert_eq!((found.sender(), found.nonce()), (signer(0).address(), 0));
    assert_eq!(found.encoded_length(), raw(&tx).len());
    assert_eq!(pool.get_pooled_transaction(tx.tx_hash()).unwrap(), tx);
    assert_eq!(pool.pending_nonce(&signer(0).address()), Some(1));
    assert_eq!(pool.status().pending, 1);
}

#[test]
fn all_types_but_blobs_are_taken() {
    let (pool, _) = open_pool();
    let to = TxKind::Call(Address::ZERO);
    let txs = vec![
        legacy(0, TxLegacy { chain_id: Some(CHAIN), gas_limit: 21_000, to, ..Default::default() }),
        eip2930(1, TxEip2930 { chain_id: CHAIN, gas_limit: 21_000, to, ..Default::default() }),
        transfer(2, 0),
        eip7702(
            3,
            TxEip7702 {
                chain_id: CHAIN,
                gas_limit: 100_000,
                authorization_list: vec![authorization(4, 0)],
                ..Default::default()
            },
        ),
    ];
    let results = pool.add_transactions(LOCAL, txs.clone());
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(pool.get(txs[3].tx_hash()).unwrap().authorities(), [signer(4).address()]);
}

#[test]
fn a_batch_gives_what_one_by_one_gives() {
    let mut txs = Vec::new();
    for n in 0..30u64 {
        for nonce in [0, 1, 3, 2] {
            txs.push(transfer(n, nonce));
        }
        txs.push(transfer(n, 1));
        txs.push(eip1559(n, TxEip1559 { gas_limit: 20_000, nonce: 4, ..call() }));
        txs.push(eip1559(n, TxEip1559 { value: U256::MAX, nonce: 4, ..call() }));
        txs.push(eip1559(n, TxEip1559 { value: U256::MAX, nonce: 4, ..call() }));
        txs.push(eip1559(n, TxEip1559 { value: U256::from(n), nonce: 2, ..call() }));
        txs.push(eip1559(
            n,
            TxEip1559 { max_fee_per_gas: 2, max_priority_fee_per_gas: 2, nonce: 2, ..call() },
        ));
    }
    let (batch_pool, _) = open_pool();
    let (single_pool, _) = open_pool();
    let batch = batch_pool.add_raw_transactions(LOCAL, raws(&txs));
    let single: Vec<_> =
        txs.iter().map(|tx| single_pool.add_raw_transaction(LOCAL, raw(tx))).collect();
    assert_eq!(batch, single);
    assert_eq!(batch_pool.status(), single_pool.status());
    let order = |pool: &peruri_txpool::Pool| -> Vec<_> {
        pool.best_transactions().map(|tx| *tx.hash()).collect()
    };
    assert_eq!(order(&batch_pool), order(&single_pool));
    assert_eq!(batch.iter().filter(|result| result.is_ok()).count(), 30 * 5);
}

#[test]
fn huge_batches_are_taken_in_parts() {
    let (pool, _) = open_pool();
    let txs: Vec<_> = (0..2_500).map(|nonce| transfer(nonce % 5, nonce / 5)).collect();
    let results = pool.add_transactions(LOCAL, txs);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2_500);
    assert_eq!(pool.status().pending, 2_500);
}

#[test]
fn accounts_of_known_senders_are_not_read_again() {
    let (pool, accounts) = open_pool();
    pool.add_transactions(LOCAL, (0..10).map(|nonce| transfer(0, nonce)).collect());
    pool.add_transactions(LOCAL, (10..20).map(|nonce| transfer(0, nonce)).collect());
    assert_eq!(accounts.reads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_known_transaction_costs_no_read() {
    let (pool, accounts) = open_pool();
    let tx = transfer(0, 0);
    pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap();
    let reads = accounts.reads.load(Ordering::Relaxed);
    let refused = pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap_err();
    assert_eq!((refused.kind, refused.hash), (PoolErrorKind::AlreadyKnown, *tx.tx_hash()));
    assert_eq!(accounts.reads.load(Ordering::Relaxed), reads);
}

#[test]
fn a_failing_database_is_no_fault_of_the_transaction() {
    let (pool, accounts) = open_pool();
    accounts.fail.store(true, Ordering::Relaxed);
    let refused = pool.add_raw_transaction(LOCAL, raw(&transfer(0, 0))).unwrap_err();
    assert!(refused.kind.is_internal() && !refused.kind.is_bad_transaction());
    accounts.fail.store(false, Ordering::Relaxed);
    pool.add_raw_transaction(LOCAL, raw(&transfer(0, 0))).unwrap();
}

#[test]
fn a_block_that_comes_in_between_is_not_missed() {
    let (pool, accounts) = open_pool();
    let other = pool.clone();
    let moved = PoolAccount { nonce: 1, balance: U256::from(u64::MAX), ..Default::default() };
    let state = accounts.clone();
    // After the account was read with nonce 0, a block uses that nonce.
    *accounts.after_read.lock() = Some(Box::new(move || {
        state.set.lock().insert(signer(0).address(), moved);
        mine(&other, vec![], &[]);
    }));
    let refused = pool.add_raw_transaction(LOCAL, raw(&transfer(0, 0))).unwrap_err();
    assert_eq!(refused.to_string(), "nonce too low: next nonce 1, tx nonce 0");
}

#[test]
fn malformed_bytes_are_named() {
    let (pool, _) = open_pool();
    let good = raw(&transfer(0, 0));
    let mut trailing = good.to_vec();
    trailing.push(0);
    let mut bad: Vec<Bytes> =
        vec![Bytes::new(), vec![0x02].into(), vec![0x7f, 1, 2].into(), trailing.into()];
    for cut in 1..good.len() {
        bad.push(good.slice(..cut));
    }
    for result in pool.add_raw_transactions(TransactionOrigin::External, bad) {
        let refused = result.unwrap_err();
        assert!(matches!(refused.kind, PoolErrorKind::Decode(_)), "{refused:?}");
        assert!(refused.kind.is_bad_transaction());
    }
    assert_eq!(pool.status().total(), 0);
}

/// Every number and length has one encoding (Yellow Paper, appendix B).
#[test]
fn other_encodings_of_a_transaction_are_refused() {
    let (pool, _) = open_pool();
    // A legacy transaction as a list of at most 55 bytes, so that each length is one byte.
    let encoded = |nonce: &[u8], gas: &[u8]| {
        let rest = [0x80, 0x80, 0x80, 0x25, 0x01, 0x01];
        let items = [nonce, &[0x80], gas, &rest].concat();
        Bytes::from([&[0xc0 + items.len() as u8], &items[..]].concat())
    };
    let (zero, gas) = ([0x80], [0x82, 0x52, 0x08]);
    let kind = |raw: Bytes| pool.add_raw_transaction(LOCAL, raw).unwrap_err().kind;
    // As it should be, it decodes; that nobody signed it is another matter.
    let canonical = kind(encoded(&zero, &gas));
    assert!(!matches!(canonical, PoolErrorKind::Decode(_)), "{canonical:?}");
    for (nonce, gas) in [
        // Zero as a byte, and behind a length.
        (&[0x00][..], &gas[..]),
        (&[0x81, 0x00], &gas),
        // A small number behind a length.
        (&[0x81, 0x01], &gas),
        // A leading zero, and a length of a length.
        (&zero, &[0x83, 0x00, 0x52, 0x08]),
        (&zero, &[0xb8, 0x02, 0x52, 0x08]),
    ] {
        let kind = kind(encoded(nonce, gas));
        assert!(matches!(kind, PoolErrorKind::Decode(_)), "{nonce:x?} {gas:x?}: {kind:?}");
    }
    assert_eq!(pool.status().total(), 0);
}

#[test]
fn every_flipped_byte_is_survived() {
    let (pool, _) = open_pool();
    let good = raw(&transfer(0, 0));
    let flipped: Vec<Bytes> = (0..good.len())
        .map(|at| {
            let mut bytes = good.to_vec();
            bytes[at] ^= 0x41;
            bytes.into()
        })
        .collect();
    let results = pool.add_raw_transactions(TransactionOrigin::External, flipped.clone());
    for (raw, result) in flipped.iter().zip(results) {
        if let Ok(hash) = result {
            // Another valid transaction of another sender: its hash is that of its bytes.
            assert_eq!(hash, alloy_primitives::keccak256(raw));
            assert!(PooledTransaction::decode_2718_exact(raw).is_ok());
        }
    }
}

#[test]
fn the_texts_are_those_of_the_field() {
    let contract = |size| TxEip1559 {
        to: TxKind::Create,
        gas_limit: 30_000_000,
        input: vec![0; size].into(),
        ..call()
    };
    let cases: Vec<(PooledTransaction, &str)> = vec![
        (
            eip1559(0, TxEip1559 { chain_id: 1, ..call() }),
            "invalid chain id for signer: have 1 want 7251",
        ),
        (
            legacy(0, TxLegacy { gas_limit: 21_000, ..Default::default() }),
            "only replay-protected (EIP-155) transactions allowed over RPC",
        ),
        (
            eip1559(0, TxEip1559 { gas_limit: 20_999, ..call() }),
            "intrinsic gas too low: gas 20999, minimum needed 21000",
        ),
        (
            eip1559(0, TxEip1559 { gas_limit: 25_000, input: vec![1; 200].into(), ..call() }),
            "insufficient gas for floor data gas cost: gas 25000, minimum needed 29000",
        ),
        (eip1559(0, TxEip1559 { gas_limit: 100_000_001, ..call() }), "exceeds block gas limit"),
        (
            eip1559(0, TxEip1559 { max_priority_fee_per_gas: 2, max_fee_per_gas: 1, ..call() }),
            "max priority fee per gas higher than max fee per gas (2 > 1)",
        ),
        (eip1559(0, TxEip1559 { nonce: u64::MAX, ..call() }), "nonce has max value"),
        (
            eip1559(0, TxEip1559 { nonce: 4_097, ..call() }),
            "nonce too high: next nonce 0, tx nonce 4097",
        ),
        (
            eip7702(0, TxEip7702 { chain_id: CHAIN, gas_limit: 50_000, ..Default::default() }),
            "EIP-7702 transaction with empty auth list",
        ),
        (
            eip1559(0, TxEip1559 { value: U256::from(2_000_000_000_000_000_000u64), ..call() }),
            "insufficient funds for gas * price + value: balance 1000000000000000000, tx cost \
             2000000000000000000, overshot 1000000000000000000",
        ),
        (eip1559(0, contract(49_153)), "max initcode size exceeded: code size 49153, limit 49152"),
    ];
    for (tx, text) in cases {
        assert_eq!(refusal(&tx), text);
    }
    let size = raw(&eip1559(0, contract(170_000))).len();
    assert_eq!(
        refusal(&eip1559(0, contract(170_000))),
        format!("oversized data: transaction size {size}, limit 163840")
    );
}

#[test]
fn unprotected_transactions_can_be_allowed() {
    let config = PoolConfig { allow_unprotected: true, ..Default::default() };
    let (pool, _) = pool_with(config, SenderPermissions::open());
    let to = TxKind::Call(Address::ZERO);
    let tx = legacy(0, TxLegacy { gas_limit: 21_000, to, ..Default::default() });
    pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap();
}

#[test]
fn a_high_s_signature_is_refused() {
    use alloy_consensus::Signed;
    use alloy_primitives::{Signature, uint};
    let PooledTransaction::Eip1559(signed) = transfer(0, 0) else { unreachable!() };
    let (tx, signature, _) = signed.into_parts();
    let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    let tx: PooledTransaction = Signed::new_unhashed(tx, high).into();
    assert_eq!(refusal(&tx), "invalid sender");
}

#[test]
fn osaka_caps_the_gas_of_a_transaction() {
    let (pool, _) = pool_on(ethereum_chain(0), PoolConfig::default(), SenderPermissions::open());
    let fee = 10_000_000_000;
    let call = TxEip1559 { chain_id: 1337, max_fee_per_gas: fee, ..call() };
    let tx = eip1559(0, TxEip1559 { gas_limit: (1 << 24) + 1, ..call.clone() });
    let refused = pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap_err();
    assert_eq!(refused.to_string(), "transaction gas limit too high (cap: 16777216, tx: 16777217)");
    let tx = eip1559(0, TxEip1559 { gas_limit: 1 << 24, ..call });
    pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap();
}

#[test]
fn too_many_authorizations_are_refused_before_any_is_recovered() {
    let list: Vec<_> = (0..33).map(|n| authorization(n, 0)).collect();
    let tx = TxEip7702 {
        chain_id: CHAIN,
        gas_limit: 2_000_000,
        authorization_list: list,
        ..Default::default()
    };
    assert_eq!(refusal(&eip7702(0, tx)), "too many authorizations: have 33, permitted 32");
}

#[tokio::test]
async fn listeners_hear_of_what_becomes_pending() {
    let (pool, _) = open_pool();
    let mut listener = pool.pending_transactions_listener();
    pool.add_transactions(LOCAL, vec![transfer(0, 1), transfer(1, 0)]);
    let batch = listener.recv().await.unwrap();
    assert_eq!(batch.iter().map(|tx| tx.sender()).collect::<Vec<_>>(), [signer(1).address()]);
    pool.add_transactions(LOCAL, vec![transfer(0, 0)]);
    let batch = listener.recv().await.unwrap();
    assert_eq!(batch.iter().map(|tx| tx.nonce()).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_slow_listener_costs_no_memory() {
    let config = PoolConfig { listener_capacity: 2, ..Default::default() };
    let (pool, _) = pool_with(config, SenderPermissions::open());
    let mut listener = pool.pending_transactions_listener();
    for nonce in 0..10 {
        pool.add_raw_transaction(LOCAL, raw(&transfer(0, nonce))).unwrap();
    }
    let lagged = listener.try_recv().unwrap_err();
    assert!(matches!(lagged, tokio::sync::broadcast::error::TryRecvError::Lagged(8)));
}

#[test]
fn content_is_by_sender_and_nonce() {
    let (pool, _) = open_pool();
    pool.add_transactions(LOCAL, vec![transfer(0, 0), transfer(0, 2), transfer(1, 0)]);
    let content = pool.content();
    assert_eq!(content.pending.len(), 2);
    assert_eq!(content.queued[&signer(0).address()].keys().copied().collect::<Vec<_>>(), [2]);
    let (pending, queued) = pool.content_from(&signer(0).address());
    assert_eq!((pending.len(), queued.len()), (1, 1));
    let (pending, queued) = pool.content_from(&Address::ZERO);
    assert!(pending.is_empty() && queued.is_empty());
}
