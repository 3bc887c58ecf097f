//! What is declared at the broker.
//!
//! | what | kind | arguments |
//! |---|---|---|
//! | exchange Q | direct, durable | |
//! | exchange Q`.dlx` | direct, durable | |
//! | queue Q, bound to Q with `activity` | durable | quorum, delivery limit 20, `reject-publish`, dead letters to Q`.dlx` with `dead`, at least once |
//! | queue Q`.dead`, bound to Q`.dlx` with `dead` | durable | quorum |
//!
//! Q is the configured name, `peruri.activity` by default. RabbitMQ 3.10 has no delivery limit of its
//! own, and dead-letters at least once only from a queue that rejects what it has no room for
//! (<https://www.rabbitmq.com/quorum-queues.html#activating-at-least-once-dead-lettering>).

use super::link::LinkError;
use lapin::{
    Channel, ExchangeKind, Queue,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

/// Routing key of activities.
pub(super) const ACTIVITY: &str = "activity";
/// Routing key of dead letters.
const DEAD: &str = "dead";
/// Deliveries of a message before it counts as poison.
const DELIVERY_LIMIT: i32 = 20;

/// The names that follow from the queue's.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// The queue, and the exchange that it is bound to.
    pub(super) queue: ShortString,
    /// The dead-letter queue.
    pub(super) dead: ShortString,
    dead_exchange: ShortString,
}

impl Names {
    /// `queue` was checked to leave room for what is added.
    pub(super) fn of(queue: &str) -> Self {
        let name = |end: &str| ShortString::from(format!("{queue}{end}").as_str());
        Self { queue: name(""), dead: name(".dead"), dead_exchange: name(".dlx") }
    }

    /// Declares everything.
    ///
    /// # Errors
    /// [`LinkError::Topology`] with the broker's words if something exists otherwise.
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), LinkError> {
        let Self { queue, dead, dead_exchange } = self;
        for exchange in [queue, dead_exchange] {
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            let (name, kind) = (exchange.clone(), ExchangeKind::Direct);
            channel.exchange_declare(name, kind, options, FieldTable::default()).await?;
        }
        self.declare_queue(channel, dead, dead_exchange, DEAD, &[]).await?;
        let arguments = [
            ("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)),
            ("x-overflow", text("reject-publish")),
            ("x-dead-letter-exchange", text(dead_exchange.as_str())),
            ("x-dead-letter-routing-key", text(DEAD)),
            ("x-dead-letter-strategy", text("at-least-once")),
        ];
        self.declare_queue(channel, queue, queue, ACTIVITY, &arguments).await
    }

    async fn declare_queue(
        &self,
        channel: &Channel,
        name: &ShortString,
        exchange: &ShortString,
        key: &str,
        more: &[(&str, AMQPValue)],
    ) -> Result<(), LinkError> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        for (name, value) in more {
            arguments.insert((*name).into(), value.clone());
        }
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(name.clone(), options, arguments).await?;
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        Ok(channel.queue_bind(name.clone(), exchange.clone(), key.into(), options, none).await?)
    }

    /// Messages that wait in a queue.
    pub(super) async fn depth(&self, channel: &Channel, queue: &ShortString) -> lapin::Result<u64> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue: Queue =
            channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
        Ok(queue.message_count().into())
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}
