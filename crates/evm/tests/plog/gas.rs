//! Prices: exact, enough for the work, and without a trace where the gas does not reach.

use alloy_primitives::{B256, Bytes, Log, U256};
use alloy_sol_types::SolCall;
use peruri_evm::plog::abi::IPlog;
use peruri_plog::{Entry, EntryType, Frontier, PLOG_ADDRESS, layout::LogSlots};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::lab::{
    ANYBODY, CHAINED, GATEWAY, GOVERNANCE, Lab, PLAIN, PlogCaller, Ran, SIGNER, UNKNOWN,
    append_call, entries, entry,
};

/// Before the first check of every call.
const ENTRY: u64 = 200;

/// The specification's G(m).
fn price_of_entries(m: u64) -> u64 {
    75_000 + 22_100 * (u64::from(m.ilog2()) + 2) + 400 * m
}

/// Calls that succeed, in this order in one state, with the prices at which they may stop: each one
/// is charged when the one before it is covered.
fn priced() -> Vec<(Vec<u8>, Vec<u64>)> {
    let hash = B256::repeat_byte(1);
    let notices: Vec<Entry> = [EntryType::Void, EntryType::Erasure, EntryType::Activity]
        .into_iter()
        .zip(1..)
        .map(|(kind, seq)| Entry { kind, ..entry(1, seq) })
        .collect();
    let root =
        IPlog::appendRootCall { logId: CHAINED, sourceId: 1, firstSeq: 9, root: hash, count: 1 };
    let source = IPlog::setSourceCall { sourceId: 9, signer: ANYBODY, active: true };
    let inclusion = |nodes| IPlog::verifyInclusionCall {
        leaf: hash,
        index: 0,
        size: 1,
        root: hash,
        path: vec![hash; nodes],
    };
    let consistency = |nodes| IPlog::verifyConsistencyCall {
        first: 1,
        firstRoot: hash,
        second: 1,
        secondRoot: hash,
        path: vec![hash; nodes],
    };
    let subject = IPlog::subjectHeadCall { logId: CHAINED, subject: hash };
    vec![
        (append_call(PLAIN, &notices), vec![price_of_entries(3), 2 * 1_700]),
        (append_call(CHAINED, &entries(1, 4, 5)), vec![price_of_entries(5), 5 * 44_400]),
        (root.abi_encode(), vec![price_of_entries(1)]),
        (IPlog::createLogCall { logId: UNKNOWN, mode: 0 }.abi_encode(), vec![80_000]),
        (source.abi_encode(), vec![50_000]),
        (IPlog::setGatewayCall { sourceId: 9, gateway: ANYBODY }.abi_encode(), vec![30_000]),
        (
            IPlog::setWriterCall { logId: UNKNOWN, sourceId: 9, allowed: true }.abi_encode(),
            vec![30_000],
        ),
        (IPlog::headCall { logId: PLAIN }.abi_encode(), vec![4_200]),
        (IPlog::rootAtCall { logId: PLAIN, size: 3 }.abi_encode(), vec![4_200]),
        (IPlog::sourceStateCall { sourceId: 1 }.abi_encode(), vec![4_200]),
        (subject.abi_encode(), vec![4_200]),
        (IPlog::frontierCall { logId: PLAIN }.abi_encode(), vec![2_100, 2 * 2_100]),
        (inclusion(0).abi_encode(), vec![3_000]),
        (inclusion(3).abi_encode(), vec![3_000 + 3 * 120]),
        (consistency(0).abi_encode(), vec![3_000]),
        (consistency(100).abi_encode(), vec![3_000 + 100 * 240]),
        (IPlog::setGovernanceCall { governance: ANYBODY }.abi_encode(), vec![30_000]),
    ]
}

fn try_call(lab: &mut Lab, data: &[u8], gas: u64) -> (bool, Bytes, Ran) {
    let call = PlogCaller::tryCallCall {
        target: PLOG_ADDRESS,
        data: Bytes::copy_from_slice(data),
        gasLimit: U256::from(gas),
    };
    let caller = if is_append(data) { GATEWAY } else { GOVERNANCE };
    let ran = lab.send(ANYBODY, caller, call.abi_encode());
    let answer = PlogCaller::tryCallCall::abi_decode_returns(ran.output()).unwrap();
    (answer.ok, answer.result, ran)
}

fn is_append(data: &[u8]) -> bool {
    [IPlog::appendCall::SELECTOR, IPlog::appendRootCall::SELECTOR]
        .iter()
        .any(|selector| data.starts_with(selector))
}

/// One gas less than any step of the price is out of gas, answers nothing and leaves no trace; the
/// price itself is enough and is what is taken.
#[test]
fn gas_that_does_not_reach_leaves_no_trace() {
    let mut lab = Lab::new();
    for (data, steps) in priced() {
        let before = lab.words();
        let mut covered = ENTRY;
        let mut limits = vec![0, ENTRY - 1];
        for step in steps {
            limits.extend([covered, covered + 1, covered + step - 1]);
            covered += step;
        }
        for limit in limits {
            let (ok, answer, ran) = try_call(&mut lab, &data, limit);
            assert!(!ok && answer.is_empty(), "{limit} of {covered}: {answer}");
            assert!(ran.changed.is_empty() && ran.logs().is_empty());
            assert_eq!((ran.plog_gas, lab.words()), (Some(limit), before.clone()));
        }
        let (ok, answer, ran) = try_call(&mut lab, &data, covered);
        assert!(ok, "{covered} is enough: {answer}");
        assert_eq!(ran.plog_gas, Some(covered));
    }
}

