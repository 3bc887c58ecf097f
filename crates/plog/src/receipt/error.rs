/// Why a document is not what it should be. `at` is the path of the member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// Something follows the document.
    #[error("bytes follow the document")]
    Trailing,
    /// The version is not known; nothing else of the document was judged.
    #[error("version {got:?} is not known, expected {expected:?}")]
    Version {
        /// The version that is known.
        expected: &'static str,
        /// The version found.
        got: String,
    },
    /// A value of another kind.
    #[error("{at}: expected {expected}")]
    Type {
        /// The member.
        at: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A member that occurs twice.
    #[error("{at}: occurs twice")]
    Duplicate {
        /// The member.
        at: String,
    },
    /// A member that is not part of the format.
    #[error("{at}: unknown member")]
    Unknown {
        /// The member.
        at: String,
    },
    /// A member that must be there.
    #[error("{at}: missing")]
    Missing {
        /// The member.
        at: String,
    },
    /// Not hex as the format has it.
    #[error("{at}: expected 0x and {expected} in lower case")]
    Hex {
        /// The member.
        at: String,
        /// How many digits.
        expected: String,
    },
    /// Not an integer of the format.
    #[error("{at}: expected an integer from 0 to 2^53 - 1")]
    Number {
        /// The member.
        at: String,
    },
    /// Not a minimal quantity.
    #[error("{at}: expected a quantity: 0x and at most 64 lower-case digits without leading zeros")]
    Quantity {
        /// The member.
        at: String,
    },
}

impl ContainerError {
    /// Its name in a verifier's code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "SYNTAX",
            Self::Trailing => "TRAILING",
            Self::Version { .. } => "VERSION",
            Self::Type { .. } => "TYPE",
            Self::Duplicate { .. } => "DUPLICATE",
            Self::Unknown { .. } => "UNKNOWN",
            Self::Missing { .. } => "MISSING",
            Self::Hex { .. } => "HEX",
            Self::Number { .. } => "NUMBER",
            Self::Quantity { .. } => "QUANTITY",
        }
    }
}
