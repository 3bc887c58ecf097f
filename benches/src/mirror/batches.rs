//! `activity_submitBatch` up to the durable answer, beside synced RocksDB batches of the same rows.

use super::{
    Round,
    check::check,
    follow::follow,
    load::{Accepted, Load},
    of,
    offer::offer,
    stage::{Cpu, Stage},
};
use crate::{
    machine::{Quiet, own_cpu_time},
    stats::{Percentiles, Summary},
    subject::Programs,
};
use eyre::{Result, ensure};
use peruri_plog::Entry;
use rocksdb::{DB, WriteBatch, WriteOptions};
use serde::Serialize;
use std::time::Instant;

/// Activities of a request and rows of a batch: the most that a request may hold.
const BATCH: usize = 1_000;
const CONNECTIONS: usize = 4;
/// The fewest that a log may have members: the second one only takes part in consensus.
const VALIDATORS: usize = 2;
/// Seconds between blocks.
const PERIOD: u64 = 1;

/// The node in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OverHttp {
    /// Activities durably accepted a second.
    pub per_second: f64,
    /// Milliseconds of a request.
    pub answer_ms: Percentiles,
    /// CPU time; what is accepted is sealed meanwhile.
    pub cpu: Cpu,
}

/// RocksDB in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Bare {
    /// Activities a second whose rows are durable.
    pub per_second: f64,
    /// CPU time for each in microseconds.
    pub cpu_us: f64,
}

/// All rounds, on one node and one database.
#[derive(Debug, Clone, Serialize)]
pub struct Batches {
    /// Activities of a round.
    pub activities: usize,
    /// The rounds.
    pub rounds: Vec<Round<(OverHttp, Bare)>>,
}

impl Batches {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&(OverHttp, Bare)) -> f64) -> Option<Summary> {
        of(&self.rounds, figure)
    }
}

/// Measures `rounds` rounds of `activities`.
///
/// # Errors
/// If the node fails, or an activity is refused, lost or doubled.
pub async fn measure(programs: &Programs, activities: usize, rounds: usize) -> Result<Batches> {
    let stage = Stage::start(programs, VALIDATORS, PERIOD).await?;
    let path = programs.folder.join("bare");
    let bare = DB::open_default(&path)?;
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let load = Load::make(round as u64, activities, BATCH);
        let first = ((round - 1) * activities) as u64 + 1;
        let quiet = Quiet::wait(&programs.folder)?;
        let (over_http, accepted) = over_http(&stage, first, &load).await?;
        let bare = tokio::task::block_in_place(|| write(&bare, &accepted))?;
        eprintln!("submit-batch: round {round}: {over_http:?}, {bare:?}");
        measured.push(Round { quiet, figures: (over_http, bare) });
    }
    stage.stop().await?;
    drop(bare);
    std::fs::remove_dir_all(&path)?;
    Ok(Batches { activities, rounds: measured })
}

/// Returns when all are final: the node has nothing to do then.
async fn over_http(stage: &Stage, first: u64, load: &Load) -> Result<(OverHttp, Vec<Accepted>)> {
    let before = stage.used()?;
    let start = Instant::now();
    let exchanges = offer(stage.server()?, load.bodies.clone(), CONNECTIONS, None).await?;
    let wall = start.elapsed();
    let cpu = stage.used()?.since(before, load.len());
    follow(&stage.caller()?, first, load.len(), None).await?;
    let accepted = load.accepted(&exchanges)?;
    check(stage, first, &accepted).await?;
    let per_second = load.len() as f64 / wall.as_secs_f64();
    let answer_ms = Percentiles::of(exchanges.iter().map(|it| it.answered_ms - it.sent_ms));
    Ok((OverHttp { per_second, answer_ms, cpu }, accepted))
}

fn write(db: &DB, accepted: &[Accepted]) -> Result<Bare> {
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let (cpu, start) = (own_cpu_time()?, Instant::now());
    for part in accepted.chunks(BATCH) {
        db.write_opt(rows(part)?, &synced)?;
    }
    let (wall, cpu) = (start.elapsed(), own_cpu_time()?.saturating_sub(cpu));
    let each = accepted.len() as f64;
    Ok(Bare { per_second: each / wall.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / each })
}

/// The rows that acceptance writes: number and record, id and number.
fn rows(accepted: &[Accepted]) -> Result<WriteBatch> {
    let mut batch = WriteBatch::default();
    for told in accepted {
        let (seq, id) = (told.seq.to_be_bytes(), Entry::decode(&told.entry)?.activity_id);
        // When it was accepted, the entry, flags.
        let record = [&0u64.to_be_bytes()[..], &told.entry, &[0]].concat();
        batch.put([b"e", &seq[..]].concat(), record);
        batch.put([b"i\0", &id[..]].concat(), seq);
    }
    ensure!(batch.len() == accepted.len() * 2, "rows are missing");
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::{super::load::tests::told, *};
    use alloy_primitives::{B256, Bytes};

    #[test]
    fn an_activity_has_a_row_by_number_and_one_by_id() {
        let folder = tempfile::tempdir().expect("folder");
        let db = DB::open_default(folder.path()).expect("database");
        let load = Load::make(1, 1, 1);
        let entry: Bytes = serde_json::from_value(told(&load, 0, 7)["entry"].take()).expect("hex");
        let accepted = [Accepted { seq: 7, entry: entry.clone(), leaf: B256::ZERO, due_ms: 0.0 }];
        let bare = write(&db, &accepted).expect("written");
        assert!(bare.per_second > 0.0);
        let record = db.get([b"e", &7u64.to_be_bytes()[..]].concat()).expect("read").expect("row");
        assert_eq!((record.len(), &record[8..148]), (149, &entry[..]));
        let id = Entry::decode(&entry).expect("entry").activity_id;
        let number = db.get([b"i\0", &id[..]].concat()).expect("read").expect("row");
        assert_eq!(number, 7u64.to_be_bytes());
    }
}
