//! Rows and heights of extensions.

use super::support::{Edit, RICH, TestChain, chain_spec, receipt};
use crate::{
    DbOptions, ExtensionStore, HistoryWindows, ProviderError, ProviderFactory,
    codecs::meta,
    db::{Column, SCHEMA_VERSION},
};
use tempfile::TempDir;

fn grow(chain: &mut TestChain, blocks: u64) {
    for _ in 0..blocks {
        chain.commit(&[Edit::Account(RICH, 1, 1)]);
    }
}

fn put(store: &ExtensionStore, rows: &[(&str, &str)]) {
    let mut batch = store.batch();
    for (key, value) in rows {
        batch.put(key, *value);
    }
    batch.commit().unwrap();
}

fn keys(store: &ExtensionStore, prefix: &str) -> Vec<String> {
    let view = store.view();
    let rows = view.rows(prefix).unwrap().map(|row| row.unwrap().0);
    rows.map(|key| String::from_utf8(key).unwrap()).collect()
}

#[test]
fn extensions_see_their_own_rows_only() {
    let chain = TestChain::new();
    let [one, other] = ["a", "ab"].map(|name| chain.factory.extension(name).unwrap());
    // Read as one text, both keys are "abc".
    put(&one, &[("bc", "one"), ("", "empty key")]);
    put(&other, &[("c", "other")]);
    assert_eq!(one.get("bc").unwrap().as_deref(), Some(b"one".as_slice()));
    assert_eq!(one.get("c").unwrap(), None);
    assert_eq!(other.get("c").unwrap().as_deref(), Some(b"other".as_slice()));
    assert_eq!(keys(&one, ""), ["", "bc"]);
    assert_eq!(keys(&other, ""), ["c"]);
    let again = chain.factory.extension("a").unwrap();
    assert_eq!(keys(&again, "b"), ["bc"]);
    assert!(matches!(
        chain.factory.extension("A/"),
        Err(ProviderError::ExtensionName(name)) if name == "A/"
    ));
}

#[test]
fn rows_are_found_by_key_prefix_and_order() {
    let chain = TestChain::new();
    let store = chain.factory.extension("inbox").unwrap();
    put(&store, &[("i/3", "c"), ("i/1", "a"), ("i/2", "b"), ("j/1", "z"), ("h", "y")]);
    assert_eq!(keys(&store, "i/"), ["i/1", "i/2", "i/3"]);
    let view = store.view();
    let from: Vec<_> = view.rows_from("i/", "i/2").unwrap().map(Result::unwrap).collect();
    assert_eq!(from, [(b"i/2".to_vec(), b"b".to_vec()), (b"i/3".to_vec(), b"c".to_vec())]);
    assert_eq!(view.last("i/").unwrap(), Some((b"i/3".to_vec(), b"c".to_vec())));
    assert_eq!(view.last("k").unwrap(), None);
    let many = store.get_many(&["h", "i/0", "i/1"]).unwrap();
    assert_eq!(many, [Some(b"y".to_vec()), None, Some(b"a".to_vec())]);

    let mut batch = store.batch();
    batch.delete("i/1");
    batch.put("i/2", "first");
    batch.put("i/2", "then");
    batch.commit().unwrap();
    assert_eq!(keys(&store, "i/"), ["i/2", "i/3"]);
    assert_eq!(store.get("i/2").unwrap().as_deref(), Some(b"then".as_slice()));
    // The view is older.
    assert_eq!(view.get("i/1").unwrap().as_deref(), Some(b"a".as_slice()));
    assert_eq!(view.rows("i/").unwrap().count(), 3);
}

