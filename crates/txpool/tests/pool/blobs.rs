use super::support::*;
use alloy_consensus::{SidecarBuilder, SimpleCoder, TxEip4844};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::Address;
use peruri_primitives::PooledTransaction;
use peruri_txpool::{
    Pool, PoolConfig, PoolErrorKind, SenderPermissions, TransactionOrigin, TransactionPool,
};

const LOCAL: TransactionOrigin = TransactionOrigin::Local;
const NEVER: u64 = u32::MAX as u64;

fn sidecar(cells: bool) -> BlobTransactionSidecarVariant {
    let builder: SidecarBuilder<SimpleCoder> = SidecarBuilder::from_slice(b"blob");
    if cells {
        BlobTransactionSidecarVariant::Eip7594(builder.build_7594().unwrap())
    } else {
        BlobTransactionSidecarVariant::Eip4844(builder.build_4844().unwrap())
    }
}

fn blob_tx(chain_id: u64, sidecar: BlobTransactionSidecarVariant) -> PooledTransaction {
    let tx = TxEip4844 {
        chain_id,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_fee_per_blob_gas: 10,
        to: Address::repeat_byte(0x33),
        blob_versioned_hashes: sidecar.versioned_hashes().collect(),
        ..Default::default()
    };
    eip4844(0, tx, sidecar)
}

fn ethereum_pool(osaka_time: u64) -> Pool {
    let chain = ethereum_chain(osaka_time);
    pool_on(chain, PoolConfig::default(), SenderPermissions::open()).0
}

#[test]
fn ibft_chains_have_no_blobs() {
    let (pool, _) = open_pool();
    let refused =
        pool.add_raw_transaction(LOCAL, raw(&blob_tx(CHAIN, sidecar(false)))).unwrap_err();
    assert_eq!(refused.to_string(), "transaction type not supported");
}

#[test]
fn a_blob_transaction_keeps_its_sidecar_apart() {
    let pool = ethereum_pool(NEVER);
    let tx = blob_tx(1337, sidecar(false));
    let hash = pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap();
    assert_eq!(hash, *tx.tx_hash());
    let size = pool.status();
    assert_eq!((size.pending, size.blobs), (1, 1));
    assert!(size.blobs_size > 131_072 && size.pending_size < 4_096);
    assert_eq!(pool.get_pooled_transaction(&hash).unwrap(), tx);
    assert!(pool.get_blob_sidecar(&hash).is_some());
    pool.remove_transactions(&[hash]);
    assert_eq!(pool.status(), Default::default());
    assert!(pool.get_blob_sidecar(&hash).is_none());
}

#[test]
fn a_wrong_proof_is_refused() {
    let pool = ethereum_pool(NEVER);
    let BlobTransactionSidecarVariant::Eip4844(mut wrong) = sidecar(false) else { unreachable!() };
    wrong.blobs[0].0[40] ^= 1;
    let tx = blob_tx(1337, BlobTransactionSidecarVariant::Eip4844(wrong));
    let refused = pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap_err();
    assert!(matches!(refused.kind, PoolErrorKind::InvalidSidecar(_)), "{refused}");
}

#[test]
fn osaka_wants_cell_proofs() {
    let before = ethereum_pool(NEVER);
    let after = ethereum_pool(0);
    let (blob, cells) = (blob_tx(1337, sidecar(false)), blob_tx(1337, sidecar(true)));
    before.add_raw_transaction(LOCAL, raw(&blob)).unwrap();
    after.add_raw_transaction(LOCAL, raw(&cells)).unwrap();
    for (pool, tx) in [(ethereum_pool(NEVER), cells), (ethereum_pool(0), blob)] {
        let refused = pool.add_raw_transaction(LOCAL, raw(&tx)).unwrap_err();
        assert!(matches!(refused.kind, PoolErrorKind::SidecarVersion(_)), "{refused}");
    }
}

#[test]
fn blobs_are_counted() {
    let pool = ethereum_pool(NEVER);
    let tx = TxEip4844 { chain_id: 1337, gas_limit: 21_000, ..Default::default() };
    let empty = BlobTransactionSidecarVariant::Eip4844(Default::default());
    let refused = pool.add_transactions(LOCAL, vec![eip4844(0, tx.clone(), empty.clone())]);
    assert_eq!(refused[0].as_ref().unwrap_err().kind, PoolErrorKind::NoBlobs);
    let tx = TxEip4844 { blob_versioned_hashes: vec![Default::default(); 10], ..tx };
    let refused = pool.add_transactions(LOCAL, vec![eip4844(0, tx, empty)]);
    assert_eq!(
        refused[0].as_ref().unwrap_err().kind,
        PoolErrorKind::TooManyBlobs { got: 10, limit: 9 }
    );
}
