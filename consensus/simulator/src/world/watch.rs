//! What the oracles see of the nodes.

use std::sync::Arc;

use alloy_primitives::Bytes;
use peruri_ibft2::{
    core::{AuthorFault, Report, StoredRecord},
    sign_state::{Mark, SignRecord},
};

use super::{Known, World};
use crate::{
    oracle::{
        View,
        judge::{Checked, broken},
        wire::{Kind, Message, Signed},
    },
    trace::Trace,
};

/// A hash of what a signed payload says.
fn content(signed: &Signed) -> u64 {
    let mut hash = Trace::default();
    hash.number(u64::from(signed.kind.code()));
    hash.bytes(&signed.payload);
    hash.value()
}

impl World {
    /// A record is about to be written: its height follows the chain (4.1: no record of height
    /// h + 1 before h is stored).
    pub(crate) fn watch_persist(&mut self, node: usize, record: &SignRecord) -> Checked {
        let owner = &self.nodes[node];
        if !owner.is_honest() {
            return Ok(());
        }
        let height = record.position().height;
        if height > owner.store.durable_head() + 1 {
            return broken(
                "D2",
                format!(
                    "node {node} writes a record of height {height} on a store of {}",
                    owner.store.durable_head()
                ),
            );
        }
        if let Some(commit) = record.commit()
            && height > owner.store.durable_head()
            && record.certificate().map(|held| held.certificate.id()) != Some(commit.payload.id)
        {
            return broken("D2", format!("node {node} commits at {height} without a certificate"));
        }
        if let Some(before) = &owner.newest
            && record.sequence <= before.record.sequence
        {
            return broken("D2", format!("node {node} writes sequence {} again", record.sequence));
        }
        Ok(())
    }

    /// Records are durable: what they hold counts as signed, in the order in which it was written.
    pub(crate) fn watch_synced(&mut self, node: usize, written: u64) -> Checked {
        while let Some(before) = self.nodes[node].sign.synced(written) {
            if !self.nodes[node].is_honest() {
                continue;
            }
            let Some(record) =
                self.nodes[node].sign.durable().map(|image| Arc::clone(&image.record))
            else {
                continue;
            };
            let old = before.as_ref().map(|image| image.record.messages()).unwrap_or_default();
            for message in record.messages() {
                if !old.contains(&message) {
                    self.sign_note(node, &message.encode())?;
                }
            }
            if self.amnesiacs.contains_key(&self.nodes[node].member)
                && let Some(before) = before
            {
                let history = &mut self.nodes[node].history;
                history.push(before);
                if history.len() > 12 {
                    history.remove(0);
                }
            }
        }
        Ok(())
    }

    /// Enters an own signature of an honest node, given as kind and RLP, into the ledger.
    fn sign_note(&mut self, node: usize, bytes: &[u8]) -> Checked {
        let Some(signed) = Signed::from_wire(bytes) else {
            return broken("D2", format!("node {node} has a record that cannot be read"));
        };
        let address = self.keys.address(self.nodes[node].member);
        if self.judge.author(&signed) != Some(address) {
            return broken("D2", format!("node {node} has foreign signatures in its record"));
        }
        let key = content(&signed);
        self.nodes[node].proven.insert(key);
        if let (Kind::Commit, Some(digest)) = (signed.kind, signed.digest) {
            self.nodes[node].committed.insert((signed.height, signed.round, digest));
        }
        self.ledger_note(node, &signed)
    }

