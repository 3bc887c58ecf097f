use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use alloy_primitives::Address;
use tempfile::TempDir;

use super::support::{Edit, RICH, chain_spec, execute, genesis_model};
use crate::{DbOptions, NoProgress, ProviderFactory};

/// Set for the process that is killed: the folder of its database.
const FOLDER: &str = "PERURI_STORAGE_CRASH_FOLDER";

fn edits(number: u64) -> Vec<Edit> {
    let mut edits: Vec<_> = (0..50)
        .map(|i| Edit::Account(Address::left_padding_from(&(number * 31 + i).to_be_bytes()), 1, i))
        .collect();
    edits.push(Edit::Slot(RICH, (number % 16) as u8, number % 3));
    edits.push(Edit::Destroy(Address::left_padding_from(&(number * 30).to_be_bytes())));
    edits
}

/// Not a test of its own: commits until it is killed, when the parent asks for it.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let factory = ProviderFactory::open(folder, chain_spec(1), DbOptions::default()).unwrap();
    factory.init_genesis().unwrap();
    let mut model = genesis_model();
    for number in 1..=factory.best_block_number().unwrap() {
        super::support::apply(&mut model, &edits(number));
    }
    loop {
        let head = factory.last_header().unwrap();
        let state = factory.latest().unwrap();
        let next = edits(head.number + 1);
        let parent = (head.number, head.hash());
        let (block, after) = execute(&state, parent, &model, &next, 0, vec![], vec![]);
        factory.commit_block(&block).unwrap();
        model = after;
        eprintln!("committed {}", block.number());
    }
}

#[test]
fn a_killed_process_loses_no_acknowledged_block() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("db");
    let mut acknowledged = 0;
    for round in 0..5u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["tests::crash::child", "--exact", "--nocapture"])
            .env(FOLDER, &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for _ in 0..20 + 7 * round {
            let line = lines.next().unwrap().unwrap();
            acknowledged = line.strip_prefix("committed ").unwrap().parse().unwrap();
        }
        child.kill().unwrap();
        // What it still said before it died counts as well.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("committed ") {
                acknowledged = number.parse().unwrap_or(acknowledged);
            }
        }
        child.wait().unwrap();
        let factory = ProviderFactory::open(&folder, chain_spec(1), DbOptions::default()).unwrap();
        let head = factory.best_block_number().unwrap();
        assert!((acknowledged..=acknowledged + 1).contains(&head), "{head}, said {acknowledged}");
        let report = factory.verify_state(&mut NoProgress).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert!(factory.verify_history(&mut NoProgress).unwrap().is_clean());
    }
}
