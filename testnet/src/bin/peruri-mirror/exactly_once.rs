//! Each activity comes several times, in any order, while nodes are killed and blocks fail to come.

use crate::{
    Arguments,
    faults::{self, Counts, Fault},
    network::{LIMIT, MirrorNetwork},
    queue::{self, Publisher},
    told::Told,
};
use peruri_rpc_api::ActivityAccepted;
use peruri_test_utils::RabbitMq;
use peruri_testnet::{
    Judge, MadeActivity, MirrorClient, MirrorSetup, Result, TestnetError, activities,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Most often that one activity is delivered.
const MOST: usize = 5;
/// Deliveries in a call, at most.
const CALL: usize = 40;
/// A call that failed is repeated after this.
const AGAIN: Duration = Duration::from_millis(50);

pub(crate) async fn play(arguments: &Arguments, judge: &mut Judge) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}");
    let mut broker = queue::start(judge)?;
    let queues = broker.as_ref().map(queue::section).unwrap_or_default();
    let setup = MirrorSetup { queues, ..MirrorSetup::new(1) };
    let mut network = MirrorNetwork::start(&arguments.node, 1, setup).await?;
    let made = activities(seed, arguments.activities);
    let mut random = StdRng::seed_from_u64(seed);
    let mut publisher = broker.as_ref().map(|broker| Publisher::new(broker.url()));
    let deliveries = deliveries(&made, &network.setup, publisher.is_some(), &mut random);
    let plan = faults::plan(arguments.faults, broker.is_some(), &mut random);
    let caller = network.caller()?;
    let (done, progress) = watch::channel(0usize);
    let stall = Duration::from_secs(arguments.stall);
    let mut told = Told::default();
    let (counts, ()) = tokio::try_join!(
        disturb((&mut network, broker.as_mut()), &plan, stall, &mut random, done),
        deliver((&caller, publisher.as_mut()), &deliveries, plan.len(), progress, &mut told),
    )?;
    let calm = conclude(&network, &caller, &made, &mut told, judge).await;
    judge.check("everything is through", calm);
    judge.expect("no answer ever changed", told.wrong.is_empty(), format!("{:?}", told.wrong));
    eprintln!(
        "      {} deliveries of {} activities, {} put off, faults {counts:?}",
        deliveries.len(),
        made.len(),
        told.put_off
    );
    if judge.is_clean() {
        return network.stop().await;
    }
    network.keep();
    Ok(())
}

/// One delivery of an activity.
enum Delivery {
    Call(Value),
    Message(String),
}

/// Every activity one to five times, in any order, in either form and by either way.
fn deliveries(
    made: &[MadeActivity],
    setup: &MirrorSetup,
    broker: bool,
    random: &mut StdRng,
) -> Vec<Delivery> {
    let mut all = Vec::new();
    for activity in made {
        for _ in 0..random.random_range(1..=MOST) {
            all.push(match random.random_range(0..3) {
                0 if broker => Delivery::Message(activity.event()),
                0 | 1 => Delivery::Call(activity.track()),
                _ => Delivery::Call(activity.submit(&setup.subject_key.0)),
            });
        }
    }
    all.shuffle(random);
    all
}

/// Plays the faults one after the other.
async fn disturb(
    (network, mut broker): (&mut MirrorNetwork, Option<&mut RabbitMq>),
    plan: &[Fault],
    stall: Duration,
    random: &mut StdRng,
    done: watch::Sender<usize>,
) -> Result<Counts> {
    let mut counts = Counts::new();
    for (number, fault) in plan.iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..1_500))).await;
        faults::play(network, broker.as_deref_mut(), *fault, stall, random).await?;
        *counts.entry(*fault).or_default() += 1;
        done.send_replace(number + 1);
    }
    Ok(counts)
}

