//! When the mirror begins, and what it takes in from queues.

use super::Consensus;
use crate::consensus::ConsensusHandles;
use eyre::OptionExt;
use peruri_activity::{
    ActivityConfig, ActivityHandle,
    source::{PumpError, run_amqp, run_file},
};
use peruri_storage::ProviderFactory;
use std::time::Duration;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a source whose inbox was restored waits for the network: what it does not know it holds to be
/// in doubt, so that it may begin without.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until this node has caught up with its network, so that the chain and the pools of others tell
/// what the source has signed, unless its own inbox does. A new source, which knows nothing itself, waits
/// as long as it takes.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn ready(
    mut consensus: watch::Receiver<Consensus>,
    provider: &ProviderFactory,
    handle: &ActivityHandle,
) -> eyre::Result<()> {
    if !handle.is_new() && !handle.is_restored() {
        return Ok(());
    }
    let started = consensus.wait_for(Option::is_some).await?.clone();
    let consensus = started.ok_or_eyre("consensus was not started")?;
    if consensus.network.is_none() || is_alone(&consensus).await? {
        return Ok(());
    }
    let at_head = consensus.sync.at_head(provider);
    if handle.is_new() {
        info!(target: "activity", "a new source: it begins when this node has caught up with another");
        return Ok(at_head.await?);
    }
    match timeout(PATIENCE, at_head).await {
        Ok(caught_up) => Ok(caught_up?),
        Err(_) => {
            warn!(target: "activity", "no other node is connected, or the chain is behind; the source begins with what it knows");
            Ok(())
        }
    }
}

/// Whether nobody else could know anything.
async fn is_alone(consensus: &ConsensusHandles) -> eyre::Result<bool> {
    let Some(engine) = &consensus.engine else { return Ok(true) };
    let state = engine.round_state().await?;
    Ok(state.validators == [state.local])
}

/// Takes in what queues deliver, for ever unless something fails.
///
/// # Errors
/// A queue cannot be read, the broker has exchanges or queues otherwise, or the source has failed.
pub(super) async fn sources(
    config: &ActivityConfig,
    handle: &ActivityHandle,
    shutdown: &CancellationToken,
) -> eyre::Result<()> {
    let file = async {
        let Some(file) = config.file.clone() else { return Ok(()) };
        let path = file.path.clone();
        run_file(file, handle.clone(), shutdown.clone()).await?;
        info!(target: "activity::file", path = %path.display(), "read to its end");
        Ok::<_, PumpError>(())
    };
    let amqp = async {
        let Some(amqp) = config.amqp.clone() else { return Ok(()) };
        run_amqp(amqp, handle.clone(), shutdown.clone()).await
    };
    tokio::try_join!(file, amqp)?;
    std::future::pending().await
}
