//! The program: exit codes, what it prints, and the example of the manual.

#![allow(clippy::unwrap_used)]

#[path = "../../../crates/plog/tests/common/mod.rs"]
mod common;

use common::{INDEX, PAYLOAD, World, json};
use peruri_plog::Receipt;
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A folder with the files of an audit.
struct Audit {
    folder: TempDir,
    world: World,
}

/// What the program did.
#[derive(Debug)]
struct Outcome {
    code: i32,
    out: String,
    error: String,
}

impl Audit {
    fn new() -> Self {
        let world = World::new(3, 20);
        let this = Self { folder: TempDir::new().unwrap(), world };
        this.write("policy.toml", &this.world.policy_toml());
        this.write("receipt.json", &json(&this.world.receipt(INDEX)));
        let rewritten = Receipt { chain_id: 7252, ..this.world.receipt(INDEX) };
        this.write("rewritten.json", &json(&rewritten));
        this.write("payload.json", std::str::from_utf8(PAYLOAD).unwrap());
        this.write("export.txt", &this.world.export());
        let early = World::new(3, 13);
        this.write("old.json", &json(&early.receipt(0)));
        this.write("new.json", &json(&this.world.receipt(0)));
        this.write("proof.json", &json(&this.world.consistency(13)));
        this
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn edited(&self, edit: impl Fn(&mut Receipt)) {
        let mut receipt = self.world.receipt(INDEX);
        edit(&mut receipt);
        self.write("receipt.json", &json(&receipt));
    }

    fn run(&self, line: &str) -> Outcome {
        self.run_with(line, "")
    }

    fn run_with(&self, line: &str, input: &str) -> Outcome {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plog-verify"))
            .args(line.split_whitespace())
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

const SALT: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
const POLICY: &str = "--policy policy.toml";

#[test]
fn a_receipt_that_holds_ends_with_0() {
    let audit = Audit::new();
    let outcome = audit.run(&format!("receipt.json {POLICY}"));
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.out.starts_with("VERIFIED: entry 17 of the log activity (0x6163"));
    assert!(outcome.out.contains("2026-01-01T00:00:25.5Z, as the source claims"));
    assert!(outcome.error.is_empty());
    let opened = format!("receipt.json {POLICY} --payload payload.json --salt {SALT}");
    assert!(audit.run(&opened).out.contains("opened by salt and payload"));
    assert!(!outcome.out.contains("flags"));
    let mut world = audit.world.clone();
    world.entries[17].flags = 6;
    audit.write("receipt.json", &json(&world.receipt(INDEX)));
    let outcome = audit.run(&format!("receipt.json {POLICY}"));
    assert!(outcome.out.contains("flags       late, TEST DATA"), "{outcome:?}");
}

#[test]
fn standard_input_is_a_dash() {
    let audit = Audit::new();
    let receipt = json(&audit.world.receipt(INDEX));
    assert_eq!(audit.run_with(&format!("- {POLICY}"), &receipt).code, 0);
    let policy = audit.world.policy_toml();
    assert_eq!(audit.run_with("receipt.json --policy -", &policy).code, 0);
    // It ends before it reads anything.
    let twice = audit.run("- --policy -");
    assert_eq!(twice.code, 2);
    assert!(twice.error.contains("only one file"));
}

#[test]
fn each_step_has_its_exit_code() {
    let audit = Audit::new();
    let line = format!("receipt.json {POLICY}");
    let check = |code: i32, name: &str| {
        let outcome = audit.run(&line);
        assert_eq!(outcome.code, code, "{outcome:?}");
        assert!(outcome.out.starts_with(&format!("NOT VERIFIED: step {} ({name})", code - 10)));
        assert!(outcome.out.contains("What to do: "));
    };
    audit.write("receipt.json", "{}");
    check(11, "container");
    audit.edited(|it| it.entry = it.entry.slice(1..));
    check(12, "entry");
    audit.edited(|it| it.log.index = 0);
    check(14, "inclusion");
    audit.edited(|it| it.state.storage_proof.swap(0, 1));
    check(15, "storage");
    audit.edited(|it| it.state.account_proof.clear());
    check(16, "account");
    audit.edited(|it| it.header = it.header.slice(1..));
    check(17, "header");
    audit.edited(|it| it.chain_id = 1);
    check(18, "chain");
    let forged = |signers: usize| {
        let forgery = common::Forgery {
            signers: Some(audit.world.keys[..signers].to_vec()),
            ..Default::default()
        };
        json(&audit.world.forge(INDEX, &forgery))
    };
    audit.write("receipt.json", &forged(2));
    check(19, "seals");
    let mut other = audit.world.clone();
    other.keys[0] = common::key(9);
    audit.write("receipt.json", &json(&other.receipt(INDEX)));
    check(20, "trust");
    audit.edited(|_| ());
    let salt = SALT.replace("11", "12");
    let outcome = audit.run(&format!("{line} --payload payload.json --salt {salt}"));
    assert_eq!(outcome.code, 21, "{outcome:?}");
    assert!(outcome.out.contains("E11_COMMITMENT.MISMATCH"));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_to_do() {
    let audit = Audit::new();
    audit.write("wrong.toml", "chain_id = 1");
    for (line, told) in [
        ("", "Usage"),
        ("receipt.json", "--policy"),
        ("nothing.json --policy policy.toml", "cannot read nothing.json"),
        ("receipt.json --policy nothing.toml", "Give the path of a file, or - for"),
        ("receipt.json --policy wrong.toml", "no policy"),
        ("receipt.json --policy policy.toml --salt 0x11", "64 hex digits"),
        ("receipt.json --policy policy.toml --payload payload.json", "--salt"),
        ("receipt.json --policy policy.toml --json --explain", "cannot be used with"),
        ("log", "--policy"),
        ("log nothing.txt --policy policy.toml", "cannot read nothing.txt"),
        ("policy-hash receipt.json", "no policy"),
        ("consistency old.json new.json --policy policy.toml", "PROOF"),
    ] {
        let outcome = audit.run(line);
        assert_eq!(outcome.code, 2, "{line}: {outcome:?}");
        assert!(outcome.error.contains(told), "{line}: {outcome:?}");
        assert!(outcome.out.is_empty(), "{line}");
    }
    assert_eq!(audit.run("--help").code, 0);
}

#[test]
fn json_is_the_report() {
    let audit = Audit::new();
    let read =
        |outcome: Outcome| -> serde_json::Value { serde_json::from_str(&outcome.out).unwrap() };
    let report = read(audit.run(&format!("receipt.json {POLICY} --json")));
    assert_eq!(report["ok"], true);
    assert_eq!(report["steps"].as_array().unwrap().len(), 10);
    audit.edited(|it| it.chain_id = 1);
    let outcome = audit.run(&format!("receipt.json {POLICY} --json"));
    assert_eq!(outcome.code, 18);
    let report = read(outcome);
    assert_eq!(report["ok"], false);
    assert_eq!(report["steps"][7]["code"], "E8_CHAIN.CHAIN_ID");
}

#[test]
fn consistency_ties_two_heads() {
    let audit = Audit::new();
    let line = format!("consistency old.json new.json proof.json {POLICY}");
    let outcome = audit.run(&line);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.out.starts_with("CONSISTENT"));
    audit.write("proof.json", &json(&audit.world.consistency(12)));
    let outcome = audit.run(&line);
    assert_eq!(outcome.code, 3);
    assert!(outcome.out.contains("plog_getConsistencyProof(log, 13, 20)"), "{outcome:?}");
    audit.write("proof.json", "{}");
    assert_eq!(audit.run(&line).code, 3);
    audit.write("new.json", "{}");
    let outcome = audit.run(&line);
    assert_eq!(outcome.code, 11);
    assert!(outcome.out.starts_with("new.json:\nNOT VERIFIED"));
}

#[test]
fn an_export_is_checked_line_by_line() {
    let audit = Audit::new();
    let line = format!("log export.txt {POLICY}");
    let outcome = audit.run(&line);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    for told in [
        "WHOLE: ",
        "source 1: 20 entries",
        "VOID at index 5: number 6 of source 1, withdrawn",
        "activity 6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d08 at index 9 was there at index 8",
    ] {
        assert!(outcome.out.contains(told), "{told}: {outcome:?}");
    }
    let export = audit.world.export();
    assert_eq!(audit.run_with(&format!("log - {POLICY}"), &export).code, 0);
    let without_last = export.trim_end().rsplit_once('\n').unwrap().0;
    audit.write("export.txt", without_last);
    let outcome = audit.run(&line);
    assert_eq!(outcome.code, 3);
    assert!(outcome.out.contains("19 entries, the receipt proves 20"), "{outcome:?}");
    audit.write("export.txt", &format!("{export}{}\n", "0".repeat(5000)));
    assert!(audit.run(&line).out.contains("entry 20: expected 280 lower-case hex digits"));
    audit.write("export.txt", &export.replacen("\"chainId\":7251", "\"chainId\":1", 1));
    assert_eq!(audit.run(&line).code, 18);
    let mut gap = World::new(3, 20);
    gap.entries.remove(7);
    audit.write("export.txt", &gap.export());
    let outcome = audit.run(&line);
    assert_eq!(outcome.code, 3);
    assert!(outcome.out.contains("GAP at index 7: source 1 goes on with number 9, expected 8"));
    audit.write("export.txt", "");
    assert_eq!(audit.run(&line).code, 11);
}

#[test]
fn a_policy_is_known_by_its_hash() {
    let audit = Audit::new();
    let outcome = audit.run("policy-hash policy.toml");
    assert_eq!((outcome.code, outcome.out), (0, format!("{}\n", audit.world.policy().hash())));
    let lax = audit.world.policy_toml().replace("seals = 3", "chain_bound = false");
    audit.write("lax.toml", &lax);
    let outcome = audit.run("policy-hash lax.toml");
    assert_eq!(outcome.code, 0);
    assert!(outcome.error.contains("seals = 3 in the policy is recommended"));
    assert!(outcome.error.contains("nothing ties these headers to their chain"));
}

/// The manual's example is what the program prints: a block that begins with `$ plog-verify` holds
/// a command and its output.
#[test]
fn the_manual_shows_what_the_program_prints() {
    let audit = Audit::new();
    let manual = include_str!("../../../docs/auditing.md");
    assert!(manual.contains(audit.world.policy_toml().trim_end()), "the manual's policy");
    let mut shown = 0;
    for block in manual.split("```").skip(1).step_by(2) {
        let Some(block) = block.strip_prefix("text\n$ plog-verify ") else { continue };
        let (line, expected) = block.split_once('\n').unwrap();
        let outcome = audit.run(line);
        assert_eq!(outcome.out, expected, "{line}");
        shown += 1;
    }
    assert!(shown >= 5, "{shown}");
}
