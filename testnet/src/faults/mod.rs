//! What a scenario does to a network: one fault per file.

mod bandwidth;
#[cfg(test)]
mod echo;
mod loss;
mod partition;
mod rules;

pub use bandwidth::Bandwidth;
pub use loss::lose;
pub use partition::{deafen, partition};
pub use rules::{Drop, Rules};
