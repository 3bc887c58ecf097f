//! What JSON-RPC, the command line and queue sources talk to.

use super::{Command, Job, now_ms, read};
use crate::{
    ActivityError, ActivityId, Completions, Status, StopReason, Submission,
    chain::{ChainView, Lane},
    core::{Accepted, Core, Origin, Request, Settings, Snapshot},
    mark::MarkStore,
    promise,
    request::Parser,
    rows::{DEAD, DeadLetter, ENTRIES, Record, RowStore, StoreError, numbered},
};
use peruri_plog::VoidReason;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::{Instant, timeout_at},
};

/// Calls that may wait for the thread.
const WAITING: usize = 1_024;
/// Most items of a read.
pub(crate) const MOST_ITEMS: usize = 1_000;

/// The answer to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance {
    /// What was accepted, now or earlier.
    pub accepted: Accepted,
    /// The acceptance promise, if it was asked for: see [`promise`].
    pub promise: Option<[u8; 65]>,
}

/// What to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoidTarget {
    /// The number of an activity.
    Activity(ActivityId),
    /// Numbers; in doubt, exactly those that are.
    Numbers(RangeInclusive<u64>),
}

/// How the source is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Accepted and not sealed.
    pub queued: u64,
    /// Sealed and not included.
    pub sealed: u64,
    /// Age of the oldest that is not included.
    pub oldest_ms: Option<u64>,
    /// Transactions that are sealed and not included.
    pub lane_fill: usize,
    /// Blocks that the source has not read yet.
    pub lag_blocks: u64,
    /// Whether a submission would be taken now.
    pub accepting: bool,
    /// Why not, by name.
    pub stopped: Option<StopReason>,
}

/// A handle to one source. Clones share it; it ends with the last one.
#[derive(Clone)]
pub struct ActivityHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) snapshot: watch::Receiver<Snapshot>,
    rows: Arc<dyn RowStore>,
    chain: Arc<dyn ChainView>,
    settings: Arc<Settings>,
    parser: Arc<Parser>,
    is_new: bool,
    is_restored: bool,
}

impl std::fmt::Debug for ActivityHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivityHandle")
            .field("snapshot", &*self.snapshot.borrow())
            .finish_non_exhaustive()
    }
}

impl ActivityHandle {
    /// Opens the source and starts its thread, which ends with the last handle. Must be called within
    /// a runtime. Nothing is accepted before the extension has caught up.
    ///
    /// # Errors
    /// The inbox cannot be read, the mark is not this source's, or no thread can be started.
    pub fn start(
        settings: Settings,
        parser: Parser,
        batch_wait: Duration,
        rows: Arc<dyn RowStore>,
        mark: Box<dyn MarkStore>,
        chain: Arc<dyn ChainView>,
        lane: Arc<dyn Lane>,
    ) -> Result<Self, StoreError> {
        let batch_max = settings.batch_max as u64;
        let core = Core::open(settings.clone(), Arc::clone(&rows), mark, Arc::clone(&chain), lane)?;
        let (is_new, is_restored) = (core.finished_height().is_none(), core.is_restored());
        let (commands, receiver) = mpsc::channel(WAITING);
        let (sender, snapshot) = watch::channel(core.snapshot());
        let job = Job { core, commands: receiver, snapshot: sender, batch_max, batch_wait };
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name(format!("activity-{}", settings.source))
            .spawn(move || job.run(&runtime))
            .map_err(StoreError::new)?;
        let (settings, parser) = (Arc::new(settings), Arc::new(parser));
        Ok(Self { commands, snapshot, rows, chain, settings, parser, is_new, is_restored })
    }

    /// Parses what callers send.
    pub fn parser(&self) -> &Parser {
        &self.parser
    }

    /// Whether there was no inbox when this was opened: it is made from the chain.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the inbox was found older than the mark when this was opened: a data folder that was
    /// restored.
    pub const fn is_restored(&self) -> bool {
        self.is_restored
    }

