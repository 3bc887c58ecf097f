//! Carrying out what the core asks for.

use super::{Done, Driver, observe};
use crate::{
    BlockOrder, EngineError,
    checker::Checked,
    clock,
    commit::FinalBlock,
    sign_state::{Persist, Written},
    wire::{Frame, NewBlock},
};
use peruri_ibft2::{
    Block, Seal,
    core::{Effect, Input, RequestId, Verdict},
    fresh_timestamp, recover_seals,
};
use peruri_network::SessionId;
use peruri_storage::ExecutedBlock;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};
use tracing::{error, info, warn};

impl Driver {
    /// Does what can be done at once and starts the rest. Answers that are there already go to
    /// `inputs`.
    pub(super) fn carry_out(
        &mut self,
        effect: Effect,
        inputs: &mut VecDeque<Input>,
    ) -> Result<(), EngineError> {
        match effect {
            Effect::Sign { request, digest, .. } => {
                if !self.suspension.hold(request, digest) {
                    let signature = self.signer.sign(digest)?;
                    inputs.push_back(Input::Signed { request, signature });
                }
            }
            Effect::Persist { token, record, block } => {
                self.writer.persist(Persist { token, record, block })?;
            }
            Effect::Send { after, .. } | Effect::Finalise { after, .. } => {
                if let Some(effect) = self.outbox.admit(after, effect) {
                    self.release(effect)?;
                }
            }
            Effect::SetTimer { id, at } => self.timers.set(id, at),
            Effect::CancelTimer { id } => self.timers.cancel(id),
            Effect::BuildBlock { request, parent, round, coinbase, extra_data, not_before } => {
                // Otherwise the height is over, and nobody waits for the block.
                if parent.0 == self.head.hash() {
                    let timestamp = self.proposal_time(round).max(not_before);
                    let parent = self.head.clone();
                    let validators = self.core.validators().clone();
                    let order = BlockOrder { parent, validators, coinbase, extra_data, timestamp };
                    self.build(request, order);
                }
            }
            Effect::CheckBlock { request, block, fresh } => self.check(request, block, fresh),
            Effect::AddSeals { height, seals } => {
                self.late_seals.entry(height).or_default().extend(seals);
            }
            Effect::FetchBlocks { from, peer } => self.targets.want(SessionId(peer.0), from),
            Effect::OfferBlock { height, peer } => self.offer(height, peer)?,
            Effect::Report(report) => self.on_report(*report)?,
        }
        Ok(())
    }

    /// Does what had to wait for the sign state.
    fn release(&mut self, effect: Effect) -> Result<(), EngineError> {
        match effect {
            Effect::Send { to, bytes, .. } => {
                // To those who are validators now, which the core knows.
                self.peers.send(to, self.core.validators(), &bytes);
            }
            Effect::Finalise { block, seals, round, .. } => self.finalise(block, seals, round)?,
            _ => {}
        }
        Ok(())
    }

    /// Time of a header that is fresh now, in seconds.
    fn proposal_time(&self, round: u32) -> u64 {
        let fresh = fresh_timestamp(clock::unix_millis(), round);
        clock::header_time(&self.schedule, &self.head, fresh)
    }

