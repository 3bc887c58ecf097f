//! Every error of the contract, and that the first check that fails decides.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolError};
use peruri_evm::plog::abi::IPlog;
use peruri_plog::{
    ENTRY_LEN, Entry, EntryType, PLOG_ADDRESS,
    layout::{LogHead, LogSlots, SourceProgress, SourceSlots},
};

use crate::lab::{
    ANYBODY, CHAINED, GATEWAY, GOVERNANCE, Lab, PLAIN, PlogCaller, Ran, SIGNER, UNKNOWN,
    append_call, entries, entry,
};

/// As the governance contract.
fn govern(lab: &mut Lab, call: &impl SolCall) -> Ran {
    let data = call.abi_encode().into();
    let call = PlogCaller::doCallCall { target: PLOG_ADDRESS, data };
    lab.send(ANYBODY, GOVERNANCE, call.abi_encode())
}

#[track_caller]
fn refused(lab: &mut Lab, from: Address, data: impl Into<Bytes>, error: &impl SolError) {
    lab.send(from, PLOG_ADDRESS, data).refused(error);
}

fn raw_append(log: B256, seq: u64, bytes: Vec<u8>) -> Vec<u8> {
    let entries = bytes.into();
    IPlog::appendCall { logId: log, sourceId: 1, firstSeq: seq, entries }.abi_encode()
}

#[test]
fn numbers_must_be_the_next() {
    let mut lab = Lab::new();
    for (expected, got) in [(1, 0), (1, 2), (1, u64::MAX)] {
        let call = raw_append(PLAIN, got, entry(1, got).encode().to_vec());
        refused(&mut lab, SIGNER, call, &IPlog::BadSeq { expected, got });
    }
    let good = append_call(PLAIN, &entries(1, 1, 3));
    assert!(lab.send(SIGNER, PLOG_ADDRESS, good.clone()).result.is_success());
    // The same once more: what was lost in transport can be sent again and counts once.
    refused(&mut lab, SIGNER, good, &IPlog::BadSeq { expected: 4, got: 1 });
}

/// What is wrong with an entry, and how it is made so.
type Damage<'a> = (&'a str, &'a dyn Fn(&mut [u8; ENTRY_LEN]));

#[test]
fn a_bad_entry_is_named_and_nothing_is_appended() {
    let good = entries(1, 1, 5);
    let decision = EntryType::Governance;
    let foreign = EntryType::ForeignRoot;
    let cases: [Damage<'_>; 9] = [
        ("magic", &|it| it[3] = b'2'),
        ("type", &|it| it[4] = 5),
        ("foreign root", &|it| it[4] = foreign.byte()),
        ("governance", &|it| it[4] = decision.byte()),
        ("flags", &|it| it[5] = 8),
        ("source", &|it| it[11] = 2),
        ("no source", &|it| it[11] = 0),
        ("repeated number", &|it| it[19] -= 1),
        ("skipped number", &|it| it[19] += 1),
    ];
    for (name, change) in cases {
        for index in [0u32, 2, 4] {
            let mut bytes: Vec<_> = good.iter().map(Entry::encode).collect();
            change(&mut bytes[index as usize]);
            let mut lab = Lab::new();
            let before = lab.words();
            let call = raw_append(CHAINED, 1, bytes.concat());
            let ran = lab.send(SIGNER, PLOG_ADDRESS, call);
            ran.refused(&IPlog::BadEntry { index });
            assert_eq!(lab.words(), before, "{name}");
        }
    }
}

#[test]
fn only_whole_entries_and_not_too_many() {
    let mut lab = Lab::new();
    for length in [0, 1, 139, 141, 1024 * 140 + 1] {
        refused(
            &mut lab,
            SIGNER,
            raw_append(PLAIN, 1, vec![0; length]),
            &IPlog::BadEntry { index: 0 },
        );
    }
    let call = append_call(PLAIN, &entries(1, 1, 1_025));
    refused(&mut lab, SIGNER, call, &IPlog::TooLarge {});
    let call = append_call(PLAIN, &entries(1, 1, 1_024));
    assert!(lab.send(SIGNER, PLOG_ADDRESS, call).result.is_success());
}

