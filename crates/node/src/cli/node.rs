//! `node`: runs the node.

use super::init;
use crate::{
    NodeBuilder,
    config::{Config, DataArgs, NodeArgs},
    descriptors, environment, metrics,
};
use clap::Args;
use peruri_chainspec::ChainSpec;
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Run the node.
///
/// The data folder must have been made by `init`, except with --dev.
#[derive(Debug, Args)]
pub struct NodeCommand {
    /// Run a chain for development: preset dev, one validator with a published key, all RPC namespaces
    /// on loopback, no `init` needed
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    node: NodeArgs,
}

/// Namespaces that `--dev` offers, `plog` where the chain has a transparency log, and `activity` where the
/// node has the mirror.
const DEV_API: &str = "eth,net,web3,txpool,debug,trace,ots,admin,ibft,exex,rpc";

impl NodeCommand {
    /// Runs the command until a signal stops the node. `extend` may add to it.
    ///
    /// # Errors
    /// What could not be opened, or the critical task that failed.
    pub fn run(
        self,
        mut data: DataArgs,
        extend: impl FnOnce(NodeBuilder) -> NodeBuilder,
    ) -> eyre::Result<()> {
        if self.dev {
            data.chain.get_or_insert_with(|| "dev".to_owned());
        }
        let mut config = Config::load(data, self.node)?;
        if self.dev {
            let chain = environment::load_chain(&config.chain)?;
            open_for_development(&mut config, &chain.spec);
            init::init(&config, &chain)?;
        }
        descriptors::raise_limit(&config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(config, extend))
    }
}

fn open_for_development(config: &mut Config, spec: &ChainSpec) {
    let mut api = DEV_API.to_owned();
    if spec.plog().is_some() {
        api.push_str(",plog");
    }
    if config.activity.is_some() {
        api.push_str(",activity");
    }
    config.dev = true;
    config.http.enabled = true;
    config.ws.enabled = true;
    config.http.api.get_or_insert_with(|| api.clone());
    config.ws.api.get_or_insert(api);
    // One validator, whose key everybody knows.
    config.network.disable = true;
}

async fn run(config: Config, extend: impl FnOnce(NodeBuilder) -> NodeBuilder) -> eyre::Result<()> {
    let metrics = match config.metrics.addr {
        Some(addr) => Some((addr, metrics::install()?)),
        None => None,
    };
    let stop = stop_signal()?;
    let mut node = extend(NodeBuilder::new(config)?).launch().await?;
    if let Some((addr, recorder)) = metrics {
        let shutdown = node.tasks.shutdown_token();
        let server = metrics::serve(addr, recorder, node.readiness(), shutdown).await?;
        node.tasks.spawn_critical("metrics", server);
    }
    info!(target: "node", http = ?node.rpc.http, ws = ?node.rpc.ws, authrpc = ?node.rpc.auth, "ready");
    node.tasks.run_until(stop).await?;
    info!(target: "node", "stopped");
    Ok(())
}

/// Resolves on SIGINT or SIGTERM.
fn stop_signal() -> eyre::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
