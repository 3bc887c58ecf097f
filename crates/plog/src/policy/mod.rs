//! What an auditor trusts: one chain, its validators, and how many of them must have sealed.
//!
//! ```toml
//! chain_id = 7251
//! genesis_hash = "0x…"
//! validators = ["0x…", "0x…", "0x…"]
//! seals = 3            # optional; never less than the quorum of the header's set
//! change_seals = 3     # optional; default: the quorum of the set trusted before
//! chain_bound = true   # optional, default true; false for chains without chainBoundSignatures
//! ```
//!
//! A policy comes to the auditor by a way that has authority: each organisation publishes its
//! [`Policy::hash`].

mod parse;

use crate::hash::sha256;
use alloy_primitives::B256;
pub use parse::PolicyError;
use peruri_ibft2::{
    ValidatorSet,
    quorum::{byzantine, quorum},
};

/// What a receipt is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The chain's id.
    pub chain_id: u64,
    /// Hash of the chain's block 0.
    pub genesis_hash: B256,
    /// The validators that are trusted to begin with; not empty.
    pub validators: ValidatorSet,
    /// Least number of seals of a receipt's header; the quorum of its set always counts.
    pub seals: Option<u32>,
    /// Least number of members of the set trusted before that must have sealed a change of set;
    /// without it the quorum of that set.
    pub change_seals: Option<u32>,
    /// Whether every header must carry the genesis hash as its vanity.
    pub chain_bound: bool,
}

impl Policy {
    /// Seals that a header with a set of `validators` needs.
    pub fn seals_needed(&self, validators: usize) -> usize {
        quorum(validators).max(number(self.seals))
    }

    /// Members of a trusted set of `validators` that must have sealed the change to the next.
    pub fn change_seals_needed(&self, validators: usize) -> usize {
        let change = self.change_seals.map_or(quorum(validators), |_| number(self.change_seals));
        change.max(number(self.seals))
    }

    /// What the auditor should know about seals under this policy, if anything: a quorum of few
    /// validators tolerates no Byzantine one.
    pub fn seals_note(&self) -> Option<String> {
        let n = self.validators.len();
        let needed = self.seals_needed(n);
        (byzantine(n) == 0 && needed < n).then(|| {
            format!(
                "with {n} validators a quorum of {} tolerates no Byzantine member; \
                 seals = {n} in the policy is recommended",
                quorum(n)
            )
        })
    }

    /// What the auditor should know about the chain under this policy, if anything.
    pub const fn chain_note(&self) -> Option<&'static str> {
        if self.chain_bound {
            None
        } else {
            Some("chain_bound = false: nothing ties these headers to their chain")
        }
    }

    /// The hash that organisations publish: SHA-256("plog-policy-v1" ‖ u64 chain id ‖ genesis hash ‖
    /// u8 chain_bound ‖ u32 seals or 0 ‖ u32 change_seals or 0 ‖ u32 count ‖ addresses ascending).
    /// Comments, order and spelling of the file do not matter to it.
    pub fn hash(&self) -> B256 {
        // No set has 2^32 members: the file would have 90 GB.
        let count = u32::try_from(self.validators.len()).unwrap_or(u32::MAX);
        sha256(&[
            b"plog-policy-v1",
            &self.chain_id.to_be_bytes(),
            self.genesis_hash.as_slice(),
            &[u8::from(self.chain_bound)],
            &self.seals.unwrap_or(0).to_be_bytes(),
            &self.change_seals.unwrap_or(0).to_be_bytes(),
            &count.to_be_bytes(),
            &self.validators.as_slice().concat(),
        ])
    }
}

fn number(seals: Option<u32>) -> usize {
    seals.map_or(0, |seals| usize::try_from(seals).unwrap_or(usize::MAX))
}