#[test]
fn numbers_stay_below_their_bound() {
    const LAST: u64 = (1 << 63) - 1;
    let mut lab = Lab::new();
    let set_seq = |lab: &mut Lab, next_seq| {
        let word = SourceProgress { next_seq, last_block: 0 }.pack();
        lab.db.insert_account_storage(PLOG_ADDRESS, SourceSlots::new(1).progress(), word).unwrap();
    };
    set_seq(&mut lab, LAST - 1);
    let two = append_call(PLAIN, &entries(1, LAST - 1, 2));
    refused(&mut lab, SIGNER, two, &IPlog::TooLarge {});
    let one = append_call(PLAIN, &entries(1, LAST - 1, 1));
    assert!(lab.send(SIGNER, PLOG_ADDRESS, one).result.is_success());
    let none = append_call(PLAIN, &entries(1, LAST, 1));
    refused(&mut lab, SIGNER, none, &IPlog::TooLarge {});

    let mut lab = Lab::new();
    let word = LogHead { size: LAST - 1, block: 0 }.pack();
    lab.db.insert_account_storage(PLOG_ADDRESS, LogSlots::new(PLAIN).head(), word).unwrap();
    refused(&mut lab, SIGNER, append_call(PLAIN, &entries(1, 1, 2)), &IPlog::TooLarge {});
    let last = append_call(PLAIN, &entries(1, 1, 1));
    assert!(lab.send(SIGNER, PLOG_ADDRESS, last).result.is_success());
    refused(&mut lab, SIGNER, append_call(PLAIN, &entries(1, 2, 1)), &IPlog::TooLarge {});
}

#[test]
fn sources_must_be_active_and_allowed() {
    let mut lab = Lab::new();
    let call = append_call(PLAIN, &entries(1, 1, 1));
    let set_writer = |allowed| IPlog::setWriterCall { logId: PLAIN, sourceId: 1, allowed };
    let set_source = |active| IPlog::setSourceCall { sourceId: 1, signer: SIGNER, active };
    assert!(govern(&mut lab, &set_writer(false)).result.is_success());
    refused(&mut lab, SIGNER, call.clone(), &IPlog::NotSource {});
    assert!(govern(&mut lab, &set_writer(true)).result.is_success());
    assert!(govern(&mut lab, &set_source(false)).result.is_success());
    refused(&mut lab, SIGNER, call.clone(), &IPlog::NotSource {});
    let through = PlogCaller::doCallCall { target: PLOG_ADDRESS, data: call.clone().into() };
    lab.send(ANYBODY, GATEWAY, through.abi_encode()).refused(&IPlog::NotSource {});
    assert!(govern(&mut lab, &set_source(true)).result.is_success());
    assert!(lab.send(SIGNER, PLOG_ADDRESS, call).result.is_success());
    // An unknown source, and one that nobody can be: the zero address signs for none.
    let unknown = append_call(PLAIN, &entries(9, 1, 1));
    refused(&mut lab, Address::ZERO, unknown, &IPlog::NotSource {});
}

#[test]
fn a_source_keeps_its_place_in_its_sequence() {
    let mut lab = Lab::new();
    lab.send(SIGNER, PLOG_ADDRESS, append_call(PLAIN, &entries(1, 1, 3))).output();
    let moved = IPlog::setSourceCall { sourceId: 1, signer: ANYBODY, active: true };
    assert!(govern(&mut lab, &moved).result.is_success());
    refused(&mut lab, SIGNER, append_call(PLAIN, &entries(1, 4, 1)), &IPlog::NotSource {});
    let again = append_call(PLAIN, &entries(1, 1, 1));
    refused(&mut lab, ANYBODY, again, &IPlog::BadSeq { expected: 4, got: 1 });
    let next = append_call(PLAIN, &entries(1, 4, 1));
    assert!(lab.send(ANYBODY, PLOG_ADDRESS, next).result.is_success());
}

#[test]
fn logs_and_sources_must_exist() {
    let mut lab = Lab::new();
    let subject = B256::ZERO;
    refused(&mut lab, SIGNER, append_call(UNKNOWN, &entries(1, 1, 1)), &IPlog::UnknownLog {});
    for call in [
        IPlog::headCall { logId: UNKNOWN }.abi_encode(),
        IPlog::rootAtCall { logId: UNKNOWN, size: 0 }.abi_encode(),
        IPlog::frontierCall { logId: UNKNOWN }.abi_encode(),
        IPlog::subjectHeadCall { logId: UNKNOWN, subject }.abi_encode(),
    ] {
        refused(&mut lab, ANYBODY, call, &IPlog::UnknownLog {});
    }
    let size = IPlog::rootAtCall { logId: PLAIN, size: 1 }.abi_encode();
    refused(&mut lab, ANYBODY, size, &IPlog::UnknownSize {});
    let writer =
        |log, source_id| IPlog::setWriterCall { logId: log, sourceId: source_id, allowed: true };
    govern(&mut lab, &writer(UNKNOWN, 1)).refused(&IPlog::UnknownLog {});
    govern(&mut lab, &writer(UNKNOWN, 9)).refused(&IPlog::UnknownLog {});
    govern(&mut lab, &writer(PLAIN, 9)).refused(&IPlog::NotSource {});
    let gateway = IPlog::setGatewayCall { sourceId: 9, gateway: ANYBODY };
    govern(&mut lab, &gateway).refused(&IPlog::NotSource {});
    let log = IPlog::createLogCall { logId: PLAIN, mode: 0 };
    govern(&mut lab, &log).refused(&IPlog::LogExists {});
    let state = lab.ask(&IPlog::sourceStateCall { sourceId: 9 });
    assert_eq!((state.signer, state.nextSeq, state.active), (Address::ZERO, 0, false));
}

