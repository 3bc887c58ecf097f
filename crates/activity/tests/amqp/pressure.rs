//! The inbox at its mark, and a stop.

use crate::{
    broker::{Broker, until},
    messages::{id, track},
    node::Place,
};
use std::collections::BTreeSet;

pub(crate) async fn at_the_mark_nothing_is_delivered_and_all_is_drained_afterwards(broker: Broker) {
    const MESSAGES: u32 = 2_500;
    let mut place = Place::new();
    place.inbox_mark = 20;
    let prefetch = u64::from(broker.config().prefetch);
    let node = place.start(&broker).await;
    broker.declare().await;
    let client = broker.client().await;
    let messages: Vec<String> =
        (1..=u64::from(MESSAGES)).map(|number| track(number, "user", "{}")).collect();
    client.publish_all(&messages).await;
    // The chain stands still. What had been delivered is accepted and acknowledged: all others wait at
    // the broker, none is open.
    let consumers = async || client.look(broker.queue()).await.unwrap().consumer_count();
    until("the end of consumption", async || {
        let waiting = client.waiting(broker.queue()).await;
        consumers().await == 0 && node.open() + u64::from(waiting) == u64::from(MESSAGES)
    })
    .await;
    assert!((place.inbox_mark..=place.inbox_mark + prefetch).contains(&node.open()));

    node.include(MESSAGES.into()).await;
    node.stop().await;
    assert_eq!(client.waiting(broker.queue()).await, 0);
    // With many more pauses than the limit of deliveries none has died of them.
    assert_eq!(client.waiting(&broker.dead()).await, 0);
    let ids = place.chain.ids();
    let expected: BTreeSet<_> = (1..=MESSAGES).map(|number| id(number.into()).0).collect();
    assert_eq!((ids.len(), BTreeSet::from_iter(ids)), (MESSAGES as usize, expected));
}

pub(crate) async fn a_stop_returns_what_is_not_acknowledged(broker: Broker) {
    let place = Place::new();
    let node = place.start(&broker).await;
    broker.declare().await;
    let client = broker.client().await;
    let messages: Vec<String> = (1..=3_000).map(|number| track(number, "user", "{}")).collect();
    let (published, ()) = tokio::join!(client.publish_all(&messages), async {
        until("some", async || node.open() >= 100).await;
        node.stop().await;
    });
    let () = published;
    // In the middle of it; nothing is open, and nothing is lost.
    let node = place.start_idle(&broker).await;
    let accepted = node.open();
    assert!(accepted < 3_000, "the stop came too late to show anything");
    assert!(accepted + u64::from(client.waiting(broker.queue()).await) >= 3_000);
    node.stop().await;
    let node = place.start(&broker).await;
    node.include(3_000).await;
    until("the end of the queue", async || client.waiting(broker.queue()).await == 0).await;
    node.stop().await;
    assert_eq!(client.waiting(broker.queue()).await, 0);
    assert_eq!(place.chain.ids().len(), 3_000);
}
