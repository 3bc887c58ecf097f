//! The activity mirror as a caller sees it: made-up activities, a client, and what must hold at the end.

mod check;
mod client;
mod made;
mod setup;

pub use check::{Findings, check_entries};
pub use client::MirrorClient;
pub use made::{MadeActivity, activities};
pub use setup::MirrorSetup;
