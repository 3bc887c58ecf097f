//! Each rule once, by name.

use super::world::{Disk, World, activity, submit};
use crate::{
    ActivityError, ActivityId, StopReason, Submission,
    chain::OwnTransaction,
    core::{Accepted, Core, Origin, Request},
    rows::{ENTRIES, Record, RowStore, numbered},
};
use alloy_primitives::B256;
use peruri_plog::{Entry, EntryType, VoidReason};

const NOW: u64 = 10_000;

fn accept_one(core: &mut Core, request: Request) -> Result<Accepted, ActivityError> {
    core.accept(&[(request, Origin::Caller)], NOW).unwrap().remove(0)
}

fn accept(core: &mut Core, ids: std::ops::RangeInclusive<u8>) -> Vec<u64> {
    ids.map(|id| accept_one(core, submit(id)).unwrap().source_seq).collect()
}

fn record(world: &World, seq: u64) -> Record {
    let row = RowStore::get(world, &numbered(ENTRIES, seq)).unwrap();
    Record::decode(&row.unwrap()).unwrap()
}

fn block(world: &World, core: &mut Core) {
    world.produce();
    world.deliver(core).unwrap();
}

fn seal_all(core: &mut Core) {
    while core.seal(NOW).unwrap() {}
}

fn chain_kinds(world: &World) -> Vec<EntryType> {
    let inner = world.0.lock();
    inner.entries.iter().map(|it| Entry::decode(&it.entry).unwrap().kind).collect()
}

fn backup(world: &World) -> Disk {
    world.0.lock().rows.clone()
}

#[test]
fn a_repeat_gets_the_same_answer_and_other_content_is_refused() {
    let world = World::new();
    let mut core = world.start().unwrap();
    let first = accept_one(&mut core, submit(7)).unwrap();
    assert_eq!((first.source_seq, first.repeated), (1, false));
    assert_eq!(Entry::decode(&first.entry).unwrap(), activity(7).entry(1, 1, false));
    let other = Submission { commitment: B256::ZERO, ..activity(7) };
    let requests = [submit(7), Request::Submit(other), submit(8), submit(8)];
    let requests = requests.map(|request| (request, Origin::Caller));
    let answers = core.accept(&requests, NOW + 50_000).unwrap();
    assert_eq!(answers[0], Ok(Accepted { repeated: true, ..first }));
    let conflict = ActivityError::Conflict { source_seq: 1, field: "commitment" };
    assert_eq!(answers[1], Err(conflict));
    let (new, repeat) = (answers[2].clone().unwrap(), answers[3].clone().unwrap());
    assert_eq!((new.source_seq, repeat.source_seq, repeat.repeated), (2, 2, true));
    // It was accepted long after it happened.
    assert_eq!(Entry::decode(&new.entry).unwrap().flags, 0x02);
    drop(core);
    let mut core = world.start().unwrap();
    assert_eq!(accept_one(&mut core, submit(7)), Ok(Accepted { repeated: true, ..first }));
}

#[test]
fn at_its_mark_the_inbox_takes_repeats_and_what_a_queue_has_delivered() {
    let world = World::new();
    let mut core = world.start().unwrap();
    assert_eq!(accept(&mut core, 1..=40).len(), 40);
    let full = ActivityError::Full { retry_after_ms: 200 };
    assert_eq!(accept_one(&mut core, submit(41)), Err(full.clone()));
    assert_eq!(accept_one(&mut core, submit(40)).unwrap().source_seq, 40);
    for id in 41..=46 {
        let answer = core.accept(&[(submit(id), Origin::Queue)], NOW).unwrap().remove(0);
        assert_eq!(answer.is_ok(), id <= 45, "{id}");
    }
    seal_all(&mut core);
    block(&world, &mut core);
    assert_eq!(accept(&mut core, 47..=47), [46]);
}

