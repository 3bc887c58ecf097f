//! What the driver said about blocks, so that each is executed once.
//!
//! A verdict belongs to block hash and body: who delivers a good header with a spoiled body cannot
//! make the good block look invalid.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, keccak256};

use super::input::{RequestId, Verdict};
use crate::{hash::BlockHash, messages::Block};

/// Verdicts kept in a height.
const KEPT_VERDICTS: usize = 256;
/// Blocks that the driver is asked about at once. Copies of one proposal with different bodies are
/// free for a malicious proposer, and each that is asked about is held by the driver.
const ASKED_AT_ONCE: usize = 8;

/// What a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckKey {
    hash: BlockHash,
    body: B256,
    fresh: bool,
}

impl CheckKey {
    pub(super) fn new(block: &Block, fresh: bool) -> Self {
        Self { hash: block.hash(), body: keccak256(&block.body), fresh }
    }

    /// Block hash of the block.
    pub(super) const fn hash(&self) -> BlockHash {
        self.hash
    }
}

/// What is known about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Valid,
    Invalid,
    /// Asked, or put off until own messages are sent again.
    Pending,
    /// To be asked.
    Unknown,
}

/// Verdicts of one height.
#[derive(Debug, Clone, Default)]
pub(super) struct Checks {
    verdicts: BTreeMap<CheckKey, bool>,
    pending: BTreeMap<RequestId, CheckKey>,
    put_off: BTreeSet<CheckKey>,
}

impl Checks {
    pub(super) fn get(&self, key: &CheckKey) -> Known {
        // What is valid even as a fresh block is valid where a certificate forces it.
        let strict = CheckKey { fresh: true, ..*key };
        if self.verdicts.get(&strict) == Some(&true) {
            return Known::Valid;
        }
        match self.verdicts.get(key) {
            Some(true) => Known::Valid,
            Some(false) => Known::Invalid,
            None if self.put_off.contains(key) => Known::Pending,
            None if self.pending.values().any(|pending| pending == key) => Known::Pending,
            None => Known::Unknown,
        }
    }

    /// Whether the driver has to answer first.
    pub(super) fn is_busy(&self) -> bool {
        self.pending.len() >= ASKED_AT_ONCE
    }

    pub(super) fn asked(&mut self, request: RequestId, key: CheckKey) {
        self.pending.insert(request, key);
    }

    /// Notes an answer; false if nothing was asked under this number.
    pub(super) fn answered(&mut self, request: RequestId, verdict: Verdict) -> Option<CheckKey> {
        let key = self.pending.remove(&request)?;
        match verdict {
            Verdict::Valid => self.note(key, true),
            Verdict::Invalid => self.note(key, false),
            Verdict::NotYet => {
                while self.put_off.len() >= KEPT_VERDICTS {
                    self.put_off.pop_first();
                }
                self.put_off.insert(key);
            }
        }
        Some(key)
    }

    /// Notes what is known without asking: an own block.
    pub(super) fn note(&mut self, key: CheckKey, valid: bool) {
        if self.verdicts.len() >= KEPT_VERDICTS {
            self.verdicts.retain(|_, valid| *valid);
        }
        if self.verdicts.len() >= KEPT_VERDICTS {
            self.verdicts.pop_first();
        }
        self.verdicts.insert(key, valid);
    }

    /// What was put off may be asked again.
    pub(super) fn retry(&mut self) {
        self.put_off.clear();
    }
}
