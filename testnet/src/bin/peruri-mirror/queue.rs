//! RabbitMQ between callers and the mirror, where it is installed.

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use peruri_test_utils::{RabbitMq, RabbitMqError};
use peruri_testnet::{Judge, Result, TestnetError};
use std::time::Duration;

/// Exchange and queue of the mirror, and the routing key of its messages.
const QUEUE: &str = "peruri.activity";
const KEY: &str = "activity";
/// Delivery mode of a message that survives a restart of the broker (AMQP 0-9-1, class basic).
const PERSISTENT: u8 = 2;
/// How long the broker may take to confirm.
const CONFIRM: Duration = Duration::from_secs(5);

/// Starts a broker; without one what it would have shown is skipped.
pub(crate) fn start(judge: &mut Judge) -> Result<Option<RabbitMq>> {
    match RabbitMq::start() {
        Ok(broker) => Ok(Some(broker)),
        Err(reason @ RabbitMqError::NotInstalled(_)) => {
            judge.skip("activities through RabbitMQ", reason);
            Ok(None)
        }
        Err(error) => Err(failed(&error)),
    }
}

/// The section of the node's configuration.
pub(crate) fn section(broker: &RabbitMq) -> String {
    format!("[activity.amqp]\nurl = \"{}\"\nprefetch = 200\n", broker.url())
}

/// Kills the broker and starts it again.
pub(crate) fn crash(broker: &mut RabbitMq) -> Result<()> {
    tokio::task::block_in_place(|| {
        broker.kill9();
        broker.restart()
    })
    .map_err(|error| failed(&error))
}

/// Publishes with confirms; connects anew after a failure.
pub(crate) struct Publisher {
    url: String,
    open: Option<(Connection, Channel)>,
}

impl Publisher {
    pub(crate) const fn new(url: String) -> Self {
        Self { url, open: None }
    }

    /// Publishes messages. When this is true the broker has confirmed all; otherwise nobody knows which.
    pub(crate) async fn publish(&mut self, messages: &[String]) -> bool {
        let published = tokio::time::timeout(CONFIRM, self.try_publish(messages)).await;
        let confirmed = matches!(published, Ok(Ok(true)));
        if !confirmed {
            self.open = None;
        }
        confirmed
    }

    async fn try_publish(&mut self, messages: &[String]) -> lapin::Result<bool> {
        let channel = self.channel().await?;
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let mut waiting = Vec::new();
        for message in messages {
            let properties = BasicProperties::default()
                .with_delivery_mode(PERSISTENT)
                .with_content_type("application/cloudevents+json".into());
            let (exchange, key) = (QUEUE.into(), KEY.into());
            let bytes = message.as_bytes();
            waiting.push(channel.basic_publish(exchange, key, options, bytes, properties).await?);
        }
        for confirm in waiting {
            if !matches!(confirm.await?, Confirmation::Ack(None)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn channel(&mut self) -> lapin::Result<Channel> {
        if let Some((_, channel)) = &self.open {
            return Ok(channel.clone());
        }
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        self.open = Some((connection, channel.clone()));
        Ok(channel)
    }
}

fn failed(error: &RabbitMqError) -> TestnetError {
    TestnetError::Io {
        what: "RabbitMQ".to_owned(),
        source: std::io::Error::other(error.to_string()),
    }
}
