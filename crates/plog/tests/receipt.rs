//! Receipts that hold, and what no change of a single bit may do to them.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use alloy_primitives::{B256, Bytes, U256};
use common::{INDEX, LOG, PAYLOAD, SALT, World, json, key};
use peruri_plog::{
    ConsistencyAnswer, ContainerError, Opening, Policy, Receipt,
    audit::{ConsistencyError, ExportAudit, ExportError, check_consistency},
    verify,
};
use proptest::{prelude::*, sample::Index};

fn code(document: &str, policy: &Policy) -> Option<String> {
    verify(document.as_bytes(), policy, None).failure().map(|step| step.code.clone().unwrap())
}

#[test]
fn an_honest_receipt_holds() {
    for (validators, size) in [(1, 1), (3, 20), (4, 33), (7, 1000)] {
        let world = World::new(validators, size);
        for index in [0, size / 2, size - 1] {
            let receipt = world.receipt(index);
            let report = verify(json(&receipt).as_bytes(), &world.policy(), None);
            assert!(report.ok(), "{:?}", report.failure());
            let verified = report.verified().unwrap();
            assert_eq!((verified.log_id, verified.index, verified.size), (LOG, index, size));
            assert_eq!(verified.entry, world.entries[usize::try_from(index).unwrap()]);
            assert_eq!((verified.block_number, verified.last_append), (812, 809));
            assert_eq!(
                (verified.seals, verified.validators),
                (validators.into(), validators.into())
            );
            let steps: Vec<_> = report.steps().iter().map(|step| step.check.number()).collect();
            assert_eq!(steps, (1..=10).collect::<Vec<_>>());
            assert!(report.steps().iter().all(|step| step.ok()));
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let world = World::new(3, 20);
    let mut receipt = world.receipt(INDEX);
    receipt.validator_changes = vec![Bytes::from_static(&[0xab]), Bytes::new()];
    receipt.state.storage_proof[0].value = U256::ZERO;
    assert_eq!(Receipt::parse(json(&receipt).as_bytes()), Ok(receipt.clone()));
    let start = r#"{"version":"plog-receipt/v1","chainId":7251,"genesisHash":"0x9e"#;
    assert!(json(&receipt).starts_with(start));
    let pretty = serde_json::to_string_pretty(&receipt).unwrap();
    assert_eq!(Receipt::parse(pretty.as_bytes()), Ok(receipt));
    let answer = world.consistency(7);
    assert_eq!(ConsistencyAnswer::parse(json(&answer).as_bytes()), Ok(answer.clone()));
    let extra = json(&answer).replacen('{', "{\"more\":1,", 1);
    let unknown = ContainerError::Unknown { at: "more".to_owned() };
    assert_eq!(ConsistencyAnswer::parse(extra.as_bytes()), Err(unknown));
}

#[test]
fn messages_repeat_little_of_a_document_and_nothing_that_a_terminal_obeys() {
    let world = World::new(3, 20);
    let honest = json(&world.receipt(INDEX));
    let name = format!("\\u001b[2KVERIFIED{}", "x".repeat(5000));
    for document in [
        honest.replacen('{', &format!("{{\"{name}\":1,"), 1),
        honest.replacen('{', &format!("{{\"{name}\":1,\"{name}\":1,"), 1),
        honest.replacen("plog-receipt/v1", &name, 1),
    ] {
        let report = verify(document.as_bytes(), &world.policy(), None);
        let Some(detail) = report.failure().map(|step| &step.detail) else { panic!("{report:?}") };
        assert!(detail.contains("\\u{1b}[2KVERIFIED"), "{detail}");
        assert!(detail.len() < 200 && !detail.contains(char::is_control), "{detail}");
    }
}

#[test]
fn the_commitment_opens_with_salt_and_payload_only() {
    let world = World::new(3, 20);
    let (document, policy) = (json(&world.receipt(INDEX)), world.policy());
    let open = |salt: &[u8; 32], payload: &[u8]| {
        verify(document.as_bytes(), &policy, Some(Opening { salt, payload }))
    };
    let report = open(&SALT, PAYLOAD);
    assert!(report.ok() && report.steps().len() == 11);
    for (salt, payload) in [(&SALT, b"{}".as_slice()), (&[0x12; 32], PAYLOAD)] {
        let report = open(salt, payload);
        assert!(!report.ok() && report.verified().is_none());
        let failure = report.failure().unwrap();
        assert_eq!(failure.code.as_deref(), Some("E11_COMMITMENT.MISMATCH"));
    }
}

#[test]
fn validators_change_through_sealed_headers() {
    let mut world = World::new(4, 20);
    let policy = world.policy();
    let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(key);
    let policy = Policy { seals: None, ..policy };
    let first = world.change(100, &[a, b, c, e], &[a, b, c]);
    let second = world.change(200, &[a, b, e], &[a, b, e]);
    world.keys = vec![a, b, e];
    let mut receipt = world.receipt(INDEX);
    receipt.validator_changes = vec![first, second.clone()];
    assert_eq!(code(&json(&receipt), &policy), None);
    // Without the middle: only two of the four that are trusted have sealed the second change.
    receipt.validator_changes = vec![second];
    let old = Some("E10_TRUST.OLD_SIGNERS".to_owned());
    assert_eq!(code(&json(&receipt), &policy), old);
    // Two suffice where the policy says so, and not where it asks for more seals in all.
    let lax = Policy { change_seals: Some(2), ..policy.clone() };
    assert_eq!(code(&json(&receipt), &lax), None);
    assert_eq!(code(&json(&receipt), &Policy { seals: Some(3), ..lax }), old);
    // A change that the validators before did not seal leads nowhere.
    receipt.validator_changes = vec![world.change(100, &[a, b, e], &[d, e])];
    assert!(code(&json(&receipt), &policy).unwrap().starts_with("E10_TRUST."));
}

#[test]
fn chains_without_bound_signatures_need_a_policy_that_says_so() {
    let world = World::new(3, 20);
    let vanity = |header: &mut alloy_consensus::Header| {
        let mut extra = world.extra(&world.keys);
        extra.vanity = Bytes::from_static(b"besu 26.3.0");
        header.extra_data = extra.encode(peruri_ibft2::Form::All);
    };
    let forgery = common::Forgery { header: Some(&vanity), ..Default::default() };
    let document = json(&world.forge(INDEX, &forgery));
    let bound = world.policy();
    assert_eq!(code(&document, &bound), Some("E8_CHAIN.VANITY".to_owned()));
    let free = Policy { chain_bound: false, ..bound };
    let report = verify(document.as_bytes(), &free, None);
    assert!(report.ok());
    assert!(report.steps()[7].detail.contains("nothing ties these headers to their chain"));
}

#[test]
fn few_validators_without_all_seals_are_noted() {
    let world = World::new(3, 20);
    let policy = Policy { seals: None, ..world.policy() };
    let report = verify(json(&world.receipt(INDEX)).as_bytes(), &policy, None);
    assert!(report.steps()[8].detail.contains("seals = 3 in the policy is recommended"));
    assert_eq!(world.policy().seals_note(), None);
    assert_eq!(Policy { seals: None, ..World::new(4, 1).policy() }.seals_note(), None);
}

#[test]
fn the_report_has_its_json_form() {
    let world = World::new(3, 20);
    let document = json(&world.receipt(INDEX)).replacen(":7251", ":7252", 1);
    let report: serde_json::Value =
        serde_json::to_value(verify(document.as_bytes(), &world.policy(), None)).unwrap();
    assert_eq!(report["ok"], false);
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 8);
    assert_eq!(steps[0]["n"], 1);
    assert_eq!(steps[0]["name"], "container");
    assert!(steps[0]["code"].is_null() && steps[0]["ok"] == true);
    assert_eq!(steps[7]["code"], "E8_CHAIN.CHAIN_ID");
    assert_eq!(steps[7]["detail"], "chain 7252, the policy is for 7251");
}

/// Exhaustive: every bit of the document.
#[test]
fn no_bit_of_the_document_can_change() {
    let world = World::new(3, 20);
    let policy = world.policy();
    let document = json(&world.receipt(INDEX)).into_bytes();
    assert!(verify(&document, &policy, None).ok());
    let mut changed = document.clone();
    for at in 0..document.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            assert!(!verify(&changed, &policy, None).ok(), "byte {at}, bit {bit}");
            changed[at] ^= 1 << bit;
        }
    }
}

