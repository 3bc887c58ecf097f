//! Chain specifications: what a genesis file says, as one immutable value.
//!
//! [`ChainSpec::from_genesis_json`] reads the genesis files of Besu and geth. Both are read with one
//! parser: keys in any case, numbers as JSON numbers, decimal or `0x` texts, every error with field,
//! line and column.
//!
//! | section | unknown key | why |
//! |---|---|---|
//! | `config` and all below it | error | a misspelt switch would silently make another chain |
//! | top level, accounts in `alloc` | notice | a wrong one changes the genesis hash, which peers compare |
//!
//! Keys that other clients define and that have no effect here are lists in the source; each one
//! found is a [`Notice`] for the log at start. What would change the rules and is not implemented is
//! refused: `qbft`, `clique`, `istanbul`, `evmStackSize`, `ecCurve` other than secp256k1, forks after
//! Osaka, and `fixedBaseFee`. The last makes Besu take the base fee from each node's own
//! `--min-gas-price`: two nodes with different flags then disagree about valid blocks, so a chain
//! with free gas should say `zeroBaseFee` instead.
//!
//! | module | content |
//! |---|---|
//! | `json` | values with their place in the file |
//! | `config`, `forks`, `blobs`, `ibft2`, [`plog`] | the parts of `config` |
//! | `genesis` | header fields, allocation, header of block 0 |
//! | `spec` | [`ChainSpec`], its questions, [`ChainSpecBuilder`] |
//! | `agreement` | [`ChainRules`], what nodes of a chain compare when they meet |
//! | [`presets`] | the chains that ship with the node |

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod agreement;
mod blobs;
mod config;
mod error;
mod forks;
mod genesis;
mod ibft2;
mod json;
pub mod plog;
pub mod presets;
mod spec;

pub use agreement::{Activation, ChainRules, ScheduledRule};
pub use error::{ChainSpecError, Notice, Position, Site};
pub use forks::{Forks, describe_condition};
pub use peruri_plog::PLOG_ADDRESS;
pub use plog::{PlogConfig, PlogLog, PlogSource, PlogWriter};
pub use presets::{DEV_JSON, DEV_VALIDATOR_KEY, PILOT_JSON};
pub use spec::{ChainSpec, ChainSpecBuilder};
