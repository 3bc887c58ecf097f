//! Files of evidence: what a court of operators needs to judge a validator.

use crate::EngineError;
use alloy_primitives::{Address, hex, keccak256};
use peruri_ibft2::{Block, BlockHash, Equivocation};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tracing::error;

/// Two messages of one validator that contradict each other.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn equivocation(folder: &Path, found: &Equivocation) -> Result<(), EngineError> {
    let id = found.first.id();
    error!(target: "consensus::engine", validator = %found.author, height = id.height, round = id.round, "a validator signed two contradicting messages");
    metrics::counter!("peruri_consensus_evidence_total").increment(1);
    let evidence = json!({
        "kind": "equivocation",
        "validator": found.author,
        "height": id.height,
        "round": id.round,
        "first": hex::encode_prefixed(found.first.encode()),
        "second": hex::encode_prefixed(found.second.encode()),
    });
    write(folder, id.height, &evidence)
}

/// A second block with the seals of a quorum at a height that is final here.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn conflict(
    folder: &Path,
    ours: BlockHash,
    other: &Block,
    both: &[Address],
) -> Result<(), EngineError> {
    let height = other.number();
    error!(target: "consensus::engine", height, ours = %ours.0, other = %other.hash().0, ?both, "two final blocks of one height");
    metrics::counter!("peruri_consensus_evidence_total").increment(1);
    let evidence = json!({
        "kind": "conflicting blocks",
        "height": height,
        "ours": ours.0,
        "other": other.hash().0,
        "otherBlock": hex::encode_prefixed(alloy_rlp::encode(other)),
        "sealedBoth": both,
    });
    write(folder, height, &evidence)
}

/// Writes a file that is named by what it says, so that the same evidence is one file.
fn write(folder: &Path, height: u64, evidence: &Value) -> Result<(), EngineError> {
    let text = format!("{evidence:#}\n");
    let name = format!("{height}-{}.json", hex::encode(&keccak256(&text)[..8]));
    let path = folder.join(name);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text))
        .map_err(|source| EngineError::File { action: "write", path, source })
}