#[test]
fn an_included_entry_can_be_erased_once() {
    let world = World::new();
    let mut core = world.start().unwrap();
    let (id, erase) = (ActivityId([1; 16]), Request::Erase(ActivityId([1; 16])));
    accept(&mut core, 1..=2);
    assert_eq!(accept_one(&mut core, erase), Err(ActivityError::NotIncluded));
    core.void_activity(ActivityId([2; 16]), VoidReason::Withdrawn, NOW).unwrap().unwrap();
    seal_all(&mut core);
    block(&world, &mut core);
    let voided = Request::Erase(ActivityId([2; 16]));
    assert_eq!(accept_one(&mut core, voided), Err(ActivityError::NotIncluded));
    let notice = accept_one(&mut core, erase).unwrap();
    let erased = activity(1).entry(1, 1, false);
    assert_eq!(Entry::decode(&notice.entry).unwrap(), Entry::erasure(1, 3, NOW, &erased));
    assert_eq!(accept_one(&mut core, erase), Ok(Accepted { repeated: true, ..notice }));
    assert_eq!(accept_one(&mut core, submit(1)).unwrap().source_seq, 1);
    // It can be closed, and is found again when all there is is the chain.
    core.void(3..=3, VoidReason::Operator, NOW).unwrap().unwrap();
    seal_all(&mut core);
    block(&world, &mut core);
    assert_eq!(chain_kinds(&world), [EntryType::Activity, EntryType::Void, EntryType::Void]);
    world.0.lock().rows.clear();
    world.0.lock().mark = None;
    let mut core = world.start().unwrap();
    assert_eq!(accept_one(&mut core, erase).unwrap().source_seq, 3);
    assert_eq!(accept_one(&mut core, submit(1)).unwrap().source_seq, 1);
    let other = Submission { subject: B256::ZERO, ..activity(2) };
    let conflict = ActivityError::Conflict { source_seq: 2, field: "subject" };
    assert_eq!(accept_one(&mut core, Request::Submit(other)), Err(conflict));
    assert_eq!(
        core.void_activity(id, VoidReason::Invalid, NOW).unwrap().unwrap_err().code(),
        -32602
    );
}

#[test]
fn what_another_source_has_published_is_closed_as_a_duplicate() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=3);
    let place = (B256::repeat_byte(5), 77);
    world.0.lock().others.insert(ActivityId([2; 16]), place);
    seal_all(&mut core);
    block(&world, &mut core);
    let record = record(&world, 2);
    assert_eq!(record.void_reason().unwrap(), Some(VoidReason::Duplicate.number()));
    assert_eq!(record.closing.unwrap().duplicate_of, Some(place));
    assert_eq!(chain_kinds(&world), [EntryType::Activity, EntryType::Void, EntryType::Activity]);
}

#[test]
fn a_source_that_is_switched_off_stops_by_name_and_loses_nothing() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=7);
    seal_all(&mut core);
    world.0.lock().may_append = false;
    block(&world, &mut core);
    assert_eq!(core.stopped(), Some(&StopReason::NotASource));
    let refused = accept_one(&mut core, submit(9)).unwrap_err();
    assert_eq!(
        (refused.code(), refused.data().unwrap()["reason"].as_str()),
        (-32013, Some("not a source"))
    );
    drop(core);
    let mut core = world.start().unwrap();
    assert_eq!(core.stopped(), Some(&StopReason::NotASource));
    world.0.lock().may_append = true;
    block(&world, &mut core);
    assert_eq!((core.stopped(), core.unsealed()), (None, 7));
    seal_all(&mut core);
    block(&world, &mut core);
    assert_eq!((core.snapshot().completed_end, chain_kinds(&world).len()), (8, 7));
    assert_eq!(accept(&mut core, 1..=8), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn what_is_refused_twice_stops_also_over_a_start() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=4);
    for _ in 0..2 {
        assert_eq!(core.stopped(), None);
        seal_all(&mut core);
        world.0.lock().refuse_next = true;
        block(&world, &mut core);
    }
    let refused = StopReason::AppendRefused { first_seq: 1 };
    assert_eq!(core.stopped(), Some(&refused));
    drop(core);
    let mut core = world.start().unwrap();
    assert_eq!(core.stopped(), Some(&refused));
    core.retry_refused().unwrap();
    seal_all(&mut core);
    block(&world, &mut core);
    assert_eq!((core.stopped(), core.snapshot().completed_end), (None, 5));
    let released = world.0.lock().released.clone();
    assert!(released.values().all(|hashes| hashes.len() == 1), "{released:?}");
}

