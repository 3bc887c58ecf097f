//! Taking connections from a socket that may fail to give any.

use metrics::counter;
use std::{
    future::Future,
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, TcpStream};

/// First pause after a failure; each further one doubles it.
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Least time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Where connections come from: a listening socket, or a test's script.
pub(crate) trait Accept: Send {
    /// The next connection with its peer's address. May be dropped before it is ready.
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        Self::accept(self)
    }
}

/// Accepts, and pauses while the system has no descriptors or memory for another connection. The
/// connection stays in the system's queue then, so that the next attempt fails at once: without a
/// pause the loop would take a whole core just when resources are short.
pub(crate) struct Acceptor<A> {
    source: A,
    failures: Failures,
}

impl<A: Accept> Acceptor<A> {
    pub(crate) fn new(source: A) -> Self {
        Self { source, failures: Failures::default() }
    }

    /// The next connection. May be dropped before it is ready.
    pub(crate) async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.source.accept().await {
                Ok(accepted) => {
                    self.failures.pause = None;
                    return accepted;
                }
                Err(error) if is_of_the_connection(&error) => {
                    tracing::debug!(target: "rpc::server", %error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    counter!("peruri_rpc_accept_errors_total").increment(1);
                    let pause = self.failures.next_pause();
                    if let Some(failures) = self.failures.count(Instant::now()) {
                        tracing::warn!(target: "rpc::server", %error, failures, "accepting failed");
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// Whether the error belongs to the connection that was to be accepted, which is gone with it. On
/// Linux `accept` also reports errors of the network that are pending on the new socket.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::TimedOut
    )
}

/// Failures in a row, and when they were last told.
#[derive(Debug, Default)]
struct Failures {
    /// The last pause; `None` after a success.
    pause: Option<Duration>,
    last_report: Option<Instant>,
    unreported: u64,
}

impl Failures {
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause.map_or(MIN_PAUSE, |last| (last * 2).min(MAX_PAUSE));
        self.pause = Some(pause);
        pause
    }

    /// Counts a failure; the number since the last report if it is time for another.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.unreported += 1;
        let recent = |last| now.saturating_duration_since(last) < WARNING_INTERVAL;
        if self.last_report.is_some_and(recent) {
            return None;
        }
        self.last_report = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Fails as scripted, last entry first, then accepts from a real socket.
    struct Script {
        errors: Mutex<Vec<io::Error>>,
        listener: TcpListener,
    }

    impl Accept for Script {
        async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            let error = self.errors.lock().pop();
            match error {
                Some(error) => Err(error),
                None => self.listener.accept().await,
            }
        }
    }

    async fn acceptor(errors: Vec<io::Error>) -> (Acceptor<Script>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await;
        let script = Script { errors: Mutex::new(errors), listener };
        (Acceptor::new(script), client.expect("connected"))
    }

    /// `EMFILE` on Linux.
    fn no_descriptors() -> io::Error {
        io::Error::from_raw_os_error(24)
    }

    #[tokio::test]
    async fn without_descriptors_attempts_get_rarer() {
        let errors = (0..5).map(|_| no_descriptors()).collect();
        let (mut acceptor, client) = acceptor(errors).await;
        let start = Instant::now();
        let (_, peer) = acceptor.next().await;
        assert_eq!(peer, client.local_addr().expect("connected"));
        // 10 + 20 + 40 + 80 + 160 ms
        assert!(start.elapsed() >= Duration::from_millis(310), "{:?}", start.elapsed());
        assert_eq!(acceptor.failures.pause, None, "a success resets the pause");
        assert_eq!(acceptor.failures.unreported, 4, "one warning for five failures");
    }

    #[tokio::test]
    async fn a_connection_that_ended_costs_no_pause() {
        let kinds = [
            ErrorKind::ConnectionAborted,
            ErrorKind::ConnectionReset,
            ErrorKind::Interrupted,
            ErrorKind::NetworkUnreachable,
        ];
        let errors = kinds.into_iter().map(io::Error::from).collect();
        let (mut acceptor, _client) = acceptor(errors).await;
        acceptor.next().await;
        assert!(acceptor.failures.last_report.is_none() && acceptor.failures.unreported == 0);
    }

    #[test]
    fn what_the_system_lacks_is_not_of_the_connection() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM on Linux.
        for code in [24, 23, 105, 12] {
            let error = io::Error::from_raw_os_error(code);
            assert!(!is_of_the_connection(&error), "{error}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut failures = Failures::default();
        let pauses: Vec<u128> = (0..9).map(|_| failures.next_pause().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn warnings_are_rare_and_count_what_they_stand_for() {
        let mut failures = Failures::default();
        let start = Instant::now();
        assert_eq!(failures.count(start), Some(1));
        assert_eq!(failures.count(start + WARNING_INTERVAL / 2), None);
        assert_eq!(failures.count(start + WARNING_INTERVAL), Some(2));
    }
}
