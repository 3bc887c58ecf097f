//! Messages of Byzantine nodes that no core would send: what a scripted strategist makes up, repeats
//! and brings from elsewhere.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use peruri_ibft2::{
    crypto::Signature65,
    messages::{
        CommitPayload, DecodeLimits, Dialect, Message, PreparePayload, Proposal, ProposalPayload,
        RoundChange, RoundChangePayload, RoundId, SigningDomain,
    },
};

use super::World;
use crate::{choices::Stream::Adversary, oracle::judge::Checked, trace::Trace};

/// Messages that Byzantine nodes remember.
const ARCHIVE: usize = 400;

impl World {
    /// A Byzantine node has received a message.
    pub(crate) fn provoke(&mut self, node: usize, from: usize, bytes: &Bytes) -> Checked {
        // Byzantine nodes that answer each other would never end.
        let heard = self.nodes[from].is_honest();
        if heard && self.choices.chance(Adversary, self.swarm.schemes.foreign) {
            self.foreign(node, bytes)?;
        }
        if !self.choices.chance(Adversary, self.swarm.byzantine.scripted) {
            return Ok(());
        }
        let Ok(message) = Message::from_wire(bytes, &DecodeLimits::DEFAULT) else { return Ok(()) };
        if heard && self.swarm.schemes.inventive && self.choices.chance(Adversary, 4) {
            return self.repeat(node, bytes);
        }
        if self.choices.chance(Adversary, 20) {
            return self.flood(node, message.id());
        }
        let count = self.choices.draw(Adversary, 3) + 1;
        for _ in 0..count {
            let made = self.script(node, &message);
            for receiver in 0..self.nodes.len() {
                if self.choices.chance(Adversary, 600) {
                    self.send_raw(node, receiver, made.clone())?;
                }
            }
        }
        Ok(())
    }

    /// Ever higher rounds, one message for each.
    fn flood(&mut self, node: usize, id: RoundId) -> Checked {
        self.marks.reach("rounds flooded by a Byzantine member");
        let receiver = self.choices.draw(Adversary, self.nodes.len() as u32) as usize;
        let start = id.round.saturating_add(self.choices.draw(Adversary, 2_000));
        let digest = self.some_digest();
        let heights = self.swarm.schemes.inventive && self.choices.chance(Adversary, 500);
        if heights {
            self.marks.reach("heights flooded by a Byzantine member");
        }
        for step in 0..80 {
            let mut id = RoundId::new(id.height, start.saturating_add(step));
            if heights {
                let ahead = 1_u64 << (step % 21);
                id = RoundId::new(id.height.saturating_add(ahead), step);
            }
            let message = Message::Prepare(self.resign(node, PreparePayload { id, digest }));
            self.send_raw(node, receiver, message.to_wire(Dialect::V26))?;
        }
        Ok(())
    }

    pub(super) fn send_raw(&mut self, node: usize, receiver: usize, bytes: Bytes) -> Checked {
        self.send_later(node, receiver, bytes, 0)
    }

    pub(super) fn send_later(
        &mut self,
        node: usize,
        receiver: usize,
        bytes: Bytes,
        late: u64,
    ) -> Checked {
        let key = Trace::of(&bytes);
        self.watch_byzantine(&bytes, key)?;
        self.note_removed(node);
        self.transmit(node, receiver, bytes, key, late);
        Ok(())
    }

    /// Remembers a message for later use by Byzantine nodes.
    pub(crate) fn archive(&mut self, bytes: &Bytes) {
        if self.swarm.byzantine.members > 0 || self.swarm.hostile_outsiders {
            if self.archive.len() >= ARCHIVE {
                self.archive.pop_front();
            }
            self.archive.push_back(bytes.clone());
        }
    }

    pub(super) fn replay(&mut self, node: usize) -> Checked {
        let count = self.archive.len() as u32;
        let at = self.choices.draw(Adversary, count) as usize;
        let Some(bytes) = self.archive.get(at).cloned() else { return Ok(()) };
        self.marks.reach("old message sent again by a Byzantine member");
        let receiver = self.choices.draw(Adversary, self.nodes.len() as u32) as usize;
        self.send_raw(node, receiver, bytes)
    }

    /// The same message a thousand times.
    fn repeat(&mut self, node: usize, bytes: &Bytes) -> Checked {
        self.marks.reach("one message sent a thousand times");
        let receiver = self.choices.draw(Adversary, self.nodes.len() as u32) as usize;
        for _ in 0..1_000 {
            self.send_raw(node, receiver, bytes.clone())?;
        }
        Ok(())
    }

