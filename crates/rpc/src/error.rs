//! Errors of methods and of the server, and the codes under which they go out.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, hex};
use alloy_sol_types::{Panic, Revert, SolError};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use peruri_storage::ProviderError;
use peruri_txpool::PoolErrorKind;
use std::{net::SocketAddr, time::Duration};

/// A call that failed in the EVM or in the node; geth's general code.
pub const SERVER_ERROR: i32 = -32000;
/// A parameter that is not acceptable (JSON-RPC 2.0).
pub const INVALID_PARAMS: i32 = -32602;
/// The node failed (JSON-RPC 2.0).
pub const INTERNAL_ERROR: i32 = -32603;
/// A limit was exceeded (EIP-1474).
pub const LIMIT_EXCEEDED: i32 = -32005;
/// A header does not have as many seals as were asked for.
pub const NOT_ENOUGH_SEALS: i32 = -32010;
/// A block whose state cannot be proven any more.
pub const PROOF_WINDOW: i32 = -32012;
/// A log, an entry, a size or a source that does not exist.
pub const UNKNOWN: i32 = -32014;
/// History that this node does not keep (EIP-4444, execution-apis).
pub const PRUNED_HISTORY: i32 = 4444;
/// A state override moves a precompiled contract to itself, or one that must stay (execution-apis).
pub const CANNOT_MOVE: i32 = -38022;
/// A call that reverted, with its data (geth).
pub const EXECUTION_REVERTED: i32 = 3;
/// A transaction that was sent is in no block yet (EIP-7966).
pub const NOT_INCLUDED: i32 = 4;
/// A transaction that was sent cannot be executed yet (EIP-7966).
pub const NOT_EXECUTABLE: i32 = 5;

/// Why a method gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// A parameter is not acceptable.
    #[error("{0}")]
    InvalidParams(String),
    /// A state override moves or replaces a precompiled contract with a state of its own.
    #[error(
        "account {0} cannot be moved or replaced: a precompiled contract with a state of its own"
    )]
    CannotMove(Address),
    /// A state override moves a precompiled contract to where it is.
    #[error("account {0} is moved to itself")]
    MovedToItself(Address),
    /// A state override moves an address that is no precompiled contract.
    #[error("account {0} is not a precompile")]
    NotAPrecompile(Address),
    /// A block or call that cannot be simulated.
    #[error("{reason}")]
    Simulation {
        /// The code that execution-apis gives the reason.
        code: i32,
        /// The reason.
        reason: String,
    },
    /// A transaction that was sent is in no block within the time that its sender waits (EIP-7966).
    #[error("the transaction was added to the pool but is in no block after {waited:?}")]
    NotIncluded {
        /// The transaction.
        hash: B256,
        /// How long was waited.
        waited: Duration,
    },
    /// A transaction that was sent waits for an earlier nonce or for funds (EIP-7966).
    #[error("the transaction was added to the pool but waits for an earlier nonce or for funds")]
    NotExecutable {
        /// The transaction.
        hash: B256,
    },
    /// The block that a state was asked for does not exist.
    #[error("header not found")]
    HeaderNotFound,
    /// A block that should be traced does not exist.
    #[error("block {} not found", block_name(.0))]
    BlockNotFound(BlockId),
    /// A transaction that should be traced is in no block.
    #[error("transaction not found")]
    TransactionNotFound,
    /// Block 0 was not executed: there is nothing to trace.
    #[error("genesis is not traceable")]
    GenesisNotTraceable,
    /// Block, state, receipts or proofs outside the kept window.
    #[error(
        "pruned history unavailable: {what} of block {requested} requested, oldest kept {oldest}"
    )]
    OutsideWindow {
        /// What was asked for.
        what: &'static str,
        /// Block that was asked for.
        requested: u64,
        /// Oldest block for which the answer exists.
        oldest: u64,
    },
    /// The call reverted.
    #[error("execution reverted{}", revert_suffix(.0))]
    Reverted(Bytes),
    /// The call is invalid or ran into an exceptional halt.
    #[error("{0}")]
    Execution(String),
    /// The transaction was not taken by the pool.
    #[error("{0}")]
    Pool(PoolErrorKind),
    /// The call took too long.
    #[error("execution aborted (timeout = {limit:?})")]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// One of the limits of the server.
    #[error("limit exceeded: {what} {got} > {limit}")]
    Limit {
        /// The limit's name, as its flag.
        what: &'static str,
        /// What was asked for.
        got: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A part of the node that is switched off or does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// Too much work of a kind is waiting.
    #[error("limit exceeded: {what} is full ({limit})")]
    Busy {
        /// What is full.
        what: &'static str,
        /// Its bound.
        limit: usize,
    },
    /// No header has as many seals as were asked for.
    #[error("not enough seals yet: {have} of {wanted}")]
    NotEnoughSeals {
        /// Most seals of a header that would do otherwise.
        have: u64,
        /// What was asked for.
        wanted: u64,
    },
    /// A block outside the window in which states can be proven.
    #[error("block: states can be proven from block {from} to {to}")]
    ProofWindow {
        /// Oldest block.
        from: u64,
        /// Newest block.
        to: u64,
    },
    /// A part of the transparency log that does not exist.
    #[error("{0}")]
    Unknown(String),
    /// A filter that does not exist or expired.
    #[error("filter not found")]
    FilterNotFound,
    /// The node failed. The reason is logged and not sent.
    #[error("internal error")]
    Internal(String),
}

