//! `docs/metrics.md` names every metric of the source, and no other.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const PREFIX: &str = "peruri_";
const SOURCES: [&str; 2] = ["crates", "consensus"];

/// Tests run in the folder of their package, wherever they were built.
fn root() -> PathBuf {
    PathBuf::from("../..")
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" && name != "target" {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Names between a pair of `quote`s that begin with [`PREFIX`].
fn names(text: &str, quote: char) -> BTreeSet<String> {
    text.split(quote)
        .filter(|word| word.starts_with(PREFIX))
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .map(str::to_owned)
        .collect()
}

fn in_source() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in SOURCES {
        rust_files(&root().join(folder), &mut files);
    }
    files.iter().flat_map(|file| metric_names(&fs::read_to_string(file).unwrap())).collect()
}

/// Names that stand as the argument of a macro of the `metrics` crate.
fn metric_names(source: &str) -> BTreeSet<String> {
    ["counter!(", "gauge!(", "histogram!("]
        .iter()
        .flat_map(|call| source.split(call).skip(1))
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let documented = names(&fs::read_to_string(root().join("docs/metrics.md")).unwrap(), '`');
    let source = in_source();
    assert!(source.len() > 10, "the search of the source is broken: {source:?}");
    assert_eq!(documented, source);
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_exist() {
    let source = in_source();
    for file in ["alerts.yml", "grafana.json"] {
        let text = fs::read_to_string(root().join("testnet/deploy").join(file)).unwrap();
        let asked: BTreeSet<String> = text
            .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .filter(|word| word.starts_with(PREFIX))
            .map(str::to_owned)
            .collect();
        assert!(asked.len() > 5, "the search of {file} is broken: {asked:?}");
        assert!(asked.is_subset(&source), "{file}: {:?}", asked.difference(&source));
    }
}

#[test]
fn names_follow_the_convention() {
    const UNITS: [&str; 15] = [
        "_total",
        "_bytes",
        "_blocks",
        "_ratio",
        "_seconds",
        "_transactions",
        "_senders",
        "_connections",
        "_validators",
        "_height",
        "_round",
        "_in_doubt",
        "_rows",
        "_messages",
        "_stopped",
    ];
    for name in in_source() {
        assert!(name.starts_with(PREFIX), "{name}");
        assert!(UNITS.iter().any(|unit| name.ends_with(unit)), "{name}");
    }
}
