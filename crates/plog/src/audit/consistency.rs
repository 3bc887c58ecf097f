use crate::{
    proof::{ProofError, verify_consistency},
    receipt::ConsistencyAnswer,
    verify::Verified,
};
use alloy_primitives::B256;

/// Checks that `answer` proves that the log of `new` begins with that of `old`. The head in the
/// answer is the node's claim; nothing rests on it.
///
/// # Errors
/// The first [`ConsistencyError`].
pub fn check_consistency(
    old: &Verified,
    new: &Verified,
    answer: &ConsistencyAnswer,
) -> Result<(), ConsistencyError> {
    for (what, got) in [
        ("the second receipt", new.log_id),
        ("the proof", answer.log_id),
        ("the head in the proof", answer.head.log_id),
    ] {
        if got != old.log_id {
            return Err(ConsistencyError::Log { what, expected: old.log_id, got });
        }
    }
    end("first", (answer.first, answer.first_root), old)?;
    end("second", (answer.second, answer.second_root), new)?;
    verify_consistency(old.size, &old.root, new.size, &new.root, &answer.path)?;
    Ok(())
}

fn end(which: &'static str, got: (u64, B256), receipt: &Verified) -> Result<(), ConsistencyError> {
    if got == (receipt.size, receipt.root) {
        return Ok(());
    }
    Err(ConsistencyError::Head { which, expected: receipt.size, got: got.0 })
}

/// Why a proof does not tie two receipts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsistencyError {
    /// Another log.
    #[error("{what} is about the log {got}, the first receipt about {expected}")]
    Log {
        /// What is about another one.
        what: &'static str,
        /// The log of the first receipt.
        expected: B256,
        /// The other.
        got: B256,
    },
    /// The proof is about other heads.
    #[error(
        "the {which} size and root of the proof ({got}) are not those of the {which} receipt \
         ({expected})"
    )]
    Head {
        /// `first` or `second`.
        which: &'static str,
        /// The receipt's size.
        expected: u64,
        /// The proof's size.
        got: u64,
    },
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}
