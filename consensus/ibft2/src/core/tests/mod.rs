//! Tests of the rules: several cores, or one core against scripted others.

#![allow(clippy::unwrap_used)]

mod happy;
mod net;
