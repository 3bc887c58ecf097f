//! The driver of the consensus core: gives it what happens and carries out what it asks for.
//!
//! One task owns the core and does nothing that takes long. Beside it work
//!
//! | worker | effect | answer |
//! |---|---|---|
//! | thread of the sign state | `Persist` | `Durable` |
//! | a blocking thread | `BuildBlock` | `BlockBuilt` |
//! | blocking threads, at most eight | `CheckBlock` | `BlockChecked` |
//! | a blocking thread, one block at a time | `Finalise` | `Stored` |
//! | the network | `Send`, `OfferBlock` | |
//! | the task that catches up | `FetchBlocks` | `Finalised` |
//!
//! Timers come before everything else, answers before messages, messages before blocks from sync.
//! A block is executed once: what its check or its building found out is kept until the height ends
//! ([`Candidates`]), and its commit writes that.

mod done;
mod effects;
mod feed;
mod height_log;
mod message_log;
pub(crate) mod observe;
mod outbox;
mod peers;
mod reports;
mod requests;
mod space;
mod start;
mod suspension;
mod timers;
mod work;

use crate::{
    EngineError, Proposer, ValidatorSigner,
    candidates::Candidates,
    checker::BlockChecker,
    clock::MonotonicClock,
    commit::Committer,
    handle::Command,
    handshake::LocalStatus,
    sign_state::SignWriter,
    sync::{Synced, Targets},
};
use alloy_primitives::{Address, Bytes};
use done::Done;
use feed::Feed;
use height_log::HeightLog;
use outbox::Outbox;
use peers::{Peers, peer_id};
use peruri_ibft2::{
    Ibft2Schedule, Mark, Seal, Secp256k1Crypto,
    core::{Core, Effect, Input},
};
use peruri_network::{ProcessInfo, SessionId};
use peruri_primitives::SealedHeader;
use peruri_storage::ProviderFactory;
use space::DiskSpace;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::Arc,
};
use suspension::Suspension;
use timers::Timers;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use work::PendingWork;

pub(crate) use start::DriverParts;

/// What the router hands to consensus.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    /// A node has finished its handshake.
    Connected {
        session: SessionId,
        address: Address,
        /// Number of its newest block.
        head: u64,
        /// The highest thing that it has seen this validator sign.
        mark: Option<Box<Mark>>,
    },
    /// It is gone.
    Disconnected { session: SessionId },
    /// It sent a consensus message.
    Message { session: SessionId, bytes: Bytes },
    /// It holds something for a block.
    Work { session: SessionId },
    /// A node sees two live processes with this node's key.
    IdentityInUse { told_by: Address, processes: [ProcessInfo; 2] },
    /// It has stored this block.
    Head { session: SessionId, number: u64 },
}

/// Where the driver's inputs come from.
#[derive(Debug)]
pub(crate) struct Inlets {
    pub(crate) peers: mpsc::Receiver<PeerEvent>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) synced: mpsc::Receiver<Synced>,
}

/// Owns the core.
pub(crate) struct Driver {
    core: Core<Secp256k1Crypto>,
    clock: MonotonicClock,
    schedule: Arc<Ibft2Schedule>,
    provider: ProviderFactory,
    /// The committed head.
    head: SealedHeader,

    signer: ValidatorSigner,
    writer: SignWriter,
    /// Sequence number of the newest durable record.
    durable_sequence: Option<u64>,
    outbox: Outbox,

    timers: Timers,
    peers: Peers,
    targets: Arc<Targets>,
    status: Arc<LocalStatus>,

    proposer: Arc<Proposer>,
    checker: BlockChecker,
    committer: Committer,
    space: Arc<DiskSpace>,
    candidates: Candidates,
    suspension: Suspension,
    feed: Feed,
    work: PendingWork,

    /// Subjects of the wishes that are on the list in the database.
    wishes: BTreeSet<Address>,
    late_seals: BTreeMap<u64, Vec<Seal>>,
    height_log: HeightLog,
    evidence_dir: PathBuf,

    done: mpsc::UnboundedSender<Done>,
    /// Blocks that are being built, checked or committed.
    busy: usize,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("height", &self.core.height()).finish_non_exhaustive()
    }
}

/// A driver that has not begun.
#[derive(Debug)]
pub(crate) struct ReadyDriver {
    driver: Driver,
    /// What the core wants first.
    first: Vec<Effect>,
    /// Where the results of the workers come in.
    results: mpsc::UnboundedReceiver<Done>,
}