    fn ledger_note(&mut self, node: usize, signed: &Signed) -> Checked {
        let member = self.nodes[node].member;
        let address = self.keys.address(member);
        if let Some(floor) = self.nodes[node].doubt_floor
            && signed.height <= floor
            && self.judge.head() < signed.height
        {
            return broken(
                "D2",
                format!(
                    "node {node} knows that its sign state is lost and signs {:?} ({}, {})",
                    signed.kind, signed.height, signed.round
                ),
            );
        }
        let new = match self.judge.signed(address, signed) {
            Err(violation) => {
                let Some(from) = self.excuse(node, &violation, signed) else {
                    return Err(violation);
                };
                self.marks.reach("signed again after a loss that nobody could tell of");
                self.judge.ledger.forget_from(address, from);
                self.judge.signed(address, signed)?
            }
            Ok(new) => new,
        };
        if new {
            self.watch_signature(signed);
            if let Some(list) = self.forgettable.get_mut(&member) {
                list.push((signed.height, signed.round, signed.kind, content(signed)));
            }
        }
        Ok(())
    }

    /// A sign state that was lost can only be made up for by what others have seen: a contradiction
    /// to it counts if somebody who is connected had seen the lost signature before they met. Returns
    /// from which place on the signatures are forgotten that nobody could know of.
    fn excuse(
        &self,
        node: usize,
        violation: &crate::oracle::Violation,
        signed: &Signed,
    ) -> Option<(u64, u32)> {
        let member = self.nodes[node].member;
        if self.amnesiacs.get(&member).copied() != Some(true) {
            return None;
        }
        let lost = self.forgettable.get(&member).into_iter().flatten();
        let (from, seen) = match (violation.invariant, signed.kind) {
            ("S6" | "S7", _) => {
                let place = (signed.height, signed.round);
                let mut above = lost.filter(|(height, round, ..)| (*height, *round) >= place);
                (place, above.any(|(.., content)| self.has_witness(node, *content)))
            }
            // A round is left without the certificate of a Commit that was lost together with it.
            ("S10", Kind::RoundChange) => {
                let mut commits = lost.filter(|(height, _, kind, _)| {
                    *height == signed.height && *kind == Kind::Commit
                });
                let seen = commits.any(|(.., content)| self.has_witness(node, *content));
                ((signed.height, 0), seen)
            }
            _ => return None,
        };
        (!seen).then_some(from)
    }

    fn has_witness(&self, node: usize, content: u64) -> bool {
        let seen = self.sightings.get(&content).into_iter().flatten();
        seen.clone().any(|(witness, life, at)| {
            let conn = self.nodes[node].peers.get(witness);
            let since = conn.and_then(|conn| self.since.get(conn));
            self.nodes[*witness].life == *life && since.is_some_and(|since| since > at)
        })
    }

    fn watch_signature(&mut self, signed: &Signed) {
        if signed.kind == Kind::RoundChange {
            self.marks.reach("round changed");
            if signed.certificate.is_some() {
                self.marks.reach("round change with a certificate");
            }
            if signed.round >= 3 {
                self.marks.reach("round 3 or higher wanted");
            }
            if signed.round >= 10 {
                self.marks.reach("round 10 or higher wanted");
            }
        }
    }

    /// An honest node sends a message (D1, S6–S10).
    pub(crate) fn watch_send(&mut self, node: usize, bytes: &Bytes, key: u64) -> Checked {
        let member = self.nodes[node].member;
        let known = match self.known.get(&key) {
            Some(known) => *known,
            None => {
                let Some(message) = Message::read(bytes) else {
                    return broken("S11", format!("node {node} sends what cannot be read"));
                };
                let known = self.learn(key, bytes, &message)?;
                let own = known.author == Some(member);
                self.tell(|| {
                    let certificate = match &message.signed.certificate {
                        Some(certificate) => format!(" prepared in {}", certificate.proposal.round),
                        None => String::new(),
                    };
                    format!(
                        "node {node} {} {:?} ({}, {}){} {}",
                        if own { "sends" } else { "relays" },
                        message.signed.kind,
                        message.signed.height,
                        message.signed.round,
                        certificate,
                        message.block.as_ref().map_or_else(
                            || message.signed.digest.map_or_else(String::new, |digest| {
                                format!("digest {}", super::driver::short(&digest))
                            }),
                            |block| format!("block {}", super::driver::short(&block.hash))
                        ),
                    )
                });
                if own {
                    if message.signed.kind == Kind::Proposal {
                        self.judge.proposed(self.keys.address(member), &message)?;
                    }
                    self.ledger_note(node, &message.signed)?;
                }
                known
            }
        };
        let owner = &self.nodes[node];
        let late = known.height <= owner.store.durable_head();
        if known.author == Some(member) && !late && !owner.proven.contains(&known.content) {
            return broken(
                "D1",
                format!("node {node} sends a message of {} before it is durable", known.height),
            );
        }
        Ok(())
    }

