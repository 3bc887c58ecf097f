//! The end of a source on this node: what another one needs to go on.

use super::{Core, reconcile::mark_is_missing};
use crate::{
    StopReason,
    handover::{Handover, Header, Row, SealedRow, VERSION},
    mark::Mark,
    rows::{Changes, ENTRIES, EXPORTED, Record, StoreError, number_of, numbered},
};

impl Core {
    /// Stops the source for good, and returns what is accepted and not included. It may be asked for
    /// again: what was included meanwhile is then left out.
    ///
    /// # Errors
    /// Storage or the chain cannot be read or written; or the mark is missing although the inbox is
    /// not empty.
    pub fn export(&mut self) -> Result<Handover, StoreError> {
        let mark = self.make_final()?;
        let (next_seq, nonce) = match self.progress {
            Some(progress) => (progress.next_seq, progress.nonce),
            None => self.chain.source().map(|state| (state.next_seq, state.nonce))?,
        };
        let header = Header {
            version: VERSION,
            genesis: mark.genesis,
            chain_id: self.settings.chain_id,
            source: mark.source,
            signer: mark.signer,
            log: self.settings.log,
            next_seq,
            nonce,
            granted: self.granted,
            session: mark.session,
            highest: mark.highest.max(self.highest),
            last_sealed: mark.sealed,
        };
        let open = self.rows.scan(ENTRIES, &numbered(ENTRIES, next_seq), usize::MAX)?;
        let rows =
            open.iter().map(|(key, row)| Ok(Row::new(number_of(key)?, &Record::decode(row)?)));
        let rows = rows.collect::<Result<_, StoreError>>()?;
        Ok(Handover { header, rows, sealed: self.sealed.iter().map(SealedRow::new).collect() })
    }

    /// The mark first: it lies outside the data folder, so that neither a restored inbox nor one that
    /// is made anew signs again.
    fn make_final(&mut self) -> Result<Mark, StoreError> {
        let mut mark = match self.mark.read() {
            Some(mark) => mark,
            None if self.progress.is_none() => self.first_mark(),
            None => return Err(mark_is_missing()),
        };
        if !mark.exported {
            mark.exported = true;
            if self.progress.is_some() && self.restore.is_none() {
                // Numbers that were raised ahead of use were told to nobody, as at a clean stop.
                (mark.highest, mark.floor) = (self.highest, self.highest);
            }
            self.mark.write(&mark)?;
        }
        if self.rows.get(EXPORTED)?.is_none() {
            let mut changes = Changes::default();
            changes.put(EXPORTED, []);
            self.rows.commit(changes)?;
        }
        self.exported = true;
        self.stop(StopReason::Exported);
        Ok(mark)
    }
}
