//! Each activity once, whatever the queue does.

use crate::{
    broker::{Broker, until},
    messages::{id, submit, track},
    node::Place,
};
use peruri_activity::{
    ActivityError, StatusName,
    core::Origin,
    source::{AmqpSource, Delivery, QueueSource, SourceError, pump},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

pub(crate) async fn activities_go_from_the_queue_to_the_chain(broker: Broker) {
    let place = Place::new();
    let node = place.start(&broker).await;
    broker.declare().await;
    let client = broker.client().await;
    let messages: Vec<String> = (1..=200)
        .map(|number| match number % 2 {
            0 => submit(number),
            _ => track(number, "user", "{}"),
        })
        .collect();
    client.publish_all(&messages).await;
    node.include(200).await;
    let status = node.handle.status(&[id(1), id(200)]).unwrap();
    assert!(status.iter().all(|it| it.status == StatusName::Included), "{status:?}");
    let expected: BTreeSet<_> = (1..=200).map(|number| id(number).0).collect();
    let ids = place.chain.ids();
    assert_eq!((ids.len(), BTreeSet::from_iter(ids)), (200, expected));
    node.stop().await;
    // All were acknowledged.
    assert_eq!(client.waiting(broker.queue()).await, 0);
    assert_eq!(client.waiting(&broker.dead()).await, 0);
}

/// Never says that something was accepted, as a process that dies before it does.
struct Dying(AmqpSource);

impl QueueSource for Dying {
    async fn next(&mut self, most: usize) -> Result<Vec<Delivery>, SourceError> {
        self.0.next(most).await
    }

    async fn ack(&mut self, _: &[u64]) -> Result<(), SourceError> {
        Ok(())
    }

    async fn reject(&mut self, _: u64, _: &ActivityError) -> Result<(), SourceError> {
        Ok(())
    }

    fn lag(&self) -> Option<u64> {
        self.0.lag()
    }
}

pub(crate) async fn what_was_not_acknowledged_before_a_crash_is_recognised(broker: Broker) {
    let place = Place::new();
    let node = place.start_idle(&broker).await;
    let mut dying = Dying(AmqpSource::open(broker.config()).await.unwrap());
    let client = broker.client().await;
    // As many as the broker delivers without an acknowledgement.
    let messages: Vec<String> = (1..=50).map(|number| track(number, "user", "{}")).collect();
    client.publish_all(&messages).await;
    let stop = CancellationToken::new();
    let (handle, stopped) = (node.handle.clone(), stop.clone());
    let pumping = tokio::spawn(async move {
        let done = pump(&mut dying, &handle, &stopped).await;
        // Without a farewell.
        drop(dying);
        done
    });
    until("the rows", async || node.open() == 50).await;
    let parser = node.handle.parser();
    let submissions: Vec<_> =
        messages.iter().map(|it| parser.cloud_event(it.as_bytes()).unwrap()).collect();
    let numbers = async |node: &crate::node::Node| {
        let answers = node.handle.submit_batch(&submissions, Origin::Caller).await;
        let accepted = answers.into_iter().map(|answer| answer.unwrap().accepted);
        accepted.map(|it| (it.repeated, it.source_seq, it.leaf)).collect::<Vec<_>>()
    };
    let before = numbers(&node).await;
    stop.cancel();
    pumping.await.unwrap().unwrap();
    node.stop().await;
    until("their return", async || client.waiting(broker.queue()).await == 50).await;

    let node = place.start(&broker).await;
    until("their end", async || client.waiting(broker.queue()).await == 0).await;
    node.include(50).await;
    assert_eq!(numbers(&node).await, before);
    assert_eq!(node.handle.queue().unwrap().queued, 0);
    node.stop().await;
    assert_eq!(place.chain.ids().len(), 50);
    assert_eq!(client.waiting(broker.queue()).await, 0);
}

pub(crate) async fn each_is_taken_once_however_often_it_comes(broker: Broker) {
    const ACTIVITIES: u64 = 400;
    let place = Place::new();
    let node = place.start(&broker).await;
    broker.declare().await;
    let mut random = StdRng::seed_from_u64(6);
    let mut messages = Vec::new();
    for number in 1..=ACTIVITIES {
        let times = random.random_range(1..=5);
        messages.extend(std::iter::repeat_n(track(number, "user", "{}"), times));
    }
    messages.shuffle(&mut random);
    let client = broker.client().await;
    client.publish_all(&messages).await;
    until("the end of the queue", async || client.waiting(broker.queue()).await == 0).await;
    node.include(ACTIVITIES).await;
    node.stop().await;
    assert_eq!(client.waiting(broker.queue()).await, 0);
    assert_eq!(client.waiting(&broker.dead()).await, 0);
    let ids = place.chain.ids();
    let expected: BTreeSet<_> = (1..=ACTIVITIES).map(|number| id(number).0).collect();
    assert_eq!((ids.len() as u64, BTreeSet::from_iter(ids)), (ACTIVITIES, expected));
}
