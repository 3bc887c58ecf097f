//! Slows a peer down that sends more than its rate.
//!
//! Its streams are simply read later, so that the excess waits at the sender and not here.

use super::{Report, session::Link};
use crate::{Limits, rate::TokenBucket};
use parking_lot::Mutex;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Shortest time between two reports that a peer is too fast.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What a peer may still send, messages and requests together.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Debug)]
struct State {
    messages: TokenBucket,
    bytes: TokenBucket,
    reported: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self(Mutex::new(State {
            messages: TokenBucket::new(limits.messages, now),
            bytes: TokenBucket::new(limits.bytes, now),
            reported: None,
        }))
    }

    /// Takes tokens for one frame; how long to wait for them, and whether that is to be reported.
    fn charge(&self, length: usize, now: Instant) -> (Duration, bool) {
        let mut state = self.0.lock();
        let wait = state.messages.take(1, now).max(state.bytes.take(length, now));
        let report = !wait.is_zero()
            && state.reported.is_none_or(|at| now.duration_since(at) >= REPORT_INTERVAL);
        if report {
            state.reported = Some(now);
        }
        (wait, report)
    }
}

impl Link {
    /// Waits until the peer may send a frame of this length.
    pub(super) async fn pace(&self, length: usize) {
        let (wait, report) = self.session.pace.charge(length, Instant::now());
        if wait.is_zero() {
            return;
        }
        self.context.metrics.paused.increment(1);
        if report {
            self.context.report(Report::TooFast { connection: self.connection }).await;
        }
        sleep(wait).await;
    }
}
