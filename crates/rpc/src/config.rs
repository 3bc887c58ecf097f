//! What the servers offer, where, and within which limits.

use alloy_rpc_types_engine::JwtSecret;
use std::{net::SocketAddr, time::Duration};

/// The three servers. One that is `None` is not started.
#[derive(Debug, Clone, Default)]
pub struct RpcServerConfig {
    /// Public server, HTTP only.
    pub http: Option<EndpointConfig>,
    /// Public server, WebSocket only.
    pub ws: Option<EndpointConfig>,
    /// Authenticated server, HTTP and WebSocket.
    pub auth: Option<AuthConfig>,
    /// Limits of all three.
    pub limits: RpcLimits,
}

/// One server.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Namespaces that it offers, e.g. `eth`. Methods of any other are unknown there (−32601).
    pub namespaces: Vec<String>,
    /// Origins (scheme, host, port) of web pages that may use it. A request that names another
    /// origin is refused, over WebSocket too. The wildcard is not accepted.
    pub cors_origins: Vec<String>,
    /// Host names under which it may be called, without port; empty: any on a non-loopback address,
    /// only loopback names on a loopback one (DNS rebinding).
    pub hosts: Vec<String>,
    /// Whether methods that only the authenticated server has are offered too: for development.
    pub restricted: bool,
}

impl EndpointConfig {
    /// A server for `namespaces`, without web pages, under the default host names.
    pub fn new(addr: SocketAddr, namespaces: &[&str]) -> Self {
        Self {
            addr,
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            cors_origins: Vec::new(),
            hosts: Vec::new(),
            restricted: false,
        }
    }
}

/// The authenticated server: every namespace there is, for whoever holds the secret.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Secret of the HS256 tokens (Engine API authentication).
    pub secret: JwtSecret,
    /// Host names under which it may be called, as [`EndpointConfig::hosts`].
    pub hosts: Vec<String>,
    /// Whether TLS stands in front. Without it, personal data is taken on loopback only.
    pub behind_tls: bool,
}

impl AuthConfig {
    /// Whether user ids and payloads may be sent here.
    pub(crate) fn takes_personal_data(&self) -> bool {
        self.behind_tls || self.addr.ip().is_loopback()
    }
}

/// Limits of requests. Every one has an error that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcLimits {
    /// Requests in one batch.
    pub max_batch: u32,
    /// Bytes of a request.
    pub max_request_bytes: u32,
    /// Bytes of an answer.
    pub max_response_bytes: u32,
    /// Connections of one server.
    pub max_connections: u32,
    /// Connections of one server from one IP address. Loopback is exempt.
    pub max_connections_per_ip: u32,
    /// Subscriptions of one connection.
    pub max_subscriptions: u32,
    /// Requests of one WebSocket connection that are under way, a batch being one, from reading until
    /// the answer is handed to the socket. Further ones are read when a place is free; one that waits
    /// longer than [`call_timeout`](Self::call_timeout) is refused.
    pub max_in_flight: u32,
    /// Notifications that wait for one WebSocket client. A subscriber beyond that is closed.
    pub message_buffer: u32,
    /// Blocks that one log query may span.
    pub max_log_blocks: u64,
    /// Logs in one answer.
    pub max_log_entries: usize,
    /// Gas of one call.
    pub gas_cap: u64,
    /// Time of one call or trace, waiting included.
    pub call_timeout: Duration,
    /// Longest time that a sender waits for its transaction's block, and the default.
    pub send_sync_timeout: Duration,
    /// Calls that execute at the same time.
    pub max_concurrent_calls: usize,
    /// Calls that wait or execute, and as many traces.
    pub max_waiting_calls: usize,
    /// Traces that execute at the same time, beside the calls.
    pub max_concurrent_traces: usize,
    /// Blocks that one `trace_filter` may span.
    pub max_trace_blocks: u64,
    /// Blocks that one search for the transactions of an account may look at.
    pub max_search_blocks: u64,
    /// Slots in one proof or slot query.
    pub max_slots: usize,
    /// Blocks in one fee history.
    pub max_fee_history: u64,
    /// Polled filters.
    pub max_filters: usize,
    /// Life of a filter that is not polled.
    pub filter_expiry: Duration,
    /// Raw transactions that wait for the pool.
    pub max_waiting_transactions: usize,
    /// Time for a connection to send the header of its next request, and as much again for the body:
    /// slow and idle connections are closed after it. WebSocket sessions are pinged instead.
    pub request_timeout: Duration,
}

impl Default for RpcLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            max_batch: 100,
            max_request_bytes: 2 << 20,
            max_response_bytes: 10 << 20,
            max_connections: 200,
            max_connections_per_ip: 20,
            max_subscriptions: 16,
            max_in_flight: 32,
            message_buffer: 1024,
            max_log_blocks: 2_000,
            max_log_entries: 10_000,
            gas_cap: 50_000_000,
            call_timeout: Duration::from_secs(5),
            send_sync_timeout: Duration::from_secs(30),
            max_concurrent_calls: (cores / 2).max(1),
            max_waiting_calls: 1024,
            max_concurrent_traces: (cores / 2).max(1),
            max_trace_blocks: 100,
            max_search_blocks: 1_000,
            max_slots: 1024,
            max_fee_history: 1024,
            max_filters: 1024,
            filter_expiry: Duration::from_secs(300),
            max_waiting_transactions: 16_384,
            request_timeout: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_is_taken_on_loopback_or_behind_tls() {
        for (addr, behind_tls, takes) in [
            ("127.0.0.1:1", false, true),
            ("127.9.9.9:1", false, true),
            ("[::1]:1", false, true),
            ("0.0.0.0:1", false, false),
            ("192.0.2.1:1", false, false),
            ("192.0.2.1:1", true, true),
        ] {
            let addr = addr.parse().expect("address");
            let (secret, hosts) = (JwtSecret::random(), Vec::new());
            let config = AuthConfig { addr, secret, hosts, behind_tls };
            assert_eq!(config.takes_personal_data(), takes, "{addr} {behind_tls}");
        }
    }
}
