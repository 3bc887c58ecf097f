//! Why a block is refused.

use std::fmt;

use alloy_primitives::{B256, TxHash, U256};
use peruri_evm::ExecutionError;
use peruri_storage::ProviderError;

/// Which part of a block is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectionClass {
    /// The bytes do not decode to a block of the fork's shape.
    Rlp,
    /// A header rule, alone or against the parent; also of an ommer's header.
    Header,
    /// A transaction is invalid.
    Transaction,
    /// The body, or what executing it did, is not what the header says.
    Body,
}

impl fmt::Display for RejectionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rlp => "rlp",
            Self::Header => "header",
            Self::Transaction => "transaction",
            Self::Body => "body",
        })
    }
}

/// A broken rule. `field` names are those of the JSON-RPC header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsensusError {
    /// Malformed RLP.
    #[error("malformed block: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// Bytes after the end of the block.
    #[error("malformed block: {0} bytes after its end")]
    TrailingBytes(usize),
    /// The block is longer than allowed (EIP-7934).
    #[error("block has {got} bytes, at most {max} are allowed")]
    BlockTooLarge {
        /// Length of the block's RLP in bytes.
        got: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The body's list of withdrawals is missing, or there before its fork (EIP-4895).
    #[error("withdrawals list: {} by the fork, {}", expectation(*.expected), presence(!*.expected))]
    WithdrawalsPresence {
        /// Whether the fork has withdrawals.
        expected: bool,
    },
    /// The parent is not known.
    #[error("unknown parent {0}")]
    UnknownParent(B256),
    /// A header field is missing, or there before its fork.
    #[error("{field}: {} by the fork, {}", expectation(*.expected), presence(!*.expected))]
    FieldPresence {
        /// The field.
        field: &'static str,
        /// Whether the fork has the field.
        expected: bool,
    },
    /// A header field must have one certain value.
    #[error("{field}: expected {expected}, got {got}")]
    FieldValue {
        /// The field.
        field: &'static str,
        /// The value that the rules give.
        expected: U256,
        /// The value in the header.
        got: U256,
    },
    /// A header hash must have one certain value.
    #[error("{field}: expected {expected}, got {got}")]
    FieldHash {
        /// The field.
        field: &'static str,
        /// The value that the rules give.
        expected: B256,
        /// The value in the header.
        got: B256,
    },
    /// A header field lies outside its range.
    #[error("{field}: {got} is outside {min}..={max}")]
    FieldRange {
        /// The field.
        field: &'static str,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
        /// The value in the header.
        got: u64,
    },
    /// Blob gas that is not a multiple of the gas of one blob (EIP-4844).
    #[error("blobGasUsed: {0} is not a multiple of 131072")]
    BlobGasNotMultiple(u64),
    /// `extraData` near the DAO fork must be the fork's mark (EIP-779).
    #[error("extraData: a block at the DAO fork must carry \"dao-hard-fork\"")]
    DaoExtraData,
    /// A rule of IBFT 2.0.
    #[error(transparent)]
    Ibft(#[from] peruri_ibft2::HeaderError),
    /// The validators that seal the block cannot be computed.
    #[error("validators are not known: {0}")]
    Validators(String),
    /// An ommer is not allowed.
    #[error("ommer {index}: {reason}")]
    Ommer {
        /// Index in the body.
        index: usize,
        /// Why.
        reason: OmmerError,
    },
    /// Too many ommers.
    #[error("{got} ommers, at most {max} are allowed")]
    TooManyOmmers {
        /// Number of ommers.
        got: usize,
        /// Most allowed.
        max: usize,
    },
    /// A sender cannot be recovered from its signature.
    #[error("a transaction's signature is invalid: {0}")]
    Signature(String),
    /// A transaction of a kind that its fork does not have.
    #[error("transaction {index} ({hash}): {reason}")]
    Transaction {
        /// Index in the block.
        index: usize,
        /// Hash of the transaction.
        hash: TxHash,
        /// Why.
        reason: &'static str,
    },
    /// The transactions carry more blobs than the block may (EIP-4844).
    #[error("transactions use {got} blob gas, at most {max} are allowed")]
    TooMuchBlobGas {
        /// Blob gas of all transactions.
        got: u64,
        /// Most allowed.
        max: u64,
    },
    /// The body does not hash to what the header says.
    #[error("{field} of the body: {got}, {expected} in the header")]
    BodyRoot {
        /// The header's field.
        field: &'static str,
        /// In the header.
        expected: B256,
        /// Of the body.
        got: B256,
    },
    /// The transactions' blob gas is not what the header says.
    #[error("blobGasUsed of the body: {got}, {expected} in the header")]
    BodyBlobGas {
        /// In the header.
        expected: u64,
        /// Of the body.
        got: u64,
    },
    /// A body of an IBFT 2.0 block with withdrawals: they would create money.
    #[error("{0} withdrawals in a block of a chain that has none")]
    UnexpectedWithdrawals(usize),
    /// Execution failed or did not do what the header says.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The store failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl ConsensusError {
    /// The part of the block that is at fault, `None` if the node is
    /// ([`is_internal`](Self::is_internal)).
    pub fn class(&self) -> Option<RejectionClass> {
        use RejectionClass::{Body, Header, Rlp, Transaction};
        Some(match self {
            Self::Rlp(_)
            | Self::TrailingBytes(_)
            | Self::BlockTooLarge { .. }
            | Self::WithdrawalsPresence { .. } => Rlp,
            Self::UnknownParent(_)
            | Self::FieldPresence { .. }
            | Self::FieldValue { .. }
            | Self::FieldHash { .. }
            | Self::FieldRange { .. }
            | Self::BlobGasNotMultiple(_)
            | Self::DaoExtraData
            | Self::Ibft(_) => Header,
            Self::Ommer { reason: OmmerError::Header(error), .. } => return error.class(),
            Self::Signature(_) | Self::Transaction { .. } | Self::TooMuchBlobGas { .. } => {
                Transaction
            }
            Self::Ommer { .. }
            | Self::TooManyOmmers { .. }
            | Self::BodyRoot { .. }
            | Self::BodyBlobGas { .. }
            | Self::UnexpectedWithdrawals(_) => Body,
            Self::Execution(error) if error.is_internal() => return None,
            Self::Execution(error) if error.is_invalid_transaction() => Transaction,
            Self::Execution(_) => Body,
            Self::Provider(_) | Self::Validators(_) => return None,
        })
    }

    /// Whether the node failed and nothing is known about the block.
    pub fn is_internal(&self) -> bool {
        self.class().is_none()
    }
}

/// Why an ommer is not allowed (Yellow Paper, section 11.1).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OmmerError {
    /// The same header twice in one block.
    #[error("stands twice in the block")]
    Duplicate,
    /// It is an ancestor of the block, or the block itself.
    #[error("is an ancestor")]
    IsAncestor,
    /// An ancestor has included it already.
    #[error("was included before")]
    AlreadyIncluded,
    /// Its parent is not one of the block's ancestors within seven generations, or is the block's
    /// own parent.
    #[error("is not kin: its parent is not among the ancestors two to seven generations up")]
    NotKin,
    /// Its header is invalid.
    #[error(transparent)]
    Header(Box<ConsensusError>),
}

