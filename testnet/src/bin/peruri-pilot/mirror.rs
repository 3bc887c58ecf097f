//! The main job: activities go in by JSON-RPC, become entries of the log in the next block, and an
//! auditor verifies receipts of some of them.

use crate::{
    LIMIT,
    log::{self, ShownLog},
    network::Pilot,
    steps::Steps,
};
use eyre::{Result, bail, ensure};
use peruri_rpc_api::{ActivityAccepted, ActivityBatchItem, ActivityCompletion};
use peruri_testnet::{
    ACTIVITY_LOG, MadeActivity, MirrorClient, MirrorSetup, activities, check_entries,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// Activities, and how many of them go in at a time.
const COUNT: usize = 1_000;
const BATCH: usize = 100;
/// A receipt is verified for each one in so many.
const ONE_IN: usize = 100;
/// Pause between batches: some fall early in a block's period and some late.
const PAUSE: Duration = Duration::from_millis(400);
/// Longest wait for a completion.
const WAIT: Duration = Duration::from_secs(10);
/// Blocks until a header carries the seals of all validators.
const SOON: u64 = 2;
/// What the activities are made from: the same ones in every run.
const SEED: u64 = 2_026;

/// When activities became final after they had been sent.
struct Mirrored {
    accepted: Vec<ActivityAccepted>,
    completions: Vec<ActivityCompletion>,
    /// Sorted.
    times: Vec<Duration>,
}

/// Mirrors activities and shows what came of them.
pub(crate) async fn show(pilot: &Pilot, log: &ShownLog, steps: &mut Steps) -> Result<()> {
    let made = activities(SEED, COUNT);
    write_file(pilot, &made)?;
    let client = pilot.mirror_client()?;
    client.accepting(LIMIT).await?;
    let mirrored = mirror(&client, &made).await?;
    let (p50, p99) = (mirrored.percentile(50), mirrored.percentile(99));
    steps.done(&format!(
        "mirror: {COUNT} activities by JSON-RPC, all final; from submission p50 {:.2} s, p99 {:.2} s",
        p50.as_secs_f64(),
        p99.as_secs_f64()
    ));
    statuses(&client, &made, steps).await?;
    promises(pilot, &mirrored.accepted).await?;
    heads(pilot, steps).await?;
    receipts(pilot, log, &made, &mirrored.completions, steps).await
}

/// What CI3 would send, for people to look at.
fn write_file(pilot: &Pilot, made: &[MadeActivity]) -> Result<()> {
    let lines: String = made.iter().map(|it| format!("{}\n", it.track())).collect();
    Ok(fs::write(pilot.folder().join("activities.ndjson"), lines)?)
}

/// Hands in all activities while another task follows the completions.
async fn mirror(client: &MirrorClient, made: &[MadeActivity]) -> Result<Mirrored> {
    let first = match submit(client, &made[..BATCH]).await? {
        (sent, accepted) if !accepted.is_empty() => (sent, accepted),
        _ => bail!("nothing was accepted"),
    };
    let from = first.1[0].source_seq;
    let submitting = async {
        let (mut sent, mut accepted) = (vec![first.0; first.1.len()], first.1);
        for batch in made[BATCH..].chunks(BATCH) {
            tokio::time::sleep(PAUSE).await;
            let (at, answers) = submit(client, batch).await?;
            sent.extend(vec![at; answers.len()]);
            accepted.extend(answers);
        }
        Ok::<_, eyre::Report>((sent, accepted))
    };
    let ((sent, accepted), completions) =
        tokio::try_join!(submitting, complete(client, from, made.len()))?;
    let mut times = Vec::new();
    for ((told, sent), (completion, at)) in accepted.iter().zip(sent).zip(&completions) {
        ensure!(
            (Some(&told.activity_id), told.source_seq, "included")
                == (completion.activity_id.as_ref(), completion.source_seq, &*completion.status),
            "told {told:?}, completed {completion:?}"
        );
        times.push(at.saturating_duration_since(sent));
    }
    times.sort_unstable();
    let completions = completions.into_iter().map(|(completion, _)| completion).collect();
    Ok(Mirrored { accepted, completions, times })
}

async fn submit(
    client: &MirrorClient,
    batch: &[MadeActivity],
) -> Result<(Instant, Vec<ActivityAccepted>)> {
    let sent = Instant::now();
    let answers = client.track(batch).await?.into_iter().map(|answer| match answer {
        ActivityBatchItem::Accepted(accepted) => Ok(accepted),
        ActivityBatchItem::Refused { error } => bail!("refused: {error:?}"),
    });
    Ok((sent, answers.collect::<Result<_>>()?))
}

/// `count` completions from a number on, with the time at which they were told.
async fn complete(
    client: &MirrorClient,
    from: u64,
    count: usize,
) -> Result<Vec<(ActivityCompletion, Instant)>> {
    let (mut all, mut from, begin) = (Vec::new(), from, Instant::now());
    while all.len() < count {
        ensure!(begin.elapsed() < LIMIT, "{} of {count} are final", all.len());
        let found = client.completions(from, WAIT).await?;
        let at = Instant::now();
        from = found.next;
        all.extend(found.items.into_iter().map(|item| (item, at)));
    }
    Ok(all)
}

impl Mirrored {
    fn percentile(&self, percent: usize) -> Duration {
        let at = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }
}

async fn statuses(client: &MirrorClient, made: &[MadeActivity], steps: &mut Steps) -> Result<()> {
    let ids: Vec<&str> = made.iter().map(|it| it.id.as_str()).collect();
    let mut counts = BTreeMap::new();
    for status in client.statuses(&ids).await? {
        *counts.entry(status.status).or_insert(0usize) += 1;
    }
    ensure!(counts == BTreeMap::from([("included".to_owned(), made.len())]), "{counts:?}");
    let queue = client.queue().await?;
    ensure!((queue.queued, queue.sealed) == (0, 0), "{queue:?}");
    steps.detail(&format!("statuses: {counts:?}; queue empty, accepting: {}", queue.accepting));
    Ok(())
}

/// The entries of the source are what was accepted, at the promised numbers.
async fn promises(pilot: &Pilot, accepted: &[ActivityAccepted]) -> Result<()> {
    let MirrorSetup { source, .. } = pilot.mirror();
    let told = accepted.iter().map(|told| (told.activity_id.clone(), told.clone())).collect();
    let signer = pilot.mirror().signer()?;
    let findings = check_entries(&pilot.gateway(), *source, signer, &told).await?;
    ensure!(findings.is_clean() && findings.entries == accepted.len(), "{findings:?}");
    Ok(())
}

/// All nodes have the same log.
async fn heads(pilot: &Pilot, steps: &mut Steps) -> Result<()> {
    let head = pilot.gateway().block_number().await?;
    let mut logs = Vec::new();
    for node in pilot.nodes() {
        pilot.client(node).wait_block(head, LIMIT).await?;
        let log = pilot.client(node).call("plog_getLog", json!([ACTIVITY_LOG])).await?;
        logs.push((log["size"].clone(), log["root"].clone()));
    }
    let (size, root) = &logs[0];
    ensure!(logs.iter().all(|log| *log == logs[0]), "the nodes have other logs: {logs:?}");
    steps.detail(&format!("every promise holds; all nodes have {size} entries, root {root}"));
    Ok(())
}

/// A receipt of one in a hundred, verified with its payload and without a network.
async fn receipts(
    pilot: &Pilot,
    log: &ShownLog,
    made: &[MadeActivity],
    completions: &[ActivityCompletion],
    steps: &mut Steps,
) -> Result<()> {
    let client = pilot.gateway();
    let last = completions.iter().map(|it| it.block_number).max().unwrap_or_default();
    client.wait_block(last + SOON, LIMIT).await?;
    let (mut verified, mut offline) = (0, true);
    for (activity, completion) in made.iter().zip(completions).step_by(ONE_IN) {
        let index = completion.leaf_index;
        let receipt = log::receipt(&client, index, json!({ "seals": 3 })).await?;
        let file = log.named(&format!("activity-{index}"));
        fs::write(&file, format!("{receipt}\n"))?;
        log.verifier().both_policies(&file)?;
        let payload = pilot.folder().join(format!("payloads/activity-{index}.json"));
        fs::write(&payload, &activity.payload)?;
        let salt = activity.salt.to_string();
        offline &= log.verifier().without_network(&file, &payload, &salt)?.is_ok();
        verified += 1;
    }
    let how = if offline { "without any network" } else { "(NOT shown without a network)" };
    steps.done(&format!(
        "{verified} receipts of these activities, one in {ONE_IN}, verified with their payloads {how}"
    ));
    Ok(())
}
