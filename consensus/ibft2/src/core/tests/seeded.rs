//! Takes out one rule after the other: each seeded bug makes at least one of the tests of this folder
//! fail. Needs the feature `mutants`.

use std::{
    env,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::core::Mutant;

/// Names the bug that the tests of a child process run with.
const VARIABLE: &str = "PERURI_MUTANT";
/// A bug may also show by tests that do not end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bug that this process runs with.
pub(super) fn mutant() -> Option<Mutant> {
    let name = env::var(VARIABLE).ok()?;
    Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name)
}

/// Whether the tests fail with the bug of this name.
fn is_noticed(mutant: &str) -> bool {
    // Random inputs and long blocks take most of the time and find none of the bugs.
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["core::tests", "--quiet"])
        .args(["--skip", "seeded", "--skip", "hostile", "--skip", "blocks_without_end"])
        .env(VARIABLE, mutant)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return !status.success();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn every_seeded_bug_is_noticed() {
    assert_eq!(mutant(), None);
    assert!(!is_noticed("none"), "the tests fail without a bug");
    let names = Mutant::ALL.iter().map(|mutant| mutant.name());
    let survivors: Vec<_> = names.filter(|name| !is_noticed(name)).collect();
    assert_eq!(survivors, Vec::<&str>::new());
}
