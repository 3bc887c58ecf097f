//! What the driver of a member does for its core.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::{B256, keccak256};
use peruri_ibft2::{
    core::{Effect, Input, Report, StoredRecord, Target, Verdict},
    crypto::Signature65,
    fresh_timestamp,
    messages::{Block, DecodeLimits, Message},
    sign_state::SignRecord,
};

use super::{Event, FEE, LATENCY, Passing, Stage, says::said};
use crate::{
    oracle::{
        judge::{Checked, broken},
        wire,
    },
    world::{Sealed, block},
};

/// Blocks in one answer.
const BATCH: usize = 64;
/// Milliseconds after which a stored block is announced: whoever takes part has it by then.
const ANNOUNCED: u64 = 200;

impl Stage {
    /// Gives an input to a core and does what it asks.
    pub(in super::super) fn give(&mut self, actor: usize, input: Input) -> Checked {
        let now = self.clocks(actor);
        let Some(core) = self.actors[actor].core.as_mut() else { return Ok(()) };
        let effects = core.step(now, input);
        self.perform(actor, effects)
    }

    pub(super) fn perform(&mut self, actor: usize, effects: Vec<Effect>) -> Checked {
        let mut effects = VecDeque::from(effects);
        let mut inputs = VecDeque::new();
        loop {
            while let Some(effect) = effects.pop_front() {
                self.effect(actor, effect, &mut inputs)?;
            }
            let Some(input) = inputs.pop_front() else { return Ok(()) };
            let now = self.clocks(actor);
            let Some(core) = self.actors[actor].core.as_mut() else { return Ok(()) };
            effects = core.step(now, input).into();
        }
    }

    fn effect(&mut self, actor: usize, effect: Effect, inputs: &mut VecDeque<Input>) -> Checked {
        match effect {
            Effect::Sign { request, digest, .. } => {
                let bytes = self.keys.sign(actor, digest);
                let signature = Signature65::new(bytes).expect("the key ring signs in range");
                inputs.push_back(Input::Signed { request, signature });
            }
            Effect::Persist { token, record, block } => {
                if SignRecord::decode(&record.encode()).as_ref() != Ok(&*record) {
                    return broken("D2", format!("the record of {actor} does not read back"));
                }
                let owner = &mut self.actors[actor];
                if let Some(block) = block {
                    owner.blocks.insert(block.hash().0, block);
                }
                let named = record.blocks();
                owner.blocks.retain(|hash, _| named.iter().any(|name| name.0 == *hash));
                owner.record = StoredRecord::Present(record);
                inputs.push_back(Input::Durable { token });
            }
            Effect::Send { to, bytes, .. } => return self.send(actor, to, bytes),
            Effect::SetTimer { id, at } => {
                let mono = self.clocks(actor).mono_ms;
                let owner = &mut self.actors[actor];
                owner.timers.insert(id, at);
                let life = owner.life;
                self.event(at.saturating_sub(mono), Event::Timer { actor, life, id, at });
            }
            Effect::CancelTimer { id } => {
                self.actors[actor].timers.remove(&id);
            }
            Effect::BuildBlock { request, parent, round, coinbase, extra_data, not_before } => {
                let clock = self.clocks(actor);
                let time = fresh_timestamp(clock.unix_ms, round).max(not_before);
                let owner = &self.actors[actor];
                let head = Arc::clone(owner.chain.last().expect("a genesis"));
                if owner.habits.builds && head.view.hash == parent.0 {
                    let body = owner.habits.body;
                    let block = self.block_on(&head, coinbase, extra_data, time, body);
                    inputs.push_back(Input::BlockBuilt { request, block });
                }
            }
            Effect::CheckBlock { request, block, fresh } => {
                let verdict = self.check(actor, &block, fresh);
                self.actors[actor].checked.push((block.number(), block.hash().0, fresh));
                inputs.push_back(Input::BlockChecked { request, verdict });
            }
            Effect::Finalise { block, seals, round, .. } => {
                let Ok(sealed) = block.sealed(round, seals) else {
                    return broken("S5", format!("{actor} finalises what it cannot seal"));
                };
                return self.finalise(actor, sealed);
            }
            Effect::AddSeals { height, seals } => return self.add_seals(actor, height, seals),
            Effect::FetchBlocks { from, peer } => {
                if let Some(other) = self.peer(actor, peer.0) {
                    self.deliver_blocks(other, actor, from, BATCH);
                }
            }
            Effect::OfferBlock { height, peer } => {
                if let Some(other) = self.peer(actor, peer.0) {
                    self.deliver_blocks(actor, other, height, 1);
                }
            }
            Effect::Report(report) => return self.report(actor, *report),
        }
        Ok(())
    }

