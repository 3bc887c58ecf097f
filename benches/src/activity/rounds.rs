//! One round: broker and source in turns.

use super::source::{self, TYPE};
use crate::machine::Quiet;
use eyre::{Result, ensure};
use futures::{StreamExt, TryStreamExt, future, stream, try_join};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use peruri_activity::{
    ActivityHandle,
    config::AmqpConfig,
    core::Origin,
    source::{AmqpSource, QueueSource, run_amqp},
};
use serde::Serialize;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Activities on their way at a time.
const WINDOW: usize = 1_000;
/// Batches that they are submitted in, at the same time.
const BATCHES: usize = 4;

/// Activities a second in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// Confirmed by the broker.
    pub published: f64,
    /// Delivered by the broker and acknowledged, nothing done with them.
    pub consumed: f64,
    /// Published and acknowledged at the same time, nothing done with them.
    pub passed_through: f64,
    /// Parsed and accepted in process.
    pub native: f64,
    /// From the broker's queue to rows on disk.
    pub taken_in: f64,
    /// Published and taken in at the same time, until the last row is on disk.
    pub through: f64,
}

/// A broker with a queue for this part of the round.
struct Queue {
    config: AmqpConfig,
    channel: Channel,
    _connection: Connection,
}

pub(super) async fn measure(folder: &Path, url: &str, round: usize, count: usize) -> Result<Round> {
    let here = folder.join(format!("activity-{round}"));
    std::fs::create_dir(&here)?;
    let handle = source::start(&here).await?;
    let quiet = Quiet::wait(folder)?;
    // Each part has ids of its own.
    let batch = |part: usize| (0..count).map(move |number| (round * 10 + part) * count + number);

    let queue = Queue::declare(url, &format!("bench.{round}.peer")).await?;
    let messages: Vec<String> = batch(0).map(event).collect();
    let published = timed(count, queue.publish(&messages)).await?;
    let consumed = timed(count, queue.consume(count)).await?;

    let queue = Queue::declare(url, &format!("bench.{round}.passed")).await?;
    let both = async { try_join!(queue.publish(&messages), queue.consume(count)).map(drop) };
    let passed_through = timed(count, both).await?;

    let params: Vec<String> = batch(1).map(track).collect();
    let native = timed(count, submit(&handle, params)).await?;

    let queue = Queue::declare(url, &format!("bench.{round}.taken")).await?;
    let messages: Vec<String> = batch(2).map(event).collect();
    queue.publish(&messages).await?;
    let taken_in = timed(count, queue.take_in(&handle, count, async { Ok(()) })).await?;

    let queue = Queue::declare(url, &format!("bench.{round}.through")).await?;
    let messages: Vec<String> = batch(3).map(event).collect();
    let publishing = queue.publish(&messages);
    let through = timed(count, queue.take_in(&handle, count, publishing)).await?;
    Ok(Round { quiet, published, consumed, passed_through, native, taken_in, through })
}

async fn timed(count: usize, work: impl Future<Output = Result<()>>) -> Result<f64> {
    let start = Instant::now();
    work.await?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

impl Queue {
    async fn declare(url: &str, queue: &str) -> Result<Self> {
        let prefetch = u16::try_from(WINDOW)?;
        let config = AmqpConfig { url: url.to_owned(), queue: queue.to_owned(), prefetch };
        AmqpSource::open(config.clone()).await?.close().await;
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { config, channel, _connection: connection })
    }

    /// Until the broker has confirmed all.
    async fn publish(&self, messages: &[String]) -> Result<()> {
        let published = stream::iter(messages).map(|message| self.publish_one(message));
        published.buffer_unordered(WINDOW).try_collect().await
    }

    async fn publish_one(&self, message: &str) -> Result<()> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let (exchange, key) = (self.config.queue.as_str().into(), "activity".into());
        let published =
            self.channel.basic_publish(exchange, key, options, message.as_bytes(), properties);
        let confirmation = published.await?.await?;
        ensure!(confirmation == Confirmation::Ack(None), "not confirmed");
        Ok(())
    }

    /// Acknowledges `count` messages, as many at once as the source does.
    async fn consume(&self, count: usize) -> Result<()> {
        let mut source = AmqpSource::open(self.config.clone()).await?;
        let mut left = count;
        while left > 0 {
            let deliveries = source.next(WINDOW).await?;
            let tags: Vec<u64> = deliveries.iter().map(|delivery| delivery.tag).collect();
            source.ack(&tags).await?;
            left = left.saturating_sub(tags.len());
        }
        source.close().await;
        Ok(())
    }

    /// Takes `count` messages in while `publishing` goes on.
    async fn take_in(
        &self,
        handle: &ActivityHandle,
        count: usize,
        publishing: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let goal = handle.queue()?.queued + count as u64;
        let stop = CancellationToken::new();
        let pump = tokio::spawn(run_amqp(self.config.clone(), handle.clone(), stop.clone()));
        publishing.await?;
        while handle.queue()?.queued < goal {
            ensure!(!pump.is_finished(), "the queue's task has ended");
            sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        Ok(pump.await??)
    }
}

/// As callers do who send several batches at a time.
async fn submit(handle: &ActivityHandle, params: Vec<String>) -> Result<()> {
    let batches: Vec<_> = params.chunks(WINDOW / BATCHES).map(<[_]>::to_vec).collect();
    let tasks = stream::iter(batches)
        .map(|batch| tokio::spawn(submit_batch(handle.clone(), batch)))
        .buffer_unordered(BATCHES);
    tasks.map_err(Into::into).try_for_each(future::ready).await
}

async fn submit_batch(handle: ActivityHandle, params: Vec<String>) -> Result<()> {
    let parsed = params.iter().map(|text| handle.parser().track(text));
    let submissions: Vec<_> = parsed.collect::<Result<_, _>>()?;
    for answer in handle.submit_batch(&submissions, Origin::Caller).await {
        answer?;
    }
    Ok(())
}

/// Id of activity `number`, spread as random ones are.
fn id(number: usize) -> String {
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (high, low) = (spread >> 32, spread & 0xffff_ffff);
    format!("{high:08x}-{:04x}-{:04x}-8000-{number:012x}", low >> 16, low & 0xffff)
}

/// A user, 256 bytes of payload in base64, and a salt.
fn data() -> String {
    let (payload, salt) = ("QUJD".repeat(85) + "QQ==", "5a".repeat(32));
    format!(r#""userId":"P-100","payload":"{payload}","salt":"0x{salt}""#)
}

fn track(number: usize) -> String {
    let (id, data) = (id(number), data());
    format!(r#"{{"activityId":"{id}","type":"{TYPE}","occurredAt":1767225600000,{data}}}"#)
}

fn event(number: usize) -> String {
    let (id, data) = (id(number), data());
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/bench","type":"{TYPE}","time":"2026-01-01T00:00:00Z","data":{{{data}}}}}"#
    )
}
