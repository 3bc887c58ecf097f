//! From configuration and handles to running servers.

use super::{
    batch::SendBatchLayer,
    endpoint::{Endpoint, EndpointParts, Transports},
    guard::Policy,
    listen::{ConnectionLimiter, Listener},
};
use crate::{
    AuthConfig, EndpointConfig, RpcHandles, RpcLimits, RpcServerConfig, ServerError,
    activity::{ActivityPubSub, ActivityRead, ActivityWrite},
    admin::Admin,
    context::Context,
    eth::{Eth, EthFilters, EthPubSub, FilterStore},
    exex::ExEx,
    ibft::Ibft,
    node::{Modules, Node},
    ots::Ots,
    plog::{Plog, PlogPubSub},
    trace::{DebugTrace, Trace},
};
use jsonrpsee::{
    Methods,
    core::RegisterMethodError,
    server::{ServerHandle, StopHandle, stop_channel},
};
use peruri_rpc_api::{
    ActivityApiServer, ActivityPubSubApiServer, ActivityWriteApiServer, AdminApiServer,
    DebugApiServer, DebugTraceApiServer, EthApiServer, EthFilterApiServer, EthPubSubApiServer,
    ExExApiServer, IbftApiServer, NetApiServer, OtsApiServer, PlogApiServer, PlogPubSubApiServer,
    RpcApiServer, TraceApiServer, TxPoolApiServer, Web3ApiServer,
};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::broadcast::error::RecvError, sync::mpsc, task::AbortHandle};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// Version of every namespace in `rpc_modules`.
const MODULE_VERSION: &str = "1.0";
/// How long stopping waits for answers under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Methods by namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namespaces {
    methods: BTreeMap<String, Methods>,
    /// Subscriptions by namespace: not on servers that speak HTTP only.
    subscriptions: BTreeMap<String, Methods>,
    /// Methods that only the authenticated server has.
    restricted: BTreeMap<String, Methods>,
}

/// What a server has of its namespaces beside the methods for all.
#[derive(Debug, Clone, Copy)]
struct Extent {
    subscriptions: bool,
    restricted: bool,
}

impl Namespaces {
    /// `track`: whether personal data may be sent to the servers that have the restricted methods.
    fn new(ctx: &Context, track: bool) -> Result<Self, RegisterMethodError> {
        let mut namespaces = Self::default();
        let filters = Arc::new(FilterStore::new(&ctx.limits));
        let node = Node::new(ctx.clone());
        namespaces.add("eth", Eth::new(ctx.clone()).into_rpc())?;
        namespaces.add("eth", EthFilters::new(ctx.clone(), filters).into_rpc())?;
        namespaces.add("net", NetApiServer::into_rpc(node.clone()))?;
        namespaces.add("web3", Web3ApiServer::into_rpc(node.clone()))?;
        namespaces.add("txpool", TxPoolApiServer::into_rpc(node.clone()))?;
        namespaces.add("admin", Admin::new(ctx.clone()).into_rpc())?;
        namespaces.add("exex", ExEx::new(ctx.clone()).into_rpc())?;
        if let Some(engine) = &ctx.handles.engine {
            namespaces.add("ibft", Ibft::new(ctx.clone(), engine.clone()).into_rpc())?;
        }
        namespaces.add("debug", DebugApiServer::into_rpc(node))?;
        namespaces.add("debug", DebugTrace::new(ctx.clone()).into_rpc())?;
        namespaces.add("trace", Trace::new(ctx.clone()).into_rpc())?;
        namespaces.add("ots", Ots::new(ctx.clone()).into_rpc())?;
        if ctx.chain_spec().plog().is_some() {
            namespaces.add("plog", Plog::new(ctx.clone()).into_rpc())?;
            namespaces.subscribe("plog", PlogPubSub::new(ctx.clone()).into_rpc());
        }
        if let Some(activity) = &ctx.handles.activity {
            namespaces.add("activity", ActivityRead::new(activity.clone()).into_rpc())?;
            namespaces.subscribe("activity", ActivityPubSub::new(activity.clone()).into_rpc());
            let write = ActivityWrite::new(activity.clone(), track).into_rpc();
            namespaces.restricted.insert("activity".to_owned(), write.into());
        }
        namespaces.subscribe("eth", EthPubSub::new(ctx.clone()).into_rpc());
        Ok(namespaces)
    }

    fn add(
        &mut self,
        namespace: &str,
        methods: impl Into<Methods>,
    ) -> Result<(), RegisterMethodError> {
        self.methods.entry(namespace.to_owned()).or_default().merge(methods)
    }