    /// What does not change.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Accepts an activity. When this returns, its row is on disk.
    ///
    /// # Errors
    /// [`ActivityError::Full`], [`ActivityError::Conflict`], [`ActivityError::Stopped`],
    /// [`ActivityError::Internal`]; nothing was accepted then.
    pub async fn submit(&self, submission: Submission) -> Result<Acceptance, ActivityError> {
        let mut answers = self.submit_batch(&[submission], Origin::Caller).await;
        answers.pop().unwrap_or_else(|| Err(gone()))
    }

    /// Accepts activities with one sync; answers in their order.
    pub async fn submit_batch(
        &self,
        submissions: &[Submission],
        origin: Origin,
    ) -> Vec<Result<Acceptance, ActivityError>> {
        let requests = submissions.iter().map(|it| Request::Submit(*it)).collect();
        let answers = self.accept(requests, origin).await;
        let wanted = submissions.iter().map(|submission| submission.promise);
        let answers = answers.into_iter().zip(wanted);
        answers.map(|(answer, wanted)| self.promise(answer?, wanted)).collect()
    }

    /// Accepts an erasure notice for an included entry.
    ///
    /// # Errors
    /// [`ActivityError::NotIncluded`], and those of [`submit`](Self::submit).
    pub async fn erase(&self, id: ActivityId) -> Result<Acceptance, ActivityError> {
        let mut answers = self.accept(vec![Request::Erase(id)], Origin::Caller).await;
        let accepted = answers.pop().unwrap_or_else(|| Err(gone()))?;
        Ok(Acceptance { accepted, promise: None })
    }

    /// What became of activities, in their order; `Unknown` for one that was never accepted here.
    ///
    /// # Errors
    /// [`ActivityError::Malformed`] for more than 1,000; [`ActivityError::Internal`].
    pub fn status(&self, ids: &[ActivityId]) -> Result<Vec<Status>, ActivityError> {
        if ids.len() > MOST_ITEMS {
            return Err(ActivityError::malformed("activityId", "at most 1,000 at a time"));
        }
        let snapshot = self.snapshot.borrow().clone();
        let status = |id: &ActivityId| read::status(&*self.rows, &snapshot, self.settings.log, *id);
        ids.iter().map(status).collect::<Result<_, _>>().map_err(internal)
    }

    /// Completions from number `from` on. If there are none, waits up to `wait` for the first.
    ///
    /// # Errors
    /// [`ActivityError::Malformed`] for a `from` of 0 or more than 1,000 items;
    /// [`ActivityError::Internal`].
    pub async fn completions(
        &self,
        from: u64,
        limit: usize,
        wait: Duration,
    ) -> Result<Completions, ActivityError> {
        if from == 0 {
            return Err(ActivityError::malformed("from", "numbers begin with 1"));
        }
        if limit == 0 || limit > MOST_ITEMS {
            return Err(ActivityError::malformed("limit", "expected 1 to 1,000"));
        }
        let mut snapshot = self.snapshot.clone();
        let deadline = Instant::now() + wait;
        let there = snapshot.wait_for(|snapshot| snapshot.completed_end > from);
        let end = match timeout_at(deadline, there).await {
            Ok(Ok(snapshot)) => snapshot.completed_end,
            Ok(Err(_)) => return Err(gone()),
            Err(_) => return Ok(Completions { items: Vec::new(), next: from }),
        };
        read::completions(&*self.rows, from, end, limit).map_err(internal)
    }

    /// How the source is doing.
    ///
    /// # Errors
    /// [`ActivityError::Internal`].
    pub fn queue(&self) -> Result<QueueState, ActivityError> {
        let snapshot = self.snapshot.borrow().clone();
        let open = snapshot.highest + 1 - snapshot.completed_end;
        let oldest = self.rows.get(&numbered(ENTRIES, snapshot.completed_end)).map_err(internal)?;
        let oldest = oldest.map(|row| Record::decode(&row)).transpose().map_err(internal)?;
        let head = self.chain.source().map_err(internal)?.height;
        Ok(QueueState {
            queued: (snapshot.highest + 1).saturating_sub(snapshot.sealed_end),
            sealed: snapshot.sealed_end.saturating_sub(snapshot.completed_end),
            oldest_ms: oldest.map(|record| now_ms().saturating_sub(record.accepted_ms)),
            lane_fill: snapshot.sealed.len(),
            lag_blocks: head.saturating_sub(snapshot.height),
            accepting: snapshot.stopped.is_none() && open < self.settings.inbox_mark,
            stopped: snapshot.stopped,
        })
    }

