//! An engine at work.

use super::{Node, QUIET, SOON, eventually};
use peruri_engine::{
    Engine, EngineError, EngineHandle, EngineParts, LocalStatus, RoundState, SignStateError,
    SyncStatus,
};
use peruri_storage::{CanonStateNotification, ExecutedBlock};
use std::sync::Arc;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// An engine at work.
pub(crate) struct Running {
    pub(crate) handle: EngineHandle,
    pub(crate) sync: SyncStatus,
    blocks: Receiver<CanonStateNotification>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), EngineError>>,
}

impl Running {
    /// The engine of a node on its own.
    pub(crate) fn start(node: &Node) -> Self {
        Self::of(node.parts(None, Arc::new(LocalStatus::new(&node.spec))))
    }

    pub(crate) fn of(parts: EngineParts) -> Self {
        let blocks = parts.provider.subscribe_to_canonical_state();
        let shutdown = CancellationToken::new();
        let (engine, handle, sync) = Engine::new(parts);
        let task = tokio::spawn(engine.run(shutdown.clone()));
        Self { handle, sync, blocks, shutdown, task }
    }

    /// The next block that is announced.
    pub(crate) async fn next(&mut self) -> Arc<ExecutedBlock> {
        loop {
            let announced = tokio::select! {
                biased;
                announced = timeout(SOON, self.blocks.recv()) => announced,
                ended = &mut self.task => panic!("the engine ended: {ended:?}"),
            };
            match announced {
                Ok(Ok(announced)) => return announced.tip().clone(),
                // Who waits for a later block does not mind.
                Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => panic!("no block: {:#?}", self.handle.round_state().await),
            }
        }
    }

    pub(crate) async fn stays_quiet(&mut self) -> bool {
        timeout(QUIET, self.blocks.recv()).await.is_err()
    }

    pub(crate) async fn round_state(&self) -> RoundState {
        self.handle.round_state().await.unwrap()
    }

    pub(crate) async fn ended(self) -> Result<(), EngineError> {
        timeout(SOON, self.task).await.expect("the engine ends").unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await.unwrap();
    }

    /// Cuts the engine off wherever it is, and waits until its threads have let go of the sign
    /// state.
    pub(crate) async fn crash(self, node: &Node) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()), "the engine ended by itself");
        eventually("the sign state is released", async || match node.sign_state() {
            Err(SignStateError::Locked { .. }) => None,
            found => found.map(drop).map(Some).unwrap(),
        })
        .await;
    }
}
