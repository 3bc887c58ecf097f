//! What a driver does for a core: clocks, signatures, disks, messages.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::{B256, Bytes};
use peruri_ibft2::{
    FeeMarket, HeaderContext, Mode,
    core::{Effect, Input, RequestId, SignKind, Target, TimerId, Verdict},
    crypto::Signature65,
    fresh_timestamp,
    messages::Block,
    sign_state::SignRecord,
    validate_header,
};
use reth_primitives_traits::SealedHeader;

use super::{
    Event, Role, Stored, World,
    block::{self, Sealed},
};
use crate::{
    choices::Stream,
    keys::malleate,
    oracle::judge::{Checked, broken},
    trace::Trace,
};

type Inputs = VecDeque<Input>;

impl World {
    /// Gives an input to a core and does what it asks, until nothing is left that is answered at
    /// once.
    pub(crate) fn give(&mut self, node: usize, input: Input) -> Checked {
        let mut inputs = Inputs::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.clocks(node);
            let Some(core) = self.nodes[node].core.as_mut() else { return Ok(()) };
            let effects = core.step(now, input);
            self.steps += 1;
            self.perform_into(node, effects, &mut inputs)?;
        }
        self.watch_round(node)?;
        self.watch_bounds(node)
    }

    /// Does what a core asks for at its start.
    pub(crate) fn perform(&mut self, node: usize, effects: Vec<Effect>) -> Checked {
        let mut inputs = Inputs::new();
        self.perform_into(node, effects, &mut inputs)?;
        while let Some(input) = inputs.pop_front() {
            self.give(node, input)?;
        }
        Ok(())
    }

    fn perform_into(&mut self, node: usize, effects: Vec<Effect>, inputs: &mut Inputs) -> Checked {
        for effect in effects {
            if let Some(left) = &mut self.nodes[node].crash_in {
                if *left == 0 {
                    self.marks.reach("crash between two effects");
                    self.crash(node);
                    inputs.clear();
                    return Ok(());
                }
                *left -= 1;
            }
            self.effect(node, effect, inputs)?;
        }
        Ok(())
    }

    fn effect(&mut self, node: usize, effect: Effect, inputs: &mut Inputs) -> Checked {
        match effect {
            Effect::Sign { request, kind, digest } => {
                inputs.push_back(self.sign(node, request, kind, digest));
                Ok(())
            }
            Effect::Persist { token, record, block } => {
                self.persist(node, token.0, record, block, inputs)
            }
            Effect::Send { after, .. } | Effect::Finalise { after, .. } => match after {
                Some(token) if token.0 > self.nodes[node].durable => {
                    self.nodes[node].waiting.push((token.0, effect));
                    Ok(())
                }
                _ => self.release(node, effect, inputs),
            },
            Effect::SetTimer { id, at } => {
                self.set_timer(node, id, at);
                Ok(())
            }
            Effect::CancelTimer { id } => {
                self.nodes[node].timers.remove(&id);
                Ok(())
            }
            Effect::BuildBlock { request, parent, round, coinbase, extra_data, not_before } => {
                if self.nodes[node].is_honest() {
                    self.watch_vote(node, &extra_data)?;
                }
                let clock = self.clocks(node);
                let time = fresh_timestamp(clock.unix_ms, round).max(not_before);
                let Some(block) = self.build(node, parent.0, coinbase, extra_data, time) else {
                    return Ok(());
                };
                self.answer(node, Input::BlockBuilt { request, block }, inputs);
                Ok(())
            }
            Effect::CheckBlock { request, block, .. } => {
                let verdict = self.check(node, &block);
                self.answer(node, Input::BlockChecked { request, verdict }, inputs);
                Ok(())
            }
            Effect::AddSeals { height, .. } => {
                // Its block may still wait for the sign state.
                let finalises = |waiting: &&(u64, Effect)| matches!(&waiting.1, Effect::Finalise { block, .. } if block.number() == height);
                match self.nodes[node].waiting.iter().find(finalises).map(|waiting| waiting.0) {
                    Some(token) => self.nodes[node].waiting.push((token, effect)),
                    None => return self.release(node, effect, inputs),
                }
                Ok(())
            }
            Effect::FetchBlocks { from, peer } => {
                if let Some(to) = self.nodes[node].peer(peer.0) {
                    self.fetch(node, to, peer.0, from);
                }
                Ok(())
            }
            Effect::OfferBlock { height, peer } => {
                if let Some(to) = self.nodes[node].peer(peer.0) {
                    self.offer(node, to, peer.0, height);
                }
                Ok(())
            }
            Effect::Report(report) => self.watch_report(node, &report),
        }
    }

    fn set_timer(&mut self, node: usize, id: TimerId, at: u64) {
        let owner = &mut self.nodes[node];
        owner.timers.insert(id, at);
        let life = owner.life;
        let delay = owner.clock.moment(at).saturating_sub(self.now);
        self.after(delay, Event::Timer { node, life, id, at });
    }

    fn sign(&mut self, node: usize, request: RequestId, kind: SignKind, digest: B256) -> Input {
        let member = self.nodes[node].member;
        let mut bytes = self.keys.sign(member, digest);
        // A hardware module may give either of the two signatures; seals keep a high s.
        if self.swarm.high_s && (member.is_multiple_of(2) || kind == SignKind::Seal) {
            bytes = malleate(&bytes);
        }
        let signature = Signature65::new(bytes).expect("the key ring signs in range");
        Input::Signed { request, signature }
    }

    fn persist(
        &mut self,
        node: usize,
        token: u64,
        record: Box<SignRecord>,
        block: Option<Arc<Block>>,
        inputs: &mut Inputs,
    ) -> Checked {
        self.watch_persist(node, &record)?;
        let image = self.image(node, record, block)?;
        let owner = &mut self.nodes[node];
        owner.newest = Some(image.clone());
        let written = owner.sign.write(image);
        let life = owner.life;
        let delay = self.duration(Stream::Disk, self.swarm.sync);
        if self.choices.chance(Stream::Disk, self.failing_syncs()) {
            self.after(delay, Event::SyncFailed { node, life });
            return Ok(());
        }
        if delay == 0 {
            self.watch_synced(node, written)?;
            self.nodes[node].durable = token;
            inputs.push_back(Input::Durable { token: peruri_ibft2::core::PersistToken(token) });
        } else {
            self.after(delay, Event::Synced { node, life, written, token });
        }
        Ok(())
    }

    /// The sign state is synced up to a write: what waited for it is released.
    pub(crate) fn synced(&mut self, node: usize, written: u64, token: u64) -> Checked {
        self.watch_synced(node, written)?;
        let owner = &mut self.nodes[node];
        owner.durable = owner.durable.max(token);
        let durable = owner.durable;
        let (ready, waiting) = std::mem::take(&mut owner.waiting)
            .into_iter()
            .partition(|(after, _)| *after <= durable);
        owner.waiting = waiting;
        let life = owner.life;
        let mut inputs = Inputs::new();
        let ready: Vec<(u64, Effect)> = ready;
        for (_, effect) in ready {
            if self.crash_now(node) {
                self.marks.reach("crash between sync and send");
                return Ok(());
            }
            self.release(node, effect, &mut inputs)?;
        }
        inputs.push_back(Input::Durable { token: peruri_ibft2::core::PersistToken(token) });
        for input in inputs {
            if self.nodes[node].life == life {
                self.give(node, input)?;
            }
        }
        Ok(())
    }

    /// Counts a step towards a crash that is due, and crashes.
    fn crash_now(&mut self, node: usize) -> bool {
        match &mut self.nodes[node].crash_in {
            Some(0) => {
                self.crash(node);
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// Does what had to wait for the sign state.
    fn release(&mut self, node: usize, effect: Effect, inputs: &mut Inputs) -> Checked {
        match effect {
            Effect::Send { to, bytes, .. } => self.send(node, to, bytes),
            Effect::Finalise { block, seals, round, .. } => {
                let Ok(sealed) = block.sealed(round, seals) else {
                    return broken("S5", format!("node {node} finalises what it cannot seal"));
                };
                self.finalise(node, sealed, inputs)
            }
            Effect::AddSeals { height, seals } => self.add_seals(node, height, seals),
            _ => Ok(()),
        }
    }

    fn send(&mut self, node: usize, to: Target, bytes: Bytes) -> Checked {
        let receivers = self.receivers(node, to);
        if self.nodes[node].role == Role::Byzantine {
            return self.send_byzantine(node, &receivers, bytes);
        }
        let key = Trace::of(&bytes);
        self.watch_send(node, &bytes, key)?;
        for receiver in receivers {
            self.transmit(node, receiver, bytes.clone(), key, 0);
        }
        Ok(())
    }

    /// Puts a message on its way.
    pub(crate) fn transmit(&mut self, from: usize, to: usize, bytes: Bytes, key: u64, late: u64) {
        let Some(conn) = self.nodes[from].peers.get(&to).copied() else { return };
        let Some(held) = self.planned(from, to, key) else {
            return self.draw_arrow(from, to, key, false);
        };
        let held = held + late + self.spite(to, key);
        let deliveries = self.network.deliveries(from, to, &mut self.choices);
        if deliveries[0].is_none() {
            self.draw_arrow(from, to, key, false);
        }
        for delay in deliveries.into_iter().flatten() {
            let delay = delay + held;
            self.after(delay, Event::Deliver { to, from, conn, bytes: bytes.clone(), key });
        }
    }

    fn receivers(&mut self, node: usize, to: Target) -> Vec<usize> {
        let peers = &self.nodes[node].peers;
        if let Target::Peer(peer) = to {
            return self.nodes[node].peer(peer.0).into_iter().collect();
        }
        let (author, deliverer) = match to {
            Target::AllBut { author, deliverer } => {
                (self.keys.member(&author), self.nodes[node].peer(deliverer.0))
            }
            _ => (None, None),
        };
        let peers: Vec<usize> = peers.keys().copied().collect();
        let owner = &self.nodes[node];
        let head = owner.store.get(owner.store.durable_head()).map(|head| Arc::clone(&head.sealed));
        let state = head.map(|head| self.state_after(&head));
        peers
            .into_iter()
            .filter(|peer| {
                let member = self.nodes[*peer].member;
                let address = self.keys.address(member);
                let validator =
                    state.as_ref().is_some_and(|state| state.validators().contains(&address));
                validator && Some(member) != author && Some(*peer) != deliverer
            })
            .collect()
    }

    /// Syncs that fail, per mille.
    fn failing_syncs(&self) -> u32 {
        if self.is_faulty() { self.swarm.failing_syncs } else { 0 }
    }

    /// A duration of at most `longest`, shortest first.
    fn duration(&mut self, stream: Stream, longest: u64) -> u64 {
        if longest == 0 { 0 } else { self.choices.between(stream, 0, longest) }
    }

    /// Answers after some time of work.
    fn answer(&mut self, node: usize, input: Input, inputs: &mut Inputs) {
        let delay = self.duration(Stream::Disk, self.swarm.work);
        if delay == 0 {
            inputs.push_back(input);
        } else {
            let life = self.nodes[node].life;
            self.after(delay, Event::Answer { node, life, input: Box::new(input) });
        }
    }

    fn build(
        &mut self,
        node: usize,
        parent: B256,
        coinbase: alloy_primitives::Address,
        extra_data: Bytes,
        time: u64,
    ) -> Option<Block> {
        let owner = &self.nodes[node];
        let head = Arc::clone(owner.store.get(owner.store.head())?);
        if head.sealed.view.hash != parent {
            return None;
        }
        let censors = owner.role == Role::Byzantine && self.swarm.schemes.censor;
        if censors && !owner.pool.is_empty() {
            self.marks.reach("transactions left out by a Byzantine proposer");
        }
        let body: Vec<u64> =
            if censors { Vec::new() } else { owner.pool.iter().copied().collect() };
        Some(block::build(&head.sealed, coinbase, extra_data, time, block::body(&body)))
    }

    fn check(&mut self, node: usize, candidate: &Block) -> Verdict {
        let owner = &self.nodes[node];
        let Some(head) = owner.store.get(owner.store.head()).cloned() else {
            return Verdict::Invalid;
        };
        let parent = &head.sealed;
        let executed = block::execute(parent.view.state_root, &candidate.body);
        let rooted = alloy_primitives::keccak256(&candidate.body);
        let header = &candidate.header;
        if header.state_root != executed || header.transactions_root != rooted {
            return Verdict::Invalid;
        }
        let now = self.clocks(node).unix_ms / 1_000;
        let state = self.state_after(parent);
        let params = self.config.schedule.params(header.number, header.timestamp);
        let context = HeaderContext {
            validators: state.validators(),
            period: params.period,
            now,
            fee_market: FeeMarket::from_activity(false, false),
        };
        let sealed_parent = SealedHeader::new(parent.block.header.clone(), parent.view.hash);
        match validate_header(header, &sealed_parent, &context, Mode::Light) {
            Ok(()) => Verdict::Valid,
            // The rule on times in the future.
            Err(error) if error.rule() == 4 => {
                self.marks.reach("block from the future");
                Verdict::NotYet
            }
            Err(_) => Verdict::Invalid,
        }
    }

    fn finalise(&mut self, node: usize, block: Block, inputs: &mut Inputs) -> Checked {
        let Some(sealed) = Sealed::new(Arc::new(block)) else {
            return broken("S5", format!("node {node} finalises a header that cannot be read"));
        };
        let height = sealed.view.number;
        if self.nodes[node].is_honest() {
            let first = height > self.judge.head();
            self.judge.finalised(node, &sealed.view)?;
            self.watch_final(node, &sealed.view);
            self.note_final(&sealed.view, &sealed.block.body, first)?;
            self.watch_execution(node, &sealed)?;
            self.watch_own_seal(node, &sealed.view)?;
        }
        if height != self.nodes[node].store.head() + 1 {
            return broken(
                "S2",
                format!(
                    "node {node} finalises {height} on top of {}",
                    self.nodes[node].store.head()
                ),
            );
        }
        self.tell(|| {
            format!(
                "node {node} finalises {height} round {} {} with {} seals",
                sealed.view.round,
                short(&sealed.view.hash),
                sealed.view.seals.len()
            )
        });
        self.draw_note(node, || format!("final {height}/{}", sealed.view.round));
        let sealed = Arc::new(sealed);
        self.state_after(&sealed);
        let owner = &mut self.nodes[node];
        let sequence = owner.sign.durable().map_or(0, |image| image.record.sequence);
        owner.store.push(Arc::new(Stored { sealed, sequence }));
        let life = owner.life;
        let delay = self.duration(Stream::Disk, self.swarm.sync);
        if self.choices.chance(Stream::Disk, self.failing_syncs()) {
            self.after(delay, Event::SyncFailed { node, life });
            return Ok(());
        }
        self.after(delay, Event::Stored { node, life, height });
        let _ = inputs;
        Ok(())
    }

    fn add_seals(&mut self, node: usize, height: u64, seals: Vec<peruri_ibft2::Seal>) -> Checked {
        let Some(stored) = self.nodes[node].store.get(height).cloned() else {
            return broken("S5", format!("node {node} adds seals to {height}, which it lacks"));
        };
        let old = &stored.sealed;
        let Ok(extra) = old.block.extra_data() else { return Ok(()) };
        let all = [extra.seals, seals].concat();
        let block = old.block.sealed(extra.round, all).ok();
        let Some(sealed) = block.and_then(|block| Sealed::new(Arc::new(block))) else {
            return broken("S5", format!("node {node} adds seals to a broken header"));
        };
        if self.nodes[node].is_honest() {
            self.judge.finalised(node, &sealed.view)?;
            self.marks.reach("late seal added");
        }
        let replaced = Stored { sealed: Arc::new(sealed), sequence: stored.sequence };
        self.nodes[node].store.replace(height, Arc::new(replaced));
        Ok(())
    }
}

/// The first digits of a hash.
pub(crate) fn short(hash: &B256) -> String {
    alloy_primitives::hex::encode(&hash[..4])
}

/// Whether an effect sends an own message.
pub(crate) trait OwnSend {
    /// True for a message that waits for the sign state.
    fn is_own_send(&self) -> bool;
    /// True for a Commit that does.
    fn is_own_commit(&self) -> bool;
}

impl OwnSend for Effect {
    fn is_own_send(&self) -> bool {
        matches!(self, Self::Send { after: Some(_), .. })
    }

    fn is_own_commit(&self) -> bool {
        let code = Some(&crate::oracle::wire::Kind::Commit.code());
        matches!(self, Self::Send { after: Some(_), bytes, .. } if bytes.first() == code)
    }
}
