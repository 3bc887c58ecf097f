//! Who may execute now.

use super::line::Line;
use crate::{RpcError, RpcLimits, error::RpcResult};
use metrics::{counter, histogram};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, oneshot};

/// What a pool executes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Call,
    Trace,
}

impl Kind {
    /// Name of the line, as errors give it.
    const fn line(self) -> &'static str {
        match self {
            Self::Call => "line of calls",
            Self::Trace => "line of traces",
        }
    }

    /// Value of the label `kind` of metrics.
    const fn label(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Trace => "trace",
        }
    }
}

/// Bounds the executions at a time and the line before them.
#[derive(Debug)]
pub(crate) struct CallPool {
    kind: Kind,
    line: Arc<Line>,
    waiting: Arc<Semaphore>,
    max_waiting: usize,
    timeout: Duration,
}

/// Until when a call may run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) limit: Duration,
}

impl Deadline {
    /// The error of a call that ran beyond it.
    pub(crate) const fn error(&self) -> RpcError {
        RpcError::Timeout { limit: self.limit }
    }

    /// Fails if it has passed: for work that no inspector watches.
    pub(crate) fn check(&self) -> RpcResult<()> {
        if Instant::now() < self.at { Ok(()) } else { Err(self.error()) }
    }
}

impl CallPool {
    /// A pool for calls.
    pub(crate) fn calls(limits: &RpcLimits) -> Self {
        Self::new(Kind::Call, limits.max_concurrent_calls, limits)
    }

    /// A pool for traces, which take longer and hold more.
    pub(crate) fn traces(limits: &RpcLimits) -> Self {
        Self::new(Kind::Trace, limits.max_concurrent_traces, limits)
    }

    fn new(kind: Kind, concurrent: usize, limits: &RpcLimits) -> Self {
        Self {
            kind,
            line: Arc::new(Line::new(concurrent.max(1), limits.max_waiting_calls.max(1))),
            waiting: Arc::new(Semaphore::new(limits.max_waiting_calls.max(1))),
            max_waiting: limits.max_waiting_calls,
            timeout: limits.call_timeout,
        }
    }

    /// Runs `work` on a blocking thread when it is its turn. The time in line counts.
    ///
    /// # Errors
    ///
    /// [`RpcError::Busy`] if the line is full, [`RpcError::Timeout`] if the turn does not come, and
    /// what `work` returns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Deadline) -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let busy = RpcError::Busy { what: self.kind.line(), limit: self.max_waiting };
        let Ok(place) = self.waiting.clone().try_acquire_owned() else { return Err(busy) };
        let deadline = Deadline { at: Instant::now() + self.timeout, limit: self.timeout };
        let (reply, mut answer) = oneshot::channel();
        let (kind, waited) = (self.kind.label(), Instant::now());
        let job = move || {
            histogram!("peruri_rpc_call_wait_seconds", "kind" => kind)
                .record(waited.elapsed().as_secs_f64());
            let result = measured(kind, || work(deadline));
            // The place is the execution's, also when the client has gone away meanwhile.
            drop(place);
            let _ = reply.send(result);
        };
        let ticket = self.line.push(Box::new(job));
        match tokio::time::timeout_at(deadline.at.into(), &mut answer).await {
            Ok(result) => result.map_err(RpcError::internal)?,
            Err(_) if ticket.give_up() => Err(deadline.error()),
            // It has begun, and looks at the clock by itself.
            Err(_) => answer.await.map_err(RpcError::internal)?,
        }
    }
}

/// Runs `work` and records how long it took.
fn measured<T>(kind: &'static str, work: impl FnOnce() -> RpcResult<T>) -> RpcResult<T> {
    let begun = Instant::now();
    let result = work();
    histogram!("peruri_rpc_call_duration_seconds", "kind" => kind)
        .record(begun.elapsed().as_secs_f64());
    if matches!(result, Err(RpcError::Timeout { .. })) {
        counter!("peruri_rpc_call_timeouts_total", "kind" => kind).increment(1);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(concurrent: usize, waiting: usize, timeout: Duration) -> CallPool {
        CallPool::calls(&RpcLimits {
            max_concurrent_calls: concurrent,
            max_waiting_calls: waiting,
            call_timeout: timeout,
            ..RpcLimits::default()
        })
    }

    #[tokio::test]
    async fn a_full_line_is_refused_and_named() {
        let pool = Arc::new(pool(1, 1, Duration::from_secs(5)));
        let (started, wait) = std::sync::mpsc::channel::<()>();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move |_| {
                    let _ = started.send(());
                    let _ = released.recv();
                    Ok(())
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || wait.recv()).await.expect("join").expect("started");
        let error = pool.run(|_| Ok(())).await.expect_err("full");
        assert_eq!(error.to_string(), "limit exceeded: line of calls is full (1)");
        release.send(()).expect("running");
        first.await.expect("join").expect("runs");
        pool.run(|_| Ok(())).await.expect("room again");
    }

    #[tokio::test]
    async fn the_time_in_line_counts() {
        let pool = Arc::new(pool(1, 8, Duration::from_millis(20)));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let long = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move |_| Ok(released.recv())).await }
        });
        tokio::task::yield_now().await;
        let error = pool.run(|_| -> RpcResult<()> { panic!("its time is over") });
        let error = error.await.expect_err("no turn");
        assert!(matches!(error, RpcError::Timeout { .. }), "{error}");
        assert_eq!(pool.waiting.available_permits(), 7, "what gave up has no place");
        release.send(()).expect("running");
        let _ = long.await.expect("join").expect("it began in time");
        pool.run(|_| Ok(())).await.expect("turn");
    }
}