proptest! {
    /// Wherever digits are put in the place of others.
    #[test]
    fn no_digits_of_the_document_can_change(
        at in any::<Index>(),
        digits in "[0-9a-f]{0,6}",
        replaced in 0usize..6,
    ) {
        let world = World::new(3, 20);
        let honest = json(&world.receipt(INDEX));
        let mut changed = honest.clone();
        let at = at.index(honest.len() - replaced);
        changed.replace_range(at..at + replaced, &digits);
        let report = verify(changed.as_bytes(), &world.policy(), None);
        prop_assert_eq!(report.ok(), changed == honest);
    }
}

/// Exhaustive: every bit of every member, changes of validators included.
#[test]
fn no_bit_of_a_member_can_change() {
    let mut world = World::new(3, 20);
    let [a, b, c, d] = [1, 2, 3, 4].map(key);
    let policy = Policy { seals: None, ..world.policy() };
    let change = world.change(100, &[a, b, d], &[a, b]);
    assert!(world.keys == [a, b, c]);
    world.keys = vec![a, b, d];
    let mut receipt = world.receipt(INDEX);
    receipt.validator_changes = vec![change];
    assert_eq!(code(&json(&receipt), &policy), None);
    let mut count = 0;
    for_each_flip(&receipt, |what, changed| {
        count += 1;
        assert!(code(&json(changed), &policy).is_some(), "{what}");
    });
    assert!(count > 20_000, "{count}");
}

