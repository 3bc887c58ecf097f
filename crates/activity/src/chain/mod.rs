//! What the source needs of the chain, and what it gives to the pool.

mod facts;
mod provider;
mod transaction;

pub use facts::{Appended, BlockFacts, OwnTransaction};
pub use provider::ProviderChain;
pub(crate) use transaction::{Terms, decode_own, seal, sender_and_nonce};

use crate::{
    ActivityId,
    rows::{Place, StoreError},
};
use alloy_primitives::{B256, Bytes};
use peruri_plog::ENTRY_LEN;

/// Where the source stands in one block's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceState {
    /// The block.
    pub height: u64,
    /// The source's next number.
    pub next_seq: u64,
    /// The signer's next nonce.
    pub nonce: u64,
    /// The source is active, the key is its signer, and it may write the log.
    pub may_append: bool,
}

/// What a transaction must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Base fee of the next block, wei.
    pub base_fee: u64,
    /// Most gas of one transaction in the lane.
    pub max_gas: u64,
    /// The log keeps subject chains, which cost more.
    pub subject_chains: bool,
}

/// An entry of this source on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEntry {
    /// The log.
    pub log: B256,
    /// Its bytes.
    pub entry: [u8; ENTRY_LEN],
    /// Where it is.
    pub place: Place,
}

/// The committed chain.
pub trait ChainView: Send + Sync + 'static {
    /// Where this source stands at the head.
    ///
    /// # Errors
    /// The store cannot be read.
    fn source(&self) -> Result<SourceState, StoreError>;

    /// What the next transaction must keep to.
    ///
    /// # Errors
    /// The store cannot be read.
    fn limits(&self) -> Result<Limits, StoreError>;

    /// For each id, log and index of the activity if another source has published it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn published(&self, ids: &[ActivityId]) -> Result<Vec<Option<(B256, u64)>>, StoreError>;

    /// Up to `limit` entries of this source from number `from` on.
    ///
    /// # Errors
    /// The store cannot be read.
    fn entries(&self, from: u64, limit: usize) -> Result<Vec<ChainEntry>, StoreError>;
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It waits in the pool now, or did already.
    Taken,
    /// There is no room; it is offered again after the next block.
    Full,
}

/// Where sealed transactions are released to.
pub trait Lane: Send + Sync + 'static {
    /// Offers the bytes of a transaction; doing it again changes nothing.
    fn offer(&self, raw: &Bytes) -> Offered;

    /// Transactions of the source's signer that this node or a connected one knows and that are in no
    /// block, in any order.
    fn pending(&self) -> Vec<Bytes>;
}