#[test]
fn a_new_log_begins_empty_in_its_block() {
    let mut lab = Lab::new();
    let create = IPlog::createLogCall { logId: UNKNOWN, mode: 1 };
    assert!(govern(&mut lab, &create).result.is_success());
    let head = lab.ask(&IPlog::headCall { logId: UNKNOWN });
    assert_eq!((head.size, head.root, head.blockNumber), (0, peruri_plog::EMPTY_ROOT, 5));
    assert!(lab.ask(&IPlog::frontierCall { logId: UNKNOWN }).is_empty());
    let source = IPlog::setSourceCall { sourceId: 7, signer: ANYBODY, active: true };
    assert!(govern(&mut lab, &source).result.is_success());
    let state = lab.ask(&IPlog::sourceStateCall { sourceId: 7 });
    assert_eq!((state.signer, state.nextSeq, state.lastBlock), (ANYBODY, 1, 0));
}

/// A good call of every function with every kind of damage that the ABI can take.
#[test]
fn the_abi_has_one_encoding() {
    let call = append_call(PLAIN, &entries(1, 1, 1));
    let proof = IPlog::verifyInclusionCall {
        leaf: B256::ZERO,
        index: 0,
        size: 1,
        root: B256::ZERO,
        path: vec![B256::ZERO],
    };
    let word = |call: &[u8], index: usize, byte: usize, value: u8| {
        let mut call = call.to_vec();
        call[4 + 32 * index + byte] = value;
        call
    };
    let set_source = IPlog::setSourceCall { sourceId: 1, signer: SIGNER, active: true };
    let set_source = set_source.abi_encode();
    let append_root = IPlog::appendRootCall {
        logId: PLAIN,
        sourceId: 1,
        firstSeq: 1,
        root: B256::ZERO,
        count: 1,
    };
    let create = |mode| IPlog::createLogCall { logId: UNKNOWN, mode }.abi_encode();
    let zero = Address::ZERO;
    let head = IPlog::headCall { logId: PLAIN }.abi_encode();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("three bytes", call[..3].to_vec()),
        ("selector alone", call[..4].to_vec()),
        ("unknown selector", vec![1, 2, 3, 4]),
        ("a byte more", [call.as_slice(), &[0]].concat()),
        ("a word more", [call.as_slice(), &[0; 32]].concat()),
        ("a word less", call[..call.len() - 32].to_vec()),
        ("source above u32", word(&call, 1, 27, 1)),
        ("source zero", word(&call, 1, 31, 0)),
        ("number above u64", word(&call, 2, 23, 1)),
        ("offset further on", word(&call, 3, 31, 0xa0)),
        ("offset huge", word(&call, 3, 0, 1)),
        ("length too great", word(&call, 4, 31, 0xa1)),
        ("length too small", word(&call, 4, 31, 0x80)),
        ("length huge", word(&call, 4, 0, 0xff)),
        ("padding", word(&call, 9, 31, 1)),
        ("path too long", word(&proof.abi_encode(), 5, 31, 2)),
        ("path too short", word(&proof.abi_encode(), 5, 31, 0)),
        ("path length huge", word(&proof.abi_encode(), 5, 0, 0x80)),
        ("path offset", word(&proof.abi_encode(), 4, 31, 0x80)),
        ("signer padding", word(&set_source, 1, 11, 1)),
        ("bool of two", word(&set_source, 2, 31, 2)),
        ("bool padding", word(&set_source, 2, 0, 1)),
        ("count above u32", word(&append_root.abi_encode(), 4, 27, 1)),
        ("mode bit 1", create(2)),
        ("mode bit 31", create(1 << 31)),
        ("head of two words", [head.as_slice(), &[0; 32]].concat()),
        (
            "zero signer",
            IPlog::setSourceCall { sourceId: 1, signer: zero, active: true }.abi_encode(),
        ),
        ("zero governance", IPlog::setGovernanceCall { governance: zero }.abi_encode()),
        (
            "source zero for a gateway",
            IPlog::setGatewayCall { sourceId: 0, gateway: zero }.abi_encode(),
        ),
        ("state of source zero", IPlog::sourceStateCall { sourceId: 0 }.abi_encode()),
    ];
    let mut lab = Lab::new();
    for (name, data) in cases {
        for from in [SIGNER, ANYBODY] {
            let ran = lab.send(from, PLOG_ADDRESS, data.clone());
            assert_eq!(ran.error()[..], IPlog::BadCall::SELECTOR, "{name}");
            assert!(ran.plog_gas == Some(200), "{name}: {:?}", ran.plog_gas);
        }
    }
    assert!(lab.send(SIGNER, PLOG_ADDRESS, call).result.is_success());
}