    fn subscribe(&mut self, namespace: &str, methods: impl Into<Methods>) {
        self.subscriptions.insert(namespace.to_owned(), methods.into());
    }

    /// The methods of some namespaces, with `rpc_modules`.
    fn select(
        &self,
        endpoint: &'static str,
        names: &[String],
        extent: Extent,
    ) -> Result<Methods, ServerError> {
        let mut selected = Methods::new();
        let mut versions = BTreeMap::new();
        versions.insert("rpc".to_owned(), MODULE_VERSION.to_owned());
        for name in names.iter().filter(|name| *name != "rpc") {
            let methods = self.methods.get(name).ok_or_else(|| ServerError::UnknownNamespace {
                endpoint,
                name: name.clone(),
                known: self.methods.keys().cloned().collect::<Vec<_>>().join(", "),
            })?;
            if versions.insert(name.clone(), MODULE_VERSION.to_owned()).is_some() {
                continue;
            }
            selected.merge(methods.clone())?;
            let subscriptions = self.subscriptions.get(name).filter(|_| extent.subscriptions);
            let restricted = self.restricted.get(name).filter(|_| extent.restricted);
            for methods in subscriptions.into_iter().chain(restricted) {
                selected.merge(methods.clone())?;
            }
        }
        let modules = Modules::new(versions, &selected).map_err(ServerError::Document)?;
        selected.merge(modules.into_rpc())?;
        Ok(selected)
    }

    fn names(&self) -> Vec<String> {
        self.methods.keys().cloned().collect()
    }
}

/// Builds and starts the servers.
#[derive(Debug)]
pub struct RpcServerBuilder {
    config: RpcServerConfig,
    handles: RpcHandles,
    extra: Vec<(String, Methods)>,
}

impl RpcServerBuilder {
    /// Servers as `config` says, answering from `handles`.
    pub const fn new(config: RpcServerConfig, handles: RpcHandles) -> Self {
        Self { config, handles, extra: Vec::new() }
    }

    /// Adds methods to a namespace, new or existing. A namespace is offered by a public server only
    /// if its configuration names it; the authenticated server offers all.
    #[must_use]
    pub fn extend_rpc_modules(mut self, namespace: &str, methods: impl Into<Methods>) -> Self {
        self.extra.push((namespace.to_owned(), methods.into()));
        self
    }

    /// Binds all addresses, then serves. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ServerError`]; nothing is served then.
    pub async fn start(self) -> Result<RpcServerHandle, ServerError> {
        let Self { config, handles, extra } = self;
        let limits = config.limits;
        let ctx = Context::new(handles, limits);
        let track = config.auth.as_ref().is_none_or(AuthConfig::takes_personal_data);
        let mut namespaces = Namespaces::new(&ctx, track)?;
        for (namespace, methods) in extra {
            namespaces.add(&namespace, methods)?;
        }
        let mut plans = Vec::new();
        if let Some(http) = &config.http {
            plans.push(Plan::public("http", http, &namespaces, &limits).await?);
        }
        if let Some(ws) = &config.ws {
            plans.push(Plan::public("ws", ws, &namespaces, &limits).await?);
        }
        if let Some(auth) = &config.auth {
            plans.push(Plan::authenticated(auth, &namespaces, &limits).await?);
        }
        let (stop, server) = stop_channel();
        let (alive, ended) = mpsc::channel(1);
        let mut addresses = BTreeMap::new();
        for plan in plans {
            addresses.insert(plan.endpoint, plan.addr);
            tracing::info!(target: "rpc::server", endpoint = plan.endpoint, addr = %plan.addr, "listening");
            plan.spawn(&ctx, stop.clone(), alive.clone());
        }
        let follower = follow_commits(ctx);
        Ok(RpcServerHandle { addresses, server, ended, follower })
    }
}