/// Result of a method.
pub type RpcResult<T> = Result<T, RpcError>;

impl RpcError {
    /// The JSON-RPC error code.
    pub const fn code(&self) -> i32 {
        match self {
            Self::InvalidParams(_) => INVALID_PARAMS,
            Self::CannotMove(_) | Self::MovedToItself(_) => CANNOT_MOVE,
            Self::Simulation { code, .. } => *code,
            Self::NotIncluded { .. } => NOT_INCLUDED,
            Self::NotExecutable { .. } => NOT_EXECUTABLE,
            Self::HeaderNotFound
            | Self::BlockNotFound(_)
            | Self::TransactionNotFound
            | Self::GenesisNotTraceable
            | Self::NotAPrecompile(_)
            | Self::Unavailable(_)
            | Self::Execution(_)
            | Self::Timeout { .. }
            | Self::FilterNotFound => SERVER_ERROR,
            Self::Pool(kind) if kind.is_internal() => INTERNAL_ERROR,
            Self::Pool(_) => SERVER_ERROR,
            Self::OutsideWindow { .. } => PRUNED_HISTORY,
            Self::Reverted(_) => EXECUTION_REVERTED,
            Self::Limit { .. } | Self::Busy { .. } => LIMIT_EXCEEDED,
            Self::NotEnoughSeals { .. } => NOT_ENOUGH_SEALS,
            Self::ProofWindow { .. } => PROOF_WINDOW,
            Self::Unknown(_) => UNKNOWN,
            Self::Internal(_) => INTERNAL_ERROR,
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::InvalidParams(reason.into())
    }

    pub(crate) fn internal(reason: impl std::fmt::Display) -> Self {
        Self::Internal(reason.to_string())
    }
}

/// A block as errors name it: by its hash, its number or its tag alone.
fn block_name(block: &BlockId) -> String {
    match block {
        BlockId::Hash(hash) => hash.block_hash.to_string(),
        BlockId::Number(number) => number.to_string(),
    }
}

/// The reason that Solidity's `Error(string)` or `Panic(uint256)` carries; other data has none.
fn revert_suffix(data: &Bytes) -> String {
    if let Ok(revert) = Revert::abi_decode(data) {
        return format!(": {}", revert.reason);
    }
    match Panic::abi_decode(data) {
        Ok(panic) => match panic.kind() {
            Some(kind) => format!(": {}", kind.as_str()),
            None => format!(": unknown panic code: {:#x}", panic.code),
        },
        Err(_) => String::new(),
    }
}

impl From<ProviderError> for RpcError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::OutsideWindow { what, requested, oldest } => {
                Self::OutsideWindow { what, requested, oldest }
            }
            ProviderError::BlockNotFound(_) | ProviderError::HashNotFound(_) => {
                Self::HeaderNotFound
            }
            error => Self::internal(error),
        }
    }
}