#[test]
fn a_transaction_that_nobody_here_signed_stops_and_overwrites_nothing() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=2);
    world.produce();
    let strange = OwnTransaction { hash: B256::repeat_byte(1), nonce: 0, success: false };
    world.0.lock().blocks[0].transactions.push(strange);
    world.0.lock().nonce = 1;
    let before = backup(&world);
    world.deliver(&mut core).unwrap();
    assert_eq!(core.stopped(), Some(&StopReason::KeyInUseElsewhere));
    assert!(!core.seal(NOW).unwrap());
    assert_eq!(backup(&world), before);
    let again = world.start().unwrap();
    assert_eq!(again.stopped(), Some(&StopReason::KeyInUseElsewhere));
}

#[test]
fn the_same_key_on_two_nodes_stops_one() {
    let world = World::new();
    let mut one = world.start().unwrap();
    accept(&mut one, 1..=2);
    // The second node has the chain, an inbox and a mark of its own.
    let second = World::new();
    let mut two = second.start().unwrap();
    accept(&mut two, 5..=6);
    seal_all(&mut one);
    let pool = world.0.lock().pool.clone();
    world.produce();
    {
        let (from, mut to) = (world.0.lock(), second.0.lock());
        (to.blocks, to.entries, to.nonce) = (from.blocks.clone(), from.entries.clone(), from.nonce);
    }
    second.deliver(&mut two).unwrap();
    assert_eq!(two.stopped(), Some(&StopReason::KeyInUseElsewhere));
    world.deliver(&mut one).unwrap();
    assert_eq!(one.stopped(), None);
    // A pending transaction of somebody else is enough at a start.
    let third = World::new();
    drop(third.start().unwrap());
    third.0.lock().pool = pool;
    assert_eq!(third.start().unwrap().stopped(), Some(&StopReason::KeyInUseElsewhere));
}

#[test]
fn an_older_inbox_adopts_what_pools_still_have() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=3);
    let old = backup(&world);
    accept(&mut core, 4..=6);
    seal_all(&mut core);
    core.close().unwrap();
    drop(core);
    world.0.lock().rows = old;
    let mut core = world.start().unwrap();
    assert_eq!((core.stopped(), core.unsealed()), (None, 0));
    assert_eq!(accept(&mut core, 1..=7), [1, 2, 3, 4, 5, 6, 7]);
    block(&world, &mut core);
    assert_eq!(core.snapshot().completed_end, 7);
}

#[test]
fn what_is_lost_with_an_older_inbox_is_in_doubt_until_an_operator_closes_it() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=3);
    let old = backup(&world);
    accept(&mut core, 4..=8);
    seal_all(&mut core);
    core.close().unwrap();
    drop(core);
    world.0.lock().rows = old;
    world.0.lock().pool.clear();
    let mut core = world.start().unwrap();
    // No bytes are known for its nonces, so not even numbers 1 to 3 are certain.
    let doubt = StopReason::InDoubt { numbers: 1..=8 };
    assert_eq!(core.stopped(), Some(&doubt));
    assert_eq!(accept_one(&mut core, submit(9)), Err(ActivityError::Stopped(doubt.clone())));
    assert!(!core.seal(NOW).unwrap());
    let part = core.void(4..=8, VoidReason::Operator, NOW).unwrap();
    assert!(part.unwrap_err().to_string().contains("1 to 8"));
    drop(core);
    let mut core = world.start().unwrap();
    assert_eq!(core.stopped(), Some(&doubt));
    core.void(1..=8, VoidReason::Operator, NOW).unwrap().unwrap();
    assert_eq!(core.stopped(), None);
    assert_eq!(accept(&mut core, 9..=9), [9]);
    seal_all(&mut core);
    block(&world, &mut core);
    let kinds = chain_kinds(&world);
    assert_eq!((kinds.len(), kinds[..8].iter().all(|it| *it == EntryType::Void)), (9, true));
    let ids = [1_u64, 4].map(|seq| record(&world, seq).activity_id().unwrap());
    assert_eq!(ids, [ActivityId([1; 16]), ActivityId::NIL]);
}