    fn peer(&self, actor: usize, conn: u64) -> Option<usize> {
        let peers = &self.actors[actor].peers;
        peers.iter().find(|(_, number)| **number == conn).map(|(other, _)| *other)
    }

    /// S13: nobody blames a member that follows the rules.
    fn report(&mut self, actor: usize, report: Report) -> Checked {
        let blamed = match &report {
            Report::Equivocation(evidence) => self.keys.member(&evidence.author),
            Report::AuthorFault { author, .. } => self.keys.member(author),
            Report::PeerFault { peer, .. } => self.peer(actor, peer.0),
            _ => None,
        };
        let text = format!("{actor} blames {blamed:?}: {report:?}");
        self.tell(actor, || format!("reports {report:?}"));
        self.actors[actor].reports.push(report);
        match blamed {
            Some(member) if self.actors[member].core.is_some() => broken("S13", text),
            _ => Ok(()),
        }
    }

    fn send(&mut self, actor: usize, to: Target, bytes: alloy_primitives::Bytes) -> Checked {
        let limits = DecodeLimits::DEFAULT;
        let (Ok(message), Some(read)) =
            (Message::from_wire(&bytes, &limits), wire::Message::read(&bytes))
        else {
            return broken("S11", format!("{actor} sends what cannot be read"));
        };
        let address = self.keys.address(actor);
        let author = self.judge.author(&read.signed);
        let own = author == Some(address);
        let again = self.actors[actor].said.contains(&message);
        if !again {
            self.judge.seen(&read)?;
        }
        if own && !again {
            if read.signed.kind == wire::Kind::Proposal {
                self.judge.proposed(address, &read)?;
            }
            self.tell(actor, || said(&message));
            self.judge.signed(address, &read.signed)?;
            self.actors[actor].said.push(message.clone());
        }
        let validators = self.actors[actor].core.as_ref().map(|core| core.validators().clone());
        let peers: Vec<(usize, u64)> =
            self.actors[actor].peers.iter().map(|(other, conn)| (*other, *conn)).collect();
        for (other, conn) in peers {
            let receiver = self.keys.address(other);
            let is_member = validators.as_ref().is_some_and(|set| set.contains(&receiver));
            let receives = match to {
                Target::Peer(peer) => peer.0 == conn,
                Target::Validators => is_member,
                Target::AllBut { author, deliverer } => {
                    is_member && receiver != author && deliverer.0 != conn
                }
            };
            if receives {
                self.pass(actor, other, conn, own, &message, bytes.clone());
            }
        }
        Ok(())
    }

    /// Puts a message on its way if it may pass.
    pub(super) fn pass(
        &mut self,
        from: usize,
        to: usize,
        conn: u64,
        own: bool,
        message: &Message,
        bytes: alloy_primitives::Bytes,
    ) {
        let cut = self.cut.contains(&from) || self.cut.contains(&to);
        let passing = Passing { from, own, message };
        if !cut && self.actors[to].core.is_some() && (self.rule)(&passing) {
            self.event(LATENCY, Event::Deliver { to, conn, bytes });
        }
    }

    /// Blocks of `from`'s chain go to `to`.
    fn deliver_blocks(&mut self, from: usize, to: usize, first: u64, count: usize) {
        let cut = self.cut.contains(&from) || self.cut.contains(&to);
        let Some(conn) = self.actors[from].peers.get(&to).copied() else { return };
        let skip = usize::try_from(first).unwrap_or(usize::MAX);
        let blocks: Vec<_> =
            self.actors[from].chain.iter().skip(skip).take(count).cloned().collect();
        if !cut && !blocks.is_empty() && first > 0 {
            self.event(2 * LATENCY, Event::Blocks { to, conn, blocks });
        }
    }

