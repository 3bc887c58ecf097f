//! The index of the transparency log against trees in memory.

use super::support::{Edit, TestChain};
use crate::{
    BlockExecutionOutput, ExecutedBlock, NoProgress, PlogAppend, PlogDiscrepancy, ProviderError,
    db::{Batch, Column},
};
use alloy_primitives::{B256, Bytes};
use peruri_plog::{
    ENTRY_LEN, Entry, EntryType, Frontier, PLOG_ADDRESS, TreeNodes,
    layout::{LogHead, LogSlots},
    leaf_hash,
    proof::{inclusion_proof, root_at, verify_inclusion},
};
use std::{collections::BTreeMap, sync::Arc};

const LOGS: [B256; 2] = [B256::repeat_byte(1), B256::repeat_byte(2)];

/// Entry `seq` of a source; every third one is about the same subject, every fifth has the same id.
fn entry(source: u32, seq: u64) -> [u8; ENTRY_LEN] {
    let mut activity_id = [0; 16];
    activity_id[..8].copy_from_slice(&(seq % 5).to_be_bytes());
    let subject = if seq.is_multiple_of(3) { B256::repeat_byte(3) } else { B256::ZERO };
    Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: source,
        source_seq: seq,
        occurred_at: seq,
        activity_id,
        subject,
        commitment: B256::from(alloy_primitives::U256::from(seq)),
        effect: B256::ZERO,
    }
    .encode()
}

/// A chain with appends, and what the logs should hold.
struct Lab {
    chain: TestChain,
    entries: BTreeMap<B256, Vec<[u8; ENTRY_LEN]>>,
    next_seq: BTreeMap<u32, u64>,
}

impl Lab {
    fn new() -> Self {
        Self { chain: TestChain::new(), entries: BTreeMap::new(), next_seq: BTreeMap::new() }
    }

    /// `count` further entries of a source.
    fn append(&mut self, log: B256, source: u32, count: u64, tx_index: u32) -> PlogAppend {
        let next = self.next_seq.entry(source).or_insert(1);
        let (first_seq, held) = (*next, self.entries.entry(log).or_default());
        *next += count;
        let first_index = held.len() as u64;
        let new: Vec<_> = (first_seq..*next).map(|seq| entry(source, seq)).collect();
        held.extend(&new);
        let entries = Bytes::from(new.concat());
        PlogAppend { log, source, first_seq, first_index, tx_index, entries }
    }

    /// The next block, whose state says what the logs hold.
    fn block(&mut self, plog_appends: Vec<PlogAppend>) -> ExecutedBlock {
        let mut edits = vec![Edit::Account(PLOG_ADDRESS, 1, 1)];
        for (log, entries) in &self.entries {
            let slots = LogSlots::new(*log);
            let head = LogHead { size: entries.len() as u64, block: 0 }.pack();
            edits.push(Edit::Word(PLOG_ADDRESS, slots.head().into(), head));
            edits.push(Edit::Word(PLOG_ADDRESS, slots.root().into(), tree(entries).root().into()));
        }
        let (mut block, model) = self.chain.execute(&edits);
        block.execution_output =
            Arc::new(BlockExecutionOutput { plog_appends, ..BlockExecutionOutput::default() });
        self.chain.model = model;
        block
    }

    fn commit(&mut self, appends: Vec<PlogAppend>) {
        let block = self.block(appends);
        self.chain.factory.commit_block(&block).unwrap();
    }

    /// Two logs, two sources, single entries and batches, over four blocks.
    fn filled() -> Self {
        let mut lab = Self::new();
        for round in 0..4 {
            let appends = vec![
                lab.append(LOGS[0], 1, 3 + round * 5, 0),
                lab.append(LOGS[1], 2, 1, 1),
                lab.append(LOGS[0], 2, 4, 2),
            ];
            lab.commit(appends);
        }
        lab
    }

