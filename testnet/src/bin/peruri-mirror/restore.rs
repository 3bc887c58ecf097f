//! A data folder is restored from an older copy; the mark, which lies outside, is not.

use crate::{
    network::{GATEWAY, LIMIT, MirrorNetwork},
    told::Told,
};
use peruri_rpc_api::ActivityNumbers;
use peruri_testnet::{Judge, MirrorClient, MirrorSetup, Result, TestnetError, activities};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Activities before the copy, after it, and while the chain stands still.
const EACH: usize = 300;
/// How often the queue is asked.
const POLL: Duration = Duration::from_millis(50);

pub(crate) async fn play(program: &Path, judge: &mut Judge) -> Result<()> {
    let mut network = MirrorNetwork::start(program, 1, MirrorSetup::new(1)).await?;
    let caller = network.caller()?;
    let made = activities(5, 3 * EACH);
    let mut told = Told::default();
    told.submit_all(&caller, &made[..EACH]).await?;
    network.cluster.kill(GATEWAY).await?;
    copy(&network, "data", "copy")?;
    network.cluster.start(GATEWAY).await?;
    caller.accepting(LIMIT).await?;
    told.submit_all(&caller, &made[EACH..2 * EACH]).await?;
    caller.through(told.highest() + 1, LIMIT).await?;
    network.stall().await?;
    told.submit_all(&caller, &made[2 * EACH..]).await?;
    sealed(&caller).await?;
    let waiting = pending(&network).await?;
    judge.expect("transactions wait in a validator's pool", !waiting.is_empty(), waiting.len());
    network.cluster.kill(GATEWAY).await?;
    copy(&network, "copy", "data")?;
    network.cluster.start(GATEWAY).await?;
    network.go_on().await?;
    let lost = in_doubt(&caller, told.highest()).await;
    let Some(lost) = judge.check("what may have been told is in doubt", lost) else {
        network.keep();
        return Ok(());
    };
    let refused = caller.call("activity_track", json!([made[0].track()])).await;
    judge.expect("nothing is accepted meanwhile", refused.is_err(), "");
    let void = json!([{"from": lost.from, "to": lost.to, "reason": 4}]);
    judge.check("an operator gives these numbers up", caller.call("activity_void", void).await);
    caller.accepting(LIMIT).await?;
    told.submit_all(&caller, &made).await?;
    let wrong = &told.wrong;
    judge.expect("numbers told before the restore stay", wrong.is_empty(), format!("{wrong:?}"));
    caller.through(lost.to + 1, LIMIT).await?;
    let findings = told.compare(&network.gateway(), &network).await?;
    let voids = usize::try_from(lost.to + 1 - lost.from).unwrap_or(usize::MAX);
    let whole =
        findings.is_clean() && (findings.entries, findings.voids) == (made.len() + voids, voids);
    judge.expect("every activity has one entry, at its number", whole, format!("{findings:?}"));
    let mut more = activities(6, 10);
    more.iter_mut().for_each(|it| it.occurred_at += 1);
    told.submit_all(&caller, &more).await?;
    let next = told.accepted[&more[0].id].source_seq;
    judge.expect("numbers go on after those that were given up", next == lost.to + 1, next);
    for (nonce, hash) in waiting {
        let receipt = network.gateway().receipt(hash.parse().unwrap_or_default()).await?;
        judge.expect(
            &format!("nonce {nonce} has the transaction that waited"),
            receipt.is_some(),
            hash,
        );
    }
    network.stop().await
}

/// Waits until the source is in doubt about exactly the numbers after `highest`.
async fn in_doubt(caller: &MirrorClient, highest: u64) -> Result<ActivityNumbers> {
    let end = Instant::now() + LIMIT;
    let mut last = None;
    while Instant::now() < end {
        let queue = caller.queue().await?;
        let about = queue.in_doubt.filter(|it| it.from == highest + 1);
        if let Some(numbers) = about.filter(|_| queue.stopped.as_deref() == Some("in doubt")) {
            return Ok(numbers);
        }
        last = Some(queue);
        tokio::time::sleep(POLL).await;
    }
    let what = format!("doubt about the numbers after {highest} (last: {last:?})");
    Err(TestnetError::Timeout { what, limit: LIMIT })
}

/// Waits until all that is accepted is sealed.
async fn sealed(caller: &MirrorClient) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while caller.queue().await?.queued > 0 {
        if Instant::now() > end {
            let what = "that everything is sealed".to_owned();
            return Err(TestnetError::Timeout { what, limit: LIMIT });
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// The source's transactions in the pool of the validator that is left, by nonce.
async fn pending(network: &MirrorNetwork) -> Result<BTreeMap<String, String>> {
    let validator = network.cluster.member(0).client();
    let signer = network.setup.signer()?;
    let content = validator.call("txpool_contentFrom", json!([signer])).await?;
    let hash = |tx: &Value| tx["hash"].as_str().unwrap_or_default().to_owned();
    let pending = content["pending"].as_object().into_iter().flatten();
    Ok(pending.map(|(nonce, tx)| (nonce.clone(), hash(tx))).collect())
}

/// Copies a folder of the node in the place of another.
fn copy(network: &MirrorNetwork, from: &str, to: &str) -> Result<()> {
    let folder = &network.cluster.member(GATEWAY).folder;
    let io = || TestnetError::io(folder.join(to).display().to_string());
    let target = folder.join(to);
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(io())?;
    }
    let status = Command::new("cp").arg("-a").args([folder.join(from), target]).status();
    match status.map_err(io())?.success() {
        true => Ok(()),
        false => Err(io()(std::io::Error::other("cp failed"))),
    }
}
