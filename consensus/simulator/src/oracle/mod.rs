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

#[cfg(test)]
mod tests;

pub use header::View;
pub use judge::{Chain, Judge, Violation};

/// All invariants: what must hold, and where that is decided.
pub const INVARIANTS: &[(&str, &str, &str)] = &[
    ("S1", "one block per height, on all nodes and for ever", "judge::finalised"),
    ("S2", "the chain of a node only grows", "judge::finalised"),
    ("S4", "a final block follows from its parent: state, time", "judge::finalised, world::watch"),
    ("S5", "seals are of a quorum of distinct members", "judge::seals"),
    ("S6", "a member says one thing of a kind in a round", "ledger"),
    ("S7", "places of signatures rise; one digest in a round", "ledger, world::watch"),
    ("S8", "certificates and proposals have their reasons", "judge::signed, judge::proposed"),
    ("S9", "a round is prepared for one digest", "judge::seen"),
    (
        "S10",
        "above a final round there is nothing but the final block",
        "judge::signed, judge::seen",
    ),
    ("S11", "what is foreign changes nothing", "world::watch_foreign, judge::finalised"),
    ("S12", "the set follows from the chain, and is never empty", "judge::finalised"),
    ("S13", "nobody honest is accused", "world::watch_report"),
    ("S14", "what a node holds is bounded", "world::watch_bounds"),
    ("D1", "nothing leaves before what justifies it is durable", "world::watch_send"),
    ("D2", "records are whole, in order, and are obeyed after a restart", "world::watch_persist"),
    ("L1", "a block within f + 2 rounds of where the network was", "progress"),
    ("L2", "a block in bounded time, however long the outage was", "progress"),
    ("L3", "every node catches up", "progress"),
    ("L4", "one and two validators go on by themselves", "progress"),
    ("L5", "silent proposers cost their rounds and no more", "progress"),
    ("L6", "a block in each period, an empty one in each empty period", "progress"),
    ("L7", "transactions are included, whoever censors", "progress"),
    ("L8", "changes of the set stop nobody; votes leave a live quorum", "progress"),
    ("L9", "lies about blocks stop nobody", "progress, world::watch_report"),
];