    /// What the owner of some member's key has signed for another chain: the same message under
    /// another genesis or chain id.
    fn foreign(&mut self, node: usize, bytes: &Bytes) -> Checked {
        let Ok(message) = Message::from_wire(bytes, &DecodeLimits::DEFAULT) else { return Ok(()) };
        let Some(member) = self.author_of(bytes) else { return Ok(()) };
        let mut elsewhere = self.config.domain();
        if let SigningDomain::ChainBound { chain_id, genesis_hash } = &mut elsewhere {
            match self.choices.draw(Adversary, 2) {
                0 => *genesis_hash = B256::repeat_byte(0x77),
                _ => *chain_id += 1,
            }
        }
        let signed = |hash| {
            let bytes = self.keys.sign(member, hash);
            Signature65::new(bytes).expect("the key ring signs in range")
        };
        let elsewhere = &elsewhere;
        let message = match message {
            Message::Proposal(mut proposal) => {
                proposal.signed.signature =
                    signed(elsewhere.signing_hash(&proposal.signed.payload));
                Message::Proposal(proposal)
            }
            Message::Prepare(mut prepare) => {
                prepare.signature = signed(elsewhere.signing_hash(&prepare.payload));
                Message::Prepare(prepare)
            }
            Message::Commit(mut commit) => {
                commit.signature = signed(elsewhere.signing_hash(&commit.payload));
                Message::Commit(commit)
            }
            Message::RoundChange(mut change) => {
                change.signed.signature = signed(elsewhere.signing_hash(&change.signed.payload));
                Message::RoundChange(change)
            }
        };
        self.marks.reach("message of another chain with the same keys");
        let made = message.to_wire(Dialect::V26);
        for receiver in 0..self.nodes.len() {
            self.send_raw(node, receiver, made.clone())?;
        }
        Ok(())
    }

    /// A member that is no validator any more goes on sending.
    fn note_removed(&mut self, node: usize) {
        let address = self.keys.address(self.nodes[node].member);
        let is_in = |height| {
            self.judge.members_at(height).is_some_and(|members| members.contains(&address))
        };
        if is_in(1) && !is_in(self.judge.head() + 1) {
            self.marks.reach("removed Byzantine member goes on sending");
        }
    }

    /// A message that no core would send now.
    fn script(&mut self, node: usize, heard: &Message) -> Bytes {
        let id = heard.id();
        let digest = match heard.signed_payload().digest() {
            Some(digest) => digest,
            None => self.some_digest(),
        };
        let made = match self.choices.draw(Adversary, 8) {
            // Votes for everything.
            0 => Message::Prepare(self.resign(node, PreparePayload { id, digest })),
            1 | 2 => {
                let seal = self.seal(node, digest.0);
                Message::Commit(self.resign(node, CommitPayload { id, digest, seal }))
            }
            // Gives up the round early, with or without a certificate of somebody else.
            3 | 4 => {
                let target = RoundId::new(id.height, id.round.saturating_add(1));
                let known = self.some_certificate();
                let fits = known.filter(|(certificate, _)| {
                    let of = certificate.proposal.payload.id;
                    of.height == target.height && of.round < target.round
                });
                let (certificate, block) =
                    fits.map_or((None, None), |(one, other)| (Some(one), Some(other)));
                let payload = RoundChangePayload { id: target, certificate };
                Message::RoundChange(RoundChange { signed: self.resign(node, payload), block })
            }
            // Far rounds and heights.
            5 => {
                let id = self.nearby(id);
                let payload = RoundChangePayload { id, certificate: None };
                let signed = self.resign(node, payload);
                Message::RoundChange(RoundChange { signed, block: None })
            }
            6 => {
                let id = self.nearby(id);
                Message::Prepare(self.resign(node, PreparePayload { id, digest }))
            }
            // A proposal out of turn.
            _ => match heard.block() {
                Some(block) => {
                    let block = self.other_block(node, block).unwrap_or_else(|| (**block).clone());
                    let digest = block.digest().unwrap_or(digest);
                    let signed = self.resign(node, ProposalPayload { id, digest });
                    let round_changes = None;
                    Message::Proposal(Proposal { signed, block: Arc::new(block), round_changes })
                }
                None => Message::Prepare(self.resign(node, PreparePayload { id, digest })),
            },
        };
        self.marks.reach("message made up by a Byzantine member");
        made.to_wire(Dialect::V26)
    }
}
