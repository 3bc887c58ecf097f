//! Asking over several connections for a while.

use crate::machine::own_cpu_time;
use eyre::{Result, ensure, eyre};
use hyper::body::Bytes;
use peruri_testnet::Connection;
use serde::Serialize;
use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes at the beginning of an answer in which it says whether it is a result.
const HEAD: usize = 80;

/// What became of a question that was asked for a while.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Asked {
    /// Answers a second; `None` if one did not come in time.
    pub per_second: Option<f64>,
    /// The node's CPU time per answer in microseconds, likewise.
    pub cpu_us: Option<f64>,
    /// The client's own, not part of the above.
    pub client_cpu_us: Option<f64>,
}

impl Asked {
    /// Whether an answer did not come in time.
    pub(super) const fn is_none(&self) -> bool {
        self.per_second.is_none()
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.per_second, self.cpu_us) {
            (Some(rate), Some(cpu)) => write!(f, "{rate:.1} a second, {cpu:.0} CPU µs"),
            _ => write!(f, "no answer within {PATIENCE:?}"),
        }
    }
}

/// Asks for `window`: every connection asks as soon as it has its answer, each its own share of
/// `bodies`. `cpu_time` is the node's.
///
/// # Errors
/// If a connection breaks, or an answer is no result.
pub(super) async fn ask(
    server: SocketAddr,
    cpu_time: impl Fn() -> Result<Duration>,
    bodies: Arc<[Bytes]>,
    connections: usize,
    window: Duration,
) -> Result<Asked> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(server).await?);
    }
    let (cpu, own, start) = (cpu_time()?, own_cpu_time()?, Instant::now());
    let tasks = open.into_iter().enumerate().map(|(first, connection)| {
        let mine = bodies.clone();
        tokio::spawn(async move {
            let mine = mine.iter().cycle().skip(first).step_by(connections);
            one_connection(connection, mine, start + window).await
        })
    });
    let mut count = Some(0);
    for task in tasks.collect::<Vec<_>>() {
        let answered = task.await??;
        count = count.zip(answered).map(|(sum, more)| sum + more);
    }
    let wall = start.elapsed();
    let (cpu, own) = (cpu_time()?.saturating_sub(cpu), own_cpu_time()?.saturating_sub(own));
    let each = |time: Duration| count.map(|count| time.as_secs_f64() * 1e6 / f64::from(count));
    Ok(Asked {
        per_second: count.map(|count| f64::from(count) / wall.as_secs_f64()),
        cpu_us: each(cpu),
        client_cpu_us: each(own),
    })
}

/// Answers of one connection until `end`, at least one; `None` if one did not come in time.
async fn one_connection<'a>(
    mut connection: Connection,
    bodies: impl Iterator<Item = &'a Bytes>,
    end: Instant,
) -> Result<Option<u32>> {
    let mut count = 0;
    for body in bodies {
        let Ok(answer) = timeout(PATIENCE, connection.post(body.clone())).await else {
            return Ok(None);
        };
        check(&answer?)?;
        count += 1;
        if Instant::now() >= end {
            return Ok(Some(count));
        }
    }
    Err(eyre!("no questions"))
}

/// Whether the answer is a result. Both nodes write it after version and id.
fn check(answer: &[u8]) -> Result<()> {
    let head = String::from_utf8_lossy(&answer[..answer.len().min(HEAD)]);
    let is_result = head.contains(r#""result":"#) && !head.contains(r#""result":null"#);
    ensure!(is_result, "no result: {head}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_results_count() {
        assert!(check(br#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#).is_ok());
        for answer in [
            &br#"{"jsonrpc":"2.0","id":1,"result":null}"#[..],
            br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}"#,
            b"",
        ] {
            assert!(check(answer).is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }

    #[test]
    fn an_answer_that_did_not_come_is_told() {
        let asked = Asked { per_second: None, cpu_us: None, client_cpu_us: None };
        assert_eq!(asked.to_string(), "no answer within 10s");
    }
}
