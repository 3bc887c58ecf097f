//! The thread that owns the core: one group of requests, one sync.

use super::{VoidTarget, metrics, now_ms};
use crate::{
    ActivityError,
    chain::BlockFacts,
    core::{Accepted, Core, Origin, Request, Snapshot},
    rows::{DeadLetter, StoreError},
};
use peruri_plog::VoidReason;
use std::time::Duration;
use tokio::{
    runtime::Handle,
    sync::{mpsc::Receiver, oneshot, watch},
    time::{Instant, timeout_at},
};

/// Most requests that are accepted with one sync.
const GROUP: usize = 4_096;

type Answers = Vec<Result<Accepted, ActivityError>>;

/// Something for the thread to do. Nobody may wait for the answer any more; it is done all the same.
pub(crate) enum Command {
    Accept {
        requests: Vec<Request>,
        origin: Origin,
        reply: oneshot::Sender<Answers>,
    },
    Block {
        facts: BlockFacts,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    CaughtUp {
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    Void {
        target: VoidTarget,
        reason: VoidReason,
        reply: oneshot::Sender<Result<(), ActivityError>>,
    },
    RetryRefused {
        reply: oneshot::Sender<Result<(), ActivityError>>,
    },
    Dead {
        letters: Vec<DeadLetter>,
        reply: oneshot::Sender<Result<(), ActivityError>>,
    },
    Close {
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
}

/// What the thread works with.
pub(crate) struct Job {
    pub(crate) core: Core,
    pub(crate) commands: Receiver<Command>,
    pub(crate) snapshot: watch::Sender<Snapshot>,
    pub(crate) batch_max: u64,
    pub(crate) batch_wait: Duration,
}

impl Job {
    /// Works until every handle is gone, or `Close`.
    pub(crate) fn run(mut self, runtime: &Handle) {
        let mut due: Option<Instant> = None;
        let mut next = None;
        loop {
            let command = match (next.take(), due) {
                (Some(command), _) => Some(command),
                (None, None) => self.commands.blocking_recv(),
                (None, Some(at)) => {
                    match runtime.block_on(async { timeout_at(at, self.commands.recv()).await }) {
                        Ok(command) => command,
                        Err(_) => {
                            due = None;
                            self.seal(1, false);
                            let noted = self.core.note_highest();
                            // The failure is in the log and in the snapshot.
                            let _ = self.unless_failed(noted);
                            self.publish();
                            continue;
                        }
                    }
                }
            };
            let Some(command) = command else { return };
            let ends = matches!(command, Command::Close { .. });
            next = self.carry_out(command);
            if ends {
                return;
            }
            self.seal(self.batch_max, next.is_some());
            due = match due {
                _ if self.core.unsealed() == 0 => None,
                None => Some(Instant::now() + self.batch_wait),
                due => due,
            };
        }
    }

    /// Returns a command that was taken from the queue and does not belong to this one.
    fn carry_out(&mut self, command: Command) -> Option<Command> {
        match command {
            Command::Accept { requests, origin, reply } => {
                return self.accept(requests, origin, reply);
            }
            Command::Block { facts, reply } => {
                let done = self.core.block(&facts);
                self.finish(done, reply);
            }
            Command::CaughtUp { reply } => {
                let done = self.core.caught_up();
                self.finish(done, reply);
            }
            Command::Close { reply } => {
                let done = self.core.close();
                self.finish(done, reply);
            }
            Command::Void { target, reason, reply } => {
                let done = match target {
                    VoidTarget::Activity(id) => self.core.void_activity(id, reason, now_ms()),
                    VoidTarget::Numbers(numbers) => self.core.void(numbers, reason, now_ms()),
                };
                self.answer(done, reply);
            }
            Command::RetryRefused { reply } => {
                let done = self.core.retry_refused().map(Ok);
                self.answer(done, reply);
            }
            Command::Dead { letters, reply } => {
                let done = self.core.keep_dead(&letters).map(Ok);
                self.answer(done, reply);
            }
        }
        None
    }

    /// Accepts `requests` and those that wait behind them with one sync.
    fn accept(
        &mut self,
        requests: Vec<Request>,
        origin: Origin,
        reply: oneshot::Sender<Answers>,
    ) -> Option<Command> {
        let mut group: Vec<_> = requests.into_iter().map(|it| (it, origin)).collect();
        let mut replies = vec![(group.len(), reply)];
        let mut other = None;
        while group.len() < GROUP {
            match self.commands.try_recv() {
                Ok(Command::Accept { requests, origin, reply }) => {
                    replies.push((requests.len(), reply));
                    group.extend(requests.into_iter().map(|it| (it, origin)));
                }
                Ok(command) => {
                    other = Some(command);
                    break;
                }
                Err(_) => break,
            }
        }
        let answers = self.core.accept(&group, now_ms());
        let mut answers = self.unless_failed(answers).unwrap_or_else(|error| {
            let failed = ActivityError::Internal(error.to_string());
            vec![Err(failed); group.len()]
        });
        metrics::answered(&answers);
        self.publish();
        for (count, reply) in replies {
            let rest = answers.split_off(count.min(answers.len()));
            // Who has gone away asks again, and gets the same answer.
            let _ = reply.send(std::mem::replace(&mut answers, rest));
        }
        other
    }

    /// Seals as long as at least `least` numbers wait, and nobody waits for an answer: sealing takes
    /// longer than accepting. Once is always, so that a flood does not hold it up for good. `waiting` if
    /// somebody waits whose command was taken from the queue.
    pub(super) fn seal(&mut self, least: u64, waiting: bool) {
        while self.core.unsealed() >= least.max(1) {
            let sealed = self.core.seal(now_ms());
            match self.unless_failed(sealed) {
                Ok(true) => self.publish(),
                Ok(false) | Err(_) => break,
            }
            if waiting || !self.commands.is_empty() {
                break;
            }
        }
        self.publish();
    }

    fn finish(
        &mut self,
        done: Result<(), StoreError>,
        reply: oneshot::Sender<Result<(), StoreError>>,
    ) {
        let done = self.unless_failed(done);
        self.publish();
        let _ = reply.send(done);
    }

    fn answer(
        &mut self,
        done: Result<Result<(), ActivityError>, StoreError>,
        reply: oneshot::Sender<Result<(), ActivityError>>,
    ) {
        let done = self.unless_failed(done);
        self.publish();
        let _ = reply.send(match done {
            Ok(done) => done,
            Err(error) => Err(ActivityError::Internal(error.to_string())),
        });
    }

    /// After storage has failed nothing is told or signed.
    fn unless_failed<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &done {
            tracing::error!(target: "activity", %error, "the source has failed");
            self.core.fail();
        }
        done
    }

    fn publish(&self) {
        let snapshot = self.core.snapshot();
        metrics::show(&snapshot);
        self.snapshot.send_if_modified(|known| {
            let changed = *known != snapshot;
            *known = snapshot;
            changed
        });
    }
}
