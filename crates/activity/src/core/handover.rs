//! Taking a source over from another node: numbers, entries and signed bytes stay as they are.
//!
//! Everything is compared before anything is written. Then the mark is written, with what this node
//! and the file know together, and after it all rows at once. A crash in between leaves an inbox that
//! is older than its mark: a start finds numbers or nonces in doubt and signs nothing, and taking the
//! file again completes it.

use super::Core;
use crate::{
    ActivityId,
    chain::{SourceState, decode_own},
    core::adopt::index,
    handover::{Adopted, Handover, HandoverError, LeftOut, Row},
    mark::{Mark, SealedMark},
    rows::{
        Changes, Class, ENTRIES, EXPORTED, GRANTED, RESTORE, Record, Restore, SESSION, Sealed,
        StoreError, damaged, decode_u64, number_of, numbered,
    },
};
use peruri_plog::{Entry, EntryType};

/// Entries of the chain that are compared with one read.
const COMPARED: usize = 1_000;

/// What is to be written.
struct Plan<'a> {
    /// What is not included.
    rows: &'a [Row],
    /// How many numbers were included meanwhile.
    included: u64,
    /// What may still be included.
    sealed: Vec<Sealed>,
    granted: u64,
    mark: Mark,
    restore: Option<Restore>,
}

impl Core {
    /// Takes over what another node has exported; when this returns, it is on disk, and the next
    /// start goes on with it. With `renumber`, rows that cannot keep their numbers get new ones of
    /// this source.
    ///
    /// # Errors
    /// [`HandoverError`]; nothing was written unless storage has failed. After that, and after a
    /// crash, the same file can be taken again.
    pub fn take_over_handover(
        &mut self,
        file: &Handover,
        renumber: bool,
        now_ms: u64,
    ) -> Result<Adopted, HandoverError> {
        file.check()?;
        match self.plan(file) {
            Ok(plan) => Ok(self.carry_out(&plan)?),
            Err(error) if renumber && error.can_renumber() => self.renumber(file, now_ms),
            Err(error) => Err(error),
        }
    }