/// A refusal keeps what was charged so far, and no more.
#[test]
fn refusals_cost_what_was_charged() {
    let mut lab = Lab::new();
    let wrong_entry = Entry { source_id: 2, ..entry(1, 1) };
    let mut of_two = entries(1, 1, 2);
    of_two[1] = wrong_entry;
    for (data, gas) in [
        (vec![], ENTRY),
        (append_call(PLAIN, &entries(1, 1, 1_025)), ENTRY),
        (append_call(UNKNOWN, &entries(1, 1, 1)), ENTRY + price_of_entries(1)),
        (append_call(PLAIN, &entries(1, 2, 7)), ENTRY + price_of_entries(7)),
        (append_call(CHAINED, &of_two), ENTRY + price_of_entries(2) + 2 * 44_400),
        (IPlog::headCall { logId: UNKNOWN }.abi_encode(), ENTRY + 4_200),
        (IPlog::frontierCall { logId: UNKNOWN }.abi_encode(), ENTRY + 2_100),
        (IPlog::setGovernanceCall { governance: SIGNER }.abi_encode(), ENTRY + 30_000),
    ] {
        let ran = lab.send(SIGNER, PLOG_ADDRESS, data);
        assert!(!ran.error().is_empty());
        assert_eq!(ran.plog_gas, Some(gas));
    }
}

/// What a call did, in gas: 5,000 for a word rewritten, 22,100 for a new one, and its logs.
fn writes(ran: &Ran) -> u64 {
    let words = ran.changed.values().map(|(before, _)| match before.is_zero() {
        true => 22_100,
        false => 5_000,
    });
    let log = |log: &Log| 375 * (1 + log.topics().len() as u64) + 8 * log.data.data.len() as u64;
    words.sum::<u64>() + ran.logs().iter().map(log).sum::<u64>()
}

/// Hashes of an append: 120 for each of a leaf or a chain, 96 for each of a node.
fn hashes(tree: &mut Frontier, batch: &[Entry], chained: bool) -> u64 {
    let mut nodes = batch.len() as u64 - 1;
    for entry in batch {
        tree.append(entry.leaf(), |level, _, _| nodes += u64::from(level > 0)).unwrap();
    }
    nodes += u64::from(tree.size().count_ones()) - 1;
    let chains = batch.iter().filter(|entry| chained && !entry.subject.is_zero()).count() as u64;
    120 * (batch.len() as u64 + chains) + 96 * nodes
}

fn random_entry(random: &mut StdRng, seq: u64) -> Entry {
    let kinds = [EntryType::Activity, EntryType::Void, EntryType::Erasure];
    let subjects = [B256::ZERO, B256::repeat_byte(1), random.random::<[u8; 32]>().into()];
    Entry {
        kind: *kinds.choose(random).unwrap(),
        subject: *subjects.choose(random).unwrap(),
        ..entry(1, seq)
    }
}

#[test]
fn the_price_covers_the_work() {
    let mut random = StdRng::seed_from_u64(0x706c_6f67);
    let mut dearest = 0.0f64;
    for case in 0..60 {
        // A log of genesis, whose head is a word of zero, or one that was created later.
        let mut lab = Lab::new();
        let (log, chained) = *[(PLAIN, false), (CHAINED, true)].choose(&mut random).unwrap();
        if case % 2 == 0 {
            let word = U256::from(4) << 64;
            lab.db.insert_account_storage(PLOG_ADDRESS, LogSlots::new(log).head(), word).unwrap();
        }
        let (mut tree, mut seq) = (Frontier::new(), 1);
        for _ in 0..random.random_range(1..8) {
            let m = match random.random_range(0..4) {
                0 => 1,
                1 => random.random_range(1..20),
                2 => 1 << random.random_range(0..9),
                _ => random.random_range(1..300),
            };
            let batch: Vec<Entry> =
                (seq..seq + m).map(|seq| random_entry(&mut random, seq)).collect();
            seq += m;
            let ran = lab.send(SIGNER, PLOG_ADDRESS, append_call(log, &batch));
            assert!(ran.result.is_success(), "{:?}", ran.result);
            let work = hashes(&mut tree, &batch, chained) + writes(&ran);
            let charged = ran.plog_gas.unwrap();
            assert!(work <= charged, "{m} entries to {}: {work} > {charged}", tree.size());
            dearest = dearest.max(work as f64 / charged as f64);
        }
    }
    // The price is not far above the work either.
    assert!(dearest > 0.8, "{dearest}");
}

#[test]
fn the_price_of_a_foreign_root_and_of_governance_covers_the_work() {
    let mut lab = Lab::new();
    let root = IPlog::appendRootCall {
        logId: CHAINED,
        sourceId: 1,
        firstSeq: 1,
        root: B256::ZERO,
        count: u32::MAX,
    };
    let written = [
        IPlog::createLogCall::SELECTOR,
        IPlog::setSourceCall::SELECTOR,
        IPlog::setGatewayCall::SELECTOR,
        IPlog::setWriterCall::SELECTOR,
        IPlog::setGovernanceCall::SELECTOR,
    ];
    let governance = priced().into_iter().map(|(data, _)| data);
    let governance = governance.filter(|data| written.iter().any(|it| data.starts_with(it)));
    // The first entry of a log: one leaf, no node.
    let calls = governance.map(|data| (data, 0)).chain([(root.abi_encode(), 120)]);
    for (data, hashes) in calls {
        let (ok, answer, ran) = try_call(&mut lab, &data, 1_000_000);
        assert!(ok && !ran.changed.is_empty(), "{answer}");
        let work = writes(&ran) + hashes;
        assert!(work <= ran.plog_gas.unwrap(), "{work} {:?}", ran.plog_gas);
    }
}
