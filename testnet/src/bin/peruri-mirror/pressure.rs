//! The chain stands still and callers go on: memory is bounded, callers are told, and afterwards
//! everything goes through.

use crate::{
    network::{GATEWAY, LIMIT, MirrorNetwork},
    told::Told,
};
use peruri_testnet::{Judge, MadeActivity, MirrorSetup, Result, TestnetError, activities};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// Submissions a second.
const RATE: u64 = 200;
/// How much of what is offered fits: the rest is put off.
const SHARE: u64 = 2;
/// Memory that the inbox may take, KiB.
const MORE_MEMORY: u64 = 64 << 10;

pub(crate) async fn play(program: &Path, seconds: u64, judge: &mut Judge) -> Result<()> {
    let offered = RATE * seconds;
    let setup = MirrorSetup { inbox_mark: offered / SHARE, ..MirrorSetup::new(1) };
    let mut network = MirrorNetwork::start(program, 1, setup).await?;
    let caller = network.caller()?;
    let made = activities(3, usize::try_from(offered).unwrap_or(usize::MAX));
    network.stall().await?;
    let before = memory(&network)?;
    let mut told = Told::default();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for batch in made.chunks((RATE / 10) as usize) {
        ticks.tick().await;
        let params: Vec<Value> = batch.iter().map(MadeActivity::track).collect();
        told.submit(&caller, &params).await?;
    }
    let grown = memory(&network)?.saturating_sub(before);
    let accepted = told.accepted.len() as u64;
    judge.expect(
        &format!("of {offered} offered the inbox took {accepted}, the others were put off"),
        accepted == offered / SHARE && told.put_off as u64 == offered - accepted,
        format!("{} put off", told.put_off),
    );
    judge.expect(&format!("memory grew by {grown} KiB"), grown <= MORE_MEMORY, grown);
    let queue = caller.queue().await?;
    judge.expect(
        "the queue says so",
        !queue.accepting && queue.stopped.is_none(),
        format!("{queue:?}"),
    );
    network.go_on().await?;
    told.submit_all(&caller, &made).await?;
    caller.through(told.highest() + 1, LIMIT).await?;
    let findings = told.compare(&network.gateway(), &network).await?;
    let whole = findings.is_clean() && findings.entries == made.len() && told.wrong.is_empty();
    judge.expect("everything goes through afterwards", whole, format!("{findings:?}"));
    network.stop().await
}

/// Resident memory of the node that mirrors, KiB.
fn memory(network: &MirrorNetwork) -> Result<u64> {
    let pid = network.cluster.member(GATEWAY).pid().unwrap_or_default();
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(TestnetError::io(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default())
}
