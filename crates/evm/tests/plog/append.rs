//! What appends do: trees, sequences, chains, events.

use alloy_primitives::{B256, b256, hex, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use peruri_evm::plog::abi::IPlog;
use peruri_plog::{
    EMPTY_ROOT, Entry, EntryType, PLOG_ADDRESS, VoidReason, batch_root,
    entry::{commitment, subject},
    subject::chain_step,
};

use crate::lab::{
    ANYBODY, CHAINED, GATEWAY, Lab, OTHER_SIGNER, PLAIN, PlogCaller, SIGNER, append_call, entries,
    entry,
};

/// The vectors of the specification: entries A and B of source 1, then a foreign root.
fn vectors() -> [Entry; 2] {
    let key: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let salt: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap() + 0x20);
    let a = Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: 1,
        source_seq: 1,
        occurred_at: 1_767_225_600_000,
        activity_id: hex!("6f1f9f0e6f0b4d539a5e0a4b8f0c7d01"),
        subject: subject(&key, "PRI-000042"),
        commitment: commitment(&[0x11; 32], br#"{"hadir":true}"#),
        effect: B256::ZERO,
    };
    let b = Entry {
        kind: EntryType::TokenEffect,
        flags: 3,
        source_seq: 2,
        occurred_at: 1_767_225_601_500,
        activity_id: hex!("00112233445566778899aabbccddeeff"),
        subject: subject(&key, "sari.wulandarié"),
        commitment: commitment(&salt, b""),
        effect: keccak256("effect"),
        ..a
    };
    [a, b]
}

#[test]
fn the_vectors_give_the_roots_of_the_specification() {
    let mut lab = Lab::new();
    let [a, b] = vectors();
    let ran = lab.send(SIGNER, PLOG_ADDRESS, append_call(CHAINED, &[a, b]));
    let answer = IPlog::appendCall::abi_decode_returns(ran.output()).unwrap();
    let two = b256!("803c3111588d1de4e62868a6148e64eff3a56399981b000731f317fb1477c196");
    assert_eq!((answer.firstIndex, answer.newSize, answer.root), (0, 2, two));
    let foreign = IPlog::appendRootCall {
        logId: CHAINED,
        sourceId: 1,
        firstSeq: 3,
        root: b256!("656771905e1ef731f65cd0a0d9fb061238380a1a012e6abdf846ecc7d2ea36fd"),
        count: 1000,
    };
    lab.send(SIGNER, PLOG_ADDRESS, foreign.abi_encode()).output();
    let head = lab.ask(&IPlog::headCall { logId: CHAINED });
    let three = b256!("c001d97521836f3057084cc50319d084320b930a6d215509faaf70cfef1268e8");
    assert_eq!((head.size, head.root, head.blockNumber), (3, three, 5));
    let history = lab.ask(&IPlog::subjectHeadCall { logId: CHAINED, subject: a.subject });
    let chain = b256!("1d0b0fc04d625dc716b0d3fadad199b0804e472ceeab4a9969142e8c986f5948");
    assert_eq!((history.count, history.chain), (1, chain));
}

#[test]
fn a_call_emits_its_events_in_order() {
    let mut lab = Lab::new();
    lab.send(SIGNER, PLOG_ADDRESS, append_call(PLAIN, &entries(1, 1, 2))).output();
    let [a, b] = vectors();
    let batch = [
        Entry::void(1, 3, 9, VoidReason::Duplicate, a.activity_id, a.subject),
        Entry { source_seq: 4, ..b },
        Entry::erasure(1, 5, 9, &b),
        Entry::void(1, 6, 9, VoidReason::Operator, b.activity_id, b.subject),
    ];
    let ran = lab.send(SIGNER, PLOG_ADDRESS, append_call(PLAIN, &batch));
    let answer = IPlog::appendCall::abi_decode_returns(ran.output()).unwrap();
    let leaves = batch.map(|entry| entry.leaf());
    let appended = IPlog::Appended {
        logId: PLAIN,
        sourceId: 1,
        firstSeq: 3,
        firstIndex: 2,
        newSize: 6,
        batchRoot: batch_root(&leaves),
        root: answer.root,
    };
    let expected = [
        appended.encode_log_data(),
        IPlog::Voided { logId: PLAIN, index: 2, reason: 3 }.encode_log_data(),
        IPlog::Erased { logId: PLAIN, index: 4 }.encode_log_data(),
        IPlog::Voided { logId: PLAIN, index: 5, reason: 4 }.encode_log_data(),
    ];
    let got: Vec<_> = ran.logs().iter().map(|log| log.data.clone()).collect();
    assert_eq!(got, expected);
}

/// What the logs must hold, by the definitions and without a frontier.
#[derive(Default)]
struct Model {
    leaves: Vec<B256>,
    chain: (u64, B256),
}

impl Model {
    fn append(&mut self, entries: &[Entry]) {
        for entry in entries {
            let (leaf, index) = (entry.leaf(), self.leaves.len() as u64);
            self.chain = (self.chain.0 + 1, chain_step(&self.chain.1, &leaf, index));
            self.leaves.push(leaf);
        }
    }

    fn check(&self, log: B256, lab: &mut Lab) {
        let head = lab.ask(&IPlog::headCall { logId: log });
        assert_eq!((head.size, head.root), (self.leaves.len() as u64, batch_root(&self.leaves)));
        let peaks = lab.ask(&IPlog::frontierCall { logId: log });
        let folded =
            peaks.iter().rev().copied().reduce(|root, peak| peruri_plog::node_hash(&peak, &root));
        assert_eq!(folded.unwrap_or(EMPTY_ROOT), head.root);
    }
}

