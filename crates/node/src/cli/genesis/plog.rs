//! The transparency log of a new network: `config.plog` and its governance contract.

use crate::cli::exit::{OrUsage, UsageError};
use alloy_primitives::{Address, B256};
use clap::Args;
use peruri_evm::plog::{GOVERNANCE_ADDRESS, governance_account};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Name of the log that a new network begins with.
const LOG_NAME: &[u8] = b"activity";

#[derive(Debug, Args)]
pub(super) struct PlogArgs {
    /// Begin a transparency log with this source of entries, the address whose key signs them; the
    /// first is source 1, the next source 2; repeatable
    #[arg(long = "plog-source", value_name = "ADDRESS")]
    sources: Vec<Address>,
    /// An organisation's address in the governance of the transparency log, of which more than half
    /// must agree (2 of 3); repeatable [default: the validators]
    #[arg(long = "plog-member", value_name = "ADDRESS", requires = "sources")]
    members: Vec<Address>,
}

impl PlogArgs {
    /// Adds the log `activity` without subject chains, which all sources may write, and the governance
    /// contract at its fixed address.
    pub(super) fn add_to(&self, genesis: &mut Value, validators: &[Address]) -> eyre::Result<()> {
        if self.sources.is_empty() {
            return Ok(());
        }
        let distinct: BTreeSet<_> = self.sources.iter().collect();
        if distinct.len() != self.sources.len() {
            return Err(UsageError::new("--plog-source: an address is given twice").into());
        }
        let members = if self.members.is_empty() { validators } else { &self.members };
        let majority = members.len() / 2 + 1;
        let governance =
            governance_account(members, majority).or_usage("--plog-member, --validator")?;
        let log = B256::right_padding_from(LOG_NAME);
        let numbered = || (1u32..).zip(&self.sources);
        let source = |(id, signer): (u32, &Address)| json!({"id": id, "signer": signer});
        let writer = |(id, _): (u32, &Address)| json!({"log": log, "source": id});
        genesis["config"]["plog"] = json!({
            "governance": GOVERNANCE_ADDRESS,
            "logs": [{"id": log, "mode": 0}],
            "sources": numbered().map(source).collect::<Vec<_>>(),
            "writers": numbered().map(writer).collect::<Vec<_>>(),
        });
        genesis["alloc"][format!("{GOVERNANCE_ADDRESS:#x}")] = serde_json::to_value(governance)?;
        Ok(())
    }
}
