//! What Byzantine nodes send.
//!
//! A Byzantine node runs a core, so that it takes part, and twists what leaves it: it withholds,
//! sends different things to different nodes, changes messages a little and signs them again,
//! damages bytes, repeats what anybody has sent before. On what it receives it answers with
//! messages that no core would send (`strategist`). Byzantine nodes know everything that was sent so far.
//!
//! | | behaviour | where |
//! |---|---|---|
//! | B1 | two blocks for one round, each to a part | `mutate_proposal`; twins; every scenario of `twins` |
//! | B2 | two Prepares or Commits, Commits without Prepare | `mutate`, `script` |
//! | B3 | a proposal withheld from some, or late | `Byzantine::withhold`, `Schemes::late` |
//! | B4 | invalid blocks of fourteen kinds | `other_block` |
//! | B5 | forged certificates | `forge` |
//! | B6 | an old certificate for the highest, the own one hidden | `mutate_round_change` |
//! | B7 | RoundChanges too few, twice, of another round; a certificate passed over | `mutate_proposal` |
//! | B8 | rounds without end, the highest number | `flood`, `nearby` |
//! | B9 | spoiled, foreign, flipped seals | `mutate_commit` |
//! | B10 | seals withheld and shown later | `Byzantine::withhold` with `replay`; `Schemes::late` |
//! | B11 | a lock forgotten: twins, restarts from older disks | roles; `Schemes::forgetful`; `twins --forgetful` |
//! | B12 | replays: old, a thousand times, of another chain with the same keys, after removal | `replay`, `repeat`, `foreign`, `note_removed` |
//! | B13 | others' messages over an own connection | `replay`; identities on the transport are the network's matter |
//! | B14 | floods of valid and of invalid messages | `flood`, `repeat`, `damage`; processor time is measured with real nodes |
//! | B15 | heights up to a million ahead | `flood` |
//! | B16 | bytes that are no message | `damage`; decoders are fuzzed beside |
//! | B17 | lies about blocks: a head that is not there or is withdrawn, other bodies, seals, states | `tip`, `falsify`, `serve` |
//! | B18 | votes cast twice, for anybody, at epochs | `other_block` with epochs of 3 to 30 blocks |
//! | B19 | times as early and as late as others take them, and more | `other_block` |
//! | B20 | transactions left out | `Schemes::censor` |
//! | B21 | other heads to other nodes, marks kept back | `tip`, `told_mark` |
//! | B22 | what would complete a quorum comes when the round is over | `spite` |
//! | B23 | one honest node hears almost nobody but Byzantine ones | `eclipse` with `withhold` |
//! | B24 | twins that share all they know, leaders and partitions of their choice | `twins`; the archive |
//!
//! Messages of another chain are sent only where signatures are bound to the chain: elsewhere such a
//! message *is* one of this chain, and who uses a key twice has signed twice.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use peruri_ibft2::{
    ExtraData, Form, IbftHeader, Seal, SealDigest, Vote, VoteType,
    crypto::Signature65,
    messages::{
        Block, CommitPayload, DecodeLimits, Dialect, Message, Payload, PreparePayload,
        PreparedCertificate, Proposal, ProposalPayload, RoundChange, RoundId, Signed,
    },
};

use super::World;
use crate::{choices::Stream::Adversary, keys::malleate, oracle::judge::Checked, swarm::SECOND};

impl World {
    /// A Byzantine node's core wants to send a message.
    pub(crate) fn send_byzantine(
        &mut self,
        node: usize,
        receivers: &[usize],
        bytes: Bytes,
    ) -> Checked {
        let habits = self.swarm.byzantine;
        // A mute member leaves rounds together with the others, and is gone when they heal.
        if habits.mute && (!self.is_faulty() || bytes.first() != Some(&3)) {
            return Ok(());
        }
        // Sometimes everybody is told the same falsehood, sometimes everybody another one.
        let mut bytes = bytes;
        let mut mutate = habits.mutate;
        if self.choices.chance(Adversary, mutate / 2) {
            mutate = 0;
            if let Some(changed) = self.mutate(node, &bytes) {
                bytes = changed;
            }
        }
        for receiver in receivers {
            if self.choices.chance(Adversary, habits.withhold) {
                continue;
            }
            let mut bytes = bytes.clone();
            if self.choices.chance(Adversary, mutate)
                && let Some(changed) = self.mutate(node, &bytes)
            {
                bytes = changed;
            }
            if self.choices.chance(Adversary, habits.damage) {
                bytes = self.damage(&bytes);
            }
            if self.choices.chance(Adversary, self.swarm.schemes.late) {
                self.marks.reach("message held back until the round is nearly over");
                let late = self.swarm.base * SECOND * 9 / 10;
                self.send_later(node, *receiver, bytes, late)?;
            } else {
                self.send_raw(node, *receiver, bytes)?;
            }
            if self.choices.chance(Adversary, habits.replay) {
                self.replay(node)?;
            }
        }
        Ok(())
    }

