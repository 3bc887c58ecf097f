//! A RabbitMQ quorum queue.
//!
//! A message is acknowledged when its row is on disk, so what a crash of either side leaves open comes
//! again and is recognised. A lost connection is opened anew, and everything declared again, until the
//! broker is there; only a broker that has the exchanges and queues otherwise ends the source.

mod link;
mod names;
mod requeue;
mod tags;

pub use requeue::requeue;

use super::{Delivery, QueueSource, SourceError};
use crate::{ActivityError, config::AmqpConfig};
use link::{Link, LinkError};
use metrics::{counter, gauge};
use std::{fmt::Display, time::Duration};
use tags::Tags;
use tokio::{sync::watch, time::sleep};

/// Directive for the filter of the log (`tracing_subscriber::EnvFilter`), put over whatever an operator
/// asks for: the AMQP library writes whole messages at level trace, and returned ones at level warn.
pub const LOG_DIRECTIVE: &str = "lapin=error";

/// The first pause before a lost connection is opened anew, and the longest one: with what connecting
/// may take, consumption goes on within ten seconds after the broker is back.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// A queue at a broker.
pub struct AmqpSource {
    config: AmqpConfig,
    /// `None` after it was lost.
    link: Option<Link>,
    tags: Tags,
    depth: watch::Sender<Option<u64>>,
}

impl std::fmt::Debug for AmqpSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("AmqpSource").field("queue", &self.config.queue).finish_non_exhaustive()
    }
}

impl AmqpSource {
    /// Waits for the broker and declares exchanges and queues. Nothing is consumed before
    /// [`next`](QueueSource::next).
    ///
    /// # Errors
    /// The broker has one of them otherwise; the message says in what.
    pub async fn open(config: AmqpConfig) -> Result<Self, SourceError> {
        let (depth, _) = watch::channel(None);
        let mut source = Self { config, link: None, tags: Tags::default(), depth };
        source.link().await?;
        Ok(source)
    }

    /// Ends the connection. The broker delivers again what was not acknowledged.
    pub async fn close(self) {
        if let Some(link) = self.link {
            link.close().await;
        }
        gauge!("peruri_activity_source_connections").set(0);
    }

    /// The connection, opened anew if it was lost.
    async fn link(&mut self) -> Result<&mut Link, SourceError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.reach().await?,
        };
        Ok(self.link.insert(link))
    }

    async fn reach(&self) -> Result<Link, SourceError> {
        let queue = &self.config.queue;
        let mut pause = FIRST_PAUSE;
        loop {
            match Link::open(&self.config, self.depth.clone()).await {
                Ok(link) => {
                    tracing::info!(target: "activity::amqp", queue, "connected to the broker");
                    return Ok(link);
                }
                Err(error @ (LinkError::Topology(_) | LinkError::Address)) => {
                    return Err(SourceError(error.into()));
                }
                Err(error) if pause == FIRST_PAUSE => {
                    tracing::warn!(target: "activity::amqp", queue, %error, "no broker, trying on");
                }
                Err(error) => {
                    tracing::debug!(target: "activity::amqp", queue, %error, "still no broker");
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What was open on the connection is delivered again on the next one.
    fn lose(&mut self, error: &dyn Display) {
        let queue = &self.config.queue;
        tracing::warn!(target: "activity::amqp", queue, %error, "the connection is lost");
        gauge!("peruri_activity_source_connections").set(0);
        counter!("peruri_activity_source_lost_connections_total").increment(1);
        self.link = None;
        self.tags.forget();
    }

    fn hand_out(&mut self, deliveries: Vec<lapin::message::Delivery>) -> Vec<Delivery> {
        let again = deliveries.iter().filter(|delivery| delivery.redelivered).count();
        counter!("peruri_activity_source_redelivered_total").increment(again as u64);
        let hand_out = |delivery: lapin::message::Delivery| Delivery {
            tag: self.tags.deliver(delivery.delivery_tag),
            message: delivery.data,
        };
        deliveries.into_iter().map(hand_out).collect()
    }
}

impl QueueSource for AmqpSource {
    async fn next(&mut self, most: usize) -> Result<Vec<Delivery>, SourceError> {
        // While one half of what may be open is written, the broker delivers the other.
        let most = most.min(usize::from(self.config.prefetch).div_ceil(2)).max(1);
        loop {
            match self.link().await?.deliveries(most).await {
                Ok(deliveries) => return Ok(self.hand_out(deliveries)),
                Err(error) => self.lose(&error),
            }
        }
    }

    async fn ack(&mut self, tags: &[u64]) -> Result<(), SourceError> {
        let acks = self.tags.settle(tags);
        let Some(link) = &self.link else { return Ok(()) };
        let multiple = acks.up_to.into_iter().map(|tag| (tag, true));
        for (tag, multiple) in multiple.chain(acks.single.into_iter().map(|tag| (tag, false))) {
            if let Err(error) = link.ack(tag, multiple).await {
                self.lose(&error);
                break;
            }
        }
        Ok(())
    }

    async fn reject(&mut self, tag: u64, _: &ActivityError) -> Result<(), SourceError> {
        let acks = self.tags.settle(&[tag]);
        let Some(link) = &self.link else { return Ok(()) };
        if let Some(tag) = acks.up_to.or(acks.single.first().copied())
            && let Err(error) = link.reject(tag).await
        {
            self.lose(&error);
        }
        Ok(())
    }

    async fn pause(&mut self) -> Result<Vec<Delivery>, SourceError> {
        let Some(link) = &mut self.link else { return Ok(Vec::new()) };
        match link.cancel().await {
            Ok(deliveries) => Ok(self.hand_out(deliveries)),
            Err(error) => {
                self.lose(&error);
                Ok(Vec::new())
            }
        }
    }

    fn lag(&self) -> Option<u64> {
        *self.depth.borrow()
    }
}
