//! PLOG, the transparency log: its entries, its tree, its proofs, and where its precompile keeps
//! them.
//!
//! Each log is one flat SHA-256 tree as in RFC 6962 and RFC 9162. The chain keeps its frontier, the
//! node's index keeps all of its nodes, and an auditor needs neither: the precompile, the node's
//! RPC and the offline verifier call the functions of this crate. Nothing here performs I/O, reads
//! a clock or knows the EVM.
//!
//! | module | what it knows |
//! |---|---|
//! | [`entry`] | the 140 bytes of an entry, pseudonyms and commitments |
//! | [`hash`] | hashes of leaves and nodes, the root of a batch |
//! | [`frontier`] | the accumulator: append to a tree of which only the peaks are known |
//! | [`proof`] | inclusion and consistency proofs: made from stored nodes, and checked |
//! | [`subject`] | the hash chain over the entries of one subject |
//! | [`layout`] | slots and words of the precompile's account |
//! | [`receipt`] | the documents that leave the node: receipts, consistency proofs |
//! | [`policy`] | what an auditor trusts |
//! | [`mod@verify`] | whether a receipt holds under a policy, step by step |
//! | [`audit`] | whether one head extends another, whether an exported log is whole |

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod audit;
pub mod entry;
pub mod frontier;
pub mod hash;
pub mod layout;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod subject;
pub mod verify;

#[cfg(test)]
mod vectors;

pub use entry::{ENTRY_LEN, Entry, EntryError, EntryType, VoidReason};
pub use frontier::{Frontier, FrontierError};
pub use hash::{EMPTY_ROOT, batch_root, leaf_hash, node_hash};
pub use layout::PLOG_ADDRESS;
pub use policy::{Policy, PolicyError};
pub use proof::{MakeProofError, ProofError, TreeNodes};
pub use receipt::{ConsistencyAnswer, ContainerError, Receipt};
pub use verify::{Opening, Report, Verified, verify};
