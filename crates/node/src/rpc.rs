//! The RPC servers, wired to the node's parts.

use crate::{
    builder::NodeComponents,
    cli::{exit::OrUsage, jwt::read_secret, keys::write_private},
    config::{Config, RpcConfig},
    consensus::ConsensusHandles,
    tasks::TaskManager,
};
use alloy_rpc_types_engine::JwtSecret;
use jsonrpsee::Methods;
use peruri_activity::ActivityHandle;
use peruri_chainspec::ChainSpec;
use peruri_evm::PeruriEvmConfig;
use peruri_rpc::{
    AuthConfig, EndpointConfig, NoPendingBlock, RpcHandles, RpcLimits, RpcServerBuilder,
    RpcServerConfig,
};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Where the servers listen; `None`: not offered.
#[derive(Debug, Clone, Copy)]
pub struct RpcAddresses {
    /// The public HTTP server.
    pub http: Option<SocketAddr>,
    /// The public WebSocket server.
    pub ws: Option<SocketAddr>,
    /// The authenticated server.
    pub auth: Option<SocketAddr>,
}

type MakeMethods = Box<dyn FnOnce(&NodeComponents) -> eyre::Result<Methods> + Send>;

/// Methods that are added to the node's own.
#[derive(Default)]
pub(crate) struct ExtraModules(Vec<(&'static str, MakeMethods)>);

impl fmt::Debug for ExtraModules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(namespace, _)| namespace)).finish()
    }
}

impl ExtraModules {
    pub(crate) fn add(
        &mut self,
        namespace: &'static str,
        methods: impl FnOnce(&NodeComponents) -> eyre::Result<Methods> + Send + 'static,
    ) {
        self.0.push((namespace, Box::new(methods)));
    }
}

/// What the servers answer from.
pub(crate) struct Parts<'a> {
    pub(crate) components: &'a NodeComponents,
    pub(crate) consensus: Arc<ConsensusHandles>,
    pub(crate) activity: Option<ActivityHandle>,
}

/// Starts the configured servers.
pub(crate) async fn start(
    config: &Config,
    parts: Parts<'_>,
    extra: ExtraModules,
    tasks: &mut TaskManager,
) -> eyre::Result<RpcAddresses> {
    let Parts { components, consensus, activity } = parts;
    let NodeComponents { provider, pool } = components;
    let handles = RpcHandles {
        factory: provider.clone(),
        pool: Arc::new(pool.clone()),
        evm_config: PeruriEvmConfig::new(provider.chain_spec().clone()),
        pending: match consensus.pending.clone() {
            Some(pending) => pending,
            None => Arc::new(NoPendingBlock),
        },
        engine: consensus.engine.clone(),
        network: consensus.network.clone(),
        status: consensus,
        activity,
        client_version: client_version(),
    };
    let mut servers = RpcServerBuilder::new(server_config(config, provider.chain_spec())?, handles);
    for (namespace, methods) in extra.0 {
        servers = servers.extend_rpc_modules(namespace, methods(components)?);
    }
    let servers = servers.start().await.or_usage("RPC servers")?;
    let addresses = RpcAddresses {
        http: servers.http_addr(),
        ws: servers.ws_addr(),
        auth: servers.auth_addr(),
    };
    let shutdown = tasks.shutdown_token();
    tasks.spawn_critical("rpc", async move {
        shutdown.cancelled().await;
        servers.stop().await;
        Ok(())
    });
    Ok(addresses)
}

