//! The EVM of the node, and how a block runs on it.
//!
//! Everything that executes transactions goes through [`PeruriEvmConfig`]: proposing, validating,
//! import, and calls over RPC. Proposing and validating share more than that, they share the code
//! path: both build the environment from a header ([`PeruriEvmConfig::evm_env`]) and both run a
//! [`BlockSession`].
//!
//! * [`PeruriEvmConfig`]: environment of a block or of the next one, EVM instances, sessions;
//! * [`BlockSession`]: one block, transaction by transaction ([`PeruriEvmConfig::execute_block`]
//!   runs a whole one);
//! * [`BlockAssembler`]: the header and block that follow from what was executed;
//! * [`PeruriEvmConfig::process_block`]: executes a block, checks it against its header, and
//!   computes the state root, without touching a database.
//!
//! Chains with `config.ibft2` run Ethereum's rules with these differences, as Hyperledger Besu does:
//!
//! * the system calls of EIP-4788, EIP-2935, EIP-7002 and EIP-7251 and the deposits of EIP-6110 do
//!   not exist; `requestsHash` is that of no requests ([`ExecutorSpec`]);
//! * `PREVRANDAO` is the header's `mixHash`, which is the IBFT 2.0 constant, when proposing too;
//! * the block reward is `blockreward`, not Ethereum's, and it and the fees go to
//!   `miningbeneficiary` where one is configured; `COINBASE` returns that address.
//!
//! A chain with `config.plog` has one more precompiled contract from its activation on: the
//! transparency log ([`plog`]).

#![forbid(unsafe_code)]

mod assemble;
mod config;
mod env;
mod error;
mod factory;
mod latch;
pub mod plog;
pub mod post_execution;
mod precompiles;
mod process;
mod receipts;
mod reward;
mod session;
mod spec;
mod storage_only;

pub use alloy_evm::{
    Evm, EvmEnv, EvmFactory,
    eth::{EthBlockExecutionCtx, EthEvmContext},
};
pub use assemble::{AssembledBlock, BlockAssembler};
pub use config::PeruriEvmConfig;
pub use env::NextBlockEnvAttributes;
pub use error::{ExecutionError, TransactionError};
pub use factory::{PeruriEvm, PeruriEvmFactory};
pub use latch::StateDb;
pub use precompiles::precompiles;
pub use receipts::{PeruriReceiptBuilder, ReceiptsSummary};
pub use reward::BlockReward;
pub use session::{BlockExecutionOutcome, BlockSession, SessionDb, TransactionOutcome};
pub use spec::ExecutorSpec;
