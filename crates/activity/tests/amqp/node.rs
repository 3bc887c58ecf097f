//! What a node runs of the mirror: database, extension, source, and the task of the queue.

use crate::{
    broker::{Broker, until},
    chain::{Chain, SOURCE, key, log_id},
};
use alloy_primitives::B256;
use peruri_activity::{
    ActivityHandle, SubjectKey,
    core::Settings,
    mark::MarkFile,
    request::{Parser, Schema, Schemas},
    service::{ActivityExEx, ExExFailure},
    source::{PumpError, run_amqp},
};
use peruri_chainspec::ChainSpec;
use peruri_exex::{ExExError, ExExManager};
use peruri_plog::EntryType;
use peruri_storage::{DbOptions, ProviderError, ProviderFactory};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Most bytes of a payload.
pub(crate) const LARGEST: usize = 1_000;

/// What outlives a node: its folder and the chain.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) chain: Chain,
    pub(crate) inbox_mark: u64,
    pub(crate) types: &'static [&'static str],
}

/// A running node.
pub(crate) struct Node {
    chain: Chain,
    factory: ProviderFactory,
    pub(crate) handle: ActivityHandle,
    stop: CancellationToken,
    manager: JoinHandle<Result<(), ExExError>>,
    extension: JoinHandle<Result<(), ExExFailure>>,
    queue: Option<JoinHandle<Result<(), PumpError>>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { folder, chain: Chain::default(), inbox_mark: 100_000, types: &["attendance"] }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn parser(&self) -> Parser {
        let mut schemas = Schemas::default();
        for (number, name) in (1..).zip(self.types) {
            let schema = Schema { kind: EntryType::Activity, number, max_bytes: LARGEST };
            assert!(schemas.insert((*name).to_owned(), schema));
        }
        Parser::new(schemas, Some(SubjectKey::new([7; 32])))
    }

    fn settings(&self, broker: &Broker) -> Settings {
        Settings {
            chain_id: 1,
            genesis: B256::ZERO,
            log: log_id(),
            source: SOURCE,
            key: key(),
            batch_max: 64,
            inbox_mark: self.inbox_mark,
            prefetch: broker.config().prefetch.into(),
            late_after_ms: 1_000,
            retry_after_ms: 200,
        }
    }

    /// Starts a node that accepts, and does not read the queue yet.
    pub(crate) async fn start_idle(&self, broker: &Broker) -> Node {
        let db = self.folder().join("db");
        let spec = Arc::new(ChainSpec::dev());
        let open = || ProviderFactory::open(&db, spec.clone(), DbOptions::default());
        // The thread of a source that was stopped before may still be closing it.
        until("the database", async || !matches!(open(), Err(ProviderError::Locked { .. }))).await;
        let factory = open().unwrap();
        factory.init_genesis().unwrap();
        let stop = CancellationToken::new();
        let (manager, mut contexts) =
            ExExManager::install(factory.clone(), &["activity"], stop.clone()).unwrap();
        let context = contexts.remove(0);
        let manager = tokio::spawn(manager.run());
        let handle = ActivityHandle::start(
            self.settings(broker),
            self.parser(),
            Duration::from_millis(1),
            Arc::new(context.store.clone()),
            Box::new(MarkFile::open(self.folder(), SOURCE).unwrap()),
            Arc::new(self.chain.clone()),
            Arc::new(self.chain.clone()),
        )
        .unwrap();
        let extension = tokio::spawn(ActivityExEx::new(handle.clone()).run(context));
        handle.room().await.unwrap();
        let chain = self.chain.clone();
        Node { chain, factory, handle, stop, manager, extension, queue: None }
    }

    /// Starts a node that reads the queue.
    pub(crate) async fn start(&self, broker: &Broker) -> Node {
        let mut node = self.start_idle(broker).await;
        let queue = run_amqp(broker.config(), node.handle.clone(), node.stop.clone());
        node.queue = Some(tokio::spawn(queue));
        node
    }
}

impl Node {
    /// Activities that were accepted and are not included.
    pub(crate) fn open(&self) -> u64 {
        let queue = self.handle.queue().unwrap();
        queue.queued + queue.sealed
    }

    /// Waits, with blocks, until `count` activities are included.
    pub(crate) async fn include(&self, count: u64) {
        loop {
            // Sealing and acceptance go on meanwhile; a block takes what is there.
            let wait = Duration::from_millis(50);
            let done = self.handle.completions(count, 1, wait).await.unwrap();
            if !done.items.is_empty() {
                return;
            }
            self.produce();
        }
    }

    pub(crate) fn produce(&self) {
        self.chain.produce(&self.factory);
    }

    /// Reasons of all dead letters.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let letters = self.handle.dead_letters(10_000).unwrap();
        letters.into_iter().map(|letter| letter.reason).collect()
    }

    /// Stops as the node does.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Some(queue) = self.queue {
            queue.await.unwrap().unwrap();
        }
        self.manager.await.unwrap().unwrap();
        self.extension.await.unwrap().unwrap();
    }
}
