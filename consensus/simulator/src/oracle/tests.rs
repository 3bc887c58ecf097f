//! Each safety invariant of the judge is broken once.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::B256;
use peruri_ibft2::{ExtraData, Form, Seal};

use super::{
    INVARIANTS, View,
    header::digest_in_round,
    judge::{Chain, Checked, Judge},
    members::Rules,
    wire::{Certificate, Kind, Message, Signed},
};
use crate::{
    keys::{KeyRing, Scheme},
    world::{Sealed, block},
};

/// A judge of four members and what is needed to make blocks and messages for it.
struct Court {
    keys: KeyRing,
    genesis: Sealed,
    judge: Judge,
}

impl Court {
    fn new(vanity: Option<B256>) -> Self {
        let keys = KeyRing::new(Scheme::Keyed, 5);
        let header = block::genesis(keys.addresses()[..4].to_vec());
        let view = View::read(&alloy_rlp::encode(&header)).unwrap();
        let judge = Judge::new(Chain {
            rules: Rules { epoch: 1_000, overrides: BTreeMap::new() },
            genesis: view.clone(),
            periods: BTreeMap::from([(0, 1)]),
            recovery: keys.recovery(),
            vanity,
            domain: Vec::new(),
        });
        let body = peruri_ibft2::messages::Block::EMPTY_BODY;
        let block = peruri_ibft2::messages::Block { header: header.into(), body };
        Self { genesis: Sealed { block: Arc::new(block), view }, keys, judge }
    }

    /// A block of height 1 by `creator`, different for each `salt`, sealed by `signers` in a round.
    fn block(&self, creator: usize, salt: u64, round: u32, signers: &[usize]) -> Sealed {
        self.block_with(creator, salt, round, signers, 4)
    }

    fn block_with(
        &self,
        creator: usize,
        salt: u64,
        round: u32,
        signers: &[usize],
        listed: usize,
    ) -> Sealed {
        let extra = ExtraData {
            vanity: vec![0; 32].into(),
            validators: self.keys.addresses()[..listed].to_vec(),
            vote: None,
            round,
            seals: Vec::new(),
        };
        let coinbase = self.keys.address(creator);
        let time = self.genesis.view.timestamp + 1;
        let body = block::body(&[salt]);
        let bare = block::build(&self.genesis, coinbase, extra.encode(Form::All), time, body);
        let digest = Sealed::new(Arc::new(bare.clone())).unwrap().view.digest;
        let seals =
            signers.iter().map(|who| Seal::new(self.keys.sign(*who, digest)).unwrap()).collect();
        Sealed::new(Arc::new(bare.sealed(round, seals).unwrap())).unwrap()
    }

    fn signed(&self, member: usize, kind: Kind, round: u32, digest: Option<B256>) -> Signed {
        let mut signed = Signed {
            kind,
            height: 1,
            round,
            digest,
            seal: None,
            certificate: None,
            payload: format!("{kind:?} {round} {digest:?}").into_bytes(),
            signature: [0; 65],
        };
        signed.signature = self.keys.sign(member, signed.signing_hash(&[]));
        signed
    }

    /// The proposal of a round that is allowed without RoundChanges: its first one.
    fn proposal(&self, sealed: &Sealed) -> Message {
        let header = alloy_rlp::encode(&sealed.block.header);
        let view = sealed.view.clone();
        Message {
            signed: self.signed(
                self.turn(view.round),
                Kind::Proposal,
                view.round,
                Some(view.digest),
            ),
            block: Some(view),
            header: Some(header),
            round_changes: None,
        }
    }

    /// Whose turn a round is.
    fn turn(&self, round: u32) -> usize {
        self.keys.member(&self.judge.proposer(1, round).unwrap()).unwrap()
    }

    /// A certificate of a round with Prepares of two others.
    fn certificate(&self, round: u32, digest: B256, prepares: usize) -> Certificate {
        let turn = self.turn(round);
        let others = (0..4).filter(|member| *member != turn).take(prepares);
        Certificate {
            proposal: self.signed(turn, Kind::Proposal, round, Some(digest)),
            prepares: others
                .map(|member| self.signed(member, Kind::Prepare, round, Some(digest)))
                .collect(),
        }
    }

    fn round_change(&self, member: usize, round: u32, held: Option<Certificate>) -> Message {
        let mut signed = self.signed(member, Kind::RoundChange, round, None);
        signed.certificate = held.map(Box::new);
        Message { signed, block: None, header: None, round_changes: None }
    }

    fn sign(&mut self, member: usize, signed: &Signed) -> &'static str {
        let address = self.keys.address(member);
        self.judge.signed(address, signed).err().map_or("", |violation| violation.invariant)
    }
}

fn name(checked: Checked) -> &'static str {
    checked.err().map_or("", |violation| violation.invariant)
}

#[test]
fn s1_two_blocks_at_one_height() {
    let mut court = Court::new(None);
    let creator = court.turn(0);
    let (one, other) =
        (court.block(creator, 1, 0, &[0, 1, 2]), court.block(creator, 2, 0, &[1, 2, 3]));
    assert_eq!(name(court.judge.finalised(0, &one.view)), "");
    // The same block with other seals is the same block.
    let again = court.block(creator, 1, 0, &[1, 2, 3]);
    assert_eq!(name(court.judge.finalised(1, &again.view)), "");
    assert_eq!(name(court.judge.finalised(2, &other.view)), "S1");
}