/// Puts each new block into the cache.
fn follow_commits(ctx: Context) -> AbortHandle {
    let mut commits = ctx.factory().subscribe_to_canonical_state();
    tokio::spawn(async move {
        loop {
            match commits.recv().await {
                Ok(new) => ctx.on_commit(new.tip()),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    })
    .abort_handle()
}

/// A server that is bound and not yet serving.
struct Plan {
    endpoint: &'static str,
    addr: SocketAddr,
    listener: TcpListener,
    methods: Methods,
    policy: Policy,
    cors: CorsLayer,
    transports: Transports,
    limits: RpcLimits,
    /// Whether raw transactions may be sent here.
    has_eth: bool,
}

impl Plan {
    async fn public(
        endpoint: &'static str,
        config: &EndpointConfig,
        namespaces: &Namespaces,
        limits: &RpcLimits,
    ) -> Result<Self, ServerError> {
        let is_ws = endpoint == "ws";
        let extent = Extent { subscriptions: is_ws, restricted: config.restricted };
        let methods = namespaces.select(endpoint, &config.namespaces, extent)?;
        let policy = Policy {
            hosts: Policy::hosts_for(config.addr.ip(), &config.hosts),
            origins: config.cors_origins.clone(),
            secret: None,
        };
        let (listener, addr) = bind(endpoint, config.addr).await?;
        Ok(Self {
            endpoint,
            addr,
            listener,
            methods,
            cors: cors(endpoint, &config.cors_origins)?,
            policy,
            transports: Transports { http: !is_ws, ws: is_ws },
            limits: *limits,
            has_eth: config.namespaces.iter().any(|name| name == "eth"),
        })
    }

    async fn authenticated(
        config: &AuthConfig,
        namespaces: &Namespaces,
        limits: &RpcLimits,
    ) -> Result<Self, ServerError> {
        let endpoint = "authrpc";
        let extent = Extent { subscriptions: true, restricted: true };
        let methods = namespaces.select(endpoint, &namespaces.names(), extent)?;
        let policy = Policy {
            hosts: Policy::hosts_for(config.addr.ip(), &config.hosts),
            origins: Vec::new(),
            secret: Some(config.secret),
        };
        let (listener, addr) = bind(endpoint, config.addr).await?;
        Ok(Self {
            endpoint,
            addr,
            listener,
            methods,
            policy,
            cors: cors(endpoint, &[])?,
            transports: Transports { http: true, ws: true },
            limits: *limits,
            has_eth: true,
        })
    }

    fn spawn(self, ctx: &Context, stop: StopHandle, alive: mpsc::Sender<()>) {
        let sends = SendBatchLayer {
            ctx: self.has_eth.then(|| ctx.clone()),
            max_response: self.limits.max_response_bytes as usize,
        };
        let limits = self.limits;
        let limiter = ConnectionLimiter::new(limits.max_connections, limits.max_connections_per_ip);
        let parts = EndpointParts {
            methods: self.methods,
            sends,
            transports: self.transports,
            limits,
            stop: stop.clone(),
            alive,
        };
        let listener = Listener {
            endpoint: Endpoint(Arc::new(parts)),
            policy: Arc::new(self.policy),
            cors: self.cors,
            limiter,
        };
        tokio::spawn(listener.run(self.listener, stop));
    }
}

async fn bind(
    endpoint: &'static str,
    addr: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServerError> {
    let error = |source| ServerError::Bind { endpoint, addr, source };
    let listener = TcpListener::bind(addr).await.map_err(error)?;
    let addr = listener.local_addr().map_err(error)?;
    Ok((listener, addr))
}

/// Lets the pages of some origins read answers.
fn cors(endpoint: &'static str, origins: &[String]) -> Result<CorsLayer, ServerError> {
    let mut allowed = Vec::with_capacity(origins.len());
    for origin in origins {
        let refused = || ServerError::Origin { endpoint, origin: origin.clone() };
        if !origin.contains("://") {
            return Err(refused());
        }
        allowed.push(origin.parse().map_err(|_| refused())?);
    }
    let layer = CorsLayer::new();
    Ok(if allowed.is_empty() {
        layer
    } else {
        layer.allow_origin(AllowOrigin::list(allowed)).allow_methods(Any).allow_headers(Any)
    })
}

/// Running servers. They stop when this is dropped or [`stop`](Self::stop) is called.
#[derive(Debug)]
pub struct RpcServerHandle {
    addresses: BTreeMap<&'static str, SocketAddr>,
    server: ServerHandle,
    ended: mpsc::Receiver<()>,
    follower: AbortHandle,
}

impl RpcServerHandle {
    /// Where the public HTTP server listens.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.addresses.get("http").copied()
    }

    /// Where the public WebSocket server listens.
    pub fn ws_addr(&self) -> Option<SocketAddr> {
        self.addresses.get("ws").copied()
    }

    /// Where the authenticated server listens.
    pub fn auth_addr(&self) -> Option<SocketAddr> {
        self.addresses.get("authrpc").copied()
    }

    /// Stops accepting, closes idle connections and waits a moment for answers under way.
    pub async fn stop(mut self) {
        // An error means that it stopped already.
        let _ = self.server.stop();
        let ended = async { while self.ended.recv().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!(target: "rpc::server", "connections still open after the time to stop");
        }
    }
}

impl Drop for RpcServerHandle {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