impl ReadyDriver {
    /// Runs until `shutdown` fires and the running height is over, or one base timeout has passed.
    ///
    /// # Errors
    /// A failure after which nothing more may be signed.
    pub(crate) async fn run(
        self,
        inlets: Inlets,
        shutdown: CancellationToken,
    ) -> Result<(), EngineError> {
        let Self { mut driver, first, results } = self;
        let mut inputs = VecDeque::new();
        for effect in first {
            driver.carry_out(effect, &mut inputs)?;
        }
        driver.give_all(inputs)?;
        // What the pool holds since before the start is nobody's news.
        if driver.work.next_height(&driver.head) {
            driver.on_work()?;
        }
        driver.observe_height();
        driver.run(results, inlets, shutdown).await
    }
}

impl Driver {
    async fn run(
        mut self,
        mut results: mpsc::UnboundedReceiver<Done>,
        mut inlets: Inlets,
        shutdown: CancellationToken,
    ) -> Result<(), EngineError> {
        let mut stop_at: Option<Instant> = None;
        loop {
            if let Some(id) = self.timers.pop(self.clock.now().mono_ms) {
                self.give(Input::Timer { id })?;
                continue;
            }
            if stop_at.is_some_and(|at| Instant::now() >= at || self.is_at_rest()) {
                break;
            }
            if self.suspension.is_over(Instant::now()) {
                self.sign_what_was_held()?;
                continue;
            }
            let wake = self.timers.next().map(|at| Instant::from_std(self.clock.moment(at)));
            let wake = earlier(wake, self.suspension.ends());
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if stop_at.is_none() => {
                    self.core.stop_proposing();
                    stop_at = Some(Instant::now() + self.schedule.config().request_timeout());
                }
                () = sleep_until_some(earlier(wake, stop_at)) => {}
                Some(done) = results.recv() => self.on_done(done)?,
                Some(event) = inlets.peers.recv() => self.on_peer(event)?,
                Some(command) = inlets.commands.recv() => self.on_command(command)?,
                Some(synced) = inlets.synced.recv(), if self.feed.is_free() => {
                    self.on_synced(synced)?;
                }
                () = self.work.comes_up(&self.head) => self.on_work()?,
            }
        }
        self.writer.finish().await;
        Ok(())
    }

    /// Whether nothing of the running height has begun, so that nobody waits for this node.
    const fn is_at_rest(&self) -> bool {
        self.busy == 0 && self.core.is_between_blocks()
    }

    /// Gives an input to the core and carries out what follows.
    fn give(&mut self, input: Input) -> Result<(), EngineError> {
        self.give_all(VecDeque::from([input]))
    }

    fn give_all(&mut self, mut inputs: VecDeque<Input>) -> Result<(), EngineError> {
        while let Some(input) = inputs.pop_front() {
            for effect in self.core.step(self.clock.now(), input) {
                self.carry_out(effect, &mut inputs)?;
            }
        }
        Ok(())
    }

    fn on_peer(&mut self, event: PeerEvent) -> Result<(), EngineError> {
        match event {
            PeerEvent::Connected { session, address, head, mark } => {
                self.peers.connected(session, address);
                let (peer, validator) = (peer_id(session), Some(address));
                let mark = mark.map(|mark| *mark);
                self.give(Input::PeerConnected { peer, validator, head, mark })
            }
            PeerEvent::Disconnected { session } => {
                self.peers.disconnected(session);
                self.give(Input::PeerDisconnected { peer: peer_id(session) })
            }
            PeerEvent::Message { session, bytes } => {
                if !self.peers.is_validator(session, self.core.validators()) {
                    metrics::counter!("peruri_consensus_outsiders_messages_total").increment(1);
                    return Ok(());
                }
                self.peers.received(&bytes);
                observe::message(&bytes);
                self.give(Input::Message { peer: peer_id(session), bytes })?;
                self.status.note_marks(self.core.record().marks());
                Ok(())
            }
            PeerEvent::IdentityInUse { told_by, processes } => {
                self.on_identity_in_use(told_by, &processes);
                Ok(())
            }
            PeerEvent::Work { session } => {
                if self.peers.is_validator(session, self.core.validators()) {
                    self.give(Input::WorkPending)?;
                }
                Ok(())
            }
            PeerEvent::Head { session, number } => {
                self.give(Input::PeerHead { peer: peer_id(session), head: number })
            }
        }
    }

    /// Something waits for a block. While the height waits for it, validators are told.
    fn on_work(&mut self) -> Result<(), EngineError> {
        self.peers.broadcast_to(self.core.validators(), &crate::wire::Frame::Work);
        self.give(Input::WorkPending)
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