    /// Closes numbers that are accepted and neither sealed nor included; in doubt, those that are.
    ///
    /// # Errors
    /// [`ActivityError::NotClosable`], [`ActivityError::Internal`].
    pub async fn void(&self, target: VoidTarget, reason: VoidReason) -> Result<(), ActivityError> {
        self.ask(|reply| Command::Void { target, reason, reply }).await?
    }

    /// Tries again what was refused twice.
    ///
    /// # Errors
    /// [`ActivityError::Internal`].
    pub async fn retry_refused(&self) -> Result<(), ActivityError> {
        self.ask(|reply| Command::RetryRefused { reply }).await?
    }

    /// Keeps why messages were rejected. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`ActivityError::Internal`].
    pub async fn keep_dead(&self, letters: Vec<DeadLetter>) -> Result<(), ActivityError> {
        self.ask(|reply| Command::Dead { letters, reply }).await?
    }

    /// The oldest dead letters that are kept, up to `limit`.
    ///
    /// # Errors
    /// [`ActivityError::Internal`].
    pub fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, ActivityError> {
        let rows = self.rows.scan(DEAD, DEAD, limit).map_err(internal)?;
        let letters = rows.into_iter().map(|(_, row)| DeadLetter::decode(&row));
        letters.collect::<Result<_, _>>().map_err(internal)
    }

    /// Whether the source accepts and the inbox is below its mark.
    pub fn has_room(&self) -> bool {
        self.is_open(&self.snapshot.borrow())
    }

    /// Waits until the source accepts and the inbox is below its mark.
    ///
    /// # Errors
    /// [`ActivityError::Internal`] when the source has ended.
    pub async fn room(&self) -> Result<(), ActivityError> {
        let is_open = |snapshot: &Snapshot| self.is_open(snapshot);
        self.snapshot.clone().wait_for(is_open).await.map(|_| ()).map_err(|_| gone())
    }

    fn is_open(&self, snapshot: &Snapshot) -> bool {
        let waiting = snapshot.highest + 1 - snapshot.completed_end;
        snapshot.stopped.is_none() && waiting < self.settings.inbox_mark
    }

    /// Makes the mark exact and ends the thread: a clean stop.
    ///
    /// # Errors
    /// [`ActivityError::Internal`].
    pub async fn close(&self) -> Result<(), ActivityError> {
        self.ask(|reply| Command::Close { reply }).await?.map_err(internal)
    }

    /// Lets the thread do something and waits for its answer, and before that for room in its queue.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, ActivityError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    async fn accept(
        &self,
        requests: Vec<Request>,
        origin: Origin,
    ) -> Vec<Result<Accepted, ActivityError>> {
        let count = requests.len();
        if origin == Origin::Queue {
            // A queue can wait, a caller is told to.
            let answers = self.ask(|reply| Command::Accept { requests, origin, reply }).await;
            return answers.unwrap_or_else(|error| vec![Err(error); count]);
        }
        let (reply, answer) = oneshot::channel();
        let refused = match self.commands.try_send(Command::Accept { requests, origin, reply }) {
            Ok(()) => match answer.await {
                Ok(answers) => return answers,
                Err(_) => gone(),
            },
            Err(TrySendError::Closed(_)) => gone(),
            Err(TrySendError::Full(_)) => {
                ActivityError::Full { retry_after_ms: self.settings.retry_after_ms }
            }
        };
        vec![Err(refused); count]
    }

    fn promise(&self, accepted: Accepted, wanted: bool) -> Result<Acceptance, ActivityError> {
        let Settings { key, chain_id, source, .. } = &*self.settings;
        let sign = || promise::sign(key, *chain_id, *source, &accepted.entry);
        let promise = wanted.then(sign).transpose();
        let promise = promise.map_err(|error| ActivityError::Internal(error.to_string()))?;
        Ok(Acceptance { accepted, promise })
    }
}

fn gone() -> ActivityError {
    ActivityError::Internal("the source has ended".to_owned())
}

fn internal(error: StoreError) -> ActivityError {
    ActivityError::Internal(error.to_string())
}
