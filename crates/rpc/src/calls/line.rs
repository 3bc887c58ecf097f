//! Work in line for a few threads.
//!
//! A thread that has done its work takes the next from the line itself. Were every piece of work given
//! to a thread of its own when its turn comes, two threads would have to be woken between one call and
//! the next, which takes longer than most calls.

use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// A piece of work.
type Job = Box<dyn FnOnce() + Send>;
/// Empty once it was begun or given up.
type Slot = Arc<Mutex<Option<Job>>>;

/// Work that waits, and how many threads take it.
#[derive(Debug)]
pub(super) struct Line {
    max_threads: usize,
    /// Work that may wait, as who pushes it sees to.
    max_waiting: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: VecDeque<Slot>,
    threads: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { slots, threads } = self;
        f.debug_struct("State").field("slots", &slots.len()).field("threads", threads).finish()
    }
}

/// A place in the line. Dropped before the work was begun, it takes the work out.
pub(super) struct Ticket(Slot);

impl Ticket {
    /// Takes the work out; false if it was begun already.
    pub(super) fn give_up(&self) -> bool {
        // Dropped after the lock: what the work holds may take time to free.
        let job = self.0.lock().take();
        job.is_some()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Line {
    /// A line of `max_waiting` pieces of work for `max_threads` threads, which run only while there is
    /// work.
    pub(super) fn new(max_threads: usize, max_waiting: usize) -> Self {
        Self { max_threads, max_waiting, state: Mutex::default() }
    }

    /// Adds work at the end. Needs a tokio runtime.
    pub(super) fn push(self: &Arc<Self>, job: Job) -> Ticket {
        let slot = Arc::new(Mutex::new(Some(job)));
        let mut state = self.state.lock();
        // What was given up leaves its slot behind.
        if state.slots.len() >= 2 * self.max_waiting {
            state.slots.retain(|slot| slot.lock().is_some());
        }
        state.slots.push_back(slot.clone());
        if state.threads < self.max_threads {
            state.threads += 1;
            drop(state);
            let line = self.clone();
            tokio::task::spawn_blocking(move || line.work());
        }
        Ticket(slot)
    }

    /// Works until the line is empty.
    fn work(&self) {
        while let Some(slot) = self.next() {
            let Some(job) = slot.lock().take() else { continue };
            // Whoever waits for it learns that it is gone; the others are still in line.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(target: "rpc::server", "an execution panicked");
            }
        }
    }

    fn next(&self) -> Option<Slot> {
        let mut state = self.state.lock();
        let next = state.slots.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn work_is_done_in_order_by_as_many_threads_as_may_be() {
        let line = Arc::new(Line::new(1, 100));
        let (sender, receiver) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let _first = line.push(Box::new(move || released.recv().expect("released")));
        let tickets: Vec<_> = (0..100)
            .map(|n| {
                let sender = sender.clone();
                line.push(Box::new(move || sender.send(n).expect("open")))
            })
            .collect();
        drop(sender);
        assert!(line.state.lock().threads == 1 && receiver.try_recv().is_err());
        assert!(tickets[7].give_up());
        assert!(!tickets[7].give_up(), "only once");
        release.send(()).expect("waiting");
        let done = tokio::task::spawn_blocking(move || receiver.iter().collect::<Vec<i32>>());
        let expected: Vec<i32> = (0..100).filter(|n| *n != 7).collect();
        assert_eq!(done.await.expect("join"), expected);
        assert!(!tickets[8].give_up(), "done");
    }

    #[tokio::test]
    async fn a_panic_does_not_stop_the_line() {
        let line = Arc::new(Line::new(1, 100));
        let (sender, receiver) = mpsc::channel();
        let _bad = line.push(Box::new(|| panic!("on purpose")));
        let _good = line.push(Box::new(move || sender.send(()).expect("open")));
        tokio::task::spawn_blocking(move || receiver.recv()).await.expect("join").expect("done");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_begun() {
        let line = Arc::new(Line::new(1, 100));
        let (sender, receiver) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let _first = line.push(Box::new(move || released.recv().expect("released")));
        for _ in 0..1_000 {
            drop(line.push(Box::new(|| panic!("nobody waits"))));
        }
        assert!(line.state.lock().slots.len() <= 200);
        let _last = line.push(Box::new(move || sender.send(()).expect("open")));
        release.send(()).expect("waiting");
        tokio::task::spawn_blocking(move || receiver.recv()).await.expect("join").expect("done");
    }
}
