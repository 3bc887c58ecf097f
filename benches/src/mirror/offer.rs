//! Requests over several connections: by a schedule, or each as soon as a connection is free.

use crate::machine::unix_ms;
use alloy_rpc_types_engine::{Claims, JwtSecret};
use eyre::Result;
use hyper::body::Bytes;
use peruri_testnet::Connection;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// When requests are due: evenly, whatever comes of the earlier ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Activities a second.
    pub(super) per_second: f64,
    /// Activities of a request.
    pub(super) batch: usize,
}

impl Schedule {
    /// When a request is due after the first one, which has number 0.
    pub(super) fn due(&self, request: usize) -> Duration {
        Duration::from_secs_f64((request * self.batch) as f64 / self.per_second)
    }
}

/// A server, and the secret of its tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) secret: JwtSecret,
}

/// A request that was answered; times are Unix milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// When it was due; without a schedule, when it was sent. What a caller waits for counts from here,
    /// although a busy connection may send it later.
    pub(super) due_ms: f64,
    pub(super) sent_ms: f64,
    pub(super) answered_ms: f64,
    pub(super) answer: Bytes,
}

/// What all connections share.
struct Shared {
    server: Server,
    bodies: Vec<Bytes>,
    next: AtomicUsize,
    schedule: Option<Schedule>,
    start: Instant,
    start_ms: f64,
}

/// Sends all bodies; answers in their order.
///
/// # Errors
/// If a connection breaks, or the server does not accept a request.
pub(super) async fn offer(
    server: Server,
    bodies: Vec<Bytes>,
    connections: usize,
    schedule: Option<Schedule>,
) -> Result<Vec<Exchange>> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(server.address).await?);
    }
    let next = AtomicUsize::new(0);
    let (start, start_ms) = (Instant::now(), unix_ms());
    let shared = Arc::new(Shared { server, bodies, next, schedule, start, start_ms });
    let tasks = open.into_iter().map(|it| tokio::spawn(Arc::clone(&shared).send(it)));
    let tasks: Vec<_> = tasks.collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    all.sort_unstable_by_key(|(request, _)| *request);
    Ok(all.into_iter().map(|(_, exchange)| exchange).collect())
}

impl Shared {
    /// Sends one request after the other, whichever is next.
    async fn send(self: Arc<Self>, mut connection: Connection) -> Result<Vec<(usize, Exchange)>> {
        let mut done = Vec::new();
        loop {
            let request = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(body) = self.bodies.get(request) else { return Ok(done) };
            let due = self.schedule.map(|it| it.due(request));
            if let Some(due) = due {
                sleep_until(self.start + due).await;
            }
            let sent_ms = unix_ms();
            let due_ms = due.map_or(sent_ms, |due| self.start_ms + due.as_secs_f64() * 1e3);
            let token = self.server.secret.encode(&Claims::with_current_timestamp())?;
            let answer = connection.post_with(body.clone(), Some(&token)).await?;
            done.push((request, Exchange { due_ms, sent_ms, answered_ms: unix_ms(), answer }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_even() {
        let schedule = Schedule { per_second: 10_000.0, batch: 100 };
        let due = [0, 1, 100].map(|request| schedule.due(request).as_millis());
        assert_eq!(due, [0, 10, 1_000]);
    }
}
