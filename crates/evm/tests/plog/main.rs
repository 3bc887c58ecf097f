//! The transparency log as contracts, accounts and blocks meet it.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod lab;

mod access;
mod activation;
mod append;
mod gas;
mod governance;
mod hostile;
mod refusals;
