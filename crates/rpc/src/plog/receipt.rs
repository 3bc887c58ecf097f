//! Making receipts.

use super::{
    api::{proof_error, unknown},
    params,
    snapshot::Snapshot,
    terms::{Terms, Validators, signers},
};
use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_primitives::{B256, Bytes};
use peruri_plog::{
    PLOG_ADDRESS,
    layout::LogSlots,
    proof::inclusion_proof,
    receipt::{LogPosition, Receipt, StateProof, StorageItem},
};
use peruri_primitives::SealedHeader;
use peruri_storage::ProviderError;
use serde_json::Value;

/// What the caller asks of a receipt.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Prove against this block.
    block: Option<u64>,
    /// Prove against a header with so many seals.
    seals: Option<u64>,
    /// The validators that the auditor trusts.
    validators: Option<Validators>,
}

impl Options {
    pub(super) fn read(options: Option<&Value>) -> RpcResult<Self> {
        let Some(options) = options.filter(|options| !options.is_null()) else {
            return Ok(Self::default());
        };
        let members = params::object("options", options, &["block", "seals", "validators"])?;
        let validators = members.get("validators").filter(|value| !value.is_null());
        let validators = validators.map(|value| params::addresses("validators", value));
        Ok(Self {
            block: params::optional_number("block", members.get("block"))?,
            seals: params::optional_number("seals", members.get("seals"))?,
            validators: validators.transpose()?.map(|list| list.into_iter().collect()),
        })
    }
}

/// The receipt of an entry: complete, or an error.
pub(super) fn receipt(
    ctx: &Inner,
    terms: &mut Terms,
    log: B256,
    index: u64,
    options: &Options,
) -> RpcResult<Receipt> {
    let newest = Snapshot::newest(ctx)?;
    let head = newest.head(log)?;
    if index >= head.size {
        return Err(unknown("index", index, head.size));
    }
    terms.follow(ctx, head.block_number)?;
    let record = ctx.factory().plog()?.entry(log, index)?;
    let record = record.ok_or_else(|| RpcError::internal("an entry is not in the index"))?;
    let block = Choice { ctx, terms, options, newest: newest.header, oldest: record.block };
    let (header, changes) = block.choose()?;
    build(ctx, log, index, record.entry.into(), header, changes)
}

/// The search for a header to prove against.
struct Choice<'a> {
    ctx: &'a Inner,
    terms: &'a mut Terms,
    options: &'a Options,
    newest: SealedHeader,
    /// Block of the entry.
    oldest: u64,
}

type Chosen = (SealedHeader, Vec<SealedHeader>);

impl Choice<'_> {
    fn choose(mut self) -> RpcResult<Chosen> {
        if let Some(number) = self.options.block {
            return self.at(number);
        }
        let (wanted, mut have) = (self.options.seals.unwrap_or(0), 0);
        let mut header = self.newest.clone();
        loop {
            let seals = if wanted == 0 { 0 } else { signers(&header)?.len() as u64 };
            have = have.max(seals);
            if seals >= wanted
                && let Some(changes) = self.changes(header.number)?
            {
                return Ok((header, changes));
            }
            let number = header.number;
            if number <= self.oldest.max(self.window_start()?) {
                break;
            }
            header = self.header(number.saturating_sub(1))?;
        }
        if have < wanted {
            return Err(RpcError::NotEnoughSeals { have, wanted });
        }
        let reason = "validators: no header with a way from these validators to it yet";
        Err(RpcError::Unknown(reason.to_owned()))
    }

    /// The header of a block that the caller has named.
    fn at(&mut self, number: u64) -> RpcResult<Chosen> {
        let (from, to) = (self.window_start()?, self.newest.number);
        if !(from..=to).contains(&number) {
            return Err(RpcError::ProofWindow { from, to });
        }
        if number < self.oldest {
            let reason = format!("index: the entry is not there before block {}", self.oldest);
            return Err(RpcError::Unknown(reason));
        }
        let header = self.header(number)?;
        if let Some(wanted) = self.options.seals {
            let have = signers(&header)?.len() as u64;
            if have < wanted {
                return Err(RpcError::NotEnoughSeals { have, wanted });
            }
        }
        let changes = self.changes(number)?;
        let reason = || "block: no way from the trusted validators to its set".to_owned();
        changes.map(|changes| (header, changes)).ok_or_else(|| RpcError::Unknown(reason()))
    }

    fn changes(&mut self, number: u64) -> RpcResult<Option<Vec<SealedHeader>>> {
        self.terms.changes(self.ctx, self.options.validators.as_ref(), number)
    }

    fn header(&self, number: u64) -> RpcResult<SealedHeader> {
        self.ctx.factory().sealed_header(number)?.ok_or(RpcError::HeaderNotFound)
    }

    /// Oldest block whose state can be proven.
    fn window_start(&self) -> RpcResult<u64> {
        window_start(self.ctx)
    }
}

/// Oldest block whose state can be read and proven.
fn window_start(ctx: &Inner) -> RpcResult<u64> {
    let windows = ctx.factory().windows()?;
    Ok(windows.proofs.max(windows.state))
}

fn build(
    ctx: &Inner,
    log: B256,
    index: u64,
    entry: Bytes,
    header: SealedHeader,
    changes: Vec<SealedHeader>,
) -> RpcResult<Receipt> {
    let slots = LogSlots::new(log);
    let keys = [slots.head(), slots.root()].map(B256::from);
    let snapshot = Snapshot::at(ctx, header)?;
    let position = snapshot.head(log)?;
    let (from, to) = (window_start(ctx)?, ctx.factory().best_block_number()?);
    let proof = snapshot.state.proof(PLOG_ADDRESS, &keys).map_err(|error| match error {
        // The window has moved since the header was chosen.
        ProviderError::OutsideWindow { .. } => RpcError::ProofWindow { from, to },
        error => error.into(),
    })?;
    let mut items = keys.into_iter().zip(proof.storage_proofs).map(|(key, slot)| StorageItem {
        key,
        value: slot.value,
        proof: slot.proof,
    });
    let (Some(head), Some(root)) = (items.next(), items.next()) else {
        return Err(RpcError::internal("the state proved fewer slots than asked for"));
    };
    let tree = ctx.factory().plog()?.tree(log).ok_or_else(|| unknown("index", index, 0))?;
    Ok(Receipt {
        chain_id: ctx.chain_spec().chain_id(),
        genesis_hash: ctx.chain_spec().genesis_hash(),
        log: LogPosition { id: log, index, size: position.size, root: position.root },
        entry,
        inclusion: inclusion_proof(&tree, index, position.size).map_err(proof_error)?,
        state: StateProof::new(proof.proof, head, root),
        header: alloy_rlp::encode(snapshot.header.header()).into(),
        validator_changes: changes.iter().map(|it| alloy_rlp::encode(it.header()).into()).collect(),
    })
}
