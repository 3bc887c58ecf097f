//! One file, from its first request to a verdict.

use crate::{
    compare::{Difference, compare},
    exceptions,
    files::File,
    node::TestNode,
};

/// What became of a file.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed(Vec<String>),
    Skipped(&'static str),
}

/// What became of all files.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// Counts and reports a file.
    pub(crate) fn note(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(reasons) => {
                self.failed += 1;
                reasons.iter().for_each(|reason| eprintln!("FAILED {name}: {reason}"));
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                eprintln!("skipped {name}: {reason}");
            }
        }
    }
}

/// Replays a file. Every request is sent, also after one whose answer differs.
pub(crate) async fn replay(node: &mut TestNode, file: &File) -> Outcome {
    if let Some(reason) = exceptions::skipped(&file.name) {
        return Outcome::Skipped(reason);
    }
    let exchanges = match file.read() {
        Ok(exchanges) => exchanges,
        Err(error) => return Outcome::Failed(vec![format!("{error:#}")]),
    };
    let mut reasons = Vec::new();
    for (request, expected) in &exchanges.list {
        match node.ask(request).await {
            Ok(got) => {
                let differences = compare(expected, &got, exchanges.shape_only);
                reasons.extend(differences.iter().map(Difference::to_string));
            }
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    if reasons.is_empty() { Outcome::Passed } else { Outcome::Failed(reasons) }
}
