//! Tests of the rules: several cores, or one core against scripted others.

#![allow(clippy::unwrap_used)]

mod faults;
mod happy;
mod hostile;
mod net;
mod rules;
#[cfg(feature = "mutants")]
mod seeded;
