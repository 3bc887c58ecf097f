//! What is declared, and what is said when it is there otherwise.

use crate::broker::Broker;
use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString},
};
use peruri_activity::source::AmqpSource;

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

fn table(arguments: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    table
}

/// The arguments of the queue as the interface lists them.
fn arguments(queue: &str) -> Vec<(&'static str, AMQPValue)> {
    vec![
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", AMQPValue::LongInt(20)),
        ("x-overflow", text("reject-publish")),
        ("x-dead-letter-exchange", text(&format!("{queue}.dlx"))),
        ("x-dead-letter-routing-key", text("dead")),
        ("x-dead-letter-strategy", text("at-least-once")),
    ]
}

pub(crate) async fn everything_is_declared(broker: Broker) {
    // Twice, as after a restart.
    for _ in 0..2 {
        AmqpSource::open(broker.config()).await.unwrap().close().await;
    }
    // The broker refuses a declaration that differs from what exists.
    let client = broker.client().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let (queue, dead) = (broker.queue(), broker.dead());
    let same = client.channel.queue_declare(queue.into(), durable, table(&arguments(queue)));
    same.await.unwrap();
    let quorum = table(&[("x-queue-type", text("quorum"))]);
    client.channel.queue_declare(dead.as_str().into(), durable, quorum).await.unwrap();
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    for exchange in [queue.to_owned(), format!("{queue}.dlx")] {
        let same = client.channel.exchange_declare(
            exchange.as_str().into(),
            ExchangeKind::Direct,
            durable,
            FieldTable::default(),
        );
        same.await.unwrap();
    }
    // The bindings are there: a mandatory message is not returned.
    client.publish_all(&["x"]).await;
    assert_eq!(client.waiting(queue).await, 1);
}

async fn refused(broker: &Broker) -> String {
    AmqpSource::open(broker.config()).await.unwrap_err().to_string()
}

pub(crate) async fn what_exists_otherwise_is_told(broker: Broker) {
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    for (at, name) in arguments("").iter().map(|(name, _)| *name).enumerate() {
        let broker = broker.with_queue(&format!("otherwise.{at}"));
        let mut other = arguments(broker.queue());
        match name {
            // A classic queue has none of the others.
            "x-queue-type" => other = vec![("x-queue-type", text("classic"))],
            "x-delivery-limit" => other[at].1 = AMQPValue::LongInt(5),
            "x-overflow" => other[at].1 = text("drop-head"),
            _ => other[at].1 = text("at-most-once"),
        }
        let client = broker.client().await;
        let declared = client.channel.queue_declare(broker.queue().into(), durable, table(&other));
        declared.await.unwrap();
        let error = refused(&broker).await;
        assert!(error.contains("inequivalent arg"), "{name}: {error}");
        assert!(error.contains(broker.queue()), "{name}: {error}");
    }
    let broker = broker.with_queue("otherwise.exchange");
    let client = broker.client().await;
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let fanout = client.channel.exchange_declare(
        broker.queue().into(),
        ExchangeKind::Fanout,
        options,
        FieldTable::default(),
    );
    fanout.await.unwrap();
    let error = refused(&broker).await;
    assert!(error.contains("'type' for exchange 'otherwise.exchange'"), "{error}");
    assert!(error.contains("received 'direct' but current is 'fanout'"), "{error}");
}
