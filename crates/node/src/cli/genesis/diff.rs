//! `genesis diff`: which keys of two genesis files differ, and what that means for their nodes.

use super::read_genesis;
use crate::cli::exit::{OrUsage, UsageError};
use clap::Args;
use eyre::bail;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
};

/// Longest shown form of a value.
const LONGEST: usize = 100;

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The one file
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The other file
    #[arg(value_name = "B")]
    second: PathBuf,
}

impl DiffArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> eyre::Result<()> {
        let (first, second) = (read_json(&self.first)?, read_json(&self.second)?);
        let mut found = Vec::new();
        compare("", Some(&first), Some(&second), &mut found);
        for difference in &found {
            writeln!(out, "{difference}")?;
        }
        let (one, _) = read_genesis(&self.first)?;
        let (other, _) = read_genesis(&self.second)?;
        let hashes = (one.genesis_hash(), other.genesis_hash());
        if hashes.0 != hashes.1 {
            writeln!(
                out,
                "The genesis hash differs, these are two chains: {} and {}",
                hashes.0, hashes.1
            )?;
        } else if found.is_empty() {
            writeln!(out, "The files mean the same; genesis hash {}", hashes.0)?;
            return Ok(());
        } else {
            writeln!(
                out,
                "The genesis hash is the same ({}), only the configuration differs: nodes with these \
                 files must not run together",
                hashes.0
            )?;
        }
        bail!("{} and {} differ", self.first.display(), self.second.display())
    }
}

fn read_json(path: &Path) -> eyre::Result<Value> {
    let name = format!("genesis file {}", path.display());
    let text = std::fs::read_to_string(path).or_usage(&name)?;
    serde_json::from_str(&text).map_err(|error| UsageError::with_source(name, error).into())
}

/// Notes every leaf under `path` that differs.
fn compare(path: &str, first: Option<&Value>, second: Option<&Value>, found: &mut Vec<String>) {
    if first == second {
        return;
    }
    match (first, second) {
        (Some(Value::Object(first)), Some(Value::Object(second))) => {
            let keys: BTreeSet<_> = first.keys().chain(second.keys()).collect();
            for key in keys {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                compare(&path, first.get(key), second.get(key), found);
            }
        }
        (Some(Value::Array(first)), Some(Value::Array(second))) => {
            for index in 0..first.len().max(second.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, first.get(index), second.get(index), found);
            }
        }
        _ => found.push(format!("{path}: {}, {}", show(first), show(second))),
    }
}

fn show(value: Option<&Value>) -> String {
    let Some(value) = value else { return "absent".to_owned() };
    let text = value.to_string();
    if text.len() <= LONGEST {
        return text;
    }
    let head: String = text.chars().take(LONGEST).collect();
    format!("{head}… ({} characters)", text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_differing_leaf_is_named() {
        let mut found = Vec::new();
        let first = json!({"a": {"b": 1, "c": [1, 2]}, "same": null, "gone": "x"});
        let second = json!({"a": {"b": 2, "c": [1, 3, 4]}, "same": null});
        compare("", Some(&first), Some(&second), &mut found);
        assert_eq!(
            found,
            ["a.b: 1, 2", "a.c[1]: 2, 3", "a.c[2]: absent, 4", "gone: \"x\", absent"]
        );
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let shown = show(Some(&json!("é".repeat(200))));
        assert!(shown.ends_with("… (202 characters)"), "{shown}");
    }
}
