//! The activity mirror: from a queue straight into block production.
//!
//! Activities come in from a queue source, become entries of the transparency log in signed
//! transactions, and are reported as complete from committed blocks. **Accepted** means that the
//! inbox row is synced on this node's disk; from there each activity becomes exactly one entry, or a
//! VOID that names it, at the number told to the caller.
//!
//! | module | what it knows |
//! |---|---|
//! | [`config`] | the section `[activity]`, key files |
//! | [`request`] | what callers send: the two forms and CloudEvents, strictly parsed |
//! | [`promise`] | the source's signature over an accepted entry |
//! | [`rows`] | the inbox on disk |
//! | [`mark`] | what must survive the data folder |
//! | [`chain`] | what a block says of the source, how entries are signed into a transaction |
//! | [`core`] | numbers, sealing, blocks, restart: all decisions, without tasks |
//! | [`handover`] | the file that hands a source over from one node to another |
//! | [`service`] | the thread that owns a source, the handle to it, the extension |
//! | [`source`] | queues that activities come from |
//!
//! No payload, user id or salt is stored or logged: they are hashed where they are parsed, and only
//! the pseudonym and the commitment go on.

#![forbid(unsafe_code)]

pub mod chain;
pub mod config;
pub mod core;
mod error;
pub mod handover;
pub mod mark;
pub mod promise;
pub mod request;
pub mod rows;
pub mod service;
pub mod source;

pub use config::{ActivityConfig, ConfigError, SourceKey, SubjectKey};
pub use error::{ActivityError, StopReason};
pub use request::{ActivityId, Schemas, Submission};
pub use service::{
    Acceptance, ActivityExEx, ActivityHandle, Completion, Completions, QueueState, Status,
    StatusName, VoidTarget,
};
