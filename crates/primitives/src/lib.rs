//! The data types of the node: one concrete transaction, receipt, header and block type, built from
//! alloy's and Reth's generics, so that every crate above speaks of the same things.

#![forbid(unsafe_code)]

mod crypto;
mod types;

pub use crypto::{assert_libsecp256k1, recover_senders, recover_senders_unchecked};
pub use types::{
    Block, BlockBody, Header, PeruriPrimitives, PooledTransaction, Receipt, RecoveredBlock,
    SealedBlock, SealedHeader, TransactionSigned,
};
