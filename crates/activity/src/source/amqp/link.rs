//! One connection to the broker, until it is lost.

use super::names::Names;
use crate::config::AmqpConfig;
use futures::StreamExt;
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer, ErrorKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions,
        BasicRejectOptions,
    },
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{FieldTable, LongString},
    uri::AMQPUri,
};
use metrics::gauge;
use std::{pin::pin, time::Duration};
use tokio::{
    select,
    sync::watch,
    time::{interval, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// How long an answer of the broker may take, and connecting and declaring together.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the broker may take to say goodbye.
const CLOSING: Duration = Duration::from_secs(2);
/// How often the broker is asked how much waits.
const DEPTH_EVERY: Duration = Duration::from_secs(5);
/// How long a delivery waits for those behind it: they share one sync. A queue under load delivers
/// hundreds in that time, and nobody notices it in one that is not.
const LINGER: Duration = Duration::from_millis(2);
/// Without a sign of life for about two of these the connection is lost, s.
const HEARTBEAT: u16 = 5;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// It will not be otherwise until somebody changes it.
    #[error("the broker has it otherwise: {0}")]
    Topology(String),
    /// The same of the configured address.
    #[error("not the address of a broker")]
    Address,
    /// It may be there later.
    #[error("{0}")]
    Broker(lapin::Error),
    /// The same.
    #[error("no answer within {ANSWER:?}")]
    Silent,
}

impl From<lapin::Error> for LinkError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(it)
                if *it.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) =>
            {
                Self::Topology(it.get_message().to_string())
            }
            _ => Self::Broker(error),
        }
    }
}

/// An open connection with everything declared.
pub(super) struct Link {
    connection: Connection,
    channel: Channel,
    names: Names,
    consumer: Option<Consumer>,
    _depth: AbortOnDropHandle<()>,
}

impl Link {
    /// Connects and declares.
    pub(super) async fn open(
        config: &AmqpConfig,
        depth: watch::Sender<Option<u64>>,
    ) -> Result<Self, LinkError> {
        let names = Names::of(&config.queue);
        let opening = async {
            let connection = connect(&config.url).await?;
            let channel = connection.create_channel().await?;
            names.declare(&channel).await?;
            channel.basic_qos(config.prefetch, BasicQosOptions::default()).await?;
            let watching = watch_depth(connection.create_channel().await?, names.clone(), depth);
            let depth = AbortOnDropHandle::new(tokio::spawn(watching));
            Ok(Self { connection, channel, names: names.clone(), consumer: None, _depth: depth })
        };
        timeout(ANSWER, opening).await.unwrap_or(Err(LinkError::Silent))
    }

    /// Waits for a delivery, and returns it with those that follow at once, up to `most`.
    pub(super) async fn deliveries(&mut self, most: usize) -> Result<Vec<Delivery>, LinkError> {
        let consumer = match &mut self.consumer {
            Some(consumer) => consumer,
            none => none.insert(consume(&self.channel, &self.names).await?),
        };
        let mut deliveries = vec![of(consumer.next().await)?];
        let mut lingered = pin!(sleep(LINGER));
        while deliveries.len() < most {
            select! {
                biased;
                next = consumer.next() => deliveries.push(of(next)?),
                () = &mut lingered => break,
            }
        }
        Ok(deliveries)
    }

    /// Ends consumption and returns what had been delivered before.
    pub(super) async fn cancel(&mut self) -> Result<Vec<Delivery>, LinkError> {
        let Some(mut consumer) = self.consumer.take() else { return Ok(Vec::new()) };
        let cancelled = self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        answered(cancelled).await?;
        let mut deliveries = Vec::new();
        while let Some(delivery) = consumer.next().await {
            deliveries.push(delivery?);
        }
        Ok(deliveries)
    }

    pub(super) async fn ack(&self, tag: u64, multiple: bool) -> lapin::Result<()> {
        self.channel.basic_ack(tag, BasicAckOptions { multiple }).await
    }

    /// To the dead-letter exchange.
    pub(super) async fn reject(&self, tag: u64) -> lapin::Result<()> {
        self.channel.basic_reject(tag, BasicRejectOptions { requeue: false }).await
    }

    /// Gives back what is not acknowledged.
    pub(super) async fn close(self) {
        // Who does not answer notices that the connection ends.
        let _ = timeout(CLOSING, self.connection.close(200, "OK".into())).await;
    }
}

/// Connects with a name that the broker's tools show.
pub(super) async fn connect(url: &str) -> Result<Connection, LinkError> {
    // The library's message may repeat the password.
    let mut uri: AMQPUri = url.parse().map_err(|_| LinkError::Address)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    let name = LongString::from("peruri-node");
    let properties = ConnectionProperties::default().with_connection_name(name);
    Ok(Connection::connect_uri(uri, properties).await?)
}

async fn consume(channel: &Channel, names: &Names) -> Result<Consumer, LinkError> {
    let (queue, options) = (names.queue.clone(), BasicConsumeOptions::default());
    // The broker chooses a name that is free.
    answered(channel.basic_consume(queue, "".into(), options, FieldTable::default())).await
}

/// What the broker says, unless it takes too long: one whose queues have no leader yet may never answer.
pub(super) async fn answered<T>(
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LinkError> {
    Ok(timeout(ANSWER, answer).await.map_err(|_| LinkError::Silent)??)
}

fn of(next: Option<lapin::Result<Delivery>>) -> lapin::Result<Delivery> {
    // As when the queue was deleted, or its leader has moved.
    let cancelled = || std::io::Error::other("the broker has ended consumption").into();
    next.unwrap_or_else(|| Err(cancelled()))
}

/// Shows how much waits until the connection is lost.
async fn watch_depth(channel: Channel, names: Names, depth: watch::Sender<Option<u64>>) {
    gauge!("peruri_activity_source_connections").set(1);
    let mut ticks = interval(DEPTH_EVERY);
    loop {
        ticks.tick().await;
        let waiting = names.depth(&channel, &names.queue).await;
        let dead = names.depth(&channel, &names.dead).await;
        // The consumer finds out by itself.
        let (Ok(waiting), Ok(dead)) = (waiting, dead) else { break };
        gauge!("peruri_activity_source_messages").set(waiting as f64);
        gauge!("peruri_activity_source_dead_messages").set(dead as f64);
        depth.send_replace(Some(waiting));
    }
    gauge!("peruri_activity_source_connections").set(0);
    depth.send_replace(None);
}
