//! Why a transaction was not taken, with the texts that Ethereum tools match on.

use alloy_primitives::{Address, TxHash, U256};
use std::{io, path::PathBuf};

/// Result of adding one transaction.
pub type PoolResult<T> = Result<T, PoolError>;

/// A transaction that was not taken. Shown as its kind alone, in the field's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct PoolError {
    /// Hash of the transaction; zero if its bytes were too many to be hashed.
    pub hash: TxHash,
    /// The reason.
    pub kind: PoolErrorKind,
}

impl PoolError {
    /// An error for the transaction `hash`.
    pub const fn new(hash: TxHash, kind: PoolErrorKind) -> Self {
        Self { hash, kind }
    }
}

/// Reasons for not taking a transaction. The texts are geth's where geth has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolErrorKind {
    /// The bytes are no EIP-2718 transaction.
    #[error("{0}")]
    Decode(String),
    /// The encoding is larger than the pool takes.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    OversizedData {
        /// Bytes got.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The pool holds this transaction.
    #[error("already known")]
    AlreadyKnown,
    /// The signature gives no sender.
    #[error("invalid sender")]
    InvalidSignature,
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {got} want {expected}")]
    InvalidChainId {
        /// This chain's id.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// A legacy transaction without chain id.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// The type is not active on this chain.
    #[error("transaction type not supported")]
    TxTypeNotSupported,
    /// The sender may not send on this chain.
    #[error("sender not on the allow list: {0}")]
    SenderNotAllowed(Address),
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: address {0}")]
    SenderNotEoa(Address),
    /// The nonce is used.
    #[error("nonce too low: next nonce {expected}, tx nonce {got}")]
    NonceTooLow {
        /// The account's nonce.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// The nonce is too far ahead to be kept.
    #[error("nonce too high: next nonce {expected}, tx nonce {got}")]
    NonceTooHigh {
        /// The sender's next executable nonce.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// The nonce is 2^64 - 1 (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The balance does not cover fee and value.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, \
         overshot {}", .cost.saturating_sub(*.balance)
    )]
    InsufficientFunds {
        /// The sender's balance in wei.
        balance: U256,
        /// The most the transaction can cost in wei.
        cost: U256,
    },
    /// More gas than a block has.
    #[error("exceeds block gas limit")]
    ExceedsGasLimit {
        /// The transaction's gas limit.
        gas: u64,
        /// The block's.
        limit: u64,
    },
    /// More gas than a transaction may have (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh {
        /// The transaction's gas limit.
        gas: u64,
        /// The cap.
        cap: u64,
    },
    /// Less gas than the transaction costs before execution.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas: u64,
        /// The least it needs.
        needed: u64,
    },
    /// Less gas than the price of its data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas {
        /// The transaction's gas limit.
        gas: u64,
        /// The least it needs.
        needed: u64,
    },
    /// The tip is above the fee cap.
    #[error("max priority fee per gas higher than max fee per gas ({tip} > {fee_cap})")]
    TipAboveFeeCap {
        /// Priority fee per gas in wei.
        tip: u128,
        /// Fee cap per gas in wei.
        fee_cap: u128,
    },
    /// The init code is too long (EIP-3860).
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    MaxInitCodeSize {
        /// Bytes got.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// An EIP-7702 transaction without authorizations.
    #[error("EIP-7702 transaction with empty auth list")]
    EmptyAuthorizationList,
    /// An EIP-7702 transaction with too many authorizations.
    #[error("too many authorizations: have {got}, permitted {limit}")]
    TooManyAuthorizations {
        /// Authorizations got.
        got: usize,
        /// Authorizations allowed.
        limit: usize,
    },
    /// A delegated account has its transactions in flight already.
    #[error("in-flight transaction limit reached for delegated accounts")]
    InflightTxLimitReached,
    /// A delegated account may not leave a nonce gap.
    #[error("gapped-nonce tx from delegated accounts")]
    OutOfOrderTxFromDelegated,
    /// An authority has transactions of its own in the pool.
    #[error("authority already reserved: {0}")]
    AuthorityReserved(Address),
    /// A blob transaction without blobs.
    #[error("blobless blob transaction")]
    NoBlobs,
    /// A blob transaction with too many blobs.
    #[error("too many blobs in transaction: have {got}, permitted {limit}")]
    TooManyBlobs {
        /// Blobs got.
        got: u64,
        /// Blobs allowed.
        limit: u64,
    },
    /// The sidecar's form is not the active fork's (EIP-7594).
    #[error("unexpected blob sidecar version: {0}")]
    SidecarVersion(&'static str),
    /// The sidecar does not prove the blobs.
    #[error("invalid blob sidecar: {0}")]
    InvalidSidecar(String),
    /// The pool holds a transaction of this sender and nonce that pays nearly as much.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The sender has as many transactions as it may.
    #[error("account limit exceeded: limit {limit}")]
    AccountLimitExceeded {
        /// Transactions allowed.
        limit: usize,
    },
    /// No room.
    #[error("txpool is full")]
    TxPoolOverflow,
    /// The lane has no room for another append of this source.
    #[error("the lane of source {source_id} is full")]
    LaneFull {
        /// Number of the source.
        source_id: u32,
    },
    /// The transaction was evicted because it broke block building.
    #[error("transaction was evicted: not taken again before block {until}")]
    Evicted {
        /// Block from which it is taken again.
        until: u64,
    },
    /// The sender's account could not be read.
    #[error("account could not be read: {0}")]
    AccountRead(String),
    /// The local transaction could not be journalled and was withdrawn.
    #[error("transaction journal: {0}")]
    Journal(String),
}

impl PoolErrorKind {
    /// Whether an honest peer could not have sent this: it is wrong at every node and at any time.
    pub const fn is_bad_transaction(&self) -> bool {
        matches!(
            self,
            Self::Decode(_)
                | Self::InvalidSignature
                | Self::InvalidChainId { .. }
                | Self::NonceMax
                | Self::IntrinsicGas { .. }
                | Self::TipAboveFeeCap { .. }
                | Self::EmptyAuthorizationList
                | Self::NoBlobs
                | Self::InvalidSidecar(_)
        )
    }

    /// Whether the node failed, not the transaction: the caller may try again.
    pub const fn is_internal(&self) -> bool {
        matches!(self, Self::AccountRead(_) | Self::Journal(_))
    }
}

/// Failures of the journal of local transactions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The journal's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no journal of this program, or of a newer version.
    #[error("{path}: not a transaction journal: expected magic {expected:02x?}, got {got:02x?}")]
    Foreign {
        /// The journal's file.
        path: PathBuf,
        /// First bytes expected.
        expected: [u8; 8],
        /// First bytes found.
        got: Vec<u8>,
    },
    /// An earlier write failed half-way and could not be undone.
    #[error("{path}: unusable since an earlier failed write")]
    Broken {
        /// The journal's file.
        path: PathBuf,
    },
}

/// Failures of the list of permitted senders. The list in use stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The list's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no address.
    #[error("{path}, line {line}: expected an address (0x and 40 hex digits), got {got:?}")]
    Line {
        /// The list's file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Its content, cut to 64 characters.
        got: String,
    },
    /// The file is larger than any plausible list.
    #[error("{path}: {got} bytes, limit {limit}")]
    TooLarge {
        /// The list's file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
        /// Bytes got.
        got: u64,
    },
    /// The file is not UTF-8.
    #[error("{path}: not valid UTF-8 after {valid} bytes")]
    NotUtf8 {
        /// The list's file.
        path: PathBuf,
        /// Bytes before the first bad one.
        valid: usize,
    },
}
