//! Building a service and its handle.

use super::{
    Inputs, Service,
    commands::check_address,
    dial::Dialer,
    records::{RefusalLog, now_ms},
    subscription::Subscribers,
};
use crate::{
    Handshake, NetworkConfig, NetworkError, NetworkEvents, NetworkHandle, NodeIdentity,
    NodeListError,
    behaviour::{self, Behaviour, InboundRates},
    connection::{Context, Report, SessionTable},
    handle::Parts,
    metrics::NetworkMetrics,
    node_list::{self, NodeList},
    queue::ByteQueue,
};
use futures::StreamExt;
use libp2p::{Multiaddr, Swarm, multiaddr::Protocol, swarm::SwarmEvent};
use parking_lot::Mutex;
use rand::Rng;
use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Commands that wait for the service.
const COMMANDS: usize = 1_024;
/// Reports of connections that wait for the service.
const REPORTS: usize = 256;
/// Own transactions that wait for the service.
const PUBLICATIONS: usize = 1_024;

/// Starts the network on the current tokio runtime.
pub(crate) async fn start(
    config: NetworkConfig,
    identity: &NodeIdentity,
    handshake: Arc<dyn Handshake>,
) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
    let dialer = dialer(&config, identity)?;
    let (list, lists) = load_list(&config)?;
    let metrics = Arc::new(NetworkMetrics::new());
    let rates = Arc::new(Mutex::new(InboundRates::new(config.limits.inbound_per_ip)));
    let mut swarm = behaviour::swarm(&config, identity, metrics.clone(), rates.clone())?;
    let listeners = listen(&mut swarm, &config).await?;
    info!(
        target: "network", peer_id = %identity.peer_id(), address = %identity.address(),
        ?listeners, "listening"
    );
    let limits = &config.limits;
    let (events_in, events) = NetworkEvents::channel(limits.events, limits.gossip_events);
    let (reports_in, reports) = mpsc::channel(REPORTS);
    let topic = behaviour::topic(&config);
    let instance = rand::rng().random();
    let sources = Sources { instance, reports, lists };
    let (handle, inputs) = connect(&config, identity, listeners, metrics.clone(), sources);
    let context = Arc::new(Context {
        config,
        handshake,
        events: events_in,
        sessions: handle.sessions().clone(),
        reports: reports_in,
        instance,
        started_ms: now_ms(),
        next_session: AtomicU64::new(1),
        metrics,
    });
    let mut service = Service {
        swarm,
        context,
        list: NodeList::default(),
        dialer,
        connections: HashMap::new(),
        reputations: HashMap::new(),
        rates,
        refusals: RefusalLog::default(),
        subscribers: Subscribers::default(),
        topic,
        tasks: JoinSet::new(),
    };
    service.set_list(list);
    tokio::spawn(service.run(inputs));
    Ok((handle, events))
}

type ListChanges = mpsc::Receiver<Result<NodeList, NodeListError>>;

/// The node list and its changes; without a file nobody is listed.
fn load_list(config: &NetworkConfig) -> Result<(NodeList, Option<ListChanges>), NetworkError> {
    let Some(path) = &config.node_list else { return Ok((NodeList::default(), None)) };
    let (list, changes) = node_list::watch(path.clone(), config.timing.node_list_poll)?;
    Ok((list, Some(changes)))
}

fn dialer(config: &NetworkConfig, identity: &NodeIdentity) -> Result<Dialer, NetworkError> {
    let mut dialer = Dialer::new(identity.peer_id(), config);
    for address in &config.bootnodes {
        dialer.add(check_address(address)?.peer_id, address.clone(), Instant::now());
    }
    Ok(dialer)
}

/// What reaches the service from inside.
struct Sources {
    instance: u64,
    reports: mpsc::Receiver<Report>,
    lists: Option<ListChanges>,
}

/// The handle, and its other end.
fn connect(
    config: &NetworkConfig,
    identity: &NodeIdentity,
    listeners: Vec<Multiaddr>,
    metrics: Arc<NetworkMetrics>,
    sources: Sources,
) -> (NetworkHandle, Inputs) {
    let limits = &config.limits;
    let (commands_in, commands) = mpsc::channel(COMMANDS);
    let (verdicts_in, verdicts) = mpsc::channel(limits.gossip_events.max(1));
    let (validators_in, validators) = watch::channel(Vec::new());
    let (publications_in, publications) =
        ByteQueue::new(PUBLICATIONS, limits.send_queue_bytes, limits.gossip_message_bytes);
    let stop = CancellationToken::new();
    let handle = NetworkHandle::new(Parts {
        peer_id: identity.peer_id(),
        instance: sources.instance,
        listeners,
        sessions: SessionTable::default(),
        commands: commands_in,
        publications: publications_in,
        verdicts: verdicts_in,
        validators: validators_in,
        stop: stop.clone(),
        timing: config.timing.clone(),
        metrics,
    });
    let Sources { reports, lists, .. } = sources;
    (handle, Inputs { commands, publications, verdicts, validators, reports, lists, stop })
}

/// Listens on TCP and QUIC, on one port number.
async fn listen(
    swarm: &mut Swarm<Behaviour>,
    config: &NetworkConfig,
) -> Result<Vec<Multiaddr>, NetworkError> {
    if !config.tcp && !config.quic {
        return Err(NetworkError::NoTransport);
    }
    let mut at = config.listen;
    let mut listeners = Vec::new();
    if config.tcp {
        check_free(at)?;
        let address = Multiaddr::from(at.ip()).with(Protocol::Tcp(at.port()));
        let bound = listen_on(swarm, address).await?;
        if let Some(Protocol::Tcp(port)) = bound.iter().nth(1) {
            at.set_port(port);
        }
        listeners.push(bound);
    }
    if config.quic {
        let udp = Multiaddr::from(at.ip()).with(Protocol::Udp(at.port()));
        listeners.push(listen_on(swarm, udp.with(Protocol::QuicV1)).await?);
    }
    Ok(listeners)
}

/// libp2p binds with `SO_REUSEPORT`, so a second node on the same port would not be noticed.
fn check_free(at: SocketAddr) -> Result<(), NetworkError> {
    match TcpListener::bind(at) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(NetworkError::Listen { address: at.to_string(), reason: error.to_string() })
        }
    }
}

/// Listens and waits until the listener knows its port.
async fn listen_on(
    swarm: &mut Swarm<Behaviour>,
    address: Multiaddr,
) -> Result<Multiaddr, NetworkError> {
    let failed = |reason: String| NetworkError::Listen { address: address.to_string(), reason };
    let id = swarm.listen_on(address.clone()).map_err(|error| failed(error.to_string()))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, address } if listener_id == id => {
                return Ok(address);
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == id => {
                return Err(failed(format!("{reason:?}")));
            }
            SwarmEvent::ListenerError { listener_id, error } if listener_id == id => {
                return Err(failed(error.to_string()));
            }
            // Nobody is admitted yet: whoever knocks is refused, and comes again.
            _ => {}
        }
    }
}
