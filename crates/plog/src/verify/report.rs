use super::fault::{Check, Fault};
use crate::entry::Entry;
use alloy_primitives::B256;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// What a verification found.
///
/// As JSON: `{"ok":bool,"steps":[{"n":1,"name":"container","ok":true,"code":null,"detail":"…"}]}`.
#[derive(Debug, Clone)]
pub struct Report {
    steps: Vec<Step>,
    verified: Option<Verified>,
}

/// One step that was run.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which one.
    pub check: Check,
    /// The code of its failure, none if it holds.
    pub code: Option<String>,
    /// What was found.
    pub detail: String,
}

/// What a receipt that holds proves. Only a verification makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The log.
    pub log_id: B256,
    /// The entry's index.
    pub index: u64,
    /// Size of the log.
    pub size: u64,
    /// Root of the log.
    pub root: B256,
    /// The entry.
    pub entry: Entry,
    /// Its leaf hash.
    pub leaf: B256,
    /// Number of the block whose state holds the log.
    pub block_number: u64,
    /// Hash of that block.
    pub block_hash: B256,
    /// Its time in seconds.
    pub block_time: u64,
    /// The block of the log's last append.
    pub last_append: u64,
    /// How many validators sealed the block.
    pub seals: usize,
    /// How many validators there are.
    pub validators: usize,
    /// How many changes of validators lie between the policy and the block.
    pub changes: usize,
}

impl Report {
    pub(super) fn new(mut steps: Vec<Step>, outcome: Result<Verified, Fault>) -> Self {
        let verified = match outcome {
            Ok(verified) => Some(verified),
            Err(fault) => {
                let code = Some(fault.code());
                steps.push(Step { check: fault.check, code, detail: fault.detail });
                None
            }
        };
        steps.sort_by_key(|step| step.check);
        Self { steps, verified }
    }

    /// Whether the receipt holds.
    pub const fn ok(&self) -> bool {
        self.verified.is_some()
    }

    /// What it proves, if it holds.
    pub const fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// The steps that were run, by number. The verification ended at the one that failed.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step that failed, if one did.
    pub fn failure(&self) -> Option<&Step> {
        self.steps.iter().find(|step| !step.ok())
    }
}

impl Step {
    /// Whether it holds.
    pub const fn ok(&self) -> bool {
        self.code.is_none()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Report", 2)?;
        out.serialize_field("ok", &self.ok())?;
        out.serialize_field("steps", &self.steps)?;
        out.end()
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Step", 5)?;
        out.serialize_field("n", &self.check.number())?;
        out.serialize_field("name", self.check.name())?;
        out.serialize_field("ok", &self.ok())?;
        out.serialize_field("code", &self.code)?;
        out.serialize_field("detail", &self.detail)?;
        out.end()
    }
}
