//! The driver of consensus: what turns rules into blocks on disk.
//!
//! | module | what it does |
//! |---|---|
//! | [`engine`](Engine) | the loop of a lone validator: wait, build, seal, persist, commit, announce |
//! | [`proposer`](Proposer) | builds a block, checks it as another validator would, seals it |
//! | [`sign_state`](SignStore) | what was signed, durable, outside the data folder |
//! | [`resume`] | after a crash: goes on with the block that was signed |
//! | [`chain_file`] | files of blocks, for import and export |
//! | [`importer`](BlockImporter) | blocks from elsewhere: full validation, execution, commit |
//!
//! # Order of a block
//!
//! ```text
//! build → self-validation → seal → sign state (block, then record; synced)
//!       → database (one synced batch) → pool, subscribers
//! ```
//!
//! Nothing leaves the node before the database batch is synced, and nothing is sealed at a height for
//! which the sign state names a block. A crash after any arrow is therefore repaired by [`resume`].

#![forbid(unsafe_code)]

pub mod chain_file;
mod clock;
mod config;
mod engine;
mod error;
mod importer;
mod proposer;
mod resume;
mod self_validation;
mod sign_state;
mod signer;

pub use config::EngineConfig;
pub use engine::{Engine, EngineParts};
pub use error::EngineError;
pub use importer::{BlockImporter, ImportSummary};
pub use proposer::{Proposer, SelfValidation};
pub use resume::resume;
pub use self_validation::self_validation;
pub use sign_state::{SignRecord, SignStateError, SignStore};
pub use signer::SealSigner;