    /// The member that signed a message.
    pub(crate) fn author_of(&self, bytes: &[u8]) -> Option<usize> {
        self.known.get(&Trace::of(bytes))?.author
    }

    /// Notes a message that nobody has sent before.
    fn learn(
        &mut self,
        key: u64,
        bytes: &Bytes,
        message: &Message,
    ) -> Result<Known, crate::oracle::Violation> {
        self.judge.seen(message)?;
        let author = self.judge.author(&message.signed);
        let known = Known {
            author: author.and_then(|author| self.keys.member(&author)),
            content: content(&message.signed),
            height: message.signed.height,
            kind: message.signed.kind,
            round: message.signed.round,
            tag: message.signed.digest.map(|digest| [digest[0], digest[1]]),
            certificate: message.signed.certificate.as_ref().map(|held| held.proposal.round),
        };
        self.known.insert(key, known);
        self.archive(bytes);
        Ok(known)
    }

    /// How long a systematic scenario holds a message back; `None` if it loses it.
    pub(crate) fn planned(&mut self, from: usize, to: usize, key: u64) -> Option<u64> {
        let Some(plan) = &self.plan else { return Some(0) };
        match self.known.get(&key) {
            Some(known) if known.height == 1 && self.phase == super::liveness::Phase::Safety => {
                self.asked |= i64::from(known.round) > plan.last();
                plan.delay(from, to, known.kind, known.round)
            }
            _ => Some(0),
        }
    }

    /// A message of a Byzantine node, readable or not.
    pub(crate) fn watch_byzantine(&mut self, bytes: &Bytes, key: u64) -> Checked {
        if !self.known.contains_key(&key)
            && let Some(message) = Message::read(bytes)
        {
            self.learn(key, bytes, &message)?;
        }
        Ok(())
    }

    /// A node reports something (S13).
    pub(crate) fn watch_report(&mut self, node: usize, report: &Report) -> Checked {
        if !self.nodes[node].is_honest() {
            return Ok(());
        }
        self.tell(|| format!("node {node} reports {report:?}"));
        match report {
            Report::Equivocation(evidence) => {
                self.draw_note(node, || "finds two contents".into());
                self.marks.reach("evidence of equivocation");
                self.accuse(node, evidence.author, "equivocation")
            }
            Report::AuthorFault { author, fault } => {
                self.marks.reach("rule breach of an author reported");
                match fault {
                    // A clock that is ahead makes a block that others cannot take yet.
                    AuthorFault::Block if self.swarm.skew > 0 || self.swarm.jumps => Ok(()),
                    _ => self.accuse(node, *author, &format!("{fault:?}")),
                }
            }
            Report::PeerFault { peer, fault } => {
                self.marks.reach("fault of a peer reported");
                let honest =
                    self.nodes[node].peer(peer.0).is_some_and(|peer| self.nodes[peer].is_honest());
                if honest {
                    return broken("S13", format!("node {node} blames an honest peer: {fault:?}"));
                }
                Ok(())
            }
            Report::ConflictingBlock { height, .. } => {
                broken("S1", format!("node {node} saw a second sealed block at {height}"))
            }
            Report::BadOwnSignature { kind } => {
                broken("D2", format!("node {node} refuses its own signature of {kind:?}"))
            }
            Report::BadSealedBlock { .. } => broken(
                "L9",
                format!("node {node} refuses a block that its driver checked: {report:?}"),
            ),
            Report::Refused { .. } => {
                self.marks.reach("spoiled message refused");
                Ok(())
            }
            Report::InDoubt { .. } => {
                self.draw_note(node, || "in doubt".into());
                self.marks.reach("a validator is in doubt");
                Ok(())
            }
            Report::DoubtOver { .. } => {
                self.draw_note(node, || "doubt over".into());
                self.marks.reach("a doubt was resolved");
                Ok(())
            }
            Report::RoundChanged { cause, id } => {
                self.draw_note(node, || format!("round {} by {cause:?}", id.round));
                self.marks.reach(match cause {
                    peruri_ibft2::core::RoundCause::Timer => "round left by its timer",
                    peruri_ibft2::core::RoundCause::Jump => "jump to a higher round",
                    peruri_ibft2::core::RoundCause::Quorum => "round left by a quorum",
                    peruri_ibft2::core::RoundCause::Proposal => "round left by a proposal",
                });
                Ok(())
            }
            Report::NoFaultTolerance { .. } | Report::Epoch { .. } => Ok(()),
        }
    }

