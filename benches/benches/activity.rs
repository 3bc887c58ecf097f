//! C12 inbox append: 1,000 activities from `submit_batch` to the durable answer, against one synced
//! RocksDB batch of the same rows. Sealing is not in it: it follows later, for many batches at once.

#![allow(missing_docs)]

use alloy_primitives::{B256, U256};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peruri_activity::{ActivityId, Submission, core::Origin};
use peruri_benches::activity::source;
use peruri_plog::{ENTRY_LEN, EntryType};
use rocksdb::{DB, WriteBatch, WriteOptions};
use tokio::runtime::Runtime;

const BATCH: u64 = 1_000;

fn activities(first: u64) -> Vec<Submission> {
    let activity = |number: u64| {
        // Ids are spread, as random ones are.
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let id = (u128::from(spread) << 64) | u128::from(number);
        Submission {
            activity_id: ActivityId(id.to_be_bytes()),
            kind: EntryType::Activity,
            schema: 1,
            occurred_at: 1_767_225_600_000,
            subject: B256::repeat_byte(7),
            commitment: B256::from(U256::from(number)),
            effect: B256::ZERO,
            test: false,
            promise: false,
            tracked: false,
        }
    };
    (first..first + BATCH).map(activity).collect()
}

/// The rows that acceptance writes: number and record, id and number.
fn rows(first: u64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (seq, activity) in (first..).zip(activities(first)) {
        let entry: [u8; ENTRY_LEN] = activity.entry(1, seq, false).encode();
        // When it was accepted, the entry, flags.
        let record = [&0u64.to_be_bytes()[..], &entry, &[0]].concat();
        batch.put([b"e", &seq.to_be_bytes()[..]].concat(), record);
        batch.put([b"i\0", &activity.activity_id.0[..]].concat(), seq.to_be_bytes());
    }
    batch
}

fn append(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("folder");
    let runtime = Runtime::new().expect("runtime");
    let handle = runtime.block_on(source::start(folder.path())).expect("source");
    let bare = DB::open_default(folder.path().join("bare")).expect("database");
    let mut synced = WriteOptions::default();
    synced.set_sync(true);

    let mut group = criterion.benchmark_group("C12 inbox append, batches of 1,000");
    group.throughput(Throughput::Elements(BATCH));
    let mut next = 1;
    group.bench_function("submit_batch to the durable answer", |bencher| {
        bencher.iter(|| {
            let batch = activities(next);
            let answers = runtime.block_on(handle.submit_batch(&batch, Origin::Caller));
            next += BATCH;
            assert!(answers.iter().all(Result::is_ok));
        });
    });
    let mut next = 1;
    group.bench_function("a synced RocksDB batch of the same rows", |bencher| {
        bencher.iter(|| {
            bare.write_opt(rows(next), &synced).expect("written");
            next += BATCH;
        });
    });
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
