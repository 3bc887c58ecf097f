//! Entries, given in hex or made from options.

use crate::cli::exit::{OrUsage, UsageError};
use alloy_primitives::{B256, hex};
use clap::{Args, ValueEnum};
use peruri_plog::{ENTRY_LEN, Entry, EntryType, entry::commitment};
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// What an entry may be about; roots of batches are written by appendRoot, notices by the source's own
/// program.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Activity,
    TokenEffect,
    BadgeEffect,
    DocumentEvent,
    Governance,
}

impl From<Kind> for EntryType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Activity => Self::Activity,
            Kind::TokenEffect => Self::TokenEffect,
            Kind::BadgeEffect => Self::BadgeEffect,
            Kind::DocumentEvent => Self::DocumentEvent,
            Kind::Governance => Self::Governance,
        }
    }
}

/// What a new entry says.
#[derive(Debug, Args)]
#[command(next_help_heading = "A new entry")]
pub(super) struct EntryArgs {
    /// What it is about
    #[arg(long = "type", value_name = "TYPE", requires = "activity_id")]
    kind: Option<Kind>,
    /// UUID of the business event
    #[arg(long, value_name = "UUID", requires = "kind", value_parser = uuid)]
    activity_id: Option<[u8; 16]>,
    /// Pseudonym of whom it is about [default: nobody]
    #[arg(long, value_name = "HASH", requires = "kind")]
    subject: Option<B256>,
    /// File with the payload that it commits to [default: an empty payload]
    #[arg(long, value_name = "FILE", requires = "kind")]
    payload: Option<PathBuf>,
    /// Schema number of the payload
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    schema: u16,
    /// Flags: 1 has an effect on chain, 2 late, 4 test data
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    flags: u8,
    /// Hash of the effect on chain [default: none]
    #[arg(long, value_name = "HASH", requires = "kind")]
    effect: Option<B256>,
    /// When it happened, Unix time in milliseconds [default: now]
    #[arg(long, value_name = "MS", requires = "kind")]
    occurred_at: Option<u64>,
}

/// An entry and what opens its commitment.
#[derive(Debug)]
pub(super) struct NewEntry {
    pub(super) entry: Entry,
    pub(super) salt: B256,
}

impl EntryArgs {
    /// The entry with this place in the sequence of a source, under a fresh salt; `None` if none is
    /// described.
    ///
    /// # Errors
    /// [`UsageError`] if the payload cannot be read or the entry is none.
    pub(super) fn make(&self, source_id: u32, source_seq: u64) -> eyre::Result<Option<NewEntry>> {
        let (Some(kind), Some(activity_id)) = (self.kind, self.activity_id) else {
            return Ok(None);
        };
        let payload = match &self.payload {
            Some(path) => std::fs::read(path).or_usage(path.display().to_string())?,
            None => Vec::new(),
        };
        let salt = B256::new(rand::random());
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let entry = Entry {
            kind: kind.into(),
            flags: self.flags,
            schema: self.schema,
            source_id,
            source_seq,
            occurred_at: self.occurred_at.unwrap_or(u64::try_from(now)?),
            activity_id,
            subject: self.subject.unwrap_or_default(),
            commitment: commitment(&salt, &payload),
            effect: self.effect.unwrap_or_default(),
        };
        Entry::decode(&entry.encode()).or_usage("entry")?;
        Ok(Some(NewEntry { entry, salt }))
    }
}

/// An entry in hex, `0x` optional.
pub(super) fn parse(text: &str) -> Result<[u8; ENTRY_LEN], String> {
    let mut bytes = [0; ENTRY_LEN];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| "expected 280 hex digits".to_owned())?;
    Ok(bytes)
}

/// Checks that given entries are the next ones of the source.
///
/// # Errors
/// [`UsageError`] that names the first one that is not.
pub(super) fn check(entries: &[[u8; ENTRY_LEN]], source: u32, next_seq: u64) -> eyre::Result<()> {
    for (number, (seq, bytes)) in (next_seq..).zip(entries).enumerate() {
        // Whether the source is the governance is for the chain to say.
        Entry::check_appended(bytes, source, seq, true)
            .map_err(|error| UsageError::new(format!("entry {}: {error}", number + 1)))?;
    }
    Ok(())
}

fn uuid(text: &str) -> Result<[u8; 16], String> {
    let wrong = || "expected a UUID like 6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01".to_owned();
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    if groups != [8, 4, 4, 4, 12] {
        return Err(wrong());
    }
    hex::decode_to_array(text.replace('-', "")).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn uuids_are_canonical() {
        let id = uuid("6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01").unwrap();
        assert_eq!((id[0], id[15]), (0x6f, 0x01));
        for bad in
            ["", "6f1f9f0e6f0b-4d53-9a5e-0a4b8f0c7d01-", "6g1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01"]
        {
            assert!(uuid(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn given_entries_must_be_the_next_ones() {
        let entry = Entry::void(3, 7, 0, peruri_plog::VoidReason::Operator, [0; 16], B256::ZERO);
        let bytes = parse(&hex::encode_prefixed(entry.encode())).unwrap();
        check(&[bytes], 3, 7).unwrap();
        for (source, next) in [(2, 7), (3, 8)] {
            let error = check(&[bytes], source, next).unwrap_err().to_string();
            assert!(error.starts_with("entry 1: "), "{error}");
        }
        assert!(parse("00").is_err());
    }
}
