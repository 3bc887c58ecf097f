#![allow(clippy::unwrap_used)]

use super::{ActivityHandle, Command, Job};
use crate::{
    ActivityError, ActivityId, Completions, StatusName, SubjectKey, VoidTarget,
    core::{
        Origin, Settings,
        tests::world::{World, activity, settings, submit},
    },
    promise,
    request::{Parser, Schema, Schemas},
    rows::RowStore,
    source::{Delivery, FileSource, QueueSource, SourceError, pump},
};
use peruri_plog::{EntryType, VoidReason};
use std::{io::Write, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

fn parser() -> Parser {
    let mut schemas = Schemas::default();
    let schema = Schema { kind: EntryType::Activity, number: 1, max_bytes: 64 };
    assert!(schemas.insert("attendance".to_owned(), schema));
    Parser::new(schemas, Some(SubjectKey::new([3; 32])))
}

/// A running source on `world`; it seals at once.
async fn start(world: &World, rows: Arc<dyn RowStore>, settings: Settings) -> ActivityHandle {
    let it = || world.clone();
    let wait = Duration::from_millis(1);
    let (mark, chain, lane) = (Box::new(it()), Arc::new(it()), Arc::new(it()));
    let handle = ActivityHandle::start(settings, parser(), wait, rows, mark, chain, lane).unwrap();
    let blocks = world.0.lock().blocks.clone();
    for facts in blocks {
        handle.ask(|reply| Command::Block { facts, reply }).await.unwrap().unwrap();
    }
    handle.ask(|reply| Command::CaughtUp { reply }).await.unwrap().unwrap();
    handle
}

async fn start_on(world: &World) -> ActivityHandle {
    start(world, Arc::new(world.clone()), settings()).await
}

async fn block(world: &World, handle: &ActivityHandle) {
    world.produce();
    let facts = world.0.lock().blocks.last().cloned().unwrap();
    handle.ask(|reply| Command::Block { facts, reply }).await.unwrap().unwrap();
}

/// Blocks until everything below number `end` is included.
async fn include(world: &World, handle: &ActivityHandle, end: u64) {
    while handle.snapshot.borrow().completed_end < end {
        let sealed = |it: &crate::core::Snapshot| it.sealed_end > it.completed_end;
        handle.snapshot.clone().wait_for(sealed).await.unwrap();
        block(world, handle).await;
    }
}

async fn all(handle: &ActivityHandle) -> Completions {
    handle.completions(1, 1_000, Duration::ZERO).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_goes_from_queued_to_included_and_keeps_its_promise() {
    let world = World::new();
    let handle = start_on(&world).await;
    let submission = crate::Submission { promise: true, ..activity(1) };
    let answer = handle.submit(submission).await.unwrap();
    let Settings { key, chain_id, source, .. } = settings();
    let entry = answer.accepted.entry;
    assert_eq!(answer.promise, Some(promise::sign(&key, chain_id, source, &entry).unwrap()));
    include(&world, &handle, 2).await;
    assert_eq!(world.0.lock().entries[0].entry, entry);
    let ids = [ActivityId([1; 16]), ActivityId([2; 16])];
    let status = handle.status(&ids).unwrap();
    assert_eq!((status[0].status, status[0].leaf_index), (StatusName::Included, Some(0)));
    assert_eq!((status[1].status, status[1].source_seq), (StatusName::Unknown, None));
    assert_eq!(status[0].tx_hash, Some(all(&handle).await.items[0].tx_hash));
    let queue = handle.queue().unwrap();
    assert_eq!((queue.queued, queue.sealed, queue.oldest_ms, queue.lag_blocks), (0, 0, None, 0));
    assert!(queue.accepting && queue.stopped.is_none());
    assert!(handle.status(&[ids[0]; 1_001]).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_wait_together_share_a_sync() {
    let world = World::new();
    let handle = start_on(&world).await;
    let call = |id| {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let (requests, origin) = (vec![submit(id)], Origin::Caller);
        assert!(handle.commands.try_send(Command::Accept { requests, origin, reply }).is_ok());
        answer
    };
    let (before, calls) = {
        // The thread waits for the disk while they come.
        let held = world.0.lock();
        (held.writes, (1..=30).map(call).collect::<Vec<_>>())
    };
    let mut numbers = Vec::new();
    for call in calls {
        numbers.push(call.await.unwrap()[0].as_ref().unwrap().source_seq);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    // Each run that is sealed writes twice and is offered once. For the rest there are two groups,
    // and the mark, which is raised and may be noted.
    let inner = world.0.lock();
    let writes = inner.writes - before - 3 * inner.released.len() as u32;
    assert!(writes <= 5, "{writes} writes");
}

#[test]
fn who_waits_for_an_answer_comes_before_sealing() {
    let mut core = World::new().start().unwrap();
    let requests: Vec<_> = (1..=30).map(|id| (submit(id), Origin::Caller)).collect();
    core.accept(&requests, 1).unwrap();
    let (sender, commands) = mpsc::channel(1);
    let (snapshot, _) = watch::channel(core.snapshot());
    let batch_max = settings().batch_max as u64;
    let mut job = Job { core, commands, snapshot, batch_max, batch_wait: Duration::ZERO };
    job.seal(1, true);
    assert_eq!(job.core.unsealed(), 30 - batch_max);
    let (reply, _answer) = oneshot::channel();
    assert!(sender.try_send(Command::RetryRefused { reply }).is_ok());
    job.seal(1, false);
    assert_eq!(job.core.unsealed(), 30 - 2 * batch_max);
    job.commands.try_recv().unwrap();
    job.seal(1, false);
    assert_eq!(job.core.unsealed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_wait_come_in_order_and_are_the_same_when_replayed() {
    let world = World::new();
    let handle = start_on(&world).await;
    let none = handle.completions(1, 10, Duration::from_millis(5)).await.unwrap();
    assert_eq!(none, Completions { items: Vec::new(), next: 1 });
    let waiting = {
        let handle = handle.clone();
        tokio::spawn(
            async move { handle.completions(1, 2, Duration::from_secs(60)).await.unwrap() },
        )
    };
    let old = world.0.lock().rows.clone();
    for id in 1..=5 {
        handle.submit(activity(id)).await.unwrap();
    }
    include(&world, &handle, 6).await;
    let first = waiting.await.unwrap();
    let numbers: Vec<_> = first.items.iter().map(|item| item.source_seq).collect();
    assert!(!numbers.is_empty() && numbers[0] == 1 && numbers.len() <= 2, "{numbers:?}");
    assert_eq!(first.next, numbers.len() as u64 + 1);
    let live = all(&handle).await;
    assert_eq!((live.items.len(), live.next), (5, 6));
    for wrong in
        [handle.completions(0, 1, Duration::ZERO), handle.completions(1, 1_001, Duration::ZERO)]
    {
        assert_eq!(wrong.await.unwrap_err().code(), -32602);
    }
    // The same blocks once more, for an inbox of before.
    handle.close().await.unwrap();
    world.0.lock().rows = old;
    let again = start_on(&world).await;
    assert_eq!(all(&again).await, live);
    // And from the chain alone.
    again.close().await.unwrap();
    world.0.lock().rows.clear();
    let rebuilt = start_on(&world).await;
    assert_eq!(rebuilt.queue().unwrap().stopped, None);
    assert_eq!(all(&rebuilt).await, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_mark_callers_are_told_and_everything_is_drained_afterwards() {
    let world = World::new();
    let handle = start_on(&world).await;
    let submissions: Vec<_> = (1..=50).map(activity).collect();
    let answers = handle.submit_batch(&submissions, Origin::Caller).await;
    let full = answers
        .iter()
        .filter(|answer| **answer == Err(ActivityError::Full { retry_after_ms: 200 }));
    assert_eq!((answers.iter().filter(|it| it.is_ok()).count(), full.count()), (40, 10));
    assert!(!handle.queue().unwrap().accepting);
    let room = {
        let handle = handle.clone();
        tokio::spawn(async move { handle.room().await })
    };
    include(&world, &handle, 41).await;
    room.await.unwrap().unwrap();
    let answers = handle.submit_batch(&submissions, Origin::Caller).await;
    let numbers: Vec<_> =
        answers.iter().map(|it| it.as_ref().unwrap().accepted.source_seq).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_storage_cannot_write_is_told_to_nobody() {
    let world = World::new();
    let handle = start_on(&world).await;
    world.0.lock().crash = Some((0, true));
    assert_eq!(handle.submit(activity(1)).await.unwrap_err().code(), -32603);
    assert_eq!(handle.submit(activity(2)).await.unwrap_err().code(), -32013);
    let target = VoidTarget::Activity(ActivityId([1; 16]));
    assert!(handle.void(target, VoidReason::Operator).await.is_err());
    assert_eq!(handle.queue().unwrap().stopped.unwrap().name(), "storage failed");
}

fn event(id: u8, user: &str) -> String {
    let (id, salt) = (ActivityId([id; 16]), "11".repeat(32));
    let data = format!(r#"{{"userId":"{user}","payload":"e30=","salt":"0x{salt}"}}"#);
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/x","type":"attendance","time":"2026-01-01T00:00:00Z","data":{data}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_in_and_its_bad_lines_are_kept_by_reason() {
    let world = World::new();
    let handle = start_on(&world).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let long = "x".repeat(handle.parser().largest_message() * 3);
    let unknown = event(4, "u").replace("\"specversion\"", "\"CANARY-MEMBER\":1,\"specversion\"");
    let lines = [
        event(1, "u"),
        "{".to_owned(),
        event(2, "u") + "\r",
        long,
        String::new(),
        event(1, "u"),
        event(1, "other"),
        unknown,
    ];
    file.write_all(lines.join("\n").as_bytes()).unwrap();
    file.write_all(b"\n\xff\xfe\n").unwrap();
    for _ in 0..2 {
        let mut source =
            FileSource::open(file.path(), handle.parser().largest_message()).await.unwrap();
        pump(&mut source, &handle, &CancellationToken::new()).await.unwrap();
        assert_eq!(handle.snapshot.borrow().highest, 2);
    }
    let letters = handle.dead_letters(100).unwrap();
    assert_eq!(letters.len(), 10);
    let reasons: Vec<_> = letters[..5].iter().map(|it| it.reason.as_str()).collect();
    let expected = [
        "message: expected a JSON object without repeated members",
        "message: too long",
        "unknown member",
        "message: not UTF-8",
        "the activity was accepted as number 1 with another subject",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(letters[0].sha256, letters[5].sha256);
    assert!(FileSource::open(std::path::Path::new("absent"), 1).await.is_err());
}

/// What a pump asked of a queue.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Ack(Vec<u64>),
    Reject(u64),
    Pause,
}

/// Delivers what it has, and when it is paused the rest; then waits for ever.
struct Scripted {
    deliveries: Vec<Delivery>,
    prefetched: Vec<Delivery>,
    asked: mpsc::UnboundedSender<Asked>,
}

impl Scripted {
    fn new(messages: &[String], prefetched: usize) -> (Self, mpsc::UnboundedReceiver<Asked>) {
        let deliveries = (1..).zip(messages);
        let deliveries = deliveries.map(|(tag, it)| Delivery { tag, message: it.clone().into() });
        let mut deliveries: Vec<_> = deliveries.collect();
        let prefetched = deliveries.split_off(deliveries.len() - prefetched);
        let (asked, told) = mpsc::unbounded_channel();
        (Self { deliveries, prefetched, asked }, told)
    }

    fn note(&self, asked: Asked) -> Result<(), SourceError> {
        self.asked.send(asked).map_err(|error| SourceError(error.into()))
    }
}

impl QueueSource for Scripted {
    async fn next(&mut self, _: usize) -> Result<Vec<Delivery>, SourceError> {
        match std::mem::take(&mut self.deliveries) {
            none if none.is_empty() => std::future::pending().await,
            some => Ok(some),
        }
    }

    async fn ack(&mut self, tags: &[u64]) -> Result<(), SourceError> {
        self.note(Asked::Ack(tags.to_vec()))
    }

    async fn reject(&mut self, tag: u64, _: &ActivityError) -> Result<(), SourceError> {
        self.note(Asked::Reject(tag))
    }

    async fn pause(&mut self) -> Result<Vec<Delivery>, SourceError> {
        self.note(Asked::Pause)?;
        Ok(std::mem::take(&mut self.prefetched))
    }

    fn lag(&self) -> Option<u64> {
        None
    }
}

/// A pump that runs until the token is cancelled.
struct Pumping {
    told: mpsc::UnboundedReceiver<Asked>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), crate::source::PumpError>>,
}

impl Pumping {
    fn start(handle: &ActivityHandle, messages: &[String], prefetched: usize) -> Self {
        let (mut source, told) = Scripted::new(messages, prefetched);
        let (handle, stop) = (handle.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move { pump(&mut source, &handle, &stopped).await });
        Self { told, stop, task }
    }

    async fn next(&mut self) -> Asked {
        let told = tokio::time::timeout(Duration::from_secs(20), self.told.recv()).await;
        told.expect("the pump asks").unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_rejected_while_others_wait_for_room() {
    let world = World::new();
    let settings = Settings { inbox_mark: 2, prefetch: 0, ..settings() };
    let handle = start(&world, Arc::new(world.clone()), settings).await;
    let messages: Vec<_> = (1..=4).map(|id| event(id, "u")).chain(["{".to_owned()]).collect();
    let mut pumping = Pumping::start(&handle, &messages, 0);
    // The chain stands still.
    assert_eq!(pumping.next().await, Asked::Reject(5));
    include(&world, &handle, 5).await;
    pumping.end().await;
    assert_eq!(handle.snapshot.borrow().highest, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_mark_a_queue_pauses_before_it_could_deliver_more() {
    let world = World::new();
    let settings = Settings { inbox_mark: 3, prefetch: 5, ..settings() };
    let handle = start(&world, Arc::new(world.clone()), settings).await;
    let messages: Vec<_> = (1..=7).map(|id| event(id, "u")).collect();
    let mut pumping = Pumping::start(&handle, &messages, 3);
    // Four fill the inbox beyond its mark; of the three that were delivered already all have room.
    assert_eq!(pumping.next().await, Asked::Pause);
    assert_eq!(pumping.next().await, Asked::Ack(vec![1, 2, 3, 4]));
    assert_eq!(pumping.next().await, Asked::Pause);
    assert_eq!(pumping.next().await, Asked::Ack(vec![5, 6, 7]));
    assert_eq!(handle.snapshot.borrow().highest, 7);
    assert!(!handle.has_room());
    pumping.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pump_ends_with_the_node_wherever_it_waits() {
    let world = World::new();
    let settings = Settings { inbox_mark: 1, prefetch: 0, ..settings() };
    let handle = start(&world, Arc::new(world.clone()), settings).await;
    // For a message.
    let idle = Pumping::start(&handle, &[], 0);
    // For room, with a message in its hands.
    let mut full = Pumping::start(&handle, &[event(1, "u"), event(2, "u")], 0);
    assert_eq!(full.next().await, Asked::Pause);
    assert_eq!(full.next().await, Asked::Ack(vec![1]));
    idle.end().await;
    full.end().await;
    // The source ends first: that is told.
    let (mut source, _told) = Scripted::new(&[event(3, "u")], 0);
    handle.close().await.unwrap();
    let ended = pump(&mut source, &handle, &CancellationToken::new()).await;
    assert!(matches!(ended, Err(crate::source::PumpError::Activity(_))), "{ended:?}");
}
