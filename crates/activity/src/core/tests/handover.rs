//! A source moves from one node to another: what was told and signed stays, whatever dies meanwhile.

use super::world::{Disk, World, submit};
use crate::{
    ActivityError, ActivityId, StopReason,
    core::{Core, Origin},
    handover::{Handover, HandoverError, LeftOut},
    rows::{ENTRIES, Record, RowStore, numbered},
};
use alloy_primitives::{Address, B256, FixedBytes};
use peruri_plog::{Entry, EntryType, VoidReason};
use std::ops::RangeInclusive;

const NOW: u64 = 10_000;

fn accept(core: &mut Core, ids: RangeInclusive<u8>) -> Vec<u64> {
    let requests: Vec<_> = ids.map(|id| (submit(id), Origin::Caller)).collect();
    let answers = core.accept(&requests, NOW).unwrap();
    answers.into_iter().map(|it| it.unwrap().source_seq).collect()
}

fn refusal(core: &mut Core) -> StopReason {
    match core.accept(&[(submit(99), Origin::Caller)], NOW).unwrap().remove(0) {
        Err(ActivityError::Stopped(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn seal_all(core: &mut Core) {
    while core.seal(NOW).unwrap() {}
}

fn block(world: &World, core: &mut Core) {
    world.produce();
    world.deliver(core).unwrap();
}

fn record(world: &World, seq: u64) -> Record {
    let row = RowStore::get(world, &numbered(ENTRIES, seq)).unwrap();
    Record::decode(&row.unwrap()).unwrap()
}

/// The chain of `from`, on which `to` is another node.
fn follow(from: &World, to: &World) {
    let (from, mut to) = (from.0.lock(), to.0.lock());
    (to.blocks, to.entries, to.nonce) = (from.blocks.clone(), from.entries.clone(), from.nonce);
}

/// A command on a stopped node: what was not read is read, nothing is compared.
fn stopped(world: &World) -> Core {
    let mut core = world.open().unwrap();
    world.deliver(&mut core).unwrap();
    core
}

fn export(world: &World) -> Handover {
    stopped(world).export().unwrap()
}

fn adopt(world: &World, file: &Handover) -> Result<crate::handover::Adopted, HandoverError> {
    stopped(world).take_over_handover(file, false, NOW)
}

/// One to three are included, four to six signed, seven and eight wait; seven is closed.
fn busy() -> World {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 1..=3);
    seal_all(&mut core);
    block(&world, &mut core);
    accept(&mut core, 4..=6);
    seal_all(&mut core);
    accept(&mut core, 7..=8);
    core.void_activity(ActivityId([7; 16]), VoidReason::Withdrawn, NOW).unwrap().unwrap();
    world
}

fn other(from: &World) -> World {
    let world = World::new();
    follow(from, &world);
    world
}

fn state(world: &World) -> (Disk, Option<crate::mark::Mark>) {
    let inner = world.0.lock();
    (inner.rows.clone(), inner.mark)
}

#[test]
fn an_export_is_final_whatever_becomes_of_the_data_folder() {
    let world = busy();
    let before = world.0.lock().rows.clone();
    let file = export(&world);
    let numbers: Vec<_> = file.rows.iter().map(|row| row.seq).collect();
    assert_eq!((numbers.as_slice(), file.sealed.len()), ([4, 5, 6, 7, 8].as_slice(), 1));
    // The process had not stopped cleanly; numbers ahead of use were told to nobody.
    assert_eq!((file.header.next_seq, file.header.highest), (4, 8));
    assert_eq!(export(&world), file, "again after a crash before the file was written");
    let released = world.0.lock().released.clone();
    world.0.lock().pool.clear();
    let exported = world.0.lock().rows.clone();
    for rows in [exported, before, Disk::new()] {
        world.0.lock().rows = rows;
        let mut core = world.start().unwrap();
        assert_eq!(core.stopped(), Some(&StopReason::Exported));
        assert_eq!(refusal(&mut core), StopReason::Exported);
        assert!(!core.seal(NOW).unwrap());
        block(&world, &mut core);
        assert_eq!(core.stopped(), Some(&StopReason::Exported));
        assert!(core.void(4..=4, VoidReason::Operator, NOW).unwrap().is_err());
    }
    let inner = world.0.lock();
    assert_eq!((&inner.released, inner.pool.len()), (&released, 0));
}

#[test]
fn an_export_without_its_mark_is_refused_and_one_of_an_unused_source_is_empty() {
    let world = busy();
    world.0.lock().mark = None;
    assert!(world.open().unwrap().export().unwrap_err().to_string().contains("mark is missing"));
    let world = World::new();
    let file = export(&world);
    assert_eq!((file.header.next_seq, file.header.highest, file.rows.len()), (1, 0, 0));
    assert_eq!(world.start().unwrap().stopped(), Some(&StopReason::Exported));
}

#[test]
fn numbers_entries_and_signed_bytes_stay() {
    let old = busy();
    let file = export(&old);
    let new = other(&old);
    let adopted = adopt(&new, &file).unwrap();
    assert_eq!((adopted.rows, adopted.sealed, adopted.included), (5, 1, 0));
    assert_eq!(adopted.doubt, None);
    let taken = state(&new);
    assert_eq!(adopt(&new, &file).unwrap(), adopted, "again");
    assert_eq!(state(&new), taken);
    for seq in 4..=8 {
        assert_eq!(record(&new, seq), record(&old, seq), "{seq}");
    }
    let mut core = new.start().unwrap();
    assert_eq!(core.stopped(), None);
    let released = new.0.lock().released.clone();
    assert_eq!((released.len(), &released[&1]), (1, &old.0.lock().released[&1]), "the same bytes");
    assert_eq!(accept(&mut core, 1..=9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    seal_all(&mut core);
    block(&new, &mut core);
    assert_eq!((core.stopped(), core.snapshot().completed_end), (None, 10));
    let kind = Entry::decode(record(&new, 7).published()).unwrap().kind;
    assert_eq!(kind, EntryType::Void);
    // The old node reads on, answers, and stays stopped.
    follow(&new, &old);
    let mut core = old.start().unwrap();
    assert_eq!(core.stopped(), Some(&StopReason::Exported));
    assert_eq!(record(&old, 9).published(), record(&new, 9).published());
    block(&old, &mut core);
    assert_eq!(core.stopped(), Some(&StopReason::Exported));
}

#[test]
fn what_was_included_meanwhile_is_passed_over() {
    let old = busy();
    let file = export(&old);
    old.produce();
    let new = other(&old);
    let adopted = adopt(&new, &file).unwrap();
    assert_eq!((adopted.rows, adopted.sealed, adopted.included, adopted.doubt), (2, 0, 3, None));
    let mut core = new.start().unwrap();
    seal_all(&mut core);
    block(&new, &mut core);
    assert_eq!((core.stopped(), core.snapshot().completed_end), (None, 9));
    // A block between the adoption and the start holds what is signed in the file.
    let new = other(&busy());
    adopt(&new, &export(&busy())).unwrap();
    new.0.lock().pool = old.0.lock().hidden.clone();
    let raw = file.sealed[0].raw.clone();
    new.0.lock().pool.insert(1, raw);
    new.produce();
    let core = new.start().unwrap();
    assert_eq!((core.stopped(), core.snapshot().completed_end), (None, 7));
}

#[test]
fn numbers_and_nonces_that_no_row_has_are_in_doubt() {
    let old = World::new();
    let mut core = old.start().unwrap();
    accept(&mut core, 1..=3);
    let backup = old.0.lock().rows.clone();
    accept(&mut core, 4..=6);
    core.close().unwrap();
    drop(core);
    old.0.lock().rows = backup;
    let file = export(&old);
    let new = other(&old);
    assert_eq!(adopt(&new, &file).unwrap().doubt, Some(4..=6));
    let mut core = new.start().unwrap();
    assert_eq!(core.stopped(), Some(&StopReason::InDoubt { numbers: 4..=6 }));
    core.void(4..=6, VoidReason::Operator, NOW).unwrap().unwrap();
    assert_eq!(core.stopped(), None);
    assert_eq!(accept(&mut core, 9..=9), [7]);
    // A data folder that is lost altogether, with a nonce that was signed.
    let old = busy();
    old.0.lock().rows.clear();
    let new = other(&old);
    assert_eq!(adopt(&new, &export(&old)).unwrap().doubt, Some(4..=1_024));
    assert_eq!(new.start().unwrap().stopped(), Some(&StopReason::InDoubt { numbers: 4..=1_024 }));
}

#[test]
fn another_chain_source_key_or_log_is_refused_and_so_is_what_does_not_fit() {
    type Change = fn(&mut Handover);
    let old = busy();
    let file = export(&old);
    let new = other(&old);
    let before = state(&new);
    let cases: [(&str, Change); 13] = [
        ("genesis", |it| it.header.genesis = B256::ZERO),
        ("genesis", |it| it.header.chain_id = 1),
        ("signer", |it| it.header.signer = Address::ZERO),
        ("log", |it| it.header.log = B256::ZERO),
        ("form 2", |it| it.header.version = 2),
        ("number 4", |it| it.header.source = 2),
        ("number 5", |it| it.rows[1] = it.rows[2].clone()),
        ("number 7", |it| it.rows[3].closing = Some(it.rows[3].entry)),
        ("above the highest", |it| it.header.highest = 7),
        ("does not fit the rows", |it| it.sealed[0].nonce = 2),
        ("does not fit the rows", |it| it.sealed[0].count = 6),
        ("is not what its rows say", |it| it.sealed[0].count = 2),
        ("is not what its rows say", |it| {
            let entry = Entry::decode(&it.rows[0].entry.0).unwrap();
            it.rows[0].entry = Entry { subject: B256::ZERO, ..entry }.encode().into();
        }),
    ];
    for (name, change) in cases {
        let mut changed = file.clone();
        change(&mut changed);
        let error = adopt(&new, &changed).unwrap_err();
        assert!(error.is_refusal() && error.to_string().contains(name), "{name}: {error}");
        assert_eq!(state(&new), before, "{name}");
    }
    assert!(adopt(&new, &file).is_ok());
}

#[test]
fn what_does_not_continue_the_chain_is_refused() {
    let old = busy();
    let file = export(&old);
    // The chain of this node is older than the export.
    let behind = World::new();
    let error = adopt(&behind, &file).unwrap_err();
    assert!(matches!(error, HandoverError::Behind(_)), "{error}");
    // Another entry was included under a number of the file.
    old.produce();
    let new = other(&old);
    let entry = Entry::decode(&old.0.lock().entries[3].entry).unwrap();
    new.0.lock().entries[3].entry = Entry { subject: B256::ZERO, ..entry }.encode();
    let error = adopt(&new, &file).unwrap_err();
    assert!(error.to_string().contains("number 4 is on chain"), "{error}");
    // Somebody used a nonce that the file does not know.
    let new = other(&old);
    new.0.lock().nonce = 3;
    let error = adopt(&new, &file).unwrap_err();
    assert!(error.to_string().contains("nonce 2"), "{error}");
    // The chain is above everything that was told.
    let new = other(&old);
    let last = *new.0.lock().entries.last().unwrap();
    new.0.lock().entries.extend([last; 3]);
    let error = adopt(&new, &file).unwrap_err();
    assert!(error.to_string().contains("numbers 9 to 9"), "{error}");
}

#[test]
fn what_this_node_has_told_or_signed_itself_is_not_overwritten() {
    let old = busy();
    let file = export(&old);
    // Activities of its own under the same numbers, then also signed.
    let new = other(&old);
    let mut core = new.start().unwrap();
    accept(&mut core, 40..=40);
    for reason in ["number 4 was accepted here", "nonce 1"] {
        let before = state(&new);
        let error = adopt(&new, &file).unwrap_err();
        assert!(matches!(error, HandoverError::OwnInbox(_)), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(state(&new), before);
        seal_all(&mut core);
    }
    // Its inbox is gone, and its mark says that something was told.
    new.0.lock().rows.clear();
    let mut mark = new.0.lock().mark.unwrap();
    mark.sealed = None;
    new.0.lock().mark = Some(mark);
    let error = adopt(&new, &file).unwrap_err();
    assert!(error.to_string().contains("numbers up to 1024"), "{error}");
    // It went on after it took the file over.
    let new = other(&old);
    adopt(&new, &file).unwrap();
    let mut core = new.start().unwrap();
    core.void(8..=8, VoidReason::Operator, NOW).unwrap().unwrap();
    let error = adopt(&new, &file).unwrap_err();
    assert!(error.to_string().contains("number 8"), "{error}");
}

#[test]
fn a_source_comes_back_only_by_a_later_export() {
    let old = busy();
    let file = export(&old);
    assert!(matches!(adopt(&old, &file), Err(HandoverError::ExportedHere)));
    let new = other(&old);
    adopt(&new, &file).unwrap();
    let mut core = new.start().unwrap();
    block(&new, &mut core);
    core.void(8..=8, VoidReason::Operator, NOW).unwrap().unwrap();
    assert_eq!(accept(&mut core, 9..=9), [9]);
    core.close().unwrap();
    drop(core);
    let back = export(&new);
    follow(&new, &old);
    let adopted = adopt(&old, &back).unwrap();
    assert_eq!((adopted.rows, adopted.doubt), (3, None));
    let mut core = old.start().unwrap();
    assert_eq!(core.stopped(), None);
    assert_eq!(accept(&mut core, 9..=10), [9, 10]);
    assert_eq!(record(&old, 8), record(&new, 8));
    seal_all(&mut core);
    block(&old, &mut core);
    assert_eq!((core.stopped(), core.snapshot().completed_end), (None, 11));
    assert_eq!(new.start().unwrap().stopped(), Some(&StopReason::Exported));
}

/// Runs `act` with a crash at each of its writes, carried out or not, until one run has none. After
/// each crash the world is as a restart finds it.
fn crash_everywhere(
    make: impl Fn() -> World,
    act: impl Fn(&World) -> bool,
    after: impl Fn(&World),
) {
    for at in 0.. {
        let mut crashed = false;
        for carried_out in [false, true] {
            let world = make();
            world.0.lock().crash = Some((at, carried_out));
            let done = act(&world);
            crashed |= !done;
            let mut inner = world.0.lock();
            assert_eq!(done, !inner.crashed);
            (inner.crash, inner.crashed) = (None, false);
            drop(inner);
            after(&world);
        }
        if !crashed {
            assert!(at > 1, "it writes more than once");
            return;
        }
    }
}

#[test]
fn a_crash_in_an_export_leaves_nothing_or_the_end() {
    let whole = export(&busy());
    let act = |world: &World| world.open().unwrap().export().is_ok();
    crash_everywhere(busy, act, |world| {
        if world.0.lock().mark.unwrap().exported {
            assert_eq!(world.start().unwrap().stopped(), Some(&StopReason::Exported));
        }
        assert_eq!(export(world), whole);
    });
}

#[test]
fn a_crash_while_a_source_is_taken_over_is_mended_by_taking_it_again() {
    let old = busy();
    let file = export(&old);
    let act = |world: &World| adopt(world, &file).is_ok();
    for start_between in [false, true] {
        crash_everywhere(
            || other(&old),
            act,
            |world| {
                if start_between && let Ok(mut core) = world.start() {
                    let begun = world.0.lock().mark.is_some_and(|mark| mark.highest == 8);
                    let doubt = matches!(core.stopped(), Some(StopReason::InDoubt { .. }));
                    if core.stopped().is_none() && begun {
                        assert_eq!(accept(&mut core, 4..=8), [4, 5, 6, 7, 8]);
                    }
                    assert!(doubt || core.stopped().is_none(), "{core:?}");
                    let released = world.0.lock().released.clone();
                    let same = old.0.lock().released.clone();
                    assert!(released.iter().all(|(nonce, it)| same.get(nonce) == Some(it)));
                }
                let adopted = adopt(world, &file).unwrap();
                assert_eq!((adopted.rows, adopted.sealed, adopted.doubt), (5, 1, None));
                let mut core = world.start().unwrap();
                assert_eq!(accept(&mut core, 1..=9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
                seal_all(&mut core);
                block(world, &mut core);
                assert_eq!((core.stopped(), core.snapshot().completed_end), (None, 10));
            },
        );
    }
}

/// The file of `busy` as another source would have written it.
fn foreign() -> Handover {
    let mut file = export(&busy());
    let of = |bytes: &FixedBytes<140>| {
        let entry = Entry::decode(&bytes.0).unwrap();
        Entry { source_id: 2, ..entry }.encode().into()
    };
    file.header.source = 2;
    for row in &mut file.rows {
        row.entry = of(&row.entry);
        row.closing = row.closing.as_ref().map(of);
    }
    file
}

/// A source of its own that knows 8 and has 40 under number 2.
fn running() -> World {
    let world = World::new();
    let mut core = world.start().unwrap();
    accept(&mut core, 8..=8);
    accept(&mut core, 40..=40);
    core.close().unwrap();
    world
}

#[test]
fn rows_of_another_source_get_new_numbers_where_they_can() {
    let mut file = foreign();
    let world = running();
    let refused = stopped(&world).take_over_handover(&file, false, NOW).unwrap_err();
    assert!(matches!(refused, HandoverError::OtherSource { .. }), "{refused}");
    file.sealed[0].count = 2;
    for _ in 0..2 {
        let mut core = stopped(&world);
        let adopted = core.take_over_handover(&file, true, NOW).unwrap();
        assert_eq!(adopted.renumbered, [(6, 3), (8, 1)]);
        let left_out = [(4, LeftOut::Sealed), (5, LeftOut::Sealed), (7, LeftOut::Closed)];
        assert_eq!(adopted.left_out, left_out);
        core.close().unwrap();
        assert_eq!(world.0.lock().mark.unwrap().highest, 3);
    }
    let old = Entry::decode(&file.rows[2].entry.0).unwrap();
    let new = record(&world, 3).decoded().unwrap();
    assert_eq!(new, Entry { source_id: 1, source_seq: 3, ..old });
    let mut core = world.start().unwrap();
    seal_all(&mut core);
    block(&world, &mut core);
    assert_eq!((core.snapshot().completed_end, accept(&mut core, 6..=6)), (4, vec![3]));
}

#[test]
fn new_numbers_are_for_rows_that_cannot_keep_theirs_on_a_source_that_runs() {
    let old = busy();
    let file = export(&old);
    // They can.
    let new = other(&old);
    let adopted = stopped(&new).take_over_handover(&file, true, NOW).unwrap();
    assert_eq!((adopted.rows, adopted.renumbered.len()), (5, 0));
    // Numbers of this node are in the way.
    let new = other(&old);
    accept(&mut new.start().unwrap(), 40..=40);
    let adopted = stopped(&new).take_over_handover(&file, true, NOW).unwrap();
    assert_eq!(adopted.renumbered, [(8, 5)]);
    assert_eq!(adopted.left_out.len(), 4);
    // A source that never began, and one that is stopped.
    let fresh = World::new();
    let refused = stopped(&fresh).take_over_handover(&foreign(), true, NOW);
    assert!(matches!(refused, Err(HandoverError::NotBegun)), "{refused:?}");
    fresh.start().unwrap();
    export(&fresh);
    let refused = stopped(&fresh).take_over_handover(&foreign(), true, NOW);
    assert!(matches!(refused, Err(HandoverError::Stopped(StopReason::Exported))), "{refused:?}");
    // Another chain stays another chain.
    let mut strange = foreign();
    strange.header.genesis = B256::ZERO;
    let refused = stopped(&running()).take_over_handover(&strange, true, NOW);
    assert!(matches!(refused, Err(HandoverError::OtherChain { .. })), "{refused:?}");
}

#[test]
fn a_crash_while_new_numbers_are_given_leaves_the_same_numbers() {
    let mut file = foreign();
    file.sealed[0].count = 2;
    let act = |world: &World| stopped(world).take_over_handover(&file, true, NOW).is_ok();
    crash_everywhere(running, act, |world| {
        let adopted = stopped(world).take_over_handover(&file, true, NOW).unwrap();
        assert_eq!(adopted.renumbered, [(6, 3), (8, 1)]);
    });
}
