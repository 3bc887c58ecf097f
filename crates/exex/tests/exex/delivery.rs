//! Replay, live blocks, and the seam between them.

use crate::support::{Lab, NAME};
use peruri_exex::ExExNotification;
use std::future::ready;

#[tokio::test]
async fn what_was_missed_comes_first_and_what_is_new_follows() {
    let mut lab = Lab::new();
    lab.commit_many(3);
    let mut running = lab.start();
    assert_eq!(running.context.finished_height, 0);
    assert_eq!(running.context.head.number, 3);
    lab.commit(&[4, 0]);
    for expected in 0..4 {
        let (block, lagged) = running.next_block().await;
        assert_eq!((&*block, lagged), (&lab.committed[expected], false));
    }
    lab.commit(&[1]);
    let (block, lagged) = running.next_block().await;
    assert_eq!((&*block, lagged), (&lab.committed[4], false));
    running.stop().await;
}

#[tokio::test]
async fn a_slow_extension_is_told_so_and_misses_nothing() {
    let mut lab = Lab::new();
    let mut running = lab.start();
    lab.commit(&[1]);
    assert_eq!(running.next_block().await.0.number(), 1);
    // More than the buffer holds.
    lab.commit_many(150);
    assert_eq!(running.next().await, ExExNotification::Lagged { from: 2 });
    for expected in 1..151 {
        let (block, lagged) = running.next_block().await;
        assert_eq!((&*block, lagged), (&lab.committed[expected], false));
    }
    lab.commit(&[2]);
    assert_eq!(running.next_block().await, (lab.committed[151].clone().into(), false));
    running.stop().await;
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let mut lab = Lab::new();
    lab.commit_many(5);
    let mut running = lab.start();
    lab.commit_many(5);
    let mut seen = Vec::new();
    while seen.len() < 10 {
        tokio::select! {
            biased;
            next = running.context.notifications.next() => {
                seen.extend(next.unwrap().unwrap().committed().map(|block| block.number()));
            }
            // Drops the wait above whenever it is not ready at once.
            () = ready(()) => {
                let (block, _) = running.next_block().await;
                seen.push(block.number());
            }
        }
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn the_past_can_be_left_out() {
    let mut lab = Lab::new();
    lab.commit_many(8);
    let mut running = lab.start();
    running.context.notifications.skip_to(6);
    // Not backwards.
    running.context.notifications.skip_to(2);
    assert_eq!(running.next_block().await.0.number(), 7);
    assert_eq!(lab.factory.finished_heights()[NAME], 0);
    running.stop().await;
}

#[tokio::test]
async fn the_stream_ends_when_the_node_stops() {
    let lab = Lab::new();
    let mut running = lab.start();
    running.stop.cancel();
    assert!(running.context.notifications.next().await.unwrap().is_none());
    running.manager.await.unwrap().unwrap();
}
