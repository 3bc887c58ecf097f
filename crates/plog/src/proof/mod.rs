//! Inclusion and consistency proofs (RFC 9162 §2.1.3 and §2.1.4) at any size of a log.
//!
//! They are made from stored [`TreeNodes`] with O(log n) reads, and checked from nothing but roots
//! and sizes.

mod check;
mod make;

#[cfg(test)]
mod tests;

pub use check::{ProofError, inclusion_root, verify_consistency, verify_inclusion};
pub use make::{MakeProofError, TreeNodes, consistency_proof, inclusion_proof, root_at};