    fn check(&self, actor: usize, candidate: &Block, fresh: bool) -> Verdict {
        let owner = &self.actors[actor];
        let parent = owner.chain.last().expect("a genesis");
        let header = &candidate.header;
        let good = header.parent_hash == parent.view.hash
            && header.state_root == block::execute(parent.view.state_root, &candidate.body)
            && header.transactions_root == keccak256(&candidate.body)
            && header.timestamp >= parent.view.timestamp + self.setting.config.block_period_seconds
            && (!fresh || !owner.habits.checks_fee || header.base_fee_per_gas == Some(FEE));
        if !good {
            return Verdict::Invalid;
        }
        let now = self.clocks(actor).unix_ms / 1_000;
        if header.timestamp > now + 1 { Verdict::NotYet } else { Verdict::Valid }
    }

    fn finalise(&mut self, actor: usize, block: Block) -> Checked {
        let Some(sealed) = Sealed::new(Arc::new(block)) else {
            return broken("S5", format!("{actor} finalises a header that cannot be read"));
        };
        self.judge.finalised(actor, &sealed.view)?;
        let (height, now) = (sealed.view.number, self.now);
        self.tell(actor, || {
            let (hash, round) = (sealed.view.hash, sealed.view.round);
            format!("finalises {height} in round {round}: {}", &hash.to_string()[..10])
        });
        let owner = &mut self.actors[actor];
        if height != owner.height() + 1 {
            let head = owner.height();
            return broken("S2", format!("{actor} finalises {height} on top of {head}"));
        }
        if let StoredRecord::Present(record) = &owner.record {
            owner.sequence = record.sequence;
        }
        owner.chain.push(Arc::new(sealed));
        owner.final_at.push(now);
        let life = owner.life;
        if owner.habits.stores {
            self.event(0, Event::Stored { actor, life, height });
        }
        Ok(())
    }

    /// The newest block of a member is stored: the others are told.
    pub(in super::super) fn stored(&mut self, actor: usize, height: u64) -> Checked {
        self.give(actor, Input::Stored { height })?;
        for (to, conn) in self.actors[actor].peers.clone() {
            self.event(ANNOUNCED, Event::Head { to, from: actor, conn, height });
        }
        self.feed(actor)
    }

    /// A member hears of a block. If it lacks it, it asks for it.
    pub(super) fn hear(&mut self, to: usize, from: usize, height: u64) {
        let own = self.actors[to].height();
        if own < height && self.actors[to].core.is_some() {
            self.deliver_blocks(from, to, own + 1, BATCH);
        }
    }

    /// Gives the next block that has come to the core.
    pub(super) fn feed(&mut self, actor: usize) -> Checked {
        let owner = &mut self.actors[actor];
        let next = owner.height() + 1;
        owner.incoming = owner.incoming.split_off(&next);
        let Some(sealed) = owner.incoming.remove(&next) else { return Ok(()) };
        let parent = owner.chain.last().expect("a genesis");
        if sealed.view.parent != parent.view.hash || self.judge.seals(&sealed.view).is_err() {
            return Ok(());
        }
        let Ok(extra) = sealed.block.extra_data() else { return Ok(()) };
        let block = Arc::clone(&sealed.block);
        self.give(actor, Input::Finalised { block, seals: extra.seals })
    }

    fn add_seals(&mut self, actor: usize, height: u64, seals: Vec<peruri_ibft2::Seal>) -> Checked {
        let at = usize::try_from(height).unwrap_or(usize::MAX);
        let Some(old) = self.actors[actor].chain.get(at).cloned() else {
            return broken("S5", format!("{actor} adds seals to {height}, which it lacks"));
        };
        let Ok(extra) = old.block.extra_data() else { return Ok(()) };
        let block = old.block.sealed(extra.round, [extra.seals, seals].concat()).ok();
        let Some(sealed) = block.and_then(|block| Sealed::new(Arc::new(block))) else {
            return broken("S5", format!("{actor} adds seals to a broken header"));
        };
        self.judge.finalised(actor, &sealed.view)?;
        self.actors[actor].chain[at] = Arc::new(sealed);
        Ok(())
    }

    /// Hash of the newest block of a member.
    pub(in super::super) fn head(&self, actor: usize) -> B256 {
        self.actors[actor].chain.last().map_or(B256::ZERO, |block| block.view.hash)
    }
}
