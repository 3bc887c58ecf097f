//! Canary user ids, payloads and salts go in by both ways, good and bad; no file on disk and no line
//! of the log has one of them.

#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, Bytes, hex};
use base64::{Engine, engine::general_purpose::STANDARD};
use peruri_activity::{
    ActivityHandle, ActivityId, SourceKey, SubjectKey,
    chain::{ChainEntry, ChainView, Lane, Limits, Offered, SourceState},
    core::Settings,
    mark::MarkFile,
    request::{Parser, Schema, Schemas},
    rows::StoreError,
    service::ActivityExEx,
    source::{FileSource, pump},
};
use peruri_chainspec::ChainSpec;
use peruri_exex::ExExManager;
use peruri_plog::EntryType;
use peruri_storage::{DbOptions, ProviderFactory};
use std::{
    fs,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const USERS: u8 = 200;
const MARK: &str = "CANARY";

/// A chain without blocks that remembers what was released to it.
#[derive(Clone, Default)]
struct Chain(Arc<Mutex<Vec<Bytes>>>);

impl ChainView for Chain {
    fn source(&self) -> Result<SourceState, StoreError> {
        Ok(SourceState { height: 0, next_seq: 1, nonce: 0, may_append: true })
    }

    fn limits(&self) -> Result<Limits, StoreError> {
        Ok(Limits { base_fee: 0, max_gas: 1 << 24, subject_chains: false })
    }

    fn published(&self, ids: &[ActivityId]) -> Result<Vec<Option<(B256, u64)>>, StoreError> {
        Ok(vec![None; ids.len()])
    }

    fn entries(&self, _: u64, _: usize) -> Result<Vec<ChainEntry>, StoreError> {
        Ok(Vec::new())
    }
}

impl Lane for Chain {
    fn offer(&self, raw: &Bytes) -> Offered {
        let mut released = self.0.lock().unwrap();
        if !released.contains(raw) {
            released.push(raw.clone());
        }
        Offered::Taken
    }

    fn pending(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().clone()
    }
}

fn settings() -> Settings {
    Settings {
        chain_id: 1,
        genesis: B256::ZERO,
        log: B256::right_padding_from(b"activity"),
        source: 1,
        key: SourceKey::new(&B256::repeat_byte(1)).unwrap(),
        batch_max: 64,
        inbox_mark: 10_000,
        prefetch: 0,
        late_after_ms: 1_000,
        retry_after_ms: 200,
    }
}

fn parser() -> Parser {
    let mut schemas = Schemas::default();
    let schema = Schema { kind: EntryType::Activity, number: 1, max_bytes: 1_000 };
    assert!(schemas.insert("attendance".to_owned(), schema));
    Parser::new(schemas, Some(SubjectKey::new([7; 32])))
}

fn user(at: u8) -> String {
    format!("{MARK}-USER-{at}-00042")
}

fn payload(at: u8) -> String {
    STANDARD.encode(format!("{MARK}-PAYLOAD-{at}"))
}

/// Bytes that are in nothing else.
fn salt(at: u8) -> [u8; 32] {
    std::array::from_fn(|place| if place % 2 == 0 { 0xca } else { at })
}

fn data(at: u8) -> String {
    let (user, payload, salt) = (user(at), payload(at), hex::encode_prefixed(salt(at)));
    format!(r#""userId":"{user}","payload":"{payload}","salt":"{salt}""#)
}

fn track(at: u8) -> String {
    let id = ActivityId([at; 16]);
    format!(r#"{{"activityId":"{id}","type":"attendance","occurredAt":1,{}}}"#, data(at))
}

/// An event, and what is no event.
fn lines(at: u8) -> String {
    let mut id = [at; 16];
    id[0] = 0xff;
    let (id, data) = (ActivityId(id), data(at));
    let rest = format!(
        r#""id":"{id}","source":"/x","type":"attendance","time":"2026-01-01T00:00:00Z","data":{{{data}}}}}"#
    );
    let user = user(at);
    format!(
        "{{\"specversion\":\"1.0\",{rest}\n{{\"specversion\":\"{user}\",{rest}\n{{\"{user}\":1,\"specversion\":\"1.0\",{rest}\n{user}\n"
    )
}

fn canaries() -> Vec<Vec<u8>> {
    let mut canaries = vec![MARK.as_bytes().to_vec(), STANDARD.encode(MARK).into_bytes()];
    for at in 1..=USERS {
        canaries.push(salt(at).to_vec());
        canaries.push(hex::encode(salt(at)).into_bytes());
    }
    canaries
}

fn search(bytes: &[u8], what: &str) -> usize {
    for canary in canaries() {
        let found = bytes.windows(canary.len()).any(|window| window == canary);
        assert!(!found, "{what} has {}", String::from_utf8_lossy(&canary));
    }
    bytes.len()
}

fn search_folder(folder: &Path) -> usize {
    let mut searched = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        searched += if path.is_dir() {
            search_folder(&path)
        } else {
            search(&fs::read(&path).unwrap(), &path.display().to_string())
        };
    }
    searched
}

/// Whether a file of the folder has `bytes`: what is stored can be found by such a search.
fn has(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|file| {
        let path = file.unwrap().path();
        if path.is_dir() {
            return has(&path, bytes);
        }
        fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_id_payload_or_salt_is_stored_or_logged() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(Arc::new(log.reopen().unwrap()))
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let spec = Arc::new(ChainSpec::dev());
    let db = folder.path().join("db");
    let factory = ProviderFactory::open(&db, spec, DbOptions::default()).unwrap();
    factory.init_genesis().unwrap();
    let stop = CancellationToken::new();
    let (manager, mut contexts) =
        ExExManager::install(factory.clone(), &["activity"], stop.clone()).unwrap();
    let context = contexts.remove(0);
    let manager = tokio::spawn(manager.run());
    let mark = Box::new(MarkFile::open(folder.path(), 1).unwrap());
    let chain = Chain::default();
    let handle = ActivityHandle::start(
        settings(),
        parser(),
        Duration::from_millis(1),
        Arc::new(context.store.clone()),
        mark,
        Arc::new(chain.clone()),
        Arc::new(chain.clone()),
    )
    .unwrap();
    let extension = tokio::spawn(ActivityExEx::new(handle.clone()).run(context));
    handle.room().await.unwrap();

    for at in 1..=USERS {
        let submission = handle.parser().track(&track(at)).unwrap();
        handle.submit(submission).await.unwrap();
        // The same id with other content, and what cannot be read.
        let other =
            track(at).replace("PAYLOAD", "OTHER").replace(&payload(at), &payload(at ^ 0xff));
        let other = handle.parser().track(&other).unwrap();
        assert_eq!(handle.submit(other).await.unwrap_err().code(), -32011);
        let error =
            handle.parser().track(&track(at).replace("\"payload\"", "\"CANARY\"")).unwrap_err();
        assert_eq!(error.code(), -32602);
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for at in 1..=USERS {
        file.write_all(lines(at).as_bytes()).unwrap();
    }
    let mut source = FileSource::open(file.path(), 10_000).await.unwrap();
    pump(&mut source, &handle, &stop).await.unwrap();
    assert_eq!(handle.queue().unwrap().queued + handle.queue().unwrap().sealed, 400);
    assert_eq!(handle.dead_letters(10_000).unwrap().len(), 600);

    stop.cancel();
    manager.await.unwrap().unwrap();
    extension.await.unwrap().unwrap();
    drop(handle);
    drop(factory);
    assert!(has(folder.path(), SubjectKey::new([7; 32]).subject(&user(USERS)).as_slice()));
    assert!(search_folder(folder.path()) > 100_000);
    for raw in chain.0.lock().unwrap().iter() {
        search(raw, "a transaction");
    }
    let log = fs::read(log.path()).unwrap();
    assert!(search(&log, "the log") > 10_000, "the log was not captured");
}