/// Two logs and two sources take turns, through a signer and a gateway, with batches of all sizes.
#[test]
fn logs_and_sources_do_not_disturb_each_other() {
    let mut lab = Lab::new();
    let (mut plain, mut chained) = (Model::default(), Model::default());
    let mut next = [1, 1];
    let mut sizes = Vec::new();
    for (turn, count) in [1, 2, 5, 1, 16, 33, 1, 64, 3, 7, 128, 1].into_iter().enumerate() {
        lab.header.0.number += 1;
        let (log, source, model) = match turn % 3 {
            0 => (PLAIN, 1, &mut plain),
            1 => (CHAINED, 1, &mut chained),
            _ => (CHAINED, 2, &mut chained),
        };
        let seq = &mut next[source as usize - 1];
        let batch = entries(source, *seq, count);
        *seq += count;
        let call = append_call(log, &batch);
        let ran = if source == 2 {
            lab.send(OTHER_SIGNER, PLOG_ADDRESS, call)
        } else if turn % 2 == 0 {
            lab.send(SIGNER, PLOG_ADDRESS, call)
        } else {
            let call = PlogCaller::doCallCall { target: PLOG_ADDRESS, data: call.into() };
            lab.send(ANYBODY, GATEWAY, call.abi_encode())
        };
        assert!(ran.result.is_success(), "{:?}", ran.result);
        model.append(&batch);
        let state = lab.ask(&IPlog::sourceStateCall { sourceId: source });
        assert_eq!((state.nextSeq, state.lastBlock), (*seq, lab.header.number));
        assert!(state.active);
        sizes.push((log, model.leaves.len()));
        plain.check(PLAIN, &mut lab);
        chained.check(CHAINED, &mut lab);
    }
    // Every size at which an append ended is still known; those between are not.
    for (log, size) in sizes {
        let model = if log == PLAIN { &plain } else { &chained };
        let root = lab.ask(&IPlog::rootAtCall { logId: log, size: size as u64 });
        assert_eq!(root, batch_root(&model.leaves[..size]));
    }
    let history = lab.ask(&IPlog::subjectHeadCall { logId: CHAINED, subject: entry(1, 1).subject });
    assert_eq!((history.count, history.chain), chained.chain);
    let none = lab.ask(&IPlog::subjectHeadCall { logId: PLAIN, subject: entry(1, 1).subject });
    assert_eq!((none.count, none.chain), (0, B256::ZERO));
}

#[test]
fn an_entry_without_a_subject_touches_no_chain() {
    let mut lab = Lab::new();
    let nobody = Entry { subject: B256::ZERO, ..entry(1, 1) };
    lab.send(SIGNER, PLOG_ADDRESS, append_call(CHAINED, &[nobody])).output();
    let history = lab.ask(&IPlog::subjectHeadCall { logId: CHAINED, subject: B256::ZERO });
    assert_eq!((history.count, history.chain), (0, B256::ZERO));
}

#[test]
fn old_roots_last_as_long_as_their_slot() {
    let mut lab = Lab::new();
    lab.send(SIGNER, PLOG_ADDRESS, append_call(PLAIN, &entries(1, 1, 1))).output();
    let root_at = |size| IPlog::rootAtCall { logId: PLAIN, size };
    let first = lab.ask(&root_at(1));
    assert_eq!((first, lab.ask(&root_at(0))), (entry(1, 1).leaf(), EMPTY_ROOT));
    // 8,191 leaves later the slot of size 1 is taken by size 8,192.
    let mut size = 1;
    while size < 8_192 {
        let count = (8_192 - size).min(1_024);
        if size + count == 8_192 {
            assert_eq!(lab.ask(&root_at(1)), first);
        }
        lab.send(SIGNER, PLOG_ADDRESS, append_call(PLAIN, &entries(1, size + 1, count))).output();
        size += count;
    }
    lab.send(ANYBODY, PLOG_ADDRESS, root_at(1).abi_encode()).refused(&IPlog::UnknownSize {});
    assert_eq!(lab.ask(&root_at(8_192)), lab.ask(&IPlog::headCall { logId: PLAIN }).root);
}

#[test]
fn proofs_are_checked_on_chain() {
    let mut lab = Lab::new();
    let leaves: Vec<B256> = entries(1, 1, 3).iter().map(Entry::leaf).collect();
    let (two, three) = (batch_root(&leaves[..2]), batch_root(&leaves));
    let inclusion = |leaf: usize, index, path: Vec<B256>| IPlog::verifyInclusionCall {
        leaf: leaves[leaf],
        index,
        size: 3,
        root: three,
        path,
    };
    assert!(lab.ask(&inclusion(2, 2, vec![two])));
    assert!(!lab.ask(&inclusion(2, 1, vec![two])));
    assert!(!lab.ask(&inclusion(2, 2, vec![two, two])));
    assert!(!lab.ask(&inclusion(2, 3, vec![two])));
    assert!(!lab.ask(&inclusion(2, 2, vec![two; 1_000])));
    let consistency = |first, first_root, path: Vec<B256>| IPlog::verifyConsistencyCall {
        first,
        firstRoot: first_root,
        second: 3,
        secondRoot: three,
        path,
    };
    assert!(lab.ask(&consistency(2, two, vec![leaves[2]])));
    assert!(lab.ask(&consistency(0, EMPTY_ROOT, vec![])));
    assert!(lab.ask(&consistency(3, three, vec![])));
    assert!(!lab.ask(&consistency(0, two, vec![])));
    assert!(!lab.ask(&consistency(2, two, vec![])));
    assert!(!lab.ask(&consistency(4, three, vec![])));
}