    fn accuse(&self, node: usize, author: alloy_primitives::Address, what: &str) -> Checked {
        let Some(member) = self.keys.member(&author) else { return Ok(()) };
        let honest = self.nodes.iter().any(|other| other.member == member && other.is_honest());
        let forgot = self.amnesiacs.get(&member).copied().unwrap_or(false);
        if honest && !forgot {
            return broken("S13", format!("node {node} accuses honest member {member}: {what}"));
        }
        Ok(())
    }

    /// A node starts again: what its disk holds is signed, whoever was told.
    pub(crate) fn watch_restart(&mut self, node: usize, record: &StoredRecord) -> Checked {
        self.marks.reach("restart");
        if let StoredRecord::Present(record) = record {
            if record.certificate().is_some() {
                self.marks.reach("restart with a certificate");
            }
            if record.commit().is_some() {
                self.marks.reach("restart after a commit");
            }
            if record.proposal().is_some() {
                self.marks.reach("restart of a proposer");
            }
            if record.position().round > 0 {
                self.marks.reach("restart in a later round");
            }
            // What a crash left behind although it was not synced counts as signed, too.
            if self.nodes[node].is_honest() {
                for message in record.messages() {
                    self.sign_note(node, &message.encode())?;
                }
            }
        }
        Ok(())
    }

    /// A node has finalised a block.
    pub(crate) fn watch_final(&mut self, node: usize, view: &View) {
        let _ = node;
        if view.round >= 1 {
            self.marks.reach("decided in round 1 or higher");
        }
        if view.round >= 3 {
            self.marks.reach("decided in round 3 or higher");
        }
        if view.round >= 10 {
            self.marks.reach("decided in round 10 or higher");
        }
        if view.round >= 3 && self.judge.is_prepared(view.number, 1..view.round) {
            self.marks.reach("decided in round 3 or higher, prepared before in round 1 or higher");
        }
        self.watch_members(view);
        if view.vote.is_some() {
            self.marks.reach("block with a vote");
        }
        let proposer = self.judge.proposer(view.number, view.round);
        if proposer.is_some_and(|proposer| proposer != view.coinbase) {
            self.marks.reach("block proposed again by another member");
        }
        let set = self.judge.members_at(view.number).map(|set| set.len());
        if set.is_some_and(|count| count != self.swarm.validators) {
            self.marks.reach("validator set changed");
        }
        if set.is_some_and(|count| view.seals.len() == count) {
            self.marks.reach("sealed by all");
        }
    }

