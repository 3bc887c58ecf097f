//! Inclusion proofs of some of what is final, asked for while activities go on, and verified.

use super::load::Accepted;
use crate::{machine::unix_ms, stats::Percentiles};
use eyre::{OptionExt, Result, ensure};
use peruri_plog::proof::verify_inclusion;
use peruri_rpc_api::PlogInclusionProof;
use peruri_testnet::{ACTIVITY_LOG, Client};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

/// Proofs of one round, all of them verified.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Proofs {
    /// How many.
    pub count: usize,
    /// Proofs a second of the time that was spent waiting for them, one at a time.
    pub per_second: f64,
    /// Milliseconds of a proof.
    pub ms: Percentiles,
    /// Seconds from offering an activity to its proof.
    pub to_proof: Percentiles,
}

/// A proof that leads to its head's root; times are Unix milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Proven {
    proof: PlogInclusionProof,
    asked_ms: f64,
    served_ms: f64,
}

/// Asks for the proof of each index as it comes.
///
/// # Errors
/// If a proof is missing or does not verify.
pub(super) async fn prove(
    client: &Client,
    mut indices: mpsc::Receiver<u64>,
) -> Result<Vec<Proven>> {
    let mut all = Vec::new();
    while let Some(index) = indices.recv().await {
        let asked_ms = unix_ms();
        let params = json!([ACTIVITY_LOG, index]);
        let answer = client.call("plog_getInclusionProof", params).await?;
        let served_ms = unix_ms();
        let proof: PlogInclusionProof = serde_json::from_value(answer)?;
        let PlogInclusionProof { leaf, size, path, head, .. } = &proof;
        ensure!((proof.index, head.size) == (index, *size), "not what was asked: {proof:?}");
        verify_inclusion(leaf, index, *size, &head.root, path)?;
        all.push(Proven { proof, asked_ms, served_ms });
    }
    Ok(all)
}

/// Figures of proofs whose leaves must be those that callers were told.
///
/// # Errors
/// If a leaf is another one.
pub(super) fn figures(proven: &[Proven], accepted: &[Accepted]) -> Result<Proofs> {
    let mut to_proof = Vec::with_capacity(proven.len());
    for it in proven {
        let told = accepted.get(it.proof.index as usize).ok_or_eyre("a proof of nothing")?;
        ensure!(told.leaf == it.proof.leaf, "number {} has another leaf", told.seq);
        to_proof.push((it.served_ms - told.due_ms) / 1e3);
    }
    let ms: Vec<f64> = proven.iter().map(|it| it.served_ms - it.asked_ms).collect();
    let per_second = ms.len() as f64 * 1e3 / ms.iter().sum::<f64>();
    let (count, ms) = (ms.len(), Percentiles::of(ms));
    Ok(Proofs { count, per_second, ms, to_proof: Percentiles::of(to_proof) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use peruri_rpc_api::PlogHead;

    fn proven(index: u64, asked_ms: f64, served_ms: f64) -> Proven {
        let head = PlogHead {
            log_id: ACTIVITY_LOG,
            size: 2,
            root: B256::ZERO,
            block_number: 1,
            block_hash: B256::ZERO,
        };
        let leaf = B256::with_last_byte(index as u8);
        let proof = PlogInclusionProof { index, size: 2, leaf, path: Vec::new(), head };
        Proven { proof, asked_ms, served_ms }
    }

    fn accepted(seq: u64, due_ms: f64) -> Accepted {
        let leaf = B256::with_last_byte(seq as u8 - 1);
        Accepted { seq, entry: Default::default(), leaf, due_ms }
    }

    #[test]
    fn proofs_count_from_the_offer_and_must_be_of_the_leaf_that_was_told() {
        let told = [accepted(1, 1_000.0), accepted(2, 2_000.0)];
        let found = figures(&[proven(1, 3_000.0, 3_004.0)], &told).expect("the same leaf");
        assert_eq!((found.count, found.per_second, found.ms.p50), (1, 250.0, 4.0));
        assert_eq!(found.to_proof.p99, 1.004);
        let other = Accepted { leaf: B256::repeat_byte(9), ..accepted(2, 0.0) };
        assert!(figures(&[proven(1, 0.0, 1.0)], &[told[0].clone(), other]).is_err());
        assert!(figures(&[proven(5, 0.0, 1.0)], &told).is_err());
    }
}
