//! The consensus core: a pure state machine.
//!
//! [`Core::step`] takes what happened and returns what is to be done. It performs no I/O, reads no
//! clock and draws no random numbers, so that a run can be repeated from its inputs.

mod config;
mod effect;
mod input;
#[cfg(feature = "mutants")]
mod mutants;

pub use config::{Config, Profile, Start, StoredRecord};
pub use effect::{
    AuthorFault, DoubtCause, Effect, PeerFault, PersistToken, Report, RoundCause, SignKind, Target,
};
pub use input::{Input, Now, PeerId, RequestId, TimerId, Verdict, Wish};
#[cfg(feature = "mutants")]
pub use mutants::Mutant;