    /// How the set changes with a block.
    fn watch_members(&mut self, view: &View) {
        if view.number.is_multiple_of(self.swarm.epoch) {
            self.marks.reach("epoch block");
        }
        let change = self.swarm.transitions.iter().find(|change| change.block == view.number);
        if change.is_some_and(|change| change.validators.is_some()) {
            self.marks.reach("validators overridden");
        }
        if change.is_some_and(|change| change.period.is_some()) {
            self.marks.reach("period changed by a transition");
        }
        let sets = (self.judge.members_at(view.number), self.judge.members_at(view.number + 1));
        let (Some(before), Some(after)) = sets else { return };
        if after.len() > before.len() {
            self.marks.reach("validator added");
        }
        if after.len() < before.len() {
            self.marks.reach("validator removed");
        }
        if before.contains(&view.coinbase) && !after.contains(&view.coinbase) {
            self.marks.reach("validator removed with its own block");
        }
    }

    /// What an honest node finalises is what execution gives (S4).
    pub(crate) fn watch_execution(&self, node: usize, sealed: &super::Sealed) -> Checked {
        let number = sealed.view.number;
        let parent = number.checked_sub(1).and_then(|parent| self.nodes[node].store.get(parent));
        let Some(parent) = parent else { return Ok(()) };
        let executed = super::block::execute(parent.sealed.view.state_root, &sealed.block.body);
        let rooted = alloy_primitives::keccak256(&sealed.block.body);
        if sealed.view.state_root != executed || sealed.view.transactions_root != rooted {
            return broken("S4", format!("node {node} finalises {number} with a false state"));
        }
        Ok(())
    }

    /// An own seal in a block that is finalised here stands in the durable record (D1).
    pub(crate) fn watch_own_seal(&self, node: usize, view: &View) -> Checked {
        let own = self.keys.address(self.nodes[node].member);
        let recovery = self.keys.recovery();
        let sealed =
            view.seals.iter().any(|seal| recovery.recover(&view.digest, seal) == Some(own));
        let place = (view.number, view.round, view.digest);
        if sealed && !self.nodes[node].committed.contains(&place) {
            return broken(
                "D1",
                format!("node {node} seals {} before that is durable", view.number),
            );
        }
        Ok(())
    }

    /// Within a height rounds only rise, by no more than a jump may (S7).
    pub(crate) fn watch_round(&mut self, node: usize) -> Checked {
        let owner = &mut self.nodes[node];
        let Some(core) = owner.core.as_ref() else { return Ok(()) };
        let place = (owner.life, core.height(), core.round());
        let before = std::mem::replace(&mut owner.place, place);
        let same = (before.0, before.1) == (place.0, place.1);
        if owner.role == super::Role::Honest && same && place.2 < before.2 {
            return broken("S7", format!("node {node} falls from {before:?} to {place:?}"));
        }
        Ok(())
    }

    /// The core holds no more than it may (S14).
    pub(crate) fn watch_bounds(&mut self, node: usize) -> Checked {
        let Some(core) = self.nodes[node].core.as_ref() else { return Ok(()) };
        if !self.steps.is_multiple_of(16) {
            return Ok(());
        }
        let held = core.buffered();
        let members = self.keys.len();
        // Two rounds of four kinds for the current height and ten heights ahead, from each member.
        let messages = members * 2 * 4 * 11;
        // Two rounds of Prepare, Commit and RoundChange from each member.
        let rounds = members * 2 * 3;
        let far = held.rounds > rounds || held.heights > 10;
        if held.messages > messages || held.bytes > 256 << 20 || far {
            return broken(
                "S14",
                format!("node {node} holds {held:?}, {messages} messages allowed"),
            );
        }
        Ok(())
    }

    /// An honest node receives a message; who may lose its sign state has a witness then.
    pub(crate) fn watch_delivery(&mut self, to: usize, key: u64) {
        if self.amnesiacs.is_empty() {
            return;
        }
        let Some(known) = self.known.get(&key) else { return };
        if known.author.is_some_and(|author| self.amnesiacs.contains_key(&author)) {
            let seen = self.sightings.entry(known.content).or_default();
            seen.push((to, self.nodes[to].life, self.now));
        }
    }

