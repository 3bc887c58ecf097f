//! The timers of the core. They never wait behind messages and are never dropped.

use peruri_ibft2::core::TimerId;
use std::collections::BTreeMap;

/// Timers that are set, with their times on the monotonic clock in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeMap<TimerId, u64>,
}

impl Timers {
    /// Sets a timer, or moves it.
    pub(super) fn set(&mut self, id: TimerId, at: u64) {
        self.set.insert(id, at);
    }

    /// Forgets a timer.
    pub(super) fn cancel(&mut self, id: TimerId) {
        self.set.remove(&id);
    }

    /// When the next one runs out.
    pub(super) fn next(&self) -> Option<u64> {
        self.set.values().copied().min()
    }

    /// Takes out the first of those that have run out.
    pub(super) fn pop(&mut self, now: u64) -> Option<TimerId> {
        let (id, at) = self.set.iter().map(|(id, at)| (*id, *at)).min_by_key(|(_, at)| *at)?;
        if at > now {
            return None;
        }
        self.set.remove(&id);
        Some(id)
    }

    /// How long a timer still runs, in milliseconds.
    pub(super) fn left(&self, id: TimerId, now: u64) -> Option<u64> {
        self.set.get(&id).map(|at| at.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_run_out_in_order_of_their_times() {
        let mut timers = Timers::default();
        timers.set(TimerId::Resend, 20);
        timers.set(TimerId::Witness, 10);
        assert_eq!((timers.next(), timers.pop(9)), (Some(10), None));
        assert_eq!(timers.pop(30), Some(TimerId::Witness));
        assert_eq!(timers.pop(30), Some(TimerId::Resend));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_timer_that_is_set_again_moves() {
        let mut timers = Timers::default();
        timers.set(TimerId::Resend, 20);
        timers.set(TimerId::Resend, 50);
        assert_eq!((timers.pop(40), timers.left(TimerId::Resend, 40)), (None, Some(10)));
        timers.cancel(TimerId::Resend);
        assert_eq!(timers.pop(60), None);
    }
}
