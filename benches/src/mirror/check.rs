//! What must hold after each round.

use super::{
    load::Accepted,
    stage::{LIMIT, Stage},
};
use eyre::{OptionExt, Result, ensure};
use peruri_rpc_api::PlogEntry;
use peruri_testnet::ACTIVITY_LOG;
use serde_json::json;

/// Entries that are read at a time.
const PAGE: usize = 1_000;

/// Numbers go on at `first` without a gap; the log holds for each number the entry that was told, and
/// nothing else; all validators have the same head and the same log.
///
/// # Errors
/// If something is lost, doubled or different.
pub(super) async fn check(stage: &Stage, first: u64, accepted: &[Accepted]) -> Result<()> {
    without_gaps(first, accepted)?;
    let client = stage.client();
    let mut told = accepted.iter();
    for page in 0..accepted.len().div_ceil(PAGE) {
        let from = first - 1 + (page * PAGE) as u64;
        let entries = client.call("plog_getEntries", json!([ACTIVITY_LOG, from, PAGE])).await?;
        for found in serde_json::from_value::<Vec<PlogEntry>>(entries)? {
            let told = told.next().ok_or_eyre("the log has more entries than were accepted")?;
            let same = found.entry == told.entry && found.index + 1 == told.seq;
            ensure!(same, "entry {} is not what was told as number {}", found.index, told.seq);
        }
    }
    ensure!(told.next().is_none(), "{} accepted activities are not in the log", told.len() + 1);
    same_everywhere(stage, first - 1 + accepted.len() as u64).await
}

fn without_gaps(first: u64, accepted: &[Accepted]) -> Result<()> {
    for (number, told) in (first..).zip(accepted) {
        ensure!(told.seq == number, "number {} follows {}", told.seq, number - 1);
    }
    Ok(())
}

/// All validators have the block that the first has now, and a log of `size` entries with one root.
async fn same_everywhere(stage: &Stage, size: u64) -> Result<()> {
    let head = stage.client().block_number().await?;
    let mut all = Vec::new();
    for member in stage.cluster.members() {
        let client = member.client();
        client.wait_block(head, LIMIT).await?;
        let block = client.block(format!("{head:#x}")).await?.ok_or_eyre("no head")?;
        let log = client.call("plog_getLog", json!([ACTIVITY_LOG])).await?;
        ensure!(log["size"] == size, "{}: {size} entries expected, got {log}", member.name);
        all.push((block["hash"].clone(), log["root"].clone()));
    }
    ensure!(all.iter().all(|it| *it == all[0]), "the validators differ: {all:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    #[test]
    fn a_number_that_is_missing_or_given_twice_is_found() {
        let told = |seq| Accepted { seq, entry: Default::default(), leaf: B256::ZERO, due_ms: 0.0 };
        assert!(without_gaps(3, &[told(3), told(4)]).is_ok());
        for numbers in [[3, 5], [3, 3], [4, 5]] {
            assert!(without_gaps(3, &numbers.map(told)).is_err(), "{numbers:?}");
        }
    }
}
