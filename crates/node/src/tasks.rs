//! The node's long-running tasks: one place that starts them, notices the first that ends, and stops
//! the others.

use eyre::eyre;
use std::{any::Any, borrow::Cow, future::Future};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

type Name = Cow<'static, str>;

/// Starts tasks and stops all of them together.
///
/// A task that must live as long as the node is *critical*: when one ends before it was asked to, or
/// fails, or panics, the node stops and says which.
#[derive(Debug, Default)]
pub struct TaskManager {
    tasks: JoinSet<(Name, eyre::Result<()>)>,
    names: std::collections::HashMap<tokio::task::Id, Name>,
    shutdown: CancellationToken,
}

impl TaskManager {
    /// A manager without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fires when the node is to stop. Every critical task ends soon after.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Starts a critical task.
    pub fn spawn_critical(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        task: impl Future<Output = eyre::Result<()>> + Send + 'static,
    ) {
        let name = name.into();
        let named = name.clone();
        let handle = self.tasks.spawn(async move { (named, task.await) });
        self.names.insert(handle.id(), name);
    }

    /// Runs until `stop` resolves or a critical task ends, then stops all tasks and waits for them.
    ///
    /// # Errors
    /// The first critical task that failed, panicked or ended by itself, with its name.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> eyre::Result<()> {
        tokio::pin!(stop);
        let mut outcome = tokio::select! {
            () = &mut stop => {
                info!(target: "node", "stopping");
                Ok(())
            }
            Some(ended) = self.tasks.join_next_with_id() => self.judge(ended, false),
        };
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let judged = self.judge(ended, true);
            outcome = outcome.and(judged);
        }
        outcome
    }

    /// Whether an ended task means that the node failed.
    fn judge(&self, ended: Ended, stopping: bool) -> eyre::Result<()> {
        let result = match ended {
            Ok((_, (_, Ok(())))) if stopping => return Ok(()),
            Ok((_, (name, Ok(())))) => Err(eyre!("critical task {name} ended unexpectedly")),
            Ok((_, (name, Err(error)))) => Err(error.wrap_err(format!("critical task {name}"))),
            Err(error) => {
                let name = self.names.get(&error.id()).map_or("unknown", |name| &**name);
                Err(eyre!("critical task {name} panicked: {}", panic_message(error)))
            }
        };
        if let Err(error) = &result {
            error!(target: "node", error = format!("{error:#}"), "a critical task failed");
        }
        result
    }
}

type Ended = Result<(tokio::task::Id, (Name, eyre::Result<()>)), tokio::task::JoinError>;

fn panic_message(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => text(panic.as_ref()),
        Err(error) => error.to_string(),
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn a_stop_ends_all_tasks() {
        let mut tasks = TaskManager::new();
        let shutdown = tasks.shutdown_token();
        tasks.spawn_critical("waits", async move {
            shutdown.cancelled().await;
            Ok(())
        });
        assert!(tasks.run_until(async {}).await.is_ok());
    }

    #[tokio::test]
    async fn a_failed_task_stops_the_others_and_is_named() {
        let mut tasks = TaskManager::new();
        let shutdown = tasks.shutdown_token();
        tasks.spawn_critical("waits", async move {
            shutdown.cancelled().await;
            Ok(())
        });
        tasks.spawn_critical("fails", async { Err(eyre!("no disk")) });
        let error = tasks.run_until(pending()).await.err().map(|e| format!("{e:#}"));
        assert_eq!(error.as_deref(), Some("critical task fails: no disk"));
    }

    #[tokio::test]
    async fn a_panicking_task_is_named() {
        let mut tasks = TaskManager::new();
        tasks.spawn_critical("panics", async { panic!("index out of range") });
        let error = tasks.run_until(pending()).await.err().map(|e| format!("{e:#}"));
        assert_eq!(error.as_deref(), Some("critical task panics panicked: index out of range"));
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_a_failure() {
        let mut tasks = TaskManager::new();
        tasks.spawn_critical("ends", async { Ok(()) });
        let error = tasks.run_until(pending()).await.err().map(|e| format!("{e:#}"));
        assert_eq!(error.as_deref(), Some("critical task ends ended unexpectedly"));
    }
}
