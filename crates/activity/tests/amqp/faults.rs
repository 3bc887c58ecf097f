//! A broker that dies.

use crate::{
    broker::{Broker, until},
    messages::{id, track},
    node::Place,
};
use lapin::Confirmation;
use peruri_test_utils::RabbitMq;
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{Instant, timeout},
};

/// After a broker is back, consumption must go on within this time.
const BACK: Duration = Duration::from_secs(10);
/// How long a producer waits for an answer of the broker.
const ANSWER: Duration = Duration::from_secs(2);

/// Publishes activities from number 1 on, one after the other, through every failure, until it is told
/// to stop. Returns how many: each of them was confirmed.
async fn produce(broker: Broker, confirmed: watch::Sender<u64>, enough: watch::Receiver<bool>) {
    let mut next = 1;
    while !*enough.borrow() {
        let Ok(Ok(client)) = timeout(ANSWER, broker.connect()).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while !*enough.borrow() {
            let message = track(next, "user", "{}");
            match timeout(ANSWER, client.publish(message.as_bytes())).await {
                Ok(Ok(Confirmation::Ack(None))) => {
                    confirmed.send_replace(next);
                    next += 1;
                }
                // Not confirmed, or never answered, as when the queue has no leader yet: the same
                // activity again, as an outbox does.
                _ => break,
            }
        }
    }
}

pub(crate) async fn a_killed_broker_loses_nothing(_: Broker) {
    let mut server = block_in_place(RabbitMq::start).unwrap();
    let broker = Broker::at(server.url());
    broker.declare().await;
    // RabbitMQ 3.10 writes the name of a new quorum queue's log a moment later: killed before, it has
    // the queue without its log, for good. That is about new queues, not about messages.
    block_in_place(|| server.stop()).unwrap();
    block_in_place(|| server.restart()).unwrap();
    let place = Place::new();
    let node = place.start(&broker).await;
    let (confirmed, mut seen) = watch::channel(0);
    let (enough, stop) = watch::channel(false);
    let producer = tokio::spawn(produce(broker.clone(), confirmed, stop));
    for _ in 0..2 {
        // In the middle of publishing and consuming.
        let goal = *seen.borrow() + 150;
        seen.wait_for(|confirmed| *confirmed >= goal).await.unwrap();
        block_in_place(|| server.kill9());
        node.produce();
        block_in_place(|| server.restart()).unwrap();
        let (back, before) = (Instant::now(), *seen.borrow());
        // Something that was published since has arrived.
        seen.wait_for(|confirmed| *confirmed > before).await.unwrap();
        let new = id(before + 1);
        until("consumption", async || node.handle.status(&[new]).unwrap()[0].source_seq.is_some())
            .await;
        assert!(back.elapsed() < BACK, "{:?}", back.elapsed());
    }
    enough.send_replace(true);
    producer.await.unwrap();
    let confirmed = *seen.borrow();
    node.include(confirmed).await;
    until("the end of the queue", async || {
        broker.client().await.waiting(broker.queue()).await == 0
    })
    .await;
    node.include(confirmed).await;
    node.stop().await;
    let ids = place.chain.ids();
    let distinct = BTreeSet::from_iter(ids.iter().copied());
    assert_eq!(ids.len(), distinct.len());
    let lost: Vec<_> = (1..=confirmed).filter(|it| !distinct.contains(&id(*it).0)).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    assert_eq!(broker.client().await.waiting(&broker.dead()).await, 0);
}

pub(crate) async fn a_broker_that_is_not_there_yet_is_waited_for(_: Broker) {
    let mut server = block_in_place(RabbitMq::start).unwrap();
    block_in_place(|| server.stop()).unwrap();
    let broker = Broker::at(server.url());
    let place = Place::new();
    let node = place.start(&broker).await;
    // A stop does not wait for it.
    let other = Place::new();
    other.start(&broker).await.stop().await;
    block_in_place(|| server.restart()).unwrap();
    broker.declare().await;
    broker.client().await.publish_all(&[track(1, "user", "{}")]).await;
    node.include(1).await;
    node.stop().await;
}
