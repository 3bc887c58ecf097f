//! The command line: one module per verb, each a clap type with `run`.
//!
//! | module | verb |
//! |---|---|
//! | [`app`] | the program itself: global flags and the list of verbs |
//! | [`node`] | `node` |
//! | [`import`] | `import`, `export` |
//! | [`keys`] | `keys generate`, `show`, `import` |
//! | [`genesis`] | `genesis create`, `verify`, `diff` |
//! | [`validator`] | `validator list`, `propose`, `discard`, `status` |
//! | [`p2p`] | `p2p identity`, `peers`, `ping` |
//! | [`consensus`] | `consensus sign-state`, `explain`, `override` |
//! | [`plog`] | `plog append`, `head`, `prove`, `receipt`, `verify`, `export` |
//! | [`activity`] | `activity status`, `submit`, `dead-letters`, `requeue`, `void`, `erase`, `retry`, `export`, `adopt` |
//! | `client` | how the five above reach the running node |
//! | [`jwt`] | `jwt create` |
//! | [`config`] | `config show` |
//! | [`completions`] | `completions` |
//! | [`init`] | `init` |
//! | [`db`] | `db stats`, `verify-state`, `verify-history`, `repair-trie`, `verify-plog`, `rebuild-plog`, `checkpoint` |
//! | [`exit`] | what a failure means for the exit code |

pub mod activity;
pub mod app;
mod client;
pub mod completions;
pub mod config;
pub mod consensus;
pub mod db;
pub mod exit;
pub mod genesis;
pub mod import;
pub mod init;
pub mod jwt;
pub mod keys;
pub mod node;
pub mod p2p;
pub mod plog;
pub mod validator;
