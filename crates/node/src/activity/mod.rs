//! The activity mirror, wired to the node's parts: an extension, its lane over pool and network, its
//! queue sources.

mod lane;
mod start;

use crate::{
    builder::NodeComponents,
    cli::exit::{OrUsage, UsageError},
    config::Config,
    consensus::ConsensusHandles,
    exex::Extensions,
};
use eyre::{WrapErr, ensure};
use lane::PoolLane;
use peruri_activity::{
    ActivityConfig, ActivityExEx, ActivityHandle, chain::ProviderChain, core::Settings,
    mark::MarkFile, request::Parser,
};
use peruri_chainspec::ChainSpec;
use peruri_exex::ExExContext;
use std::{
    fs::{DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::watch;

/// Name of the extension.
pub(crate) const NAME: &str = "activity";

/// Network and engine, which are started after the extensions.
type Consensus = Option<Arc<ConsensusHandles>>;

/// The mirror of a node that is being started.
#[derive(Debug)]
pub(crate) struct Mirror {
    handle: Arc<OnceLock<ActivityHandle>>,
    consensus: watch::Sender<Consensus>,
}

/// What the extension is made of.
struct Plan {
    config: ActivityConfig,
    parser: Parser,
    settings: Settings,
    sign_state: PathBuf,
    gas_share: u64,
    handle: Arc<OnceLock<ActivityHandle>>,
    consensus: watch::Receiver<Consensus>,
}

/// Adds the mirror to the extensions, if the configuration has one.
///
/// # Errors
/// [`UsageError`] that names the key of the configuration.
pub(crate) fn install(
    config: &Config,
    spec: &ChainSpec,
    extensions: &mut Extensions,
) -> eyre::Result<Option<Mirror>> {
    let Some(activity) = &config.activity else { return Ok(None) };
    let (consensus, started) = watch::channel(None);
    let mirror = Mirror { handle: Arc::default(), consensus };
    let plan = plan(config, activity, spec, &mirror, started)?;
    extensions.add(NAME, |context, components| {
        Box::pin(async move {
            let running = plan.prepare(context, &components)?;
            Ok(Box::pin(running) as crate::exex::ExExFuture)
        })
    });
    Ok(Some(mirror))
}

fn plan(
    config: &Config,
    activity: &ActivityConfig,
    spec: &ChainSpec,
    mirror: &Mirror,
    consensus: watch::Receiver<Consensus>,
) -> eyre::Result<Plan> {
    let settings = settings(activity, spec)?;
    let subject_key = activity.read_subject_key().or_usage("configuration")?;
    let schemas = activity.schemas().or_usage("configuration")?;
    Ok(Plan {
        config: activity.clone(),
        parser: Parser::new(schemas, subject_key),
        settings,
        sign_state: config.sign_state(),
        gas_share: config.lane.gas_share.into(),
        handle: mirror.handle.clone(),
        consensus,
    })
}

/// What the source is, from configuration and chain.
///
/// # Errors
/// [`UsageError`] that names the key of the configuration.
pub(crate) fn settings(activity: &ActivityConfig, spec: &ChainSpec) -> eyre::Result<Settings> {
    if spec.plog().is_none() {
        return Err(UsageError::new("activity: the chain has no transparency log").into());
    }
    let schedule = spec.ibft2().ok_or_else(|| {
        UsageError::new("activity: a chain without config.ibft2 is not continued here")
    })?;
    activity.validate().or_usage("configuration")?;
    let key = activity.read_source_key().or_usage("configuration")?;
    let late_after = activity.late_after().or_usage("configuration")?;
    Ok(Settings {
        chain_id: spec.chain_id(),
        genesis: spec.genesis_hash(),
        log: activity.log,
        source: activity.source,
        key,
        batch_max: activity.batch_max as usize,
        inbox_mark: activity.inbox_mark,
        prefetch: activity.amqp.as_ref().map_or(0, |amqp| amqp.prefetch.into()),
        late_after_ms: millis(late_after),
        // Room comes with blocks.
        retry_after_ms: schedule.params(0, 0).period.as_millis(),
    })
}

impl Mirror {
    /// What JSON-RPC answers from.
    ///
    /// # Errors
    /// The extension was not started.
    pub(crate) fn handle(&self) -> eyre::Result<ActivityHandle> {
        let handle = self.handle.get().cloned();
        handle.ok_or_else(|| eyre::eyre!("extension {NAME} was not started"))
    }

    /// Network and engine run: the mirror may compare itself with the chain.
    pub(crate) fn begin(&self, consensus: Arc<ConsensusHandles>) {
        self.consensus.send_replace(Some(consensus));
    }
}

impl Plan {
    /// Opens inbox and mark; the future runs as long as the node.
    fn prepare(
        self,
        context: ExExContext,
        components: &NodeComponents,
    ) -> eyre::Result<impl Future<Output = eyre::Result<()>> + use<>> {
        let Settings { log, source, ref key, .. } = self.settings;
        let signer = key.address();
        make_folder(&self.sign_state)?;
        let mark = MarkFile::open(&self.sign_state, source)?;
        let chain =
            ProviderChain::new(context.provider.clone(), log, source, signer, self.gas_share);
        let lane = PoolLane {
            pool: components.pool.clone(),
            signer,
            consensus: self.consensus.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let handle = ActivityHandle::start(
            self.settings,
            self.parser,
            Duration::from_millis(self.config.batch_wait_ms),
            Arc::new(context.store.clone()),
            Box::new(mark),
            Arc::new(chain),
            Arc::new(lane),
        )?;
        ensure!(self.handle.set(handle.clone()).is_ok(), "extension {NAME} was started twice");
        let provider = components.provider.clone();
        Ok(async move {
            let shutdown = context.shutdown.clone();
            let ready = start::ready(self.consensus, &provider, &handle);
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                ready = ready => ready?,
            }
            let sources = start::sources(&self.config, &handle, &shutdown);
            tokio::select! {
                ended = ActivityExEx::new(handle.clone()).run(context) => Ok(ended?),
                failed = sources => failed,
            }
        })
    }
}

/// The folder of the marks, which is that of the sign state.
pub(crate) fn make_folder(path: &Path) -> eyre::Result<()> {
    let wrap = || format!("sign state {}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(path).wrap_err_with(wrap)?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent).and_then(|parent| parent.sync_all()).wrap_err_with(wrap)?;
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