/// Delivers as the faults go on, so that there is something to disturb until the end. A call that was
/// not answered is made again: nobody knows whether it arrived.
async fn deliver(
    (caller, mut publisher): (&MirrorClient, Option<&mut Publisher>),
    deliveries: &[Delivery],
    faults: usize,
    mut progress: watch::Receiver<usize>,
    told: &mut Told,
) -> Result<()> {
    let mut at = 0;
    while at < deliveries.len() {
        let share = deliveries.len() * (*progress.borrow_and_update() + 1) / faults.max(1);
        let end = share.min(deliveries.len()).min(at + CALL);
        if end == at {
            // An error means that all faults were played.
            let _ = progress.changed().await;
            continue;
        }
        let (mut waiting, mut messages) = (Vec::new(), Vec::new());
        for delivery in &deliveries[at..end] {
            match delivery {
                Delivery::Call(params) => waiting.push(params.clone()),
                Delivery::Message(message) => messages.push(message.clone()),
            }
        }
        if let Some(publisher) = publisher.as_deref_mut() {
            while !publisher.publish(&messages).await {
                tokio::time::sleep(AGAIN).await;
            }
        }
        while !waiting.is_empty() {
            match told.submit(caller, &waiting).await {
                Ok(again) => waiting = again.into_iter().map(|it| waiting[it].clone()).collect(),
                Err(error) if error.is_connection() => {}
                Err(error) => return Err(error),
            }
            if !waiting.is_empty() {
                tokio::time::sleep(AGAIN).await;
            }
        }
        at = end;
    }
    Ok(())
}

/// Waits until the mirror knows all activities: what the broker has confirmed comes by itself. Returns
/// their numbers.
async fn all_known(caller: &MirrorClient, made: &[MadeActivity]) -> Result<BTreeMap<String, u64>> {
    let end = Instant::now() + LIMIT;
    let mut missing = made.len();
    while Instant::now() < end {
        let mut numbers = BTreeMap::new();
        for part in made.chunks(1_000) {
            let ids: Vec<&str> = part.iter().map(|it| it.id.as_str()).collect();
            let known = caller.statuses(&ids).await?.into_iter();
            numbers.extend(known.filter_map(|it| Some((it.activity_id, it.source_seq?))));
        }
        missing = made.len() - numbers.len();
        if missing == 0 {
            return Ok(numbers);
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(TestnetError::Timeout { what: format!("{missing} activities at the mirror"), limit: LIMIT })
}

/// Waits until all is through and compares log and answers.
async fn conclude(
    network: &MirrorNetwork,
    caller: &MirrorClient,
    made: &[MadeActivity],
    told: &mut Told,
    judge: &mut Judge,
) -> Result<()> {
    caller.accepting(LIMIT).await?;
    let numbers = all_known(caller, made).await?;
    told.submit_all(caller, made).await?;
    let same = |told: &ActivityAccepted| numbers.get(&told.activity_id) == Some(&told.source_seq);
    let kept = told.accepted.values().all(same) && told.accepted.len() == made.len();
    judge.expect("every activity that was delivered has its number", kept, numbers.len());
    let end = told.highest() + 1;
    caller.through(end, LIMIT).await?;
    let queue = caller.queue().await?;
    let empty = (queue.queued, queue.sealed) == (0, 0) && queue.stopped.is_none();
    judge.expect("the queue is empty", empty, format!("{queue:?}"));
    let head = network.gateway().block_number().await?;
    for member in network.cluster.members() {
        member.client().wait_block(head, LIMIT).await?;
        let findings = told.compare(&member.client(), network).await?;
        let name = format!(
            "{}: {} entries, as many as were accepted, each once, every promise kept",
            member.name, findings.entries
        );
        let whole = findings.is_clean() && findings.entries == made.len() && findings.voids == 0;
        judge.expect(&name, whole, format!("{findings:?}"));
    }
    let letters = caller.call("activity_deadLetters", json!([])).await?;
    judge.expect("nothing became a dead letter", letters == json!([]), &letters);
    if end != made.len() as u64 + 1 {
        return Err(TestnetError::Answer {
            method: "the numbers".to_owned(),
            expected: "1 to the number of activities",
            got: format!("up to {}", end - 1),
        });
    }
    Ok(())
}