#[test]
fn a_batch_holds_rows_and_height_together() {
    let mut chain = TestChain::new();
    grow(&mut chain, 3);
    chain.factory.install_extensions(&["egress"]).unwrap();
    let store = chain.factory.extension("egress").unwrap();
    assert_eq!(store.finished_height(), Some(0));
    let commit = |height: u64, value: &str| {
        let mut batch = store.batch();
        batch.put("row", value);
        batch.set_finished_height(height);
        batch.commit()
    };
    commit(2, "two").unwrap();
    for wrong in [1, 4] {
        match commit(wrong, "wrong") {
            Err(ProviderError::ExtensionHeight { got, lowest: 2, highest: 3, .. }) => {
                assert_eq!(got, wrong);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.get("row").unwrap().as_deref(), Some(b"two".as_slice()));
    drop(store);
    let chain = chain.reopen();
    let store = chain.factory.extension("egress").unwrap();
    assert_eq!(store.finished_height(), Some(2));
    assert_eq!(store.get("row").unwrap().as_deref(), Some(b"two".as_slice()));
    store.set_finished_height(3).unwrap();
    store.set_finished_height(2).unwrap();
    assert!(matches!(store.set_finished_height(4), Err(ProviderError::ExtensionHeight { .. })));
    assert_eq!(chain.factory.finished_heights(), [("egress".to_owned(), 3)].into());
}

#[test]
fn a_failed_write_refuses_rows_and_keeps_the_height() {
    let mut chain = TestChain::new();
    grow(&mut chain, 1);
    chain.factory.install_extensions(&["x"]).unwrap();
    let store = chain.factory.extension("x").unwrap();
    chain.factory.db().poison();
    assert!(matches!(store.set_finished_height(1), Err(ProviderError::Poisoned)));
    assert_eq!(store.finished_height(), Some(0));
}

fn short_windows() -> DbOptions {
    let history = HistoryWindows { state: Some(2), proofs: Some(0), receipts: Some(2) };
    DbOptions { history, ..DbOptions::default() }
}

/// Commits a block with a receipt, and returns the oldest blocks with state and receipts.
fn grow_to(chain: &mut TestChain, head: u64) -> (u64, u64) {
    while chain.factory.best_block_number().unwrap() < head {
        chain.commit_with(vec![super::support::transaction(1)], vec![receipt(21_000, &[])]);
    }
    let windows = chain.factory.windows().unwrap();
    (windows.state, windows.receipts)
}

#[test]
fn pruning_waits_for_the_slowest_installed_extension() {
    let mut chain = TestChain::with_options(short_windows());
    chain.factory.install_extensions(&["fast", "slow"]).unwrap();
    let [fast, slow] = ["fast", "slow"].map(|name| chain.factory.extension(name).unwrap());
    assert_eq!(grow_to(&mut chain, 10), (0, 1));
    fast.set_finished_height(10).unwrap();
    slow.set_finished_height(4).unwrap();
    // Block 5 is the next one that `slow` gets: with receipts, and the state before it.
    assert_eq!(grow_to(&mut chain, 20), (4, 5));
    assert!(chain.factory.receipts_by_block(5).unwrap().is_some());
    assert!(chain.factory.history_by_block_number(4).is_ok());
    assert!(chain.factory.receipts_by_block(4).is_err());

    // Whoever opens the store without saying what is installed (an import) keeps it too.
    drop((fast, slow));
    let mut chain = chain.reopen();
    assert_eq!(grow_to(&mut chain, 25), (4, 5));

    // One that is no longer installed does not count; its height stays.
    chain.factory.install_extensions(&["fast"]).unwrap();
    assert_eq!(grow_to(&mut chain, 26), (8, 9));
    assert_eq!(grow_to(&mut chain, 40), (10, 11));
    chain.factory.install_extensions::<&str>(&[]).unwrap();
    assert_eq!(grow_to(&mut chain, 60), (58, 58));
    chain.factory.install_extensions(&["slow", "new"]).unwrap();
    let heights = chain.factory.finished_heights();
    assert_eq!(heights, [("new".to_owned(), 57), ("slow".to_owned(), 4)].into());
}

#[test]
fn a_database_without_rows_of_extensions_is_taken_over() {
    let dir = TempDir::new().unwrap();
    let open = || {
        let path = dir.path().join("db");
        ProviderFactory::open(path, chain_spec(1), DbOptions::default()).unwrap()
    };
    let factory = open();
    factory.init_genesis().unwrap();
    let mut batch = rocksdb::WriteBatch::default();
    let row = (SCHEMA_VERSION - 1).to_be_bytes();
    batch.put_cf(factory.db().cf(Column::Meta).unwrap(), meta::SCHEMA, row);
    factory.db().write_synced("test", batch).unwrap();
    drop(factory);
    rocksdb::DB::open_cf(
        &rocksdb::Options::default(),
        dir.path().join("db"),
        Column::ALL.map(Column::name),
    )
    .unwrap()
    .drop_cf(Column::ExtensionRows.name())
    .unwrap();
    let factory = open();
    assert_eq!(factory.best_block_number().unwrap(), 0);
    put(&factory.extension("a").unwrap(), &[("k", "v")]);
    drop(factory);
    let row = open().db().get(Column::Meta, meta::SCHEMA).unwrap().unwrap().to_vec();
    assert_eq!(row, SCHEMA_VERSION.to_be_bytes());
}
