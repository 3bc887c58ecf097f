//! A client of the broker, as producers and operators are.

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Queue,
    message::BasicGetMessage,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use peruri_activity::{config::AmqpConfig, source::AmqpSource};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep};

/// How long something may take that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A broker, and the name of a queue at it.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    url: String,
    queue: String,
}

impl Broker {
    pub(crate) fn at(url: String) -> Self {
        Self { url, queue: "peruri.activity".to_owned() }
    }

    /// The same broker with another queue.
    pub(crate) fn with_queue(&self, queue: &str) -> Self {
        Self { url: self.url.clone(), queue: queue.to_owned() }
    }

    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) fn dead(&self) -> String {
        format!("{}.dead", self.queue)
    }

    /// The section `[activity.amqp]`.
    pub(crate) fn config(&self) -> AmqpConfig {
        AmqpConfig { url: self.url.clone(), queue: self.queue.clone(), prefetch: 50 }
    }

    pub(crate) async fn connect(&self) -> lapin::Result<Client> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Client { _connection: connection, channel, queue: self.queue.clone() })
    }

    /// Declares everything as the node does, so that nothing that is published is lost.
    pub(crate) async fn declare(&self) {
        AmqpSource::open(self.config()).await.unwrap().close().await;
    }

    pub(crate) async fn client(&self) -> Client {
        self.connect().await.unwrap()
    }
}

/// A connection that publishes with confirms.
pub(crate) struct Client {
    _connection: Connection,
    pub(crate) channel: Channel,
    queue: String,
}

impl Client {
    /// Publishes as producers have to; returns when the broker has confirmed.
    pub(crate) async fn publish(&self, message: &[u8]) -> lapin::Result<Confirmation> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/cloudevents+json".into());
        let (exchange, key) = (self.queue.as_str().into(), "activity".into());
        self.channel.basic_publish(exchange, key, options, message, properties).await?.await
    }

    pub(crate) async fn publish_all<M: AsRef<[u8]>>(&self, messages: &[M]) {
        let published =
            futures::future::join_all(messages.iter().map(|it| self.publish(it.as_ref())));
        for confirmation in published.await {
            assert!(matches!(confirmation.unwrap(), Confirmation::Ack(None)));
        }
    }

    /// The queue as it is, without changing it.
    pub(crate) async fn look(&self, queue: &str) -> lapin::Result<Queue> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        self.channel.queue_declare(queue.into(), options, FieldTable::default()).await
    }

    /// Messages that wait in a queue, those that are delivered and open not counted.
    pub(crate) async fn waiting(&self, queue: &str) -> u32 {
        self.look(queue).await.unwrap().message_count()
    }

    /// The next message of a queue; it goes back when this client ends.
    pub(crate) async fn get(&self, queue: &str) -> Option<BasicGetMessage> {
        let options = BasicGetOptions { no_ack: false };
        self.channel.basic_get(queue.into(), options).await.unwrap()
    }
}

/// Asks the broker again until it is so: it tells nobody by itself.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what} did not come");
        sleep(Duration::from_millis(20)).await;
    }
}