fn for_each_flip(receipt: &Receipt, mut check: impl FnMut(&str, &Receipt)) {
    fn flips<const N: usize>(value: [u8; N]) -> impl Iterator<Item = [u8; N]> {
        (0..8 * N).map(move |bit| {
            let mut value = value;
            value[bit / 8] ^= 1 << (bit % 8);
            value
        })
    }
    fn byte_flips(value: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
        (0..8 * value.len()).map(|bit| {
            let mut value = value.to_vec();
            value[bit / 8] ^= 1 << (bit % 8);
            value.into()
        })
    }
    let mut changed = receipt.clone();
    macro_rules! each {
        ($($member:tt)+) => {
            for value in flips(receipt.$($member)+.0) {
                changed.$($member)+ = value.into();
                check(stringify!($($member)+), &changed);
            }
            changed.$($member)+ = receipt.$($member)+;
        };
    }
    macro_rules! each_number {
        ($($member:tt)+) => {
            for bit in 0..53 {
                changed.$($member)+ ^= 1 << bit;
                check(stringify!($($member)+), &changed);
                changed.$($member)+ = receipt.$($member)+;
            }
        };
    }
    macro_rules! each_byte {
        ($($member:tt)+) => {
            for value in byte_flips(&receipt.$($member)+) {
                changed.$($member)+ = value;
                check(stringify!($($member)+), &changed);
            }
            changed.$($member)+ = receipt.$($member)+.clone();
        };
    }
    each_number!(chain_id);
    each!(genesis_hash);
    each!(log.id);
    each_number!(log.index);
    each_number!(log.size);
    each!(log.root);
    each_byte!(entry);
    for at in 0..receipt.inclusion.len() {
        each!(inclusion[at]);
    }
    for value in flips(receipt.state.address.into_array()) {
        changed.state.address = value.into();
        check("state.address", &changed);
    }
    changed.state.address = receipt.state.address;
    for at in 0..receipt.state.account_proof.len() {
        each_byte!(state.account_proof[at]);
    }
    for item in 0..2 {
        each!(state.storage_proof[item].key);
        for bit in 0..256 {
            changed.state.storage_proof[item].value ^= U256::from(1) << bit;
            check("value", &changed);
            changed.state.storage_proof[item].value = receipt.state.storage_proof[item].value;
        }
        for at in 0..receipt.state.storage_proof[item].proof.len() {
            each_byte!(state.storage_proof[item].proof[at]);
        }
    }
    each_byte!(header);
    each_byte!(validator_changes[0]);
    assert_eq!(&changed, receipt);
}

