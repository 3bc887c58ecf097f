//! Finished heights.

use crate::support::{Lab, NAME};
use peruri_exex::{ExExError, ExExEvent};
use peruri_storage::ProviderError;

#[tokio::test]
async fn a_restart_goes_on_behind_the_finished_height() {
    let mut lab = Lab::new();
    lab.commit_many(5);
    let mut running = lab.start();
    for number in 1..=3 {
        assert_eq!(running.next_block().await.0.number(), number);
        running.context.events.send(ExExEvent::FinishedHeight(number));
    }
    // One more was read, but is not finished.
    running.next_block().await;
    running.stop().await;
    let lab = lab.reopen();
    let mut running = lab.start();
    assert_eq!(running.context.finished_height, 3);
    assert_eq!(*running.next_block().await.0, lab.committed[3]);
    running.stop().await;
}

#[tokio::test]
async fn heights_of_batches_and_of_events_go_together() {
    let mut lab = Lab::new();
    lab.commit_many(4);
    let running = lab.start();
    let (store, events) = (&running.context.store, &running.context.events);
    let mut batch = store.batch();
    batch.put("k", "v");
    batch.set_finished_height(3);
    batch.commit().unwrap();
    // Older than the batch: changes nothing, and is no error.
    events.send(ExExEvent::FinishedHeight(2));
    running.stop().await;
    assert_eq!(lab.factory.finished_heights()[NAME], 3);
}

#[tokio::test]
async fn a_height_above_the_head_ends_the_manager() {
    let mut lab = Lab::new();
    lab.commit_many(2);
    let running = lab.start();
    running.context.events.send(ExExEvent::FinishedHeight(3));
    match running.manager.await.unwrap() {
        Err(ExExError::Provider(ProviderError::ExtensionHeight {
            name,
            got: 3,
            highest: 2,
            ..
        })) => {
            assert_eq!(name, NAME);
        }
        other => panic!("{other:?}"),
    }
}
