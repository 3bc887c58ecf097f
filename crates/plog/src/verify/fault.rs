use crate::{entry::EntryError, proof::ProofError, receipt::ContainerError};

/// One step of the verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Check {
    /// The document is a receipt.
    Container = 1,
    /// Its bytes are an entry.
    Entry,
    /// The entry's leaf hash.
    Leaf,
    /// The leaf is in the tree.
    Inclusion,
    /// The tree is in the account's storage.
    Storage,
    /// The account is in the header's state.
    Account,
    /// Headers are well-formed.
    Header,
    /// Headers are of the policy's chain.
    Chain,
    /// The header is sealed.
    Seals,
    /// Who sealed it is trusted.
    Trust,
    /// The commitment is that of the payload.
    Commitment,
}

impl Check {
    /// The number of the step.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The step in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Entry => "entry",
            Self::Leaf => "leaf",
            Self::Inclusion => "inclusion",
            Self::Storage => "storage",
            Self::Account => "account",
            Self::Header => "header",
            Self::Chain => "chain",
            Self::Seals => "seals",
            Self::Trust => "trust",
            Self::Commitment => "commitment",
        }
    }

    /// The first part of its codes.
    pub fn code(self) -> String {
        format!("E{}_{}", self.number(), self.name().to_ascii_uppercase())
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}.{sub}: {detail}", check.code())]
pub struct Fault {
    /// The step.
    pub check: Check,
    /// The code after the dot.
    pub sub: &'static str,
    /// What was found and what was expected, for people.
    pub detail: String,
}

impl Fault {
    pub(super) fn new(check: Check, sub: &'static str, detail: impl Into<String>) -> Self {
        Self { check, sub, detail: detail.into() }
    }

    /// The code with its sub-code.
    pub fn code(&self) -> String {
        format!("{}.{}", self.check.code(), self.sub)
    }
}

impl From<ContainerError> for Fault {
    fn from(error: ContainerError) -> Self {
        Self::new(Check::Container, error.code(), error.to_string())
    }
}

impl From<EntryError> for Fault {
    fn from(error: EntryError) -> Self {
        let sub = match error {
            EntryError::Length { .. } => "LENGTH",
            EntryError::Magic { .. } => "MAGIC",
            EntryError::Type { .. } => "TYPE",
            EntryError::Flags { .. } => "FLAGS",
            EntryError::NoSource => "SOURCE",
            // What only the precompile asks.
            EntryError::Source { .. }
            | EntryError::Seq { .. }
            | EntryError::ForeignRoot
            | EntryError::NotGovernance => "APPEND",
        };
        Self::new(Check::Entry, sub, error.to_string())
    }
}

impl From<ProofError> for Fault {
    fn from(error: ProofError) -> Self {
        let sub = match error {
            ProofError::Index { .. } => "INDEX",
            ProofError::Order { .. } => "ORDER",
            ProofError::Length => "LENGTH",
            ProofError::Root { .. } => "ROOT",
        };
        Self::new(Check::Inclusion, sub, error.to_string())
    }
}
