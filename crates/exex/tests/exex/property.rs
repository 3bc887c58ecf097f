//! Whatever the order of commits, reads and restarts: every block once, in order, as it was.

use crate::support::{Lab, Running};
use peruri_exex::ExExEvent;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Blocks, each with the number of logs of its transactions.
    Commit(Vec<Vec<u8>>),
    /// So many blocks that the buffer overflows.
    Flood,
    /// The extension takes up to this many blocks.
    Read(usize),
    /// The node stops and starts, with a height this far behind what was read.
    Restart(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let block = proptest::collection::vec(0u8..6, 0..6);
    let step = prop_oneof![
        6 => proptest::collection::vec(block, 1..8).prop_map(Step::Commit),
        1 => Just(Step::Flood),
        6 => (1usize..20).prop_map(Step::Read),
        2 => (0u64..4).prop_map(Step::Restart),
    ];
    proptest::collection::vec(step, 1..25)
}

/// Takes up to `count` blocks and compares them with what was committed.
async fn read(lab: &Lab, running: &mut Running, read: &mut u64, count: usize) {
    for _ in 0..count {
        let Some(expected) = lab.committed.get(*read as usize) else { return };
        let (block, _) = running.next_block().await;
        assert_eq!(&*block, expected);
        *read += 1;
    }
}

async fn play(steps: &[Step]) {
    let mut lab = Lab::new();
    let mut running = lab.start();
    let (mut done, mut finished) = (0, 0);
    for step in steps {
        match step {
            Step::Commit(blocks) => blocks.iter().for_each(|logs| lab.commit(logs)),
            Step::Flood => lab.commit_many(80),
            Step::Read(count) => read(&lab, &mut running, &mut done, *count).await,
            Step::Restart(behind) => {
                finished = done.saturating_sub(*behind).max(finished);
                running.context.events.send(ExExEvent::FinishedHeight(finished));
                running.stop().await;
                lab = lab.reopen();
                running = lab.start();
                assert_eq!(running.context.finished_height, finished);
                done = finished;
            }
        }
    }
    read(&lab, &mut running, &mut done, usize::MAX).await;
    assert_eq!(done, lab.factory.best_block_number().unwrap());
    running.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn replayed_and_live_blocks_are_equal(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(&steps));
    }
}