    /// Whether a message cannot be read or is by nobody that has a key here.
    pub(crate) fn is_foreign(&self, bytes: &[u8], key: u64) -> bool {
        if let Some(known) = self.known.get(&key) {
            return known.author.is_none();
        }
        // A member may have signed the payload although what comes with it is damaged.
        let author = Signed::in_message(bytes).and_then(|signed| self.judge.author(&signed));
        author.is_none_or(|author| self.keys.member(&author).is_none())
    }

    /// What a core holds, as one hash.
    pub(crate) fn digest_of(&self, node: usize) -> Option<alloy_primitives::B256> {
        self.nodes[node].core.as_ref().map(|core| core.state_digest())
    }

    /// S11: a foreign message has changed nothing.
    pub(crate) fn watch_foreign(
        &mut self,
        node: usize,
        before: Option<alloy_primitives::B256>,
    ) -> Checked {
        if before.is_none() {
            return Ok(());
        }
        self.marks.reach("foreign message left no trace");
        let after = self.digest_of(node);
        if after.is_some() && after != before {
            return broken("S11", format!("a foreign message changed node {node}"));
        }
        Ok(())
    }

    /// Two nodes are connected.
    pub(crate) fn watch_connection(&mut self, conn: u64) {
        if !self.amnesiacs.is_empty() {
            self.since.insert(conn, self.now);
        }
    }

    /// The mark that a node tells another about itself.
    pub(crate) fn told_mark(
        &mut self,
        teller: usize,
        to: usize,
        mark: Option<Mark>,
    ) -> Option<Mark> {
        if self.nodes[to].forgetful {
            return None;
        }
        if !self.nodes[teller].is_honest()
            && self.choices.chance(crate::choices::Stream::Adversary, 500)
        {
            return None;
        }
        mark
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        choices::Choices,
        swarm::{Schemes, Swarm},
    };

    fn world() -> World {
        let mut swarm = Swarm::calm(4);
        swarm.byzantine.members = 1;
        swarm.schemes = Schemes::default();
        World::new(swarm, Choices::from_seed(1, false), false)
    }

    #[test]
    fn s13_only_byzantine_members_may_be_accused() {
        let world = world();
        let verdicts: Vec<bool> = (0..4)
            .map(|node| {
                let address = world.keys.address(world.nodes[node].member);
                let result = world.accuse(0, address, "test");
                assert!(result.as_ref().err().is_none_or(|broken| broken.invariant == "S13"));
                result.is_ok() == world.nodes[node].is_honest()
            })
            .collect();
        assert_eq!(verdicts, [false; 4]);
    }

    #[test]
    fn d1_a_message_that_no_durable_record_holds() {
        let mut world = world();
        let node = world.nodes.iter().position(|node| node.is_honest()).unwrap();
        let member = world.nodes[node].member;
        let id = peruri_ibft2::messages::RoundId::new(1, 1);
        let payload = peruri_ibft2::messages::RoundChangePayload { id, certificate: None };
        let hash = world.config.domain().signing_hash(&payload);
        let signature = peruri_ibft2::crypto::Signature65::new(world.keys.sign(member, hash));
        let signed = peruri_ibft2::messages::Signed::new(payload, signature.unwrap());
        let change = peruri_ibft2::messages::RoundChange { signed, block: None };
        let message = peruri_ibft2::messages::Message::RoundChange(change);
        let bytes = message.to_wire(peruri_ibft2::messages::Dialect::V26);
        let result = world.watch_send(node, &bytes, Trace::of(&bytes));
        assert_eq!(result.unwrap_err().invariant, "D1");
    }

    #[test]
    fn d2_a_record_ahead_of_the_store() {
        let world = &mut world();
        let node = world.nodes.iter().position(|node| node.is_honest()).unwrap();
        let genesis = world.config.genesis_hash;
        let local = world.keys.address(world.nodes[node].member);
        let mut record = SignRecord::first(genesis, local);
        assert_eq!(world.watch_persist(node, &record).unwrap_err().invariant, "D2");
        record.sequence += 1;
        assert_eq!(world.watch_persist(node, &record), Ok(()));
    }
}