    fn plan<'a>(&self, file: &'a Handover) -> Result<Plan<'a>, HandoverError> {
        self.check_names(file)?;
        let state = self.chain.source()?;
        self.check_position(file, &state)?;
        self.check_own_mark(file, &state)?;
        let included = self.check_included(file, &state)?;
        let rows = file.rows.get(included..).unwrap_or_default();
        let sealed = self.open_transactions(file, &state)?;
        self.check_own_rows(rows, &sealed, &state)?;
        let (own, header) = (self.mark.read(), &file.header);
        let sealed_marks = own.and_then(|mark| mark.sealed).into_iter().chain(header.last_sealed);
        let last = state.next_seq - 1 + rows.len() as u64;
        let mark = Mark {
            session: own.map_or(0, |mark| mark.session).max(header.session.saturating_add(1)),
            highest: header.highest.max(last),
            floor: last,
            sealed: sealed_marks.max_by_key(|it| it.nonce),
            ..self.first_mark()
        };
        let granted = self.granted.max(header.granted);
        let known_nonces = state.nonce + sealed.len() as u64;
        let nonce_lost = mark.nonces_end() > known_nonces.max(granted);
        let restore = Restore { seq: mark.highest, nonces_end: mark.nonces_end() };
        let restore = (nonce_lost || mark.highest > last).then_some(restore);
        Ok(Plan { rows, included: included as u64, sealed, granted, mark, restore })
    }

    fn check_names(&self, file: &Handover) -> Result<(), HandoverError> {
        let (settings, header) = (&self.settings, &file.header);
        if (header.genesis, header.chain_id) != (settings.genesis, settings.chain_id) {
            let (expected, got) = (settings.genesis, header.genesis);
            return Err(HandoverError::OtherChain { expected, got });
        }
        if header.log != settings.log {
            return Err(HandoverError::OtherLog { expected: settings.log, got: header.log });
        }
        let expected = (settings.source, settings.key.address());
        let got = (header.source, header.signer);
        if expected != got {
            return Err(HandoverError::OtherSource { expected, got });
        }
        Ok(())
    }

    /// The chain must be at least where the node was that exported, and the inbox where the chain is.
    fn check_position(&self, file: &Handover, state: &SourceState) -> Result<(), HandoverError> {
        let header = &file.header;
        if state.next_seq < header.next_seq || state.nonce < header.nonce {
            return Err(HandoverError::Behind(format!(
                "its chain has next number {} and nonce {} of the source, the file {} and {}: let it \
                 catch up, without [activity]",
                state.next_seq, state.nonce, header.next_seq, header.nonce
            )));
        }
        let read = self.progress.map(|progress| (progress.next_seq, progress.nonce));
        match read.filter(|read| *read != (state.next_seq, state.nonce)) {
            Some((next_seq, _)) => Err(HandoverError::Behind(format!(
                "its inbox has next number {next_seq}, its chain {}",
                state.next_seq
            ))),
            None => Ok(()),
        }
    }

    /// What this node has told or signed itself must be in the file, or on chain.
    fn check_own_mark(&self, file: &Handover, state: &SourceState) -> Result<(), HandoverError> {
        let header = &file.header;
        let Some(mark) = self.mark.read() else {
            return if self.exported { Err(HandoverError::ExportedHere) } else { Ok(()) };
        };
        if mark.exported {
            let later = header.session > mark.session;
            return if later { Ok(()) } else { Err(HandoverError::ExportedHere) };
        }
        let known = file.nonces_end().max(state.nonce).max(self.granted);
        let open = |it: &SealedMark| it.nonce >= state.nonce.max(header.granted).max(self.granted);
        let contradicts = mark.sealed.filter(open).is_some_and(|own| {
            header.last_sealed.is_some_and(|it| it.nonce == own.nonce && it.hash != own.hash)
        });
        if mark.nonces_end() > known || contradicts {
            let reason = format!("this node signed nonce {} itself", mark.nonces_end() - 1);
            return Err(HandoverError::OwnInbox(reason));
        }
        // Of an inbox that is current the rows tell.
        let current = self.progress.is_some() && self.restore.is_none();
        let told = if current { self.highest } else { mark.highest };
        if told > header.highest.max(state.next_seq - 1) {
            let reason = format!("this node may have told numbers up to {told} itself");
            return Err(HandoverError::OwnInbox(reason));
        }
        Ok(())
    }

    /// How many rows were included meanwhile, which must be those that the chain has.
    fn check_included(&self, file: &Handover, state: &SourceState) -> Result<usize, HandoverError> {
        let header = &file.header;
        if state.next_seq - 1 > header.highest {
            let reason =
                format!("numbers {} to {} are on chain", header.highest + 1, state.next_seq - 1);
            return Err(HandoverError::Discontinuous(reason));
        }
        if state.nonce > file.nonces_end() {
            let reason = format!("nonce {} was used by another", state.nonce - 1);
            return Err(HandoverError::Discontinuous(reason));
        }
        let count = usize::try_from(state.next_seq - header.next_seq).unwrap_or(usize::MAX);
        let included = file.rows.get(..count).unwrap_or(&file.rows);
        for rows in included.chunks(COMPARED) {
            let first = rows.first().map_or(0, |row| row.seq);
            let entries = self.chain.entries(first, rows.len())?;
            if entries.len() != rows.len() {
                return Err(damaged("the chain's index lacks entries").into());
            }
            let mut pairs = rows.iter().zip(&entries);
            let differs = pairs.find(|(row, found)| *row.record().published() != found.entry);
            if let Some((row, _)) = differs {
                let reason = format!("number {} is on chain with another entry", row.seq);
                return Err(HandoverError::Discontinuous(reason));
            }
        }
        Ok(included.len())
    }

    /// The signed transactions whose nonce is open.
    fn open_transactions(
        &self,
        file: &Handover,
        state: &SourceState,
    ) -> Result<Vec<Sealed>, HandoverError> {
        let open = file.sealed.iter().filter(|it| it.nonce >= state.nonce);
        open.map(|it| {
            let start = usize::try_from(it.first_seq - file.header.next_seq).unwrap_or(usize::MAX);
            let rows = file.rows.iter().skip(start).map(|row| *row.record().published());
            let own = decode_own(&it.raw, &self.settings.terms()).filter(|(sealed, entries)| {
                (sealed.nonce, sealed.first_seq, sealed.count) == (it.nonce, it.first_seq, it.count)
                    && rows.take(entries.len()).eq(entries.iter().copied())
            });
            own.map(|(sealed, _)| sealed).ok_or_else(|| {
                let what = "is not what its rows say, signed by the source";
                HandoverError::Inconsistent(format!(
                    "the transaction with nonce {} {what}",
                    it.nonce
                ))
            })
        })
        .collect()
    }

    /// Rows and transactions of this node that are not included must be those of the file. What this
    /// node has left from its own export is older than the file; there only the entries must be the
    /// same.
    fn check_own_rows(
        &self,
        rows: &[Row],
        sealed: &[Sealed],
        state: &SourceState,
    ) -> Result<(), HandoverError> {
        let mut theirs = rows.iter();
        let from = numbered(ENTRIES, state.next_seq);
        for (key, row) in self.rows.scan(ENTRIES, &from, usize::MAX)? {
            let (seq, own) = (number_of(&key)?, Record::decode(&row)?);
            let same = theirs.find(|it| it.seq == seq).is_some_and(|it| match self.exported {
                true => it.record().entry == own.entry,
                false => it.record() == own,
            });
            if !same {
                let reason = format!("number {seq} was accepted here, or closed here");
                return Err(HandoverError::OwnInbox(reason));
            }
        }
        let unknown = |own: &&Sealed| !sealed.iter().any(|it| it.hash == own.hash);
        match self.sealed.iter().find(unknown).filter(|_| !self.exported) {
            Some(own) => {
                let reason = format!("nonce {} was signed here", own.nonce);
                Err(HandoverError::OwnInbox(reason))
            }
            None => Ok(()),
        }
    }

    fn carry_out(&mut self, plan: &Plan<'_>) -> Result<Adopted, StoreError> {
        self.mark.write(&plan.mark)?;
        if self.progress.is_none() {
            self.rebuild()?;
        }
        let mut changes = Changes::default();
        for row in plan.rows {
            let record = row.record();
            changes.put(numbered(ENTRIES, row.seq), record.encode());
            index(&*self.rows, &mut changes, &record.decoded()?)?;
        }
        self.sealed.iter().for_each(|own| changes.delete(own.key()));
        plan.sealed.iter().for_each(|it| changes.put(it.key(), it.encode()));
        changes.put(SESSION, plan.mark.session.to_be_bytes());
        changes.put(GRANTED, plan.granted.to_be_bytes());
        match &plan.restore {
            Some(restore) => changes.put(RESTORE, restore.encode()),
            None => changes.delete(RESTORE),
        }
        changes.delete(EXPORTED);
        self.rows.commit(changes)?;
        self.sealed = plan.sealed.iter().cloned().collect();
        (self.highest, self.granted, self.restore) = (plan.mark.floor, plan.granted, plan.restore);
        self.exported = false;
        Ok(Adopted {
            rows: plan.rows.len() as u64,
            sealed: plan.sealed.len() as u64,
            included: plan.included,
            doubt: self.doubt(&plan.mark),
            ..Adopted::default()
        })
    }

    /// Accepts the activities of the file anew. An id that is known here keeps its number.
    fn renumber(&mut self, file: &Handover, now_ms: u64) -> Result<Adopted, HandoverError> {
        if self.progress.is_none() {
            return Err(HandoverError::NotBegun);
        }
        self.caught_up()?;
        if let Some(reason) = self.stopped() {
            return Err(HandoverError::Stopped(reason.clone()));
        }
        let mut adopted = Adopted::default();
        let mut changes = Changes::default();
        let mut highest = self.highest;
        for row in &file.rows {
            let entry = row.record().decoded()?;
            let key = Class::of(entry.kind).key(ActivityId(entry.activity_id));
            let known = match changes.rows.get(&key) {
                Some(known) => known.clone(),
                None => self.rows.get(&key)?,
            };
            if let Some(known) = known {
                adopted.renumbered.push((row.seq, decode_u64(&known)?));
            } else if let Some(why) = left_out(file, row, &entry) {
                adopted.left_out.push((row.seq, why));
            } else {
                highest += 1;
                let (source_id, source_seq) = (self.settings.source, highest);
                let entry = Entry { source_id, source_seq, ..entry };
                let record = Record::accepted(&entry, now_ms);
                changes.put(numbered(ENTRIES, highest), record.encode());
                changes.put(key, highest.to_be_bytes());
                adopted.renumbered.push((row.seq, highest));
            }
        }
        if highest > self.highest {
            self.raise(highest)?;
            self.rows.commit(changes)?;
            self.highest = highest;
        }
        Ok(adopted)
    }
}

fn left_out(file: &Handover, row: &Row, entry: &Entry) -> Option<LeftOut> {
    let sealed = |it: &crate::handover::SealedRow| (it.first_seq..it.end()).contains(&row.seq);
    if file.sealed.iter().any(sealed) {
        Some(LeftOut::Sealed)
    } else if row.closing.is_some() || entry.kind == EntryType::Void {
        Some(LeftOut::Closed)
    } else {
        None
    }
}