/// Name, version and platform, as `web3_clientVersion` gives them.
fn client_version() -> String {
    format!(
        "peruri-node/v{}/{}-{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// What the public servers offer unless the configuration names namespaces: log and mirror only where
/// there are some, as a server refuses namespaces that it does not know.
fn default_namespaces(config: &Config, spec: &ChainSpec) -> Vec<String> {
    let always = ["eth", "net", "web3"].into_iter();
    let optional = [spec.plog().map(|_| "plog"), config.activity.as_ref().map(|_| "activity")];
    always.chain(optional.into_iter().flatten()).map(str::to_owned).collect()
}

fn server_config(config: &Config, spec: &ChainSpec) -> eyre::Result<RpcServerConfig> {
    let http = &config.http;
    let ws = &config.ws;
    let auth = &config.authrpc;
    let secret = if auth.disable { None } else { Some(jwt_secret(config)?) };
    let namespaces = |api: &Option<String>| {
        api.as_deref().map_or_else(|| default_namespaces(config, spec), list)
    };
    Ok(RpcServerConfig {
        http: http.enabled.then(|| {
            endpoint(config, (http.addr, http.port), namespaces(&http.api), &http.corsdomain)
        }),
        ws: ws
            .enabled
            .then(|| endpoint(config, (ws.addr, ws.port), namespaces(&ws.api), &ws.origins)),
        auth: secret.map(|secret| AuthConfig {
            addr: SocketAddr::new(auth.addr, auth.port),
            secret,
            hosts: Vec::new(),
            behind_tls: auth.behind_tls,
        }),
        limits: limits(&config.rpc),
    })
}

fn endpoint(
    config: &Config,
    (addr, port): (IpAddr, u16),
    namespaces: Vec<String>,
    origins: &str,
) -> EndpointConfig {
    EndpointConfig {
        namespaces,
        cors_origins: list(origins),
        restricted: config.dev && addr.is_loopback(),
        ..EndpointConfig::new(SocketAddr::new(addr, port), &[])
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn limits(rpc: &RpcConfig) -> RpcLimits {
    RpcLimits {
        max_batch: rpc.max_batch,
        max_request_bytes: rpc.max_request_size.saturating_mul(1 << 20),
        max_response_bytes: rpc.max_response_size.saturating_mul(1 << 20),
        max_connections: rpc.max_connections,
        max_connections_per_ip: rpc.max_connections_per_ip,
        max_subscriptions: rpc.max_subscriptions_per_connection,
        max_in_flight: rpc.max_in_flight,
        max_log_blocks: rpc.max_blocks_per_filter,
        max_log_entries: rpc.max_logs_per_response,
        max_trace_blocks: rpc.max_trace_filter_blocks,
        max_search_blocks: rpc.max_search_blocks,
        gas_cap: rpc.gascap,
        call_timeout: Duration::from_millis(rpc.call_timeout_ms),
        send_sync_timeout: Duration::from_millis(rpc.sync_timeout_ms),
        ..RpcLimits::default()
    }
}

/// Reads the secret of the authenticated server; makes one if none is configured and none is there.
fn jwt_secret(config: &Config) -> eyre::Result<JwtSecret> {
    if let Some(path) = &config.authrpc.jwtsecret {
        return read_secret(path);
    }
    let path = config.data_dir().jwt_secret();
    if path.exists() {
        return read_secret(&path);
    }
    // Private and synced: whoever reads it may do anything, and an empty one after a power cut would
    // keep the node from starting.
    let secret = JwtSecret::random();
    write_private(&path, hex::encode(secret.as_bytes()).as_bytes())?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::{DataArgs, NodeArgs};

    #[test]
    fn lists_are_split_at_commas() {
        assert_eq!(list(" eth, net,,web3 "), ["eth", "net", "web3"]);
        assert!(list("").is_empty());
    }

    #[test]
    fn the_log_is_offered_where_the_chain_has_one() {
        for (preset, expected) in [
            (peruri_chainspec::DEV_JSON, vec!["eth", "net", "web3"]),
            (peruri_chainspec::PILOT_JSON, vec!["eth", "net", "web3", "plog"]),
        ] {
            let (spec, _) = ChainSpec::from_genesis_json(preset).unwrap();
            let config = Config::load(DataArgs::default(), NodeArgs::default()).unwrap();
            assert_eq!(default_namespaces(&config, &spec), expected);
        }
    }
}
