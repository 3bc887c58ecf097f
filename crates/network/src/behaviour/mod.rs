//! The libp2p behaviours of a node, and the swarm that drives them.

mod gate;
mod inbound;
mod sieve;
mod streams;

pub(crate) use gate::Gate;
pub(crate) use inbound::InboundRates;
pub(crate) use streams::{ConnectionStreams, Established, REQUEST, SESSION, StreamOpener};

use crate::{NetworkConfig, NetworkError, NodeIdentity, metrics::NetworkMetrics};
use alloy_primitives::keccak256;
use libp2p::{
    Swarm, SwarmBuilder, Transport, connection_limits, connection_limits::ConnectionLimits,
    core::upgrade::Version, gossipsub, noise, ping, quic, swarm::NetworkBehaviour, tcp, yamux,
};
use parking_lot::Mutex;
use sieve::Sieve;
use std::{collections::HashSet, fmt::Display, num::NonZeroU8, sync::Arc, time::Duration};

pub(crate) type Gossip =
    gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::WhitelistSubscriptionFilter>;

/// Streams of all kinds that a connection may have; libp2p's own protocols need a few.
const MUXER_STREAMS: usize = 256;
/// Connections beside those that count: successors, and what the system still closes.
const SPARE_CONNECTIONS: u32 = 64;
/// Bytes of a gossip message beside its content: signature, key, topic.
const GOSSIP_OVERHEAD: usize = 1_024;
/// What a QUIC connection may have in flight: one largest message.
const QUIC_WINDOW: u32 = 16 << 20;
/// Gossip messages that wait in one connection's handler.
const GOSSIP_HANDLER_QUEUE: usize = 512;

/// The gate comes first: whom it refuses never reaches the others.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    limits: connection_limits::Behaviour,
    ping: ping::Behaviour,
    pub(crate) streams: streams::Behaviour,
    pub(crate) gossip: Gossip,
}

impl Behaviour {
    fn new(
        config: &NetworkConfig,
        identity: &NodeIdentity,
        metrics: Arc<NetworkMetrics>,
        rates: Arc<Mutex<InboundRates>>,
    ) -> Result<Self, NetworkError> {
        let limits = &config.limits;
        let ping = ping::Config::new()
            .with_interval(config.timing.ping_interval)
            .with_timeout(config.timing.liveness);
        Ok(Self {
            gate: Gate::new(limits, rates),
            limits: connection_limits::Behaviour::new(
                ConnectionLimits::default()
                    .with_max_pending_incoming(Some(limits.pending_inbound))
                    .with_max_established(Some(limits.peers.saturating_add(SPARE_CONNECTIONS))),
            ),
            ping: ping::Behaviour::new(ping),
            streams: streams::Behaviour::new(limits.streams_per_peer, metrics),
            gossip: gossip(config, identity)?,
        })
    }
}

/// The topic of transactions.
pub(crate) fn topic(config: &NetworkConfig) -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new(config.gossip_topic.as_str())
}

/// gossipsub's defaults would lose full blocks and forward unchecked messages; all bounds are set.
fn gossip(config: &NetworkConfig, identity: &NodeIdentity) -> Result<Gossip, NetworkError> {
    let setup = |reason: String| NetworkError::Setup { what: "gossipsub", reason };
    let settings = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(Duration::from_millis(500))
        .max_transmit_size(config.limits.gossip_message_bytes + GOSSIP_OVERHEAD)
        // The application has ten seconds for its verdict; then the message is not forwarded.
        .history_length(20)
        .validation_mode(gossipsub::ValidationMode::Strict)
        .validate_messages()
        // The full bytes: a spoiled copy must not pass for the good one.
        .message_id_fn(|message| gossipsub::MessageId::from(keccak256(&message.data).to_vec()))
        .connection_handler_queue_len(GOSSIP_HANDLER_QUEUE)
        .publish_queue_duration(Duration::from_secs(30))
        .forward_queue_duration(Duration::from_secs(10))
        .max_control_messages_sent(1_000)
        // The subscription is told anew when a peer has come back: see `service::subscription`.
        .unsubscribe_backoff(Duration::from_secs(1))
        .build()
        .map_err(|error| setup(error.to_string()))?;
    let authenticity = gossipsub::MessageAuthenticity::Signed(identity.keypair().clone());
    let topic = topic(config);
    let only = gossipsub::WhitelistSubscriptionFilter(HashSet::from([topic.hash()]));
    let mut gossip = Gossip::new_with_subscription_filter(authenticity, settings, only)
        .map_err(|error| setup(error.to_owned()))?;
    gossip.subscribe(&topic).map_err(|error| setup(error.to_string()))?;
    Ok(gossip)
}

fn setup<E: Display>(what: &'static str) -> impl Fn(E) -> NetworkError {
    move |error| NetworkError::Setup { what, reason: error.to_string() }
}

/// The swarm: TCP with Noise and yamux, QUIC with TLS 1.3, DNS names resolved at each dial. Both
/// transports let in what `rates` admits.
pub(crate) fn swarm(
    config: &NetworkConfig,
    identity: &NodeIdentity,
    metrics: Arc<NetworkMetrics>,
    rates: Arc<Mutex<InboundRates>>,
) -> Result<Swarm<Behaviour>, NetworkError> {
    let behaviour = Behaviour::new(config, identity, metrics, rates.clone())?;
    let handshake = config.timing.handshake;
    let noise = noise::Config::new(identity.keypair()).map_err(setup("Noise"))?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let tcp = Sieve::new(tcp, rates.clone())
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(muxer());
    let quic = Sieve::new(quic::tokio::Transport::new(quic_config(config, identity)), rates);
    let swarm = SwarmBuilder::with_existing_identity(identity.keypair().clone())
        .with_tokio()
        .with_other_transport(|_| tcp)
        .map_err(setup("TCP"))?
        .with_other_transport(|_| quic)
        .map_err(setup("QUIC"))?
        .with_dns()
        .map_err(setup("DNS"))?
        .with_behaviour(|_| behaviour)
        .map_err(setup("behaviour"))?
        .with_swarm_config(|swarm| {
            swarm
                .with_dial_concurrency_factor(NonZeroU8::MIN)
                .with_max_negotiating_inbound_streams(config.limits.streams_per_peer)
        })
        .with_connection_timeout(handshake)
        .build();
    Ok(swarm)
}

fn muxer() -> yamux::Config {
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(MUXER_STREAMS);
    muxer
}

fn quic_config(config: &NetworkConfig, identity: &NodeIdentity) -> quic::Config {
    let mut quic = quic::Config::new(identity.keypair());
    quic.handshake_timeout = config.timing.handshake;
    quic.max_concurrent_stream_limit = MUXER_STREAMS as u32;
    quic.max_stream_data = QUIC_WINDOW;
    quic.max_connection_data = QUIC_WINDOW;
    quic
}
