//! A source on a database of its own, beside a chain without blocks: what it accepts it keeps.

use alloy_primitives::{B256, Bytes};
use eyre::{OptionExt, Result, eyre};
use peruri_activity::{
    ActivityExEx, ActivityHandle, ActivityId, SourceKey, SubjectKey,
    chain::{ChainEntry, ChainView, Lane, Limits, Offered, SourceState},
    core::Settings,
    mark::MarkFile,
    request::{Parser, Schema, Schemas},
    rows::StoreError,
};
use peruri_chainspec::ChainSpec;
use peruri_exex::ExExManager;
use peruri_plog::EntryType;
use peruri_storage::{DbOptions, ProviderFactory};
use std::{path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The type of its activities.
pub const TYPE: &str = "id.peruri.attendance.v1";
/// More than is ever accepted here.
const PLENTY: u32 = u32::MAX;

struct Chain;

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
    fn offer(&self, _: &Bytes) -> Offered {
        Offered::Taken
    }

    fn pending(&self) -> Vec<Bytes> {
        Vec::new()
    }
}

/// Starts a source in `folder` that accepts and does not seal. It lives as long as the runtime that
/// this is called in.
///
/// # Errors
/// If the database or the mark cannot be made.
pub async fn start(folder: &Path) -> Result<ActivityHandle> {
    let (db, spec) = (folder.join("db"), Arc::new(ChainSpec::dev()));
    let factory = ProviderFactory::open(&db, spec, DbOptions::default())?;
    factory.init_genesis()?;
    let (manager, contexts) =
        ExExManager::install(factory, &["activity"], CancellationToken::new())?;
    let context = contexts.into_iter().next().ok_or_eyre("no extension")?;
    tokio::spawn(manager.run());
    let handle = ActivityHandle::start(
        settings()?,
        parser(),
        Duration::from_secs(3_600),
        Arc::new(context.store.clone()),
        Box::new(MarkFile::open(folder, 1)?),
        Arc::new(Chain),
        Arc::new(Chain),
    )?;
    tokio::spawn(ActivityExEx::new(handle.clone()).run(context));
    handle.room().await?;
    Ok(handle)
}

fn settings() -> Result<Settings> {
    Ok(Settings {
        chain_id: 1,
        genesis: B256::ZERO,
        log: B256::repeat_byte(0x61),
        source: 1,
        key: SourceKey::new(&B256::repeat_byte(1)).map_err(|error| eyre!(error))?,
        batch_max: PLENTY as usize,
        inbox_mark: PLENTY.into(),
        prefetch: 0,
        late_after_ms: u64::MAX,
        retry_after_ms: 0,
    })
}

fn parser() -> Parser {
    let mut schemas = Schemas::default();
    let schema = Schema { kind: EntryType::Activity, number: 1, max_bytes: 65_536 };
    schemas.insert(TYPE.to_owned(), schema);
    Parser::new(schemas, Some(SubjectKey::new([7; 32])))
}