#[test]
fn a_doubt_ends_when_its_transactions_are_included() {
    let world = World::new();
    let mut core = world.start().unwrap();
    let old = backup(&world);
    accept(&mut core, 1..=6);
    seal_all(&mut core);
    core.close().unwrap();
    drop(core);
    // The bytes are in a pool that this node cannot ask.
    let pool = std::mem::take(&mut world.0.lock().pool);
    world.0.lock().rows = old;
    let mut core = world.start().unwrap();
    assert_eq!(core.stopped(), Some(&StopReason::InDoubt { numbers: 1..=6 }));
    world.0.lock().pool = pool;
    block(&world, &mut core);
    assert_eq!(core.stopped(), None);
    assert_eq!(accept(&mut core, 1..=7), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn after_a_crash_numbers_go_on_and_after_a_clean_stop_the_mark_is_exact() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=2);
    drop(core);
    assert_eq!(world.0.lock().mark.unwrap().highest, 1_024);
    let mut core = world.start().unwrap();
    assert_eq!(accept(&mut core, 3..=3), [3]);
    core.close().unwrap();
    assert_eq!(world.0.lock().mark.unwrap().highest, 3);
    assert!(matches!(accept_one(&mut core, submit(4)), Err(ActivityError::Stopped(_))));
}

#[test]
fn without_its_mark_an_inbox_is_not_opened() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=2);
    drop(core);
    world.0.lock().mark = None;
    let error = world.start().unwrap_err();
    assert!(error.to_string().contains("mark is missing"), "{error}");
}

#[test]
fn a_full_lane_lets_the_sealer_wait() {
    let world = World::new();
    world.0.lock().pool_room = 1;
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=12);
    seal_all(&mut core);
    // One is in the pool, one had no room; nothing is sealed behind it.
    assert_eq!((core.snapshot().lane_full, core.unsealed()), (true, 6));
    for _ in 0..6 {
        block(&world, &mut core);
        seal_all(&mut core);
    }
    assert_eq!(core.snapshot().completed_end, 13);
}

#[test]
fn a_block_that_is_missing_is_an_error_and_one_that_is_known_is_nothing() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=1);
    seal_all(&mut core);
    world.produce();
    world.produce();
    let blocks = world.0.lock().blocks.clone();
    assert!(core.block(&blocks[1]).is_err());
    core.block(&blocks[0]).unwrap();
    let rows = backup(&world);
    core.block(&blocks[0]).unwrap();
    assert_eq!(backup(&world), rows);
    assert_eq!(core.finished_height(), Some(1));
}

#[test]
fn an_inbox_of_before_what_the_mark_has_noted_is_older() {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=2);
    let old = backup(&world);
    accept(&mut core, 3..=4);
    core.note_highest().unwrap();
    let writes = world.0.lock().writes;
    core.note_highest().unwrap();
    assert_eq!(world.0.lock().writes, writes, "it was noted");
    drop(core);
    world.0.lock().rows = old;
    let core = world.start().unwrap();
    assert_eq!(core.stopped(), Some(&StopReason::InDoubt { numbers: 3..=1_024 }));
}