    fn build(&mut self, request: RequestId, order: BlockOrder) {
        let (proposer, space, done) =
            (self.proposer.clone(), self.space.clone(), self.done.clone());
        self.busy = self.busy.saturating_add(1);
        tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let result = space
                .is_enough()
                .and_then(|enough| enough.then(|| proposer.propose(&order)).transpose());
            metrics::histogram!("peruri_engine_build_seconds").record(started.elapsed());
            // Nobody waits any more when the driver has ended; so below.
            let _ = done.send(Done::Built { request, result });
        });
    }

    fn check(&mut self, request: RequestId, block: Arc<Block>, fresh: bool) {
        let (checker, done) = (self.checker.clone(), self.done.clone());
        self.busy = self.busy.saturating_add(1);
        tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let result = checker.check(&block, fresh);
            metrics::histogram!("peruri_engine_check_seconds").record(started.elapsed());
            let _ = done.send(Done::Checked { request, block, result });
        });
    }

    fn finalise(
        &mut self,
        block: Arc<Block>,
        seals: Vec<Seal>,
        round: u32,
    ) -> Result<(), EngineError> {
        let number = block.number();
        let sealed = block
            .sealed(round, seals.clone())
            .map_err(|source| EngineError::ExtraData { number, source })?;
        let digest = sealed.digest().map_err(|source| EngineError::ExtraData { number, source })?;
        let authors = recover_seals(digest, &seals);
        let rounds = self.height_log.end(
            round,
            self.core.proposer(round).unwrap_or_default(),
            self.core.prepared_by(),
            authors.unwrap_or_default(),
        );
        observe::block_final(&rounds, block.header.timestamp);
        let known = self.candidates.take(block.hash().0);
        let late_seals = self.take_late_seals(number);
        let sign_record_seq = self.durable_sequence;
        let (checker, committer, done) =
            (self.checker.clone(), self.committer.clone(), self.done.clone());
        self.busy = self.busy.saturating_add(1);
        tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let result =
                known.map_or_else(|| checker.execute_final(&block), Ok).and_then(|block| {
                    let last =
                        FinalBlock { block, round, seals, rounds, sign_record_seq, late_seals };
                    committer.commit(last)
                });
            metrics::histogram!("peruri_engine_commit_seconds").record(started.elapsed());
            let _ = done.send(Done::Committed(result));
        });
        Ok(())
    }

    /// The late seals of blocks below `number`, which are stored.
    fn take_late_seals(&mut self, number: u64) -> BTreeMap<u64, Vec<Seal>> {
        let later = self.late_seals.split_off(&number);
        std::mem::replace(&mut self.late_seals, later)
    }

    fn offer(&self, height: u64, peer: peruri_ibft2::core::PeerId) -> Result<(), EngineError> {
        if let Some(hash) = self.provider.block_hash(height)? {
            let block = NewBlock { number: height, hash };
            self.peers.send_to(peer, &Frame::NewBlock(block));
        }
        Ok(())
    }

    pub(super) fn on_done(&mut self, done: Done) -> Result<(), EngineError> {
        if matches!(done, Done::Built { .. } | Done::Checked { .. } | Done::Committed(_)) {
            self.busy = self.busy.saturating_sub(1);
        }
        match done {
            Done::Built { request, result } => self.on_built(request, result),
            Done::Checked { request, block, result } => self.on_checked(request, block, result?),
            Done::Written(written) => self.on_written(&written?),
            Done::Committed(result) => self.on_committed(&result?),
            Done::Unwished(result) => result,
            Done::Wished { subject, wish, result, answer } => {
                self.on_wished(subject, wish, result, answer)
            }
        }
    }

    /// A block that cannot be built is not proposed: the round passes, and the next own round tries
    /// again.
    fn on_built(
        &mut self,
        request: RequestId,
        result: Result<Option<ExecutedBlock>, EngineError>,
    ) -> Result<(), EngineError> {
        let executed = match result {
            Ok(Some(executed)) => executed,
            Ok(None) => return Ok(()),
            Err(error) if error.is_transient() => {
                error!(target: "consensus::engine", %error, "no block to propose");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        observe::proposal_ready(self.height_log.elapsed());
        let block = consensus_block(&executed)?;
        self.candidates.put(executed);
        self.give(Input::BlockBuilt { request, block })
    }

    fn on_checked(
        &mut self,
        request: RequestId,
        block: Arc<Block>,
        checked: Checked,
    ) -> Result<(), EngineError> {
        let verdict = checked.verdict();
        match checked {
            Checked::Valid(executed) => {
                observe::proposal_ready(self.height_log.elapsed());
                self.candidates.put(*executed);
            }
            Checked::NotYet(reason) | Checked::Invalid(reason) => {
                warn!(target: "consensus::engine", ?verdict, reason, "proposal not accepted");
            }
        }
        self.give(Input::BlockChecked { request, verdict })?;
        // Behind the record of the Prepare, while the Prepares of the others are on their way: then the
        // record of the Commit finds the block that it names written.
        if verdict == Verdict::Valid && block.number() == self.core.height() {
            self.writer.stage(block)?;
        }
        Ok(())
    }

    fn on_written(&mut self, written: &Written) -> Result<(), EngineError> {
        let Written { token, sequence } = *written;
        self.durable_sequence = Some(sequence);
        for effect in self.outbox.release(token) {
            self.release(effect)?;
        }
        self.give(Input::Durable { token })
    }

    /// The block is on disk: now others may know.
    fn on_committed(&mut self, block: &ExecutedBlock) -> Result<(), EngineError> {
        let number = block.number();
        self.head = block.recovered_block.clone_sealed_header();
        self.status.set_head(&self.head);
        self.peers.broadcast(&Frame::NewBlock(NewBlock { number, hash: block.hash() }));
        let before = self.core.validators().clone();
        self.give(Input::Stored { height: number })?;
        if *self.core.validators() != before {
            self.peers.set_validators(self.core.validators());
        }
        self.tell_of(block);
        self.drop_satisfied_wishes();
        if self.work.next_height(&self.head) {
            self.on_work()?;
        }
        self.feed_next()
    }

    fn tell_of(&self, block: &ExecutedBlock) {
        let header = block.recovered_block.header();
        info!(
            target: "consensus::engine",
            number = block.number(),
            hash = %block.hash(),
            proposer = %header.beneficiary,
            txs = block.recovered_block.body().transactions.len(),
            gas = header.gas_used,
            peers = self.peers.connected_of(self.core.validators()).len(),
            "block final"
        );
        metrics::counter!("peruri_engine_blocks_total").increment(1);
        self.observe_height();
    }

    /// Tells the metrics where consensus stands.
    pub(super) fn observe_height(&self) {
        let validators = self.core.validators();
        let connected = self.peers.connected_of(validators).len();
        observe::height_begins(self.core.height(), validators, connected);
    }
}

/// The block as consensus sees it.
///
/// # Errors
/// Never for a block that was executed here: it was encoded by the same rules.
pub(super) fn consensus_block(executed: &ExecutedBlock) -> Result<Block, EngineError> {
    let number = executed.number();
    let bytes = alloy_rlp::encode(executed.recovered_block.sealed_block());
    Block::decode(&mut bytes.as_slice())
        .map_err(|source| EngineError::Encoding { number, reason: source.to_string() })
}
