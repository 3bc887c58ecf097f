//! Runs the published IBFT 2.0 vectors.
//!
//! `PERURI_VECTORS` names the folder that holds `ibft2.json`; without it the test is skipped.

use std::path::PathBuf;

use peruri_ibft2_sim::vectors;

/// Kinds and the number of vectors that the file must at least hold of each.
const KINDS: [(&str, usize); 15] = [
    ("extra_data", 5),
    ("extra_data_invalid", 8),
    ("genesis", 3),
    ("header", 8),
    ("header_validation", 13),
    ("message", 7),
    ("message_invalid", 10),
    ("payload", 3),
    ("proposer", 11),
    ("quorum", 11),
    ("round_timeout", 4),
    ("scenario", 14),
    ("validator_sequence", 2),
    ("vote_tally", 10),
    ("wire_offsets", 2),
];

#[test]
fn published_vectors() -> eyre::Result<()> {
    let Some(folder) = std::env::var_os("PERURI_VECTORS") else {
        println!("skipped: PERURI_VECTORS is not set");
        return Ok(());
    };
    let path = PathBuf::from(folder).join("ibft2.json");
    let outcome = vectors::run(&serde_json::from_slice(&std::fs::read(path)?)?)?;
    for (kind, at_least) in KINDS {
        let (passed, failed) = outcome.kinds.get(kind).copied().unwrap_or_default();
        assert_eq!(failed, 0, "{kind}");
        assert!(passed >= at_least, "{kind}: {passed} vectors ran, expected at least {at_least}");
    }
    let (passed, failed) = outcome.total();
    println!("{passed} passed, {failed} failed");
    Ok(())
}
