//! The oracles: what must hold in every run, decided without the code that is under test.
//!
//! They have their own RLP reader, header hashes, vote counting, turns and sizes, and a ledger of
//! every signature that an honest validator made durable or sent.

pub mod header;
pub mod judge;
pub mod justify;
pub mod ledger;
pub mod members;
pub mod progress;
pub mod rlp;
pub mod sizes;
pub mod wire;

pub use header::View;
pub use judge::{Chain, Judge, Violation};