    fn assert_indexed(&self) {
        let view = self.chain.factory.plog().unwrap();
        for (log, entries) in &self.entries {
            let size = entries.len() as u64;
            assert_eq!(view.size(*log), size);
            let found: Vec<_> =
                view.entries(*log, 0, usize::MAX).unwrap().iter().map(|it| it.entry).collect();
            assert_eq!(found, *entries);
            let nodes = view.tree(*log).unwrap();
            for size in 0..=size {
                let root = tree(&entries[..size as usize]).root();
                assert_eq!(root_at(&nodes, size).unwrap(), root, "size {size}");
            }
            let root = tree(entries).root();
            for (index, bytes) in (0..).zip(entries) {
                let path = inclusion_proof(&nodes, index, size).unwrap();
                verify_inclusion(&leaf_hash(bytes), index, size, &root, &path).unwrap();
                assert_eq!(view.entry(*log, index).unwrap().unwrap().entry, *bytes);
            }
            assert_eq!(view.entry(*log, size).unwrap(), None);
        }
        let report = self.chain.factory.verify_plog(&mut NoProgress).unwrap();
        assert_eq!(report.discrepancies, []);
        assert_eq!(report.entries, self.entries.values().map(|it| it.len() as u64).sum::<u64>());
    }
}

fn tree(entries: &[[u8; ENTRY_LEN]]) -> Frontier {
    let mut tree = Frontier::new();
    for entry in entries {
        tree.append(leaf_hash(entry), |_, _, _| ()).unwrap();
    }
    tree
}

#[test]
fn every_entry_and_every_proof_is_there_and_survives_reopening() {
    let mut lab = Lab::filled();
    lab.assert_indexed();
    lab.chain = lab.chain.reopen();
    lab.assert_indexed();
}

#[test]
fn several_blocks_in_one_write_are_indexed_as_one_by_one() {
    let mut lab = Lab::filled();
    let mut blocks = Vec::new();
    for tx_index in 0..3 {
        let appends = vec![lab.append(LOGS[0], 1, 7, tx_index)];
        // Each block on the state of the one before.
        let block = lab.block(appends);
        lab.chain.factory.commit_blocks(std::slice::from_ref(&block)).unwrap();
        blocks.push(block);
    }
    lab.assert_indexed();
    let fresh = Lab::filled();
    fresh.chain.factory.commit_blocks(&blocks).unwrap();
    Lab { chain: fresh.chain, ..lab }.assert_indexed();
}

#[test]
fn look_ups_find_by_activity_content_number_and_subject() {
    let lab = Lab::filled();
    let view = lab.chain.factory.plog().unwrap();
    let all = |wanted: &dyn Fn(&Entry) -> bool| {
        let entries = lab.entries.values().flatten();
        entries.filter(|bytes| wanted(&Entry::decode(*bytes).unwrap())).count()
    };
    let mut id = [0; 16];
    id[7] = 1;
    let found = view.find_activity(&id).unwrap();
    assert_eq!(found.len(), all(&|entry| entry.activity_id == id));
    assert!(found.iter().any(|record| record.log == LOGS[1]), "in both logs");
    let record = &found[0];
    assert_eq!(view.find_leaf(record.leaf()).unwrap(), std::slice::from_ref(record));
    assert_eq!(view.find_leaf(B256::ZERO).unwrap(), []);
    for (source, next) in &lab.next_seq {
        for seq in 1..*next {
            let found = view.find_seq(*source, seq).unwrap().unwrap();
            assert_eq!(found.entry, entry(*source, seq));
        }
        assert_eq!(view.find_seq(*source, *next).unwrap(), None);
        assert_eq!(view.find_seq(*source, 0).unwrap(), None);
    }
    let subject = B256::repeat_byte(3);
    let history = view.subject(LOGS[0], subject, 0, usize::MAX).unwrap();
    let of_log = lab.entries[&LOGS[0]].iter();
    assert_eq!(history.len(), of_log.filter(|bytes| bytes[44] == 3).count());
    let rest = view.subject(LOGS[0], subject, history[1].index, 2).unwrap();
    assert_eq!(rest, history[1..3]);
    assert_eq!(view.subject(LOGS[0], B256::ZERO, 0, 9).unwrap(), [], "zero is nobody");
}

