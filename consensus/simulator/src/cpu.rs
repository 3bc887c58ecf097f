//! Time that a thread has spent computing, so that limits do not depend on what else runs.

use std::time::{Duration, Instant};

/// A stopwatch of the calling thread. It must not be given to another one.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    started: Instant,
    used: Option<u64>,
}

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self { started: Instant::now(), used: used() }
    }

    /// CPU time since the start; where the system does not tell it, the time that has passed.
    pub fn elapsed(&self) -> Duration {
        match (self.used, used()) {
            (Some(before), Some(now)) => Duration::from_nanos(now.saturating_sub(before)),
            _ => self.started.elapsed(),
        }
    }
}

/// Nanoseconds that the thread has run (Linux, `proc(5)`).
fn used() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_no_work() {
        let watch = Stopwatch::start();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        // Nothing comes: the sender lives.
        assert!(receiver.recv_timeout(Duration::from_millis(60)).is_err());
        drop(sender);
        let waited = watch.elapsed();
        let mut sum = 0_u64;
        while watch.elapsed() < waited + Duration::from_millis(5) {
            sum = (0..10_000).fold(sum, |sum, number| sum ^ std::hint::black_box(number));
        }
        if used().is_some() {
            assert!(waited < Duration::from_millis(40), "{waited:?}, {sum}");
        }
    }
}