#[test]
fn a_later_head_extends_an_earlier_one() {
    let early = World::new(3, 13);
    let mut late = World::new(3, 20);
    late.number = 900;
    let policy = late.policy();
    let verified = |world: &World| {
        let document = json(&world.receipt(world.size() - 1));
        verify(document.as_bytes(), &policy, None).verified().unwrap().clone()
    };
    let (old, new) = (verified(&early), verified(&late));
    let answer = late.consistency(13);
    assert_eq!(check_consistency(&old, &new, &answer), Ok(()));
    assert_eq!(check_consistency(&new, &new, &late.consistency(20)), Ok(()));
    let head = |which, expected, got| Err(ConsistencyError::Head { which, expected, got });
    assert_eq!(check_consistency(&old, &new, &late.consistency(12)), head("first", 13, 12));
    assert_eq!(check_consistency(&new, &old, &answer), head("first", 20, 13));
    assert_eq!(check_consistency(&old, &old, &answer), head("second", 13, 20));
    let mut wrong = answer.clone();
    wrong.path[0] = B256::ZERO;
    assert!(matches!(check_consistency(&old, &new, &wrong), Err(ConsistencyError::Proof(_))));
    let wrong = ConsistencyAnswer { log_id: B256::ZERO, ..answer.clone() };
    assert!(matches!(check_consistency(&old, &new, &wrong), Err(ConsistencyError::Log { .. })));
    // A log that was rewritten.
    let mut rewritten = late.clone();
    rewritten.entries[3].occurred_at += 1;
    let other = verified(&rewritten);
    let mut answer = rewritten.consistency(13);
    assert_eq!(check_consistency(&old, &other, &answer), head("first", 13, 13));
    answer.first_root = old.root;
    assert!(matches!(check_consistency(&old, &other, &answer), Err(ConsistencyError::Proof(_))));
}

fn audit(export: &str, policy: &Policy) -> Result<peruri_plog::audit::ExportSummary, ExportError> {
    let mut lines = export.lines();
    let report = verify(lines.next().unwrap().as_bytes(), policy, None);
    let mut audit = ExportAudit::new(report.verified().unwrap())?;
    lines.try_for_each(|line| audit.line(line.as_bytes()))?;
    audit.finish()
}

#[test]
fn an_export_is_the_log() {
    let world = World::new(3, 20);
    let export = world.export();
    let summary = audit(&export, &world.policy()).unwrap();
    assert_eq!(summary.sources, [(1, 20)].into());
    assert!(summary.gaps.is_empty());
    assert_eq!(summary.voids.len(), 1);
    assert_eq!((summary.voids[0].index, summary.voids[0].reason), (5, 2));
    assert_eq!(summary.repeats.len(), 1);
    assert_eq!((summary.repeats[0].first, summary.repeats[0].index), (8, 9));
}

#[test]
fn an_export_with_gaps_says_where() {
    let mut world = World::new(3, 20);
    world.entries.remove(7);
    let summary = audit(&world.export(), &world.policy()).unwrap();
    assert_eq!(summary.gaps.len(), 1);
    let gap = summary.gaps[0];
    assert_eq!((gap.index, gap.source_id, gap.expected, gap.got), (7, 1, 8, 9));
}

#[test]
fn what_is_not_the_log_is_named() {
    let world = World::new(3, 20);
    let policy = world.policy();
    let export = world.export();
    let lines: Vec<&str> = export.lines().collect();
    let joined = |lines: &[&str]| audit(&lines.join("\n"), &policy);
    assert_eq!(joined(&lines[..20]), Err(ExportError::Size { expected: 20, got: 19 }));
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    assert!(matches!(joined(&swapped), Err(ExportError::Root { .. })));
    let mut wrong = lines.clone();
    let upper = lines[4].to_uppercase();
    wrong[4] = &upper;
    assert_eq!(joined(&wrong), Err(ExportError::Hex { index: 3 }));
    wrong[4] = &lines[4][..278];
    assert_eq!(joined(&wrong), Err(ExportError::Hex { index: 3 }));
    let other = format!("{}32{}", &lines[4][..6], &lines[4][8..]);
    wrong[4] = &other;
    assert!(matches!(joined(&wrong), Err(ExportError::Entry { index: 3, .. })));
    let first = json(&world.receipt(0));
    let mut not_last = lines.clone();
    not_last[0] = &first;
    assert_eq!(joined(&not_last), Err(ExportError::NotLast { index: 0, size: 20 }));
}
