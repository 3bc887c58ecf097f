//! What must hold when everything is through: the entries of the source in the log are what was
//! accepted, each once, at the promised number.

use crate::{ACTIVITY_LOG, Client, Result, TestnetError};
use alloy_consensus::crypto::secp256k1::recover_signer;
use alloy_primitives::{Address, B256, Bytes, Signature, keccak256};
use peruri_plog::{Entry, EntryType};
use peruri_rpc_api::{ActivityAccepted, PlogEntry};
use serde_json::json;
use std::collections::BTreeMap;

/// Entries that are read at a time.
const PAGE: u64 = 1_000;

/// What was found in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Entries of the source.
    pub entries: usize,
    /// Of these, VOIDs.
    pub voids: usize,
    /// Accepted activities that are in no entry.
    pub lost: Vec<String>,
    /// Activities that have two entries.
    pub doubled: Vec<String>,
    /// Entries of activities that nobody had been told to be accepted.
    pub unknown: Vec<String>,
    /// Entries or numbers that differ from what was told, and promises that do not bind.
    pub broken: Vec<String>,
}

impl Findings {
    /// Whether nothing is lost, doubled, unknown or broken.
    pub const fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.doubled.is_empty()
            && self.unknown.is_empty()
            && self.broken.is_empty()
    }
}

/// Reads the whole log and compares the entries of `source` with what was accepted, by activity id.
/// Promises must be signed by `signer`.
///
/// # Errors
/// As [`Client::call`].
pub async fn check_entries(
    client: &Client,
    source: u32,
    signer: Address,
    accepted: &BTreeMap<String, ActivityAccepted>,
) -> Result<Findings> {
    let chain_id = client.chain_id().await?;
    let mut findings = Findings::default();
    let mut seen = BTreeMap::new();
    for found in entries(client).await? {
        let Ok(entry) = Entry::decode(&found.entry) else {
            findings.broken.push(format!("entry {} does not decode", found.index));
            continue;
        };
        if entry.source_id != source {
            continue;
        }
        findings.entries += 1;
        findings.voids += usize::from(entry.kind == EntryType::Void);
        // The VOID of a number of which nothing is known names nothing.
        if entry.kind == EntryType::Void && entry.activity_id == [0; 16] {
            continue;
        }
        let id = uuid::Uuid::from_bytes(entry.activity_id).hyphenated().to_string();
        if seen.insert(id.clone(), found.index).is_some() {
            findings.doubled.push(id.clone());
        }
        match accepted.get(&id) {
            None => findings.unknown.push(id),
            Some(told) if told.source_seq != entry.source_seq => {
                findings.broken.push(format!("{id}: another number"));
            }
            Some(told) if told.entry != found.entry && entry.kind != EntryType::Void => {
                findings.broken.push(format!("{id}: another entry"));
            }
            Some(_) => {}
        }
    }
    findings.lost.extend(accepted.keys().filter(|id| !seen.contains_key(*id)).cloned());
    let unbound = accepted.values().filter(|told| !binds(told, chain_id, source, signer));
    findings.broken.extend(unbound.map(|told| format!("{}: no promise", told.activity_id)));
    Ok(findings)
}

/// All entries of the log.
async fn entries(client: &Client) -> Result<Vec<PlogEntry>> {
    let mut all = Vec::new();
    loop {
        let from = all.len() as u64;
        let page = client.call("plog_getEntries", json!([ACTIVITY_LOG, from, PAGE])).await?;
        let page: Vec<PlogEntry> =
            serde_json::from_value(page).map_err(|error| TestnetError::Answer {
                method: "plog_getEntries".to_owned(),
                expected: "entries",
                got: error.to_string(),
            })?;
        let last = (page.len() as u64) < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// Whether the promise is the source's signature over
/// keccak256("peruri-accept-v1" ‖ u64 chain id ‖ u32 source ‖ entry).
fn binds(told: &ActivityAccepted, chain_id: u64, source: u32, signer: Address) -> bool {
    let digest = promised(chain_id, source, &told.entry);
    let signature = told.promise.as_ref().and_then(|it| Signature::from_raw(it).ok());
    signature.is_some_and(|it| recover_signer(&it, digest).is_ok_and(|found| found == signer))
}

fn promised(chain_id: u64, source: u32, entry: &Bytes) -> B256 {
    let (chain_id, source) = (chain_id.to_be_bytes(), source.to_be_bytes());
    keccak256([b"peruri-accept-v1".as_slice(), &chain_id, &source, entry].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;

    #[test]
    fn a_promise_binds_its_signer_chain_source_and_entry() {
        let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(3)).expect("key");
        let entry = Bytes::from(vec![5; 140]);
        let signature = key.sign_hash_sync(&promised(7, 1, &entry)).expect("signature");
        let mut told = ActivityAccepted {
            activity_id: String::new(),
            source_id: 1,
            source_seq: 1,
            entry,
            leaf: B256::ZERO,
            promise: Some(signature.as_bytes().into()),
            subject: None,
            commitment: None,
        };
        assert!(binds(&told, 7, 1, key.address()));
        assert!(!binds(&told, 8, 1, key.address()) && !binds(&told, 7, 2, key.address()));
        assert!(!binds(&told, 7, 1, Address::ZERO));
        told.promise = None;
        assert!(!binds(&told, 7, 1, key.address()));
    }
}
