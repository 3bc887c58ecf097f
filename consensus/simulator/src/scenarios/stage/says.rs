//! What puppets say, and the blocks of the stage.

use std::sync::Arc;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{Address, B64, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use peruri_ibft2::{
    ExtraData, Form, IbftHeader, MIX_HASH, Seal, SealDigest, SigningDomain,
    crypto::Signature65,
    messages::{
        Block, CommitPayload, Dialect, Message, Payload, PreparePayload, Proposal, ProposalPayload,
        RoundChange, RoundChangePayload, RoundId, Signed,
    },
};

use super::{FEE, Stage};
use crate::{
    clock::EPOCH_MS,
    oracle::{judge::Checked, wire},
    world::{Sealed, block},
};

impl Stage {
    /// What signatures cover on this chain.
    pub(in super::super) fn domain(&self) -> SigningDomain {
        if self.setting.config.chain_bound_signatures {
            let (chain_id, genesis_hash) = (self.setting.chain_id, self.genesis.view.hash);
            SigningDomain::ChainBound { chain_id, genesis_hash }
        } else {
            SigningDomain::Besu
        }
    }

    /// A payload signed by a member.
    pub(in super::super) fn sign<P: Payload>(&self, member: usize, payload: P) -> Signed<P> {
        self.sign_for(member, payload, &self.domain())
    }

    /// A payload signed by a member for a chain.
    pub(in super::super) fn sign_for<P: Payload>(
        &self,
        member: usize,
        payload: P,
        domain: &SigningDomain,
    ) -> Signed<P> {
        let bytes = self.keys.sign(member, domain.signing_hash(&payload));
        Signed::new(payload, Signature65::new(bytes).expect("the key ring signs in range"))
    }

    /// A seal of a member.
    pub(in super::super) fn seal(&self, member: usize, digest: SealDigest) -> Seal {
        Seal::new(self.keys.sign(member, digest.0)).expect("the key ring signs in range")
    }

    /// A Prepare.
    pub(in super::super) fn prepare(&self, who: usize, id: RoundId, digest: SealDigest) -> Message {
        Message::Prepare(self.sign(who, PreparePayload { id, digest }))
    }

    /// A Commit.
    pub(in super::super) fn commit(&self, who: usize, id: RoundId, digest: SealDigest) -> Message {
        let seal = self.seal(who, digest);
        Message::Commit(self.sign(who, CommitPayload { id, digest, seal }))
    }

    /// A RoundChange without a certificate.
    pub(in super::super) fn round_change(&self, who: usize, id: RoundId) -> Message {
        let signed = self.sign(who, RoundChangePayload { id, certificate: None });
        Message::RoundChange(RoundChange { signed, block: None })
    }

    /// A proposal of round 0.
    ///
    /// # Panics
    /// If the block has no `extraData`.
    pub(in super::super) fn proposal(&self, who: usize, block: &Block) -> Message {
        let digest = block.digest().expect("own blocks have extraData");
        let id = RoundId::new(block.number(), 0);
        let signed = self.sign(who, ProposalPayload { id, digest });
        Message::Proposal(Proposal { signed, block: Arc::new(block.clone()), round_changes: None })
    }

    /// A puppet says something to the members of `to` over its own connections.
    pub(in super::super) fn say(
        &mut self,
        puppet: usize,
        to: impl IntoIterator<Item = usize>,
        message: &Message,
    ) -> Checked {
        let bytes = message.to_wire(Dialect::V26);
        if let Some(read) = wire::Message::read(&bytes) {
            self.judge.seen(&read)?;
        }
        self.tell(puppet, || said(message));
        for other in to {
            if let Some(conn) = self.actors[other].peers.get(&puppet).copied() {
                self.pass(puppet, other, conn, true, message, bytes.clone());
            }
        }
        Ok(())
    }

    /// The block that `creator` makes on the head of `on` with this body size.
    pub(in super::super) fn made_by(&self, creator: usize, on: usize, body: usize) -> Block {
        let head = self.actors[on].chain.last().expect("a genesis");
        let members = self.judge.members_at(head.view.number + 1);
        let extra = ExtraData {
            vanity: vec![0; 32].into(),
            validators: members.map_or_else(Vec::new, |members| members.list()),
            ..ExtraData::default()
        };
        let least = head.view.timestamp + self.setting.config.block_period_seconds;
        let time = ((EPOCH_MS + self.now) / 1_000).max(least);
        let coinbase = self.keys.address(creator);
        self.block_on(head, coinbase, extra.encode(Form::All), time, body)
    }

    /// A block on `parent` whose only transaction has so many bytes; none for 0.
    pub(super) fn block_on(
        &self,
        parent: &Sealed,
        coinbase: Address,
        extra_data: Bytes,
        timestamp: u64,
        transaction: usize,
    ) -> Block {
        let body = if transaction == 0 { Block::EMPTY_BODY } else { body_of(transaction) };
        let header = Header {
            parent_hash: parent.view.hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: coinbase,
            state_root: block::execute(parent.view.state_root, &body),
            transactions_root: keccak256(&body),
            difficulty: U256::from(1),
            number: parent.view.number + 1,
            gas_limit: 30_000_000,
            timestamp,
            extra_data,
            mix_hash: MIX_HASH,
            nonce: B64::ZERO,
            base_fee_per_gas: Some(FEE),
            ..Header::default()
        };
        Block { header: IbftHeader::from(header), body }
    }
}

/// One transaction of `length` bytes, no ommers.
fn body_of(length: usize) -> Bytes {
    let mut body = alloy_rlp::encode(vec![Bytes::from(vec![0x5a; length])]);
    body.push(0xc0);
    body.into()
}

/// Bytes of a transaction that makes the RLP of a block like `block` exactly `length` bytes long.
pub(in super::super) fn filling(block: &Block, length: usize) -> usize {
    let mut size = length.saturating_sub(block.length());
    for _ in 0..64 {
        let made = Block { body: body_of(size), ..block.clone() }.length();
        if made == length {
            break;
        }
        size = (size + length).saturating_sub(made);
    }
    size
}

/// A message in one line.
pub(super) fn said(message: &Message) -> String {
    let RoundId { height, round } = message.id();
    let digest = message.signed_payload().digest().map(|digest| digest.0.to_string());
    let certificate = match message {
        Message::RoundChange(change) => change.signed.payload.prepared_round(),
        _ => None,
    };
    let mut text = format!("{:?} ({height}, {round})", message.kind());
    if let Some(digest) = digest {
        text.push_str(&format!(" {}", &digest[..10]));
    }
    if let Some(prepared) = certificate {
        text.push_str(&format!(" prepared in {prepared}"));
    }
    text
}
