//! Dead letters, once more.

use super::{
    link::{LinkError, answered, connect},
    names::{ACTIVITY, Names},
};
use crate::{config::AmqpConfig, source::SourceError};
use lapin::{
    BasicProperties, Channel, Confirmation,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions},
    types::FieldTable,
};

/// Delivery mode of a message that survives a restart of the broker (AMQP 0-9-1, class basic).
const PERSISTENT: u8 = 2;

/// Moves the messages that are in the dead-letter queue now back to the queue and returns how many. Each
/// one is published, confirmed by the broker and only then taken out: one that this ends in the middle
/// of is in both queues, and recognised when it comes again.
///
/// # Errors
/// The broker cannot be reached, has exchanges or queues otherwise, or does not take a message back.
/// What was moved until then is moved.
pub async fn requeue(config: &AmqpConfig) -> Result<u64, SourceError> {
    let failed = |error: LinkError| SourceError(error.into());
    let connection = connect(&config.url).await.map_err(failed)?;
    let channel = connection.create_channel().await.map_err(|error| failed(error.into()))?;
    let moved = move_all(&channel, &Names::of(&config.queue)).await.map_err(failed);
    // All that matters is confirmed.
    let _ = connection.close(200, "OK".into()).await;
    moved
}

async fn move_all(channel: &Channel, names: &Names) -> Result<u64, LinkError> {
    names.declare(channel).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    // What is rejected meanwhile comes behind these.
    let waiting = names.depth(channel, &names.dead).await?;
    for moved in 0..waiting {
        let options = BasicGetOptions { no_ack: false };
        let get = channel.basic_get(names.dead.clone(), options);
        let Some(letter) = answered(get).await? else {
            return Ok(moved);
        };
        publish(channel, names, &letter).await?;
        channel.basic_ack(letter.delivery_tag, BasicAckOptions { multiple: false }).await?;
    }
    Ok(waiting)
}

async fn publish(
    channel: &Channel,
    names: &Names,
    letter: &BasicGetMessage,
) -> Result<(), LinkError> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let properties = letter.properties.clone().with_delivery_mode(PERSISTENT);
    let properties = without_history(properties);
    let (exchange, key) = (names.queue.clone(), ACTIVITY.into());
    let published = channel.basic_publish(exchange, key, options, &letter.data, properties);
    match answered(answered(published).await?).await? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(refused("nothing is bound to the exchange")),
        _ => Err(refused("the queue does not take the message")),
    }
}

/// Without the broker's headers of how the message died.
fn without_history(properties: BasicProperties) -> BasicProperties {
    let Some(headers) = properties.headers() else { return properties };
    let mut kept = FieldTable::default();
    for (name, value) in headers.inner().iter().filter(|(name, _)| !name.as_str().starts_with("x-"))
    {
        kept.insert(name.clone(), value.clone());
    }
    properties.with_headers(kept)
}

fn refused(reason: &'static str) -> LinkError {
    LinkError::Broker(std::io::Error::other(reason).into())
}