fn expectation(expected: bool) -> &'static str {
    if expected { "required" } else { "not allowed" }
}

fn presence(present: bool) -> &'static str {
    if present { "present" } else { "absent" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_part_at_fault() {
        let cases = [
            (ConsensusError::TrailingBytes(1), RejectionClass::Rlp),
            (ConsensusError::UnknownParent(B256::ZERO), RejectionClass::Header),
            (ConsensusError::Signature(String::new()), RejectionClass::Transaction),
            (ConsensusError::TooManyOmmers { got: 3, max: 2 }, RejectionClass::Body),
            (ExecutionError::GasUsedMismatch { expected: 1, got: 2 }.into(), RejectionClass::Body),
        ];
        for (error, class) in cases {
            assert_eq!(error.class(), Some(class), "{error}");
            assert!(!error.is_internal());
        }
    }

    #[test]
    fn an_ommers_bad_header_is_a_header_error() {
        let reason = OmmerError::Header(Box::new(ConsensusError::BlobGasNotMultiple(1)));
        let error = ConsensusError::Ommer { index: 0, reason };
        assert_eq!(error.class(), Some(RejectionClass::Header));
        let error = ConsensusError::Ommer { index: 0, reason: OmmerError::NotKin };
        assert_eq!(error.class(), Some(RejectionClass::Body));
    }

    #[test]
    fn internal_errors_have_no_class() {
        let error: ConsensusError = ExecutionError::Internal("disk".into()).into();
        assert!(error.is_internal());
    }

    #[test]
    fn presence_errors_say_both_sides() {
        let error = ConsensusError::FieldPresence { field: "withdrawalsRoot", expected: true };
        assert_eq!(error.to_string(), "withdrawalsRoot: required by the fork, absent");
    }
}
