//! Extensions, wired to the node's parts.

use crate::{builder::NodeComponents, tasks::TaskManager};
use eyre::{WrapErr, ensure};
use peruri_exex::{ExExContext, ExExManager};
use std::{collections::BTreeSet, fmt, pin::Pin};
use tracing::info;

/// An extension that runs.
pub(crate) type ExExFuture = Pin<Box<dyn Future<Output = eyre::Result<()>> + Send>>;

/// An extension that is being prepared.
type ExExPrepared = Pin<Box<dyn Future<Output = eyre::Result<ExExFuture>> + Send>>;

type LaunchExEx = Box<dyn FnOnce(ExExContext, NodeComponents) -> ExExPrepared + Send>;

/// The extensions of a node that does not run yet.
#[derive(Default)]
pub(crate) struct Extensions(Vec<(&'static str, LaunchExEx)>);

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Extensions {
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        exex: impl FnOnce(ExExContext, NodeComponents) -> ExExPrepared + Send + 'static,
    ) {
        self.0.push((name, Box::new(exex)));
    }

    /// Prepares all extensions and starts them as critical tasks. Without any, this only says so to
    /// the store.
    pub(crate) async fn start(
        self,
        components: &NodeComponents,
        tasks: &mut TaskManager,
    ) -> eyre::Result<()> {
        let names: Vec<_> = self.0.iter().map(|(name, _)| *name).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        ensure!(distinct.len() == names.len(), "two extensions have one name: {names:?}");
        let (manager, contexts) =
            ExExManager::install(components.provider.clone(), &names, tasks.shutdown_token())?;
        if names.is_empty() {
            return Ok(());
        }
        for handle in manager.handles() {
            info!(
                target: "node",
                name = handle.name(),
                finished_height = handle.finished_height(),
                "extension"
            );
        }
        tasks.spawn_critical("extensions", async move { Ok(manager.run().await?) });
        for ((name, launch), context) in self.0.into_iter().zip(contexts) {
            let running = launch(context, components.clone())
                .await
                .wrap_err_with(|| format!("extension {name}"))?;
            tasks.spawn_critical(format!("extension {name}"), running);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        builder::open_pool,
        config::{Config, DataArgs, NodeArgs},
    };
    use eyre::eyre;
    use peruri_chainspec::ChainSpec;
    use peruri_exex::ExExNotifications;
    use peruri_storage::{DbOptions, ProviderFactory};
    use std::{future::pending, sync::Arc};
    use tempfile::TempDir;

    fn components(folder: &TempDir) -> NodeComponents {
        let datadir = Some(folder.path().to_owned());
        let data = DataArgs { chain: Some("dev".to_owned()), datadir, ..DataArgs::default() };
        let config = Config::load(data, NodeArgs::default()).unwrap();
        let spec = Arc::new(ChainSpec::dev());
        let path = config.data_dir().db();
        let provider = ProviderFactory::open(path, spec.clone(), DbOptions::default()).unwrap();
        provider.init_genesis().unwrap();
        let pool = open_pool(&config, &spec, &provider).unwrap();
        NodeComponents { provider, pool }
    }

    /// Starts extensions and returns what stops the node.
    async fn fate<Running>(exexes: Vec<(&'static str, eyre::Result<Running>)>) -> String
    where
        Running: Future<Output = eyre::Result<()>> + Send + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let mut extensions = Extensions::default();
        for (name, prepared) in exexes {
            extensions.add(name, |_, _| Box::pin(async { Ok(Box::pin(prepared?) as ExExFuture) }));
        }
        let mut tasks = TaskManager::new();
        let error = match extensions.start(&components(&folder), &mut tasks).await {
            Ok(()) => tasks.run_until(pending()).await.unwrap_err(),
            Err(error) => error,
        };
        format!("{error:#}")
    }

    #[tokio::test]
    async fn a_failing_extension_stops_the_node_and_is_named() {
        let fails = Ok(async { Err(eyre!("no disk")) });
        assert_eq!(fate(vec![("probe", fails)]).await, "critical task extension probe: no disk");
        let ends = Ok(async { Ok(()) });
        let fate_of_ended = fate(vec![("probe", ends)]).await;
        assert_eq!(fate_of_ended, "critical task extension probe ended unexpectedly");
    }

    #[tokio::test]
    async fn one_that_cannot_be_prepared_keeps_the_node_from_starting() {
        let broken = Err::<std::future::Pending<_>, _>(eyre!("no key"));
        assert_eq!(fate(vec![("probe", broken)]).await, "extension probe: no key");
    }

    #[tokio::test]
    async fn names_are_distinct() {
        let waits = || Ok(pending());
        let error = fate(vec![("a", waits()), ("a", waits())]).await;
        assert_eq!(error, r#"two extensions have one name: ["a", "a"]"#);
    }

    async fn to_the_end(mut notifications: ExExNotifications) -> eyre::Result<()> {
        while notifications.next().await?.is_some() {}
        Ok(())
    }

    #[tokio::test]
    async fn an_extension_ends_with_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let mut extensions = Extensions::default();
        extensions.add("probe", |context, _| {
            let running = to_the_end(context.notifications);
            Box::pin(async { Ok(Box::pin(running) as ExExFuture) })
        });
        let mut tasks = TaskManager::new();
        let components = components(&folder);
        extensions.start(&components, &mut tasks).await.unwrap();
        assert_eq!(components.provider.finished_heights(), [("probe".to_owned(), 0)].into());
        tasks.run_until(async {}).await.unwrap();
    }
}
