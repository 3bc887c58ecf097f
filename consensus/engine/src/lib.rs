//! The driver of consensus: what turns rules into blocks on disk.
//!
//! | module | what it does |
//! |---|---|
//! | [`engine`](Engine) | puts the parts below together and runs them |
//! | `driver` | owns the consensus core: clocks, timers, signatures, answers |
//! | `router` | from the network to those who are meant |
//! | `sync` | fetches, checks and executes blocks that are missing here |
//! | `handshake`, `wire` | what nodes say to each other |
//! | [`waiting`](waiting_transactions) | transactions of one sender in the pools of others |
//! | [`proposer`](Proposer) | builds a block and checks it as another validator would |
//! | `checker`, `candidates`, `senders` | executes proposals of others, each once |
//! | `commit` | seals a final block, writes it, tells the pool |
//! | [`sign_state`](SignStore) | what was signed, durable, outside the data folder |
//! | [`handle`](EngineHandle) | state of the running height, votes |
//! | [`chain_file`] | files of blocks, for import and export |
//! | [`importer`](BlockImporter) | blocks from elsewhere: full validation, execution, commit |
//!
//! # Order of a block
//!
//! ```text
//! build → self-validation → sign the proposal → sign state (block, then record; synced) → send
//!       → Prepares → sign the Commit → sign state (synced) → send
//!       → Commits of a quorum → database (one synced batch) → pool, subscribers, peers
//! ```
//!
//! Nothing that was signed leaves the node before it is durable, and no block is announced before its
//! batch is. After a crash between any two arrows the core resumes from the sign state: it sends the
//! same signatures again, and a lone validator finishes the block that it had sealed.

#![forbid(unsafe_code)]

mod blame;
mod candidates;
pub mod chain_file;
mod checker;
mod clock;
mod commit;
mod config;
mod driver;
mod engine;
mod error;
mod evidence;
mod handle;
mod handshake;
mod importer;
mod proposer;
mod router;
mod self_validation;
mod senders;
mod sign_state;
mod signer;
mod sync;
mod waiting;
mod wire;

pub use config::EngineConfig;
pub use engine::{Engine, EngineNetwork, EngineParts};
pub use error::EngineError;
pub use handle::{EngineHandle, HandleError, RoundState};
pub use handshake::LocalStatus;
pub use importer::{BlockImporter, ImportSummary};
pub use proposer::{BlockOrder, Proposer, SelfValidation};
pub use router::Gossip;
pub use self_validation::self_validation;
pub use sign_state::{FoundSignState, SignStateError, SignStore};
pub use signer::ValidatorSigner;
pub use sync::{SyncProgress, SyncStatus};
pub use waiting::waiting_transactions;