/// Each call breaks the rules of a check and of all later ones that it can break too.
#[test]
fn the_first_check_decides() {
    let mut lab = Lab::new();
    let caller = |call: Vec<u8>| (PLOG_ADDRESS, Bytes::from(call));
    // ABI before the static context, that before the entries.
    let (target, data) = caller(raw_append(UNKNOWN, 9, vec![1]));
    let call = PlogCaller::doStaticCallCall { target, data }.abi_encode();
    lab.send(ANYBODY, GATEWAY, call).refused(&IPlog::ReadOnly {});
    let (target, data) = caller(vec![1]);
    let call = PlogCaller::doStaticCallCall { target, data }.abi_encode();
    lab.send(ANYBODY, GATEWAY, call).refused(&IPlog::BadCall {});
    // Entries before log, log before source, source before number, number before entry.
    let zeros = vec![0; ENTRY_LEN];
    let call = raw_append(UNKNOWN, 9, vec![1]);
    refused(&mut lab, ANYBODY, call, &IPlog::BadEntry { index: 0 });
    refused(&mut lab, ANYBODY, raw_append(UNKNOWN, 9, zeros.clone()), &IPlog::UnknownLog {});
    refused(&mut lab, ANYBODY, raw_append(PLAIN, 9, zeros.clone()), &IPlog::NotSource {});
    let call = raw_append(PLAIN, 9, zeros.clone());
    refused(&mut lab, SIGNER, call, &IPlog::BadSeq { expected: 1, got: 9 });
    refused(&mut lab, SIGNER, raw_append(PLAIN, 1, zeros), &IPlog::BadEntry { index: 0 });
    // The caller before the log.
    let exists = IPlog::createLogCall { logId: PLAIN, mode: 0 }.abi_encode();
    refused(&mut lab, ANYBODY, exists, &IPlog::NotGovernance {});
}

/// Type 20 is the governance's, and it appends as the gateway of a source of its own.
#[test]
fn decisions_are_appended_by_the_governance_contract() {
    let mut lab = Lab::new();
    let decision = Entry { kind: EntryType::Governance, ..entry(1, 1) };
    let call = append_call(PLAIN, &[decision]);
    refused(&mut lab, SIGNER, call.clone(), &IPlog::BadEntry { index: 0 });
    let through = PlogCaller::doCallCall { target: PLOG_ADDRESS, data: call.clone().into() };
    lab.send(ANYBODY, GATEWAY, through.abi_encode()).refused(&IPlog::BadEntry { index: 0 });
    lab.send(ANYBODY, GOVERNANCE, through.abi_encode()).refused(&IPlog::NotSource {});
    let gateway = IPlog::setGatewayCall { sourceId: 1, gateway: GOVERNANCE };
    assert!(govern(&mut lab, &gateway).result.is_success());
    assert!(lab.send(ANYBODY, GOVERNANCE, through.abi_encode()).result.is_success());
    assert_eq!(lab.ask(&IPlog::headCall { logId: PLAIN }).root, decision.leaf());
}

#[test]
fn the_role_of_governance_moves() {
    let mut lab = Lab::new();
    let moved = IPlog::setGovernanceCall { governance: ANYBODY };
    assert!(govern(&mut lab, &moved).result.is_success());
    govern(&mut lab, &moved).refused(&IPlog::NotGovernance {});
    let create = IPlog::createLogCall { logId: UNKNOWN, mode: 0 }.abi_encode();
    assert!(lab.send(ANYBODY, PLOG_ADDRESS, create).result.is_success());
    let slot = lab.words()[&U256::ONE];
    assert_eq!(slot, U256::from_be_bytes(ANYBODY.into_word().0));
}
