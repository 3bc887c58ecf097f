//! The consensus core: IBFT 2.0 as a pure state machine.
//!
//! [`Core::step`] takes what happened and returns what is to be done. It performs no I/O, reads no
//! clock and draws no random numbers, so that every run can be repeated from its inputs.
//!
//! A height agrees on one block in rounds. In each round one validator proposes; the others, having
//! checked the block, send Prepare; who has seen a quorum prepare holds a *certificate* and sends
//! Commit; who has seen a quorum commit stores the block. A round that fails is left with a
//! RoundChange that carries the sender's highest certificate, and the next proposer must propose the
//! block of the highest certificate among a quorum of them.
//!
//! Every input changes the state; then the rules below are applied in order until none has anything
//! to do. Each is written so that applying it twice does nothing the second time.
//!
//! | rule | module |
//! |---|---|
//! | leave a round that others have left; start its timer | `rounds` |
//! | propose | `propose` |
//! | accept a proposal, become prepared | `accept` |
//! | finalise | `finalise` |
//! | sign what follows from the state, record it, send it | `signing` |
//!
//! | besides | module |
//! |---|---|
//! | messages: who is blamed, what is kept | `receive`, `inbox`, `future` |
//! | relay, sending again, answers to those behind | `relay` |
//! | start of a height, resuming from the record | `height` |
//! | doubt about the own past | `doubt` |
//! | votes | `wishes` |

/// Whether a seeded bug is switched on; never, without the feature `mutants`.
macro_rules! mutated {
    ($core:expr, $name:ident) => {{
        #[cfg(feature = "mutants")]
        let on = $core.config.mutant == Some($crate::core::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let on = false;
        on
    }};
}

mod accept;
mod checks;
mod clock;
mod config;
mod doubt;
mod effect;
mod finalise;
mod future;
mod height;
mod inbox;
mod input;
#[cfg(feature = "mutants")]
mod mutants;
mod propose;
mod receive;
mod recent;
mod relay;
mod round;
mod rounds;
mod signing;
mod state;
mod wishes;

#[cfg(test)]
mod tests;

pub use config::{Config, Profile, Start, StoredRecord};
pub use effect::{
    AuthorFault, DoubtCause, Effect, PeerFault, PersistToken, Report, RoundCause, SignKind, Target,
};
pub use input::{Input, Now, PeerId, RequestId, TimerId, Verdict, Wish};
#[cfg(feature = "mutants")]
pub use mutants::Mutant;
pub use state::{Buffered, Core};
