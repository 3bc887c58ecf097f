//! What operators run: checks of the store against itself, repair, checkpoint, figures.

mod counted;
mod disk;
mod history;
mod progress;
mod state;
mod stats;

use alloy_primitives::B256;

pub use disk::free_space;
pub(crate) use progress::Counter;
pub use progress::{NoProgress, Progress};
pub use stats::{ColumnStats, DbStats};

/// Discrepancies that are listed one by one; more are only counted.
const LISTED: usize = 100;

/// Something in the store that contradicts something else in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Discrepancy {
    /// The flat rows do not have the state root of the head's header.
    #[error("flat rows have state root {got}, the header says {expected}")]
    StateRoot {
        /// Root in the header.
        expected: B256,
        /// Root of the flat rows.
        got: B256,
    },
    /// An account row names another storage root than its slots have.
    #[error("account {hashed_address}: row has storage root {in_row}, its slots have {of_slots}")]
    StorageRoot {
        /// keccak256 of the address.
        hashed_address: B256,
        /// Root in the account row.
        in_row: B256,
        /// Root of the slots.
        of_slots: B256,
    },
    /// Slots without an account.
    #[error("slots of {hashed_address} belong to no account")]
    OrphanSlots {
        /// keccak256 of the address.
        hashed_address: B256,
    },
    /// A trie node that should be stored is missing or differs, or one is stored that should not be.
    #[error("trie node {key} in {column}: {what}")]
    Node {
        /// Column family.
        column: &'static str,
        /// Key, hexadecimal.
        key: String,
        /// `missing`, `wrong` or `not expected`.
        what: &'static str,
    },
    /// The newest version of a row differs from the flat row.
    #[error("newest version of {key} in {column} differs from the flat row")]
    Version {
        /// Column family of the versions.
        column: &'static str,
        /// Key without its block number, hexadecimal.
        key: String,
    },
}

/// Outcome of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Block whose state was checked.
    pub number: u64,
    /// State root in its header.
    pub state_root: B256,
    /// Rows read.
    pub rows: u64,
    /// Trie nodes compared.
    pub nodes: u64,
    /// Discrepancies in the flat rows' roots: the rows themselves are damaged.
    pub damaged_rows: u64,
    /// Discrepancies in all.
    pub discrepancies: u64,
    /// The first of them.
    pub listed: Vec<Discrepancy>,
}

impl VerifyReport {
    /// True if nothing contradicts anything.
    pub const fn is_clean(&self) -> bool {
        self.discrepancies == 0
    }

    fn add(&mut self, discrepancy: Discrepancy) {
        self.discrepancies = self.discrepancies.saturating_add(1);
        if matches!(discrepancy, Discrepancy::StateRoot { .. } | Discrepancy::StorageRoot { .. }) {
            self.damaged_rows = self.damaged_rows.saturating_add(1);
        }
        if self.listed.len() < LISTED {
            self.listed.push(discrepancy);
        }
    }
}

/// Outcome of a repair of the trie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// What was found.
    pub found: VerifyReport,
    /// Nodes written or removed; zero on a dry run.
    pub repaired: u64,
}
