//! A failure through the binary: found, written, made smaller, replayed.

#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A bug that shows in the first seeds.
const BUG: &str = "CommitCountedUnprepared";

fn simulator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ibft2-sim")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The line that starts with `start`.
fn line(text: &str, start: &str) -> String {
    let found = text.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {text}")).to_owned()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn a_seed_and_its_file_are_the_same_run() {
    let seed = simulator(&["replay", "--seed", "7", "--nodes", "1,2,3,4"]);
    let again = simulator(&["replay", "--seed", "7", "--nodes", "1,2,3,4"]);
    assert!(seed.status.success() && text(&seed).contains("no violation"));
    assert_eq!(text(&seed), text(&again));
    // Without a failure to keep, nothing is left to be made smaller.
    let out = file("healthy.json");
    let path = out.to_str().unwrap();
    let shrunk = simulator(&[
        "shrink",
        "--seed",
        "7",
        "--nodes",
        "1,2,3,4",
        "--seconds",
        "2",
        "--out",
        path,
    ]);
    assert!(shrunk.status.success());
    let replayed = simulator(&["replay", path]);
    assert!(replayed.status.success());
    assert_eq!(line(&text(&replayed), "seed "), line(&text(&shrunk), "seed "));
}

#[cfg(not(feature = "mutants"))]
#[test]
fn failure_of_a_bug_needs_a_build_with_bugs() {
    let run = simulator(&["replay", "--seed", "7", "--mutant", BUG]);
    assert!(!run.status.success());
}

#[cfg(feature = "mutants")]
#[test]
fn failure_is_shrunk_written_and_replayed_bit_for_bit() {
    // The first seed that fails with the bug; it does not fail without.
    let broken = (0..50).find(|seed| {
        let seed = seed.to_string();
        let run = simulator(&["replay", "--seed", &seed, "--nodes", "4", "--mutant", BUG]);
        text(&run).contains("violation: ")
    });
    let seed = broken.expect("a seed fails").to_string();
    let healthy = simulator(&["replay", "--seed", &seed, "--nodes", "4"]);
    assert!(text(&healthy).contains("no violation"));
    let before = simulator(&["replay", "--seed", &seed, "--nodes", "4", "--mutant", BUG]);
    let invariant = |text: &str| line(text, "violation: ").split(": ").nth(1).unwrap().to_owned();

    let out = file("shrunk.json");
    let path = out.to_str().unwrap();
    let shrunk = simulator(&[
        "shrink",
        "--seed",
        &seed,
        "--nodes",
        "4",
        "--mutant",
        BUG,
        "--seconds",
        "10",
        "--out",
        path,
    ]);
    assert!(shrunk.status.success(), "{}", text(&shrunk));
    let decisions = line(&text(&shrunk), "");
    let numbers: Vec<u64> = decisions.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[1] < numbers[0], "{decisions}");

    let first = simulator(&["replay", path]);
    let second = simulator(&["replay", path]);
    assert!(first.status.success(), "{}", text(&first));
    assert_eq!(text(&first), text(&second));
    // The same invariant as before shrinking, the same text and trace as when it was written.
    assert_eq!(invariant(&text(&first)), invariant(&text(&before)));
    for start in ["violation: ", "seed "] {
        assert_eq!(line(&text(&first), start), line(&text(&shrunk), start));
    }
    let trace = line(&text(&first), "seed ");
    let (got, expected) = trace.split_once("trace ").unwrap().1.split_once(", expected ").unwrap();
    assert_eq!(got, expected);
}

#[cfg(feature = "mutants")]
#[test]
fn failure_that_does_not_come_back_is_told() {
    let out = file("changed.json");
    let path = out.to_str().unwrap();
    let made = simulator(&[
        "shrink",
        "--seed",
        "1",
        "--nodes",
        "4",
        "--mutant",
        BUG,
        "--seconds",
        "1",
        "--out",
        path,
    ]);
    assert!(made.status.success(), "{}", text(&made));
    // The same decisions without the bug are another run.
    let mut case: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(case["mutant"], BUG);
    case["mutant"] = serde_json::Value::Null;
    std::fs::write(&out, case.to_string()).unwrap();
    let replayed = simulator(&["replay", path]);
    assert!(!replayed.status.success(), "{}", text(&replayed));
    case["mutant"] = "NoSuchBug".into();
    std::fs::write(&out, case.to_string()).unwrap();
    assert!(!simulator(&["replay", path]).status.success());
}
