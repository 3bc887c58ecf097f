//! The command line: one module per verb, each a clap type with `run`.
//!
//! | module | verb |
//! |---|---|
//! | [`keys`] | `keys generate`, `show`, `import` |
//! | [`genesis`] | `genesis create`, `verify` |
//! | [`jwt`] | `jwt create` |
//! | [`config`] | `config show` |
//! | [`completions`] | `completions` |
//! | [`init`] | `init` |
//! | [`db`] | `db stats`, `verify-state`, `verify-history`, `repair-trie`, `checkpoint` |
//! | [`exit`] | what a failure means for the exit code |

pub mod completions;
pub mod config;
pub mod db;
pub mod exit;
pub mod genesis;
pub mod init;
pub mod jwt;
pub mod keys;