#[test]
fn a_proof_reads_few_nodes() {
    struct Counted<'a>(&'a crate::PlogTree, std::cell::Cell<usize>);
    impl TreeNodes for Counted<'_> {
        type Error = ProviderError;
        fn node(&self, level: u8, index: u64) -> Result<B256, ProviderError> {
            self.1.set(self.1.get() + 1);
            self.0.node(level, index)
        }
    }
    let mut lab = Lab::new();
    let append = lab.append(LOGS[0], 1, 1_000, 0);
    lab.commit(vec![append]);
    let nodes = lab.chain.factory.plog().unwrap().tree(LOGS[0]).unwrap();
    for index in [0, 511, 998, 999] {
        let counted = Counted(&nodes, std::cell::Cell::new(0));
        inclusion_proof(&counted, index, 1_000).unwrap();
        assert!(counted.1.get() <= 20, "{} reads", counted.1.get());
    }
}

#[test]
fn an_append_that_does_not_follow_is_refused() {
    let mut lab = Lab::filled();
    lab.append(LOGS[0], 1, 1, 0);
    let next = lab.append(LOGS[0], 1, 1, 0);
    let block = lab.block(vec![next]);
    let error = lab.chain.factory.commit_block(&block).unwrap_err();
    assert!(matches!(error, ProviderError::PlogIndex { .. }), "{error}");
}

/// Does something to a row.
type Edits<'a> = &'a dyn Fn(&mut Batch, Vec<u8>, Vec<u8>);

#[test]
fn what_is_wrong_is_found_and_made_anew() {
    let mut lab = Lab::filled();
    let appends = vec![lab.append(LOGS[0], 1, 2, 0)];
    lab.commit(appends.clone());
    let db = lab.chain.factory.db();
    let damage = |column, edit: Edits<'_>| {
        let view = crate::db::ReadView::new(Arc::clone(db));
        let mut cursor = view.cursor(column).unwrap();
        let (key, value) = cursor.first().unwrap().unwrap();
        let mut batch = Batch::default();
        edit(&mut batch, key.to_vec(), value.to_vec());
        batch.write_synced(db, "damage").unwrap();
    };
    damage(Column::PlogNodes, &|batch, key, _| batch.delete(Column::PlogNodes, key));
    damage(Column::PlogLookup, &|batch, key, _| batch.delete(Column::PlogLookup, key));
    damage(Column::PlogBatches, &|batch, key, mut value| {
        // The commitment of the first entry.
        value[24 + 80] ^= 1;
        batch.put(Column::PlogBatches, key, value);
    });
    let found = lab.chain.factory.verify_plog(&mut NoProgress).unwrap().discrepancies;
    for wanted in [
        |it: &PlogDiscrepancy| matches!(it, PlogDiscrepancy::Node { .. }),
        |it: &PlogDiscrepancy| matches!(it, PlogDiscrepancy::Lookup { .. }),
        |it: &PlogDiscrepancy| matches!(it, PlogDiscrepancy::State { .. }),
    ] {
        assert!(found.iter().any(wanted), "{found:?}");
    }
    let mut rebuild = lab.chain.factory.rebuild_plog().unwrap();
    let mut again = Lab::new();
    for number in 1..=5 {
        let appends = match number {
            5 => appends.clone(),
            _ => vec![
                again.append(LOGS[0], 1, 3 + (number - 1) * 5, 0),
                again.append(LOGS[1], 2, 1, 1),
                again.append(LOGS[0], 2, 4, 2),
            ],
        };
        rebuild.add(number, &appends).unwrap();
    }
    assert_eq!(
        rebuild.finish().unwrap(),
        lab.entries.values().map(|it| it.len() as u64).sum::<u64>()
    );
    lab.assert_indexed();
}