#[test]
fn s2_a_final_block_is_replaced_or_skipped() {
    let mut court = Court::new(None);
    let creator = court.turn(0);
    let (one, other) =
        (court.block(creator, 1, 0, &[0, 1, 2]), court.block(creator, 2, 0, &[0, 1, 2]));
    let mut later = one.view.clone();
    later.number = 2;
    assert_eq!(name(court.judge.finalised(0, &later)), "S2");
    assert_eq!(name(court.judge.finalised(0, &one.view)), "");
    assert_eq!(name(court.judge.finalised(0, &other.view)), "S2");
}

#[test]
fn s5_seals_are_of_a_quorum_of_distinct_members() {
    let mut court = Court::new(None);
    let creator = court.turn(0);
    for signers in [&[0, 1][..], &[0, 1, 1], &[0, 1, 4], &[]] {
        let sealed = court.block(creator, 1, 0, signers);
        assert_eq!(name(court.judge.finalised(0, &sealed.view)), "S5", "{signers:?}");
        court = Court::new(None);
    }
}

#[test]
fn s8_certificates_and_proposals_have_reasons() {
    let mut court = Court::new(None);
    let digest = B256::repeat_byte(4);
    let weak = court.round_change(0, 1, Some(court.certificate(0, digest, 1)));
    assert_eq!(court.sign(0, &weak.signed), "S8");
    let good = court.round_change(1, 1, Some(court.certificate(0, digest, 2)));
    assert_eq!(court.sign(1, &good.signed), "");
    let unasked = court.signed(2, Kind::Prepare, 0, Some(B256::repeat_byte(9)));
    assert_eq!(court.sign(2, &unasked), "S8");
    let creator = court.turn(1);
    let early = court.block(creator, 1, 1, &[]);
    let message = court.proposal(&early);
    let author = court.keys.address(creator);
    assert_eq!(name(court.judge.proposed(author, &message)), "S8");
}

#[test]
fn s9_a_round_is_prepared_once() {
    let mut court = Court::new(None);
    let one = court.round_change(0, 1, Some(court.certificate(0, B256::repeat_byte(1), 2)));
    let other = court.round_change(1, 1, Some(court.certificate(0, B256::repeat_byte(2), 2)));
    assert_eq!(name(court.judge.seen(&one)), "");
    assert_eq!(name(court.judge.seen(&one)), "");
    assert_eq!(name(court.judge.seen(&other)), "S9");
}

#[test]
fn s10_what_is_final_is_not_left() {
    let mut court = Court::new(None);
    let creator = court.turn(0);
    let sealed = court.block(creator, 1, 0, &[0, 1, 2]);
    let proposal = court.proposal(&sealed);
    assert_eq!(name(court.judge.seen(&proposal)), "");
    let commit = court.signed(0, Kind::Commit, 0, Some(sealed.view.digest));
    assert_eq!(court.sign(0, &commit), "");
    // Who committed leaves the round with a certificate.
    let bare = court.round_change(0, 1, None);
    assert_eq!(court.sign(0, &bare.signed), "S10");
    assert_eq!(name(court.judge.finalised(0, &sealed.view)), "");
    let other = court.block(court.turn(1), 2, 1, &[]);
    let rival = court.proposal(&other);
    assert_eq!(name(court.judge.seen(&rival)), "");
    let prepare = court.signed(3, Kind::Prepare, 1, Some(other.view.digest));
    assert_eq!(court.sign(3, &prepare), "S10");
    // The same block in another round is no other block.
    let header = alloy_rlp::encode(&sealed.block.header);
    assert_ne!(digest_in_round(&header, 1), Some(sealed.view.digest));
}

#[test]
fn s11_blocks_are_bound_to_the_chain() {
    let mut court = Court::new(Some(B256::repeat_byte(3)));
    let sealed = court.block(court.turn(0), 1, 0, &[0, 1, 2]);
    assert_eq!(name(court.judge.finalised(0, &sealed.view)), "S11");
}

#[test]
fn s12_the_set_follows_from_the_chain() {
    let mut court = Court::new(None);
    let listed = court.block_with(court.turn(0), 1, 0, &[0, 1, 2], 3);
    assert_eq!(name(court.judge.finalised(0, &listed.view)), "S12");
    let mut court = Court::new(None);
    let stranger = court.block(4, 1, 0, &[0, 1, 2]);
    assert_eq!(name(court.judge.finalised(0, &stranger.view)), "S12");
    let mut court = Court::new(None);
    let out_of_turn = court.block(court.turn(2), 1, 0, &[0, 1, 2]);
    assert_eq!(name(court.judge.finalised(0, &out_of_turn.view)), "S12");
}

#[test]
fn every_invariant_is_listed_once() {
    let mut names: Vec<&str> = INVARIANTS.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), INVARIANTS.len());
    for name in (5..=14).map(|number| format!("S{number}")) {
        assert!(names.contains(&name.as_str()), "{name}");
    }
    for name in (1..=9).map(|number| format!("L{number}")) {
        assert!(names.contains(&name.as_str()), "{name}");
    }
}
