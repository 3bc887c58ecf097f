//! A network whose validators sign what a test wants them to.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::arithmetic_side_effects)]

pub mod decoding;

use std::sync::Arc;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, crypto::secp256k1::sign_message};
use alloy_primitives::{Address, B256, Signature, U256, keccak256};
use peruri_ibft2::{
    Block, CommitPayload, HeightContext, IbftHeader, MIX_HASH, Message, Payload, PreparePayload,
    PreparedCertificate, Proposal, ProposalPayload, RoundChange, RoundChangePayload, RoundId, Seal,
    SealDigest, Signed, SigningDomain, ValidatorSet, prepare_quorum, quorum, recover_seals,
    sealing::unsealed_extra_data,
};

/// Order of the secp256k1 group.
pub const N: U256 = alloy_primitives::uint!(
    0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256
);

/// The height that all messages are about.
pub const HEIGHT: u64 = 7;

/// Validators with their keys, in the order of their addresses. The parent's coinbase is zero, so
/// that validator `r mod n` proposes round `r`.
pub struct Network {
    pub keys: Vec<B256>,
    pub set: ValidatorSet,
    pub domain: SigningDomain,
}

impl Network {
    pub fn new(n: u8, domain: SigningDomain) -> Self {
        let mut keys: Vec<B256> = (1..=n).map(key).collect();
        keys.sort_by_key(|key| address_of(*key));
        let set = keys.iter().map(|key| address_of(*key)).collect();
        Self { keys, set, domain }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn context(&self) -> HeightContext<'_> {
        HeightContext::new(HEIGHT, &self.set, Address::ZERO, &self.domain)
    }

    pub fn address(&self, who: usize) -> Address {
        self.set.as_slice()[who]
    }

    pub fn proposer(&self, round: u32) -> usize {
        usize::try_from(round).unwrap() % self.len()
    }

    pub fn sign<P: Payload>(&self, who: usize, payload: P) -> Signed<P> {
        sign_as(self.keys[who], &self.domain, payload)
    }

    /// The block that the proposer of `creator` made, with `round` in it.
    pub fn block(&self, creator: u32, round: u32) -> Block {
        let extra_data = unsealed_extra_data(B256::ZERO, &self.set, None, round);
        let header = Header {
            number: HEIGHT,
            mix_hash: MIX_HASH,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            difficulty: U256::ONE,
            gas_limit: 30_000_000,
            timestamp: 1_700_000_000,
            beneficiary: self.address(self.proposer(creator)),
            base_fee_per_gas: Some(0),
            extra_data,
            ..Header::default()
        };
        Block { header: IbftHeader(header), body: Block::EMPTY_BODY }
    }

    pub fn prepare(&self, who: usize, round: u32, digest: SealDigest) -> Signed<PreparePayload> {
        self.sign(who, PreparePayload { id: id(round), digest })
    }

    pub fn commit(&self, who: usize, round: u32, digest: SealDigest) -> Signed<CommitPayload> {
        let seal = seal(self.keys[who], digest);
        self.sign(who, CommitPayload { id: id(round), digest, seal })
    }

    pub fn signed_proposal(&self, round: u32, block: &Block) -> Signed<ProposalPayload> {
        let digest = block.digest().unwrap();
        self.sign(self.proposer(round), ProposalPayload { id: id(round), digest })
    }

    /// The block of `creator` prepared in `round` by `prepares` validators after the proposer.
    pub fn certificate(&self, creator: u32, round: u32, prepares: usize) -> PreparedCertificate {
        let block = self.block(creator, round);
        let digest = block.digest().unwrap();
        let first = self.proposer(round) + 1;
        PreparedCertificate {
            proposal: self.signed_proposal(round, &block),
            prepares: (first..first + prepares)
                .map(|who| self.prepare(who % self.len(), round, digest))
                .collect(),
        }
    }

    pub fn prepared(&self, round: u32) -> PreparedCertificate {
        self.certificate(round, round, prepare_quorum(self.len()))
    }

    pub fn round_change_payload(
        &self,
        who: usize,
        target: u32,
        certificate: Option<PreparedCertificate>,
    ) -> Signed<RoundChangePayload> {
        let certificate = certificate.map(Arc::new);
        self.sign(who, RoundChangePayload { id: id(target), certificate })
    }

    /// A RoundChange to `target`, prepared in `prepared` with the block of that round's proposer.
    pub fn round_change(&self, who: usize, target: u32, prepared: Option<u32>) -> RoundChange {
        RoundChange {
            signed: self.round_change_payload(who, target, prepared.map(|it| self.prepared(it))),
            block: prepared.map(|round| Arc::new(self.block(round, round))),
        }
    }

    /// A fresh proposal of round 0.
    pub fn first_proposal(&self) -> Proposal {
        let block = self.block(0, 0);
        Proposal {
            signed: self.signed_proposal(0, &block),
            block: Arc::new(block),
            round_changes: None,
        }
    }

    /// A proposal of `round` justified by a quorum, all prepared in `prepared` if in any.
    pub fn proposal(&self, round: u32, prepared: Option<u32>) -> Proposal {
        self.proposal_of(round, prepared, quorum(self.len()), prepare_quorum(self.len()))
    }

    /// [`Self::proposal`] with as many RoundChanges, and as many Prepares in each certificate.
    pub fn proposal_of(
        &self,
        round: u32,
        prepared: Option<u32>,
        changes: usize,
        prepares: usize,
    ) -> Proposal {
        let block = self.block(prepared.unwrap_or(round), round);
        let round_changes = (0..changes)
            .map(|who| {
                let certificate = prepared.map(|it| self.certificate(it, it, prepares));
                self.round_change_payload(who, round, certificate)
            })
            .collect();
        Proposal {
            signed: self.signed_proposal(round, &block),
            block: Arc::new(block),
            round_changes: Some(round_changes),
        }
    }

    /// One message of each shape.
    pub fn messages(&self) -> Vec<Message> {
        let who = 1 % self.len();
        let digest = self.block(0, 0).digest().unwrap();
        vec![
            Message::Proposal(self.first_proposal()),
            Message::Proposal(self.proposal(1, None)),
            Message::Proposal(self.proposal(2, Some(1))),
            Message::Prepare(self.prepare(who, 0, digest)),
            Message::Commit(self.commit(who, 0, digest)),
            Message::RoundChange(self.round_change(who, 1, None)),
            Message::RoundChange(self.round_change(who, 1, Some(0))),
        ]
    }
}

pub const fn id(round: u32) -> RoundId {
    RoundId::new(HEIGHT, round)
}

pub fn bound() -> SigningDomain {
    SigningDomain::ChainBound { chain_id: 77, genesis_hash: B256::repeat_byte(9) }
}

pub fn seal(key: B256, digest: SealDigest) -> Seal {
    Seal::try_from(sign_message(key, digest.0).unwrap()).unwrap()
}

/// The other form of the same signature.
pub fn flip(seal: Seal) -> Seal {
    let signature = Signature::from(seal);
    Seal::try_from(Signature::new(signature.r(), N - signature.s(), !signature.v())).unwrap()
}

pub fn sign_as<P: Payload>(key: B256, domain: &SigningDomain, payload: P) -> Signed<P> {
    let signature = seal(key, SealDigest(domain.signing_hash(&payload)));
    Signed::new(payload, signature.into())
}

pub fn address_of(key: B256) -> Address {
    let digest = SealDigest(B256::repeat_byte(1));
    recover_seals(digest, &[seal(key, digest)]).unwrap()[0]
}

pub fn key(byte: u8) -> B256 {
    keccak256([byte])
}