impl From<serde_json::Error> for RpcError {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let message = match &error {
            RpcError::Internal(reason) => {
                tracing::error!(target: "rpc::server", %reason, "method failed");
                error.to_string()
            }
            // The pool tells it once for many: on a full disk every transaction fails.
            RpcError::Pool(PoolErrorKind::Journal(_)) => "internal error".to_owned(),
            RpcError::Pool(kind) if kind.is_internal() => {
                tracing::error!(target: "rpc::server", reason = %kind, "pool failed");
                "internal error".to_owned()
            }
            error => error.to_string(),
        };
        match &error {
            RpcError::Reverted(data) => {
                ErrorObject::owned(error.code(), message, Some(hex::encode_prefixed(data)))
            }
            RpcError::NotIncluded { hash, .. } | RpcError::NotExecutable { hash } => {
                ErrorObject::owned(error.code(), message, Some(hash))
            }
            RpcError::NotEnoughSeals { have, wanted } => {
                let data = serde_json::json!({ "have": have, "wanted": wanted });
                ErrorObject::owned(error.code(), message, Some(data))
            }
            RpcError::ProofWindow { from, to } => {
                let data = serde_json::json!({ "from": from, "to": to });
                ErrorObject::owned(error.code(), message, Some(data))
            }
            _ => ErrorObject::owned(error.code(), message, None::<()>),
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address could not be bound.
    #[error("{endpoint} server on {addr}: {source}")]
    Bind {
        /// `http`, `ws` or `authrpc`.
        endpoint: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A namespace that nothing provides.
    #[error("{endpoint}: unknown namespace {name:?} (known: {known})")]
    UnknownNamespace {
        /// `http`, `ws` or `authrpc`.
        endpoint: &'static str,
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// An origin that no browser sends, or the wildcard.
    #[error("{endpoint}: origin {origin:?} is not allowed here: name scheme, host and port")]
    Origin {
        /// `http`, `ws` or `authrpc`.
        endpoint: &'static str,
        /// The origin.
        origin: String,
    },
    /// The OpenRPC document is not JSON.
    #[error("OpenRPC document: {0}")]
    Document(serde_json::Error),
    /// Two parts provide the same method.
    #[error("method registered twice: {0}")]
    Method(#[from] jsonrpsee::core::RegisterMethodError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::bytes;

    #[test]
    fn reverts_carry_reason_and_data() {
        let data = bytes!(
            "08c379a00000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000a75736572206572726f72000000000000000000000000000000000000000000000000"
        );
        let error = ErrorObjectOwned::from(RpcError::Reverted(data.clone()));
        assert_eq!(error.code(), 3);
        assert_eq!(error.message(), "execution reverted: user error");
        assert_eq!(error.data().map(|data| data.get().to_owned()), Some(format!("\"{data}\"")));
    }

    #[test]
    fn reverts_without_abi_have_no_reason() {
        let error = RpcError::Reverted(bytes!("77726f6e672d63616c6c6461746173697a65"));
        assert_eq!(error.to_string(), "execution reverted");
    }

    #[test]
    fn windows_have_code_4444_and_name_the_oldest_block() {
        let error = RpcError::from(ProviderError::OutsideWindow {
            what: "state",
            requested: 3,
            oldest: 10,
        });
        assert_eq!(error.code(), 4444);
        assert!(error.to_string().contains("oldest kept 10"));
    }

    #[test]
    fn internal_reasons_are_not_sent() {
        let error = ErrorObjectOwned::from(RpcError::internal("/var/lib/secret: no space left"));
        assert_eq!((error.code(), error.message()), (-32603, "internal error"));
        assert!(error.data().is_none());
    }

    #[test]
    fn limits_name_themselves() {
        let error = RpcError::Limit { what: "rpc.max-blocks-per-filter", got: 5, limit: 4 };
        assert_eq!(error.code(), -32005);
        assert_eq!(error.to_string(), "limit exceeded: rpc.max-blocks-per-filter 5 > 4");
    }
}
