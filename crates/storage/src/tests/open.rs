use rocksdb::{DB, Options};
use tempfile::TempDir;

use super::support::{
    ADD, Edit, FORCED_DROP, RICH, TestChain, chain_spec, genesis_model, model_root,
};
use crate::{
    DbOptions, ProviderError, ProviderFactory,
    codecs::meta,
    db::{Column, SCHEMA_VERSION},
};

fn open(dir: &TempDir, chain_id: u64) -> Result<ProviderFactory, ProviderError> {
    ProviderFactory::open(dir.path().join("db"), chain_spec(chain_id), DbOptions::default())
}

#[test]
fn genesis_is_written_once() {
    let chain = TestChain::new();
    let spec = chain_spec(1);
    assert_eq!(chain.factory.best_block_hash().unwrap(), spec.genesis_hash());
    assert_eq!(spec.genesis_header().state_root, model_root(&genesis_model()));
    super::support::assert_state(&chain.factory.latest().unwrap(), &chain.model, &[]);
    assert_eq!(chain.factory.init_genesis().unwrap(), spec.genesis_hash());
    let code = chain.model.values().find_map(|account| account.code).unwrap();
    let state = chain.factory.latest().unwrap();
    assert_eq!(
        state.bytecode_by_hash(&code).unwrap().unwrap().original_byte_slice(),
        [0x60, 1, 0x60, 1, 1]
    );
}

#[test]
fn another_genesis_is_refused_with_both_hashes() {
    let dir = TempDir::new().unwrap();
    open(&dir, 1).unwrap().init_genesis().unwrap();
    // The chain id is not in the header: a difference of the allocation is.
    let mut json: serde_json::Value = serde_json::json!({
        "config": {"chainId": 1}, "difficulty": "0x2", "gasLimit": "0x1000000", "alloc": {}
    });
    json["alloc"][format!("{RICH:x}")] = serde_json::json!({"balance": "0x1"});
    let other = peruri_chainspec::ChainSpec::from_genesis_json(&json.to_string()).unwrap().0;
    let expected_hash = other.genesis_hash();
    let result = ProviderFactory::open(
        dir.path().join("db"),
        std::sync::Arc::new(other),
        Default::default(),
    );
    match result {
        Err(ProviderError::GenesisMismatch { expected, found }) => {
            assert_eq!(expected, expected_hash);
            assert_eq!(found, chain_spec(1).genesis_hash());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_opener_is_told_about_the_lock() {
    let chain = TestChain::new();
    assert!(matches!(open(&chain.dir, 1), Err(ProviderError::Locked { .. })));
}

#[test]
fn other_schema_versions_are_refused_with_both_numbers() {
    let dir = TempDir::new().unwrap();
    for version in [0u32, SCHEMA_VERSION + 1] {
        let factory = open(&dir, 1).unwrap();
        let db = factory.db();
        let mut batch = rocksdb::WriteBatch::default();
        batch.put_cf(db.cf(Column::Meta).unwrap(), meta::SCHEMA, version.to_be_bytes());
        db.write_synced("test", batch).unwrap();
        drop(factory);
        match open(&dir, 1) {
            Err(ProviderError::SchemaVersion { found, supported, .. }) => {
                assert_eq!((found, supported), (version, SCHEMA_VERSION));
            }
            other => panic!("{other:?}"),
        }
        std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    }
}

#[test]
fn a_newer_schema_with_unknown_columns_is_named_by_its_number() {
    let dir = TempDir::new().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    {
        let db = DB::open_cf(&options, dir.path().join("db"), ["meta", "from_the_future"]).unwrap();
        db.put_cf(db.cf_handle("meta").unwrap(), meta::SCHEMA, 9u32.to_be_bytes()).unwrap();
    }
    assert!(matches!(open(&dir, 1), Err(ProviderError::SchemaVersion { found: 9, .. })));
}

#[test]
fn foreign_databases_are_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    {
        let db = DB::open_cf(&options, dir.path().join("db"), ["somebody"]).unwrap();
        db.put(b"a", b"b").unwrap();
    }
    assert!(matches!(open(&dir, 1), Err(ProviderError::ForeignDatabase { .. })));
    let dir = TempDir::new().unwrap();
    {
        let db = DB::open(&options, dir.path().join("db")).unwrap();
        db.put(b"a", b"b").unwrap();
    }
    assert!(matches!(open(&dir, 1), Err(ProviderError::ForeignDatabase { .. })));
}

#[test]
fn must_exist_creates_nothing() {
    let dir = TempDir::new().unwrap();
    let options = DbOptions { must_exist: true, ..DbOptions::default() };
    let result = ProviderFactory::open(dir.path().join("db"), chain_spec(1), options);
    assert!(matches!(result, Err(ProviderError::NotInitialised)));
    assert!(!dir.path().join("db").exists());
}

#[test]
fn an_interrupted_genesis_is_done_again() {
    let dir = TempDir::new().unwrap();
    let factory = open(&dir, 1).unwrap();
    let db = factory.db();
    let mut batch = rocksdb::WriteBatch::default();
    batch.put_cf(db.cf(Column::HashedAccounts).unwrap(), [7; 32], [0, 0]);
    db.write_synced("leftover", batch).unwrap();
    drop(factory);
    let factory = open(&dir, 1).unwrap();
    assert!(matches!(factory.latest(), Err(ProviderError::NotInitialised)));
    factory.init_genesis().unwrap();
    assert!(factory.verify_state(&mut crate::NoProgress).unwrap().is_clean());
}

#[test]
fn votes_and_named_rows_survive() {
    let mut chain = TestChain::new();
    let address = alloy_primitives::Address::repeat_byte(3);
    chain.factory.put_vote(address, ADD).unwrap();
    chain.factory.put_vote(RICH, FORCED_DROP).unwrap();
    chain.factory.meta_put("exex/height", b"7").unwrap();
    chain.commit(&[Edit::Account(RICH, 1, 1)]);
    let chain = chain.reopen();
    assert_eq!(chain.factory.votes().unwrap(), [(address, ADD), (RICH, FORCED_DROP)]);
    assert!(chain.factory.delete_vote(address).unwrap());
    assert!(!chain.factory.delete_vote(address).unwrap());
    assert_eq!(chain.factory.meta_get("exex/height").unwrap().as_deref(), Some(b"7".as_slice()));
    assert_eq!(chain.factory.meta_get("schema").unwrap(), None);
}
