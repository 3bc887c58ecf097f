//! Accepting connections within bounds.

use super::{
    accept::Acceptor,
    endpoint::Endpoint,
    guard::{Guard, Policy, error_body},
};
use crate::error::LIMIT_EXCEEDED;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jsonrpsee::server::StopHandle;
use metrics::{counter, gauge};
use parking_lot::Mutex;
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::Layer;
use tower_http::cors::CorsLayer;

/// Refused connections that are told why at the same time; more are just closed.
const MAX_REFUSALS: usize = 32;
/// Time to tell a refused client why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Bounds the connections of a server, in total and per address.
#[derive(Debug)]
pub(crate) struct ConnectionLimiter {
    max: usize,
    max_per_ip: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place. Gives it back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    ip: IpAddr,
}

impl ConnectionLimiter {
    pub(crate) fn new(max: u32, max_per_ip: u32) -> Arc<Self> {
        Arc::new(Self {
            max: max as usize,
            max_per_ip: max_per_ip as usize,
            open: Mutex::default(),
        })
    }

    /// A place, or which limit is reached. Loopback counts in the total only.
    fn acquire(self: &Arc<Self>, ip: IpAddr) -> Result<ConnectionPermit, String> {
        let mut open = self.open.lock();
        if open.values().sum::<usize>() >= self.max {
            return Err(format!("limit exceeded: rpc.max-connections {}", self.max));
        }
        let mine = open.entry(ip).or_default();
        if *mine >= self.max_per_ip && !ip.is_loopback() {
            return Err(format!("limit exceeded: rpc.max-connections-per-ip {}", self.max_per_ip));
        }
        *mine += 1;
        gauge!("peruri_rpc_connections").increment(1.0);
        Ok(ConnectionPermit { limiter: self.clone(), ip })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.limiter.open.lock();
        if let Some(mine) = open.get_mut(&self.ip) {
            *mine -= 1;
            gauge!("peruri_rpc_connections").decrement(1.0);
            if *mine == 0 {
                open.remove(&self.ip);
            }
        }
    }
}

/// What accepts the connections of a server.
pub(crate) struct Listener {
    pub(crate) endpoint: Endpoint,
    pub(crate) policy: Arc<Policy>,
    pub(crate) cors: CorsLayer,
    pub(crate) limiter: Arc<ConnectionLimiter>,
}

impl Listener {
    /// Accepts until `stop`.
    pub(crate) async fn run(self, listener: TcpListener, stop: StopHandle) {
        let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
        let stopped = stop.clone().shutdown();
        tokio::pin!(stopped);
        let mut acceptor = Acceptor::new(listener);
        loop {
            let (socket, peer) = tokio::select! {
                () = &mut stopped => return,
                accepted = acceptor.next() => accepted,
            };
            match self.limiter.acquire(peer.ip()) {
                Ok(permit) => self.serve(socket, permit, &stop),
                Err(reason) => {
                    counter!("peruri_rpc_refused_connections_total").increment(1);
                    if let Ok(turn) = refusals.clone().try_acquire_owned() {
                        tokio::spawn(async move {
                            let _ = tokio::time::timeout(REFUSAL_TIMEOUT, refuse(socket, &reason))
                                .await;
                            drop(turn);
                        });
                    }
                }
            }
        }
    }

    fn serve(&self, socket: TcpStream, permit: ConnectionPermit, stop: &StopHandle) {
        // Answers are written whole: waiting for more only adds delay.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(target: "rpc::server", %error, "connection failed");
            return;
        }
        let parts = &self.endpoint.0;
        let (stopped, alive) = (stop.clone().shutdown(), parts.alive.clone());
        let request_timeout = parts.limits.request_timeout;
        let inner = self.endpoint.clone();
        let guard = Guard { inner, policy: self.policy.clone(), permit: Arc::new(permit) };
        let service = TowerToHyperService::new(self.cors.layer(guard));
        tokio::spawn(async move {
            // HTTP/1.1 only: one request at a time, and no bytes are waited for without a limit.
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(request_timeout)
                .serve_connection(TokioIo::new(socket), service)
                .with_upgrades();
            tokio::pin!(stopped, connection);
            let result = tokio::select! {
                result = &mut connection => result,
                () = &mut stopped => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = result {
                tracing::debug!(target: "rpc::server", %error, "connection ended");
            }
            drop(alive);
        });
    }
}

/// Tells a client why it is not served, after reading what it has sent: closing a socket with
/// unread data would take the answer away again.
async fn refuse(mut socket: TcpStream, reason: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = socket.read(&mut request).await?;
    let body = error_body(LIMIT_EXCEEDED, reason);
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let limiter = ConnectionLimiter::new(3, 2);
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let first = limiter.acquire(ip(1)).expect("place");
        let _second = limiter.acquire(ip(1)).expect("place");
        let error = limiter.acquire(ip(1)).expect_err("per address");
        assert_eq!(error, "limit exceeded: rpc.max-connections-per-ip 2");
        let _third = limiter.acquire(ip(2)).expect("place");
        let error = limiter.acquire(ip(3)).expect_err("total");
        assert_eq!(error, "limit exceeded: rpc.max-connections 3");
        drop(first);
        limiter.acquire(ip(1)).expect("place again");
    }

    #[test]
    fn loopback_is_bound_by_the_total_only() {
        let limiter = ConnectionLimiter::new(3, 1);
        let local = IpAddr::from([127, 0, 0, 1]);
        let _places: Vec<_> = (0..3).map(|_| limiter.acquire(local).expect("place")).collect();
        assert!(limiter.acquire(local).is_err());
    }
}