    pub(super) fn damage(&mut self, bytes: &Bytes) -> Bytes {
        let mut bytes = bytes.to_vec();
        let at = self.choices.draw(Adversary, bytes.len() as u32) as usize;
        match self.choices.draw(Adversary, 4) {
            0 => bytes[at] ^= 1 << self.choices.draw(Adversary, 8),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, self.choices.draw(Adversary, 256) as u8),
            _ => bytes.extend_from_slice(&[0x80; 3]),
        }
        self.marks.reach("bytes damaged by a Byzantine member");
        bytes.into()
    }

    pub(super) fn resign<P: Payload>(&self, node: usize, payload: P) -> Signed<P> {
        let hash = self.config.domain().signing_hash(&payload);
        let bytes = self.keys.sign(self.nodes[node].member, hash);
        Signed::new(payload, Signature65::new(bytes).expect("the key ring signs in range"))
    }

    pub(super) fn seal(&self, node: usize, digest: B256) -> Seal {
        let bytes = self.keys.sign(self.nodes[node].member, digest);
        Seal::new(bytes).expect("the key ring signs in range")
    }

    pub(super) fn nearby(&mut self, id: RoundId) -> RoundId {
        let mut id = id;
        match self.choices.draw(Adversary, 6) {
            0 => id.round = id.round.saturating_add(1),
            1 => id.round = id.round.saturating_sub(1),
            2 => id.height = id.height.saturating_add(1),
            3 => id.height = id.height.saturating_sub(1),
            4 => id.round = u32::MAX - self.choices.draw(Adversary, 2),
            _ => {
                id.height = id.height.saturating_add(u64::from(self.choices.draw(Adversary, 2_000)))
            }
        }
        id
    }

    /// A digest that somebody has used.
    pub(super) fn some_digest(&mut self) -> SealDigest {
        let count = self.archive.len() as u32;
        for _ in 0..4 {
            let at = self.choices.draw(Adversary, count) as usize;
            let Some(bytes) = self.archive.get(at) else { break };
            if let Ok(message) = Message::from_wire(bytes, &DecodeLimits::DEFAULT)
                && let Some(digest) = message.signed_payload().digest()
            {
                return digest;
            }
        }
        SealDigest(B256::repeat_byte(7))
    }

    /// A seal that somebody has sent.
    fn some_seal(&mut self) -> Option<Seal> {
        let at = self.choices.draw(Adversary, self.archive.len() as u32) as usize;
        let found = self.archive.iter().skip(at).find_map(|bytes| {
            match Message::from_wire(bytes, &DecodeLimits::DEFAULT) {
                Ok(Message::Commit(signed)) => Some(signed.payload.seal),
                _ => None,
            }
        })?;
        self.marks.reach("seal of another Commit stolen");
        Some(found)
    }

    /// The same block with a small change.
    pub(super) fn other_block(&mut self, node: usize, block: &Block) -> Option<Block> {
        let mut header = alloy_consensus::Header::from(block.header.clone());
        let mut extra = ExtraData::decode(&header.extra_data).ok()?;
        let ways = if self.swarm.schemes.inventive { 14 } else { 8 };
        match self.choices.draw(Adversary, ways) {
            0 => header.timestamp += 1,
            1 => {
                let member = self.choices.draw(Adversary, self.keys.len() as u32) as usize;
                header.beneficiary = self.keys.address(member);
            }
            2 => {
                let member = self.choices.draw(Adversary, self.keys.len() as u32) as usize;
                let kind = if self.choices.chance(Adversary, 500) {
                    VoteType::Drop
                } else {
                    VoteType::Add
                };
                extra.vote = Some(Vote { recipient: self.keys.address(member), kind });
            }
            3 => extra.vanity = Bytes::from(vec![9; 32]),
            4 => header.state_root = B256::repeat_byte(3),
            5 => {
                let own = self.keys.address(self.nodes[node].member);
                extra.validators.retain(|member| *member == own);
            }
            6 => header.timestamp += 100_000,
            8 => header.parent_hash = B256::repeat_byte(2),
            9 => header.gas_used = header.gas_limit + 1,
            // As far ahead as others take it.
            10 => header.timestamp = self.clocks(node).unix_ms / 1_000 + 1,
            11 => extra.round = extra.round.wrapping_add(1),
            12 => header.extra_data = Bytes::from(vec![0x80; 40]),
            13 => {
                let body = Bytes::from(vec![0; 200_000]);
                header.transactions_root = alloy_primitives::keccak256(&body);
                return Some(Block { header: IbftHeader::from(header), body });
            }
            _ => {
                let number = self.next_transaction();
                let body = super::block::body(&[number]);
                let parent = B256::from(header.parent_hash);
                let root = self.nodes.iter().find_map(|node| {
                    let stored = node.store.get(header.number.checked_sub(1)?)?;
                    (stored.sealed.view.hash == parent).then_some(stored.sealed.view.state_root)
                })?;
                header.state_root = super::block::execute(root, &body);
                header.transactions_root = alloy_primitives::keccak256(&body);
                header.extra_data = extra.encode(Form::All);
                return Some(Block { header: IbftHeader::from(header), body });
            }
        }
        if header.extra_data.first() != Some(&0x80) {
            header.extra_data = extra.encode(Form::All);
        }
        self.marks.reach("block spoiled by a Byzantine member");
        Some(Block { header: IbftHeader::from(header), body: block.body.clone() })
    }

    /// A small change of a message, signed again where the change is covered by the signature.
    fn mutate(&mut self, node: usize, bytes: &Bytes) -> Option<Bytes> {
        let message = Message::from_wire(bytes, &DecodeLimits::DEFAULT).ok()?;
        self.marks.reach("message changed by a Byzantine member");
        let changed = match message {
            Message::Prepare(signed) => {
                let mut payload = signed.payload;
                if self.choices.chance(Adversary, 500) {
                    payload.id = self.nearby(payload.id);
                } else {
                    payload.digest = self.some_digest();
                }
                Message::Prepare(self.resign(node, payload))
            }
            Message::Commit(signed) => self.mutate_commit(node, signed.payload),
            Message::Proposal(proposal) => self.mutate_proposal(node, proposal)?,
            Message::RoundChange(change) => self.mutate_round_change(node, change),
        };
        let dialect = if self.choices.chance(Adversary, 300) { Dialect::V25 } else { Dialect::V26 };
        Some(changed.to_wire(dialect))
    }

    fn mutate_commit(&mut self, node: usize, payload: CommitPayload) -> Message {
        let mut payload = payload;
        let ways = if self.swarm.schemes.inventive { 7 } else { 5 };
        match self.choices.draw(Adversary, ways) {
            0 => payload.id = self.nearby(payload.id),
            1 => payload.digest = self.some_digest(),
            2 => payload.seal = self.seal(node, B256::repeat_byte(5)),
            3 => {
                let flipped = malleate(payload.seal.as_bytes());
                payload.seal = Seal::new(flipped).unwrap_or(payload.seal);
            }
            // The seal of somebody else, or of another round.
            5 => payload.seal = self.some_seal().unwrap_or(payload.seal),
            6 => payload.id.round = payload.id.round.saturating_add(1),
            _ => {
                // Another block, with a seal that fits it.
                payload.digest = self.some_digest();
                payload.seal = self.seal(node, payload.digest.0);
            }
        }
        Message::Commit(self.resign(node, payload))
    }

    fn mutate_proposal(&mut self, node: usize, proposal: Proposal) -> Option<Message> {
        let mut proposal = proposal;
        match self.choices.draw(Adversary, 5) {
            0 | 1 => {
                proposal.block = Arc::new(self.other_block(node, &proposal.block)?);
                self.marks.reach("two proposals for one round");
            }
            2 => {
                let entries = proposal.round_changes.as_mut()?;
                let at = self.choices.draw(Adversary, entries.len() as u32) as usize;
                match self.choices.draw(Adversary, 3) {
                    0 => {
                        entries.remove(at);
                    }
                    1 => entries.push(entries.get(at)?.clone()),
                    _ => entries.reverse(),
                }
            }
            3 => proposal.round_changes = None,
            _ => {
                let entries = proposal.round_changes.as_mut()?;
                let own = self.keys.address(self.nodes[node].member);
                entries.retain(|entry| entry.payload.certificate.is_none());
                let _ = own;
                proposal.block = Arc::new(self.other_block(node, &proposal.block)?);
            }
        }
        let payload = ProposalPayload {
            id: proposal.signed.payload.id,
            digest: proposal.block.digest().ok()?,
        };
        proposal.signed = self.resign(node, payload);
        Some(Message::Proposal(proposal))
    }

    fn mutate_round_change(&mut self, node: usize, change: RoundChange) -> Message {
        let mut payload = change.signed.payload;
        let mut block = change.block;
        match self.choices.draw(Adversary, 4) {
            0 => payload.id = self.nearby(payload.id),
            1 => {
                // Hides that it was prepared.
                payload.certificate = None;
                block = None;
            }
            2 => {
                let older = self.some_certificate();
                payload.certificate = older.as_ref().map(|older| Arc::clone(&older.0));
                block = older.map(|older| older.1);
            }
            _ => {
                if let Some(certificate) = &payload.certificate {
                    payload.certificate = Some(Arc::new(self.forge(node, certificate)));
                }
            }
        }
        Message::RoundChange(RoundChange { signed: self.resign(node, payload), block })
    }

    /// A certificate that somebody has sent, with its block.
    pub(super) fn some_certificate(&mut self) -> Option<(Arc<PreparedCertificate>, Arc<Block>)> {
        let start = self.choices.draw(Adversary, self.archive.len() as u32) as usize;
        let count = self.archive.len();
        (0..count).find_map(|step| {
            let bytes = self.archive.get((start + step) % count)?;
            match Message::from_wire(bytes, &DecodeLimits::DEFAULT) {
                Ok(Message::RoundChange(change)) => {
                    Some((change.signed.payload.certificate?, change.block?))
                }
                _ => None,
            }
        })
    }

    /// A certificate that proves nothing.
    fn forge(&mut self, node: usize, certificate: &PreparedCertificate) -> PreparedCertificate {
        let mut forged = certificate.clone();
        let count = forged.prepares.len() as u32;
        let at = self.choices.draw(Adversary, count) as usize;
        match self.choices.draw(Adversary, 5) {
            0 if count > 0 => {
                forged.prepares.remove(at);
            }
            1 if count > 0 => {
                // One signer twice, by another form of the same signature.
                let mut again = forged.prepares[at];
                let flipped = malleate(again.signature.as_bytes());
                again.signature = Signature65::new(flipped).unwrap_or(again.signature);
                forged.prepares.remove(at);
                forged.prepares.push(again);
                forged.prepares.push(again);
            }
            3 => {
                // One signer many times, with a new signature each time.
                let payload = PreparePayload {
                    id: forged.proposal.payload.id,
                    digest: forged.proposal.payload.digest,
                };
                let hash = self.config.domain().signing_hash(&payload);
                let member = self.nodes[node].member;
                forged.prepares = (0..u64::from(count.max(1)))
                    .filter_map(|nonce| {
                        let bytes = self.keys.sign_again(member, hash, nonce + 1);
                        Signature65::new(bytes).ok()
                    })
                    .map(|signature| Signed::new(payload, signature))
                    .collect();
            }
            2 => {
                let own = PreparePayload {
                    id: forged.proposal.payload.id,
                    digest: forged.proposal.payload.digest,
                };
                let own = self.resign(node, own);
                forged.prepares.push(own);
            }
            _ => {
                let digest = self.some_digest();
                let payload = ProposalPayload { id: forged.proposal.payload.id, digest };
                forged.proposal = self.resign(node, payload);
            }
        }
        self.marks.reach("certificate forged");
        forged
    }
}
