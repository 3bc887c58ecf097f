use super::{EntryError, EntryType};
use crate::hash::leaf_hash;
use alloy_primitives::B256;

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 140;

/// The first bytes of an entry of version 1.
pub const MAGIC: [u8; 4] = *b"PLG1";

/// The flags that are defined: 01 has an effect on chain, 02 late, 04 test data.
pub const FLAGS: u8 = 0x07;

/// An entry. Encoding what was decoded gives the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is about.
    pub kind: EntryType,
    /// See [`FLAGS`].
    pub flags: u8,
    /// Schema of the payload; the reason in a VOID.
    pub schema: u16,
    /// The registered source, from 1.
    pub source_id: u32,
    /// Its place in the source's sequence.
    pub source_seq: u64,
    /// When it happened, Unix ms: the source's claim.
    pub occurred_at: u64,
    /// UUID of the business event.
    pub activity_id: [u8; 16],
    /// Pseudonym of whom it is about, or zero.
    pub subject: B256,
    /// Salted commitment to the payload.
    pub commitment: B256,
    /// Hash of the effect on chain, or zero; the leaf of the erased entry in an erasure notice.
    pub effect: B256,
}

impl Entry {
    /// Decodes an entry of any type: what a verifier accepts.
    ///
    /// # Errors
    /// [`EntryError`] unless it has 140 bytes, the magic, a known type, no undefined flag and a
    /// source from 1.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let bytes: &[u8; ENTRY_LEN] =
            bytes.try_into().map_err(|_| EntryError::Length { got: bytes.len() })?;
        let mut rest = bytes.as_slice();
        let magic = take(&mut rest);
        if magic != MAGIC {
            return Err(EntryError::Magic { got: magic });
        }
        let [kind] = take(&mut rest);
        let [flags] = take(&mut rest);
        let entry = Self {
            kind: EntryType::from_byte(kind).ok_or(EntryError::Type { got: kind })?,
            flags,
            schema: u16::from_be_bytes(take(&mut rest)),
            source_id: u32::from_be_bytes(take(&mut rest)),
            source_seq: u64::from_be_bytes(take(&mut rest)),
            occurred_at: u64::from_be_bytes(take(&mut rest)),
            activity_id: take(&mut rest),
            subject: B256::new(take(&mut rest)),
            commitment: B256::new(take(&mut rest)),
            effect: B256::new(take(&mut rest)),
        };
        if flags & !FLAGS != 0 {
            return Err(EntryError::Flags { got: flags });
        }
        if entry.source_id == 0 {
            return Err(EntryError::NoSource);
        }
        Ok(entry)
    }

    /// Decodes an entry that `source_id` appends as its number `seq`: what the precompile accepts.
    /// `governance` says whether the caller is the governance address. Everything else is the
    /// source's claim.
    ///
    /// # Errors
    /// [`EntryError`] if it is no entry, of another source or number, or of a type that this caller
    /// may not append.
    pub fn check_appended(
        bytes: &[u8],
        source_id: u32,
        seq: u64,
        governance: bool,
    ) -> Result<Self, EntryError> {
        let entry = Self::decode(bytes)?;
        match entry.kind {
            EntryType::ForeignRoot => return Err(EntryError::ForeignRoot),
            EntryType::Governance if !governance => return Err(EntryError::NotGovernance),
            _ => {}
        }
        if entry.source_id != source_id {
            return Err(EntryError::Source { expected: source_id, got: entry.source_id });
        }
        if entry.source_seq != seq {
            return Err(EntryError::Seq { expected: seq, got: entry.source_seq });
        }
        Ok(entry)
    }

    /// The 140 bytes.
    pub fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, MAGIC);
        put(&mut rest, [self.kind.byte(), self.flags]);
        put(&mut rest, self.schema.to_be_bytes());
        put(&mut rest, self.source_id.to_be_bytes());
        put(&mut rest, self.source_seq.to_be_bytes());
        put(&mut rest, self.occurred_at.to_be_bytes());
        put(&mut rest, self.activity_id);
        put(&mut rest, self.subject.0);
        put(&mut rest, self.commitment.0);
        put(&mut rest, self.effect.0);
        bytes
    }

    /// Its leaf hash in the tree.
    pub fn leaf(&self) -> B256 {
        leaf_hash(&self.encode())
    }
}

/// The next `N` bytes. The fields of an entry fill it exactly; were there too few, the rest would
/// read as zero.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut field = [0; N];
    if let Some((head, tail)) = rest.split_at_checked(N) {
        field.copy_from_slice(head);
        *rest = tail;
    }
    field
}

fn put<const N: usize>(rest: &mut &mut [u8], field: [u8; N]) {
    if let Some((head, tail)) = core::mem::take(rest).split_at_mut_checked(N) {
        head.copy_from_slice(&field);
        *rest = tail;
    }
}
