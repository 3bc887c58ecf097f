//! The documents that leave the node: a receipt, and the proof that one head extends another.
//!
//! A receipt is one self-contained JSON document. Reading is strict at every level: unknown, missing
//! and duplicate members, bytes after the document, hex that is not lower-case or not of full length
//! and numbers from 2^53 up are errors, so that one receipt has one meaning for every reader.
//! Writing keeps one order of members.

mod answer;
mod document;
mod error;
mod field;
mod json;

pub use answer::{ConsistencyAnswer, Head};
pub use document::{LogPosition, Receipt, StateProof, StorageItem, VERSION};
pub use error::ContainerError;
pub(crate) use field::{address_of, hash_of};
