use super::{
    fault::{Check, Fault},
    header::{CheckedHeader, Place},
    report::{Report, Step, Verified},
    state, trust,
};
use crate::{
    entry::{Entry, commitment},
    hash::leaf_hash,
    policy::Policy,
    proof::verify_inclusion,
    receipt::Receipt,
};

/// What an entry commits to, as its owner keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The salt.
    pub salt: &'a [u8; 32],
    /// The payload's bytes as stored by their owner.
    pub payload: &'a [u8],
}

/// Verifies a receipt. With an `opening` the entry's commitment is checked too.
///
/// Any bytes give a report; none but a receipt that passes every step gives one that is
/// [ok](Report::ok).
pub fn verify(document: &[u8], policy: &Policy, opening: Option<Opening<'_>>) -> Report {
    let mut steps = Vec::new();
    let outcome = run(document, policy, opening, |check, detail| {
        steps.push(Step { check, code: None, detail });
    });
    Report::new(steps, outcome)
}

fn run(
    document: &[u8],
    policy: &Policy,
    opening: Option<Opening<'_>>,
    mut holds: impl FnMut(Check, String),
) -> Result<Verified, Fault> {
    let receipt = Receipt::parse(document)?;
    holds(Check::Container, format!("a receipt of {} bytes", document.len()));
    let entry = Entry::decode(&receipt.entry)?;
    let Entry { source_id, source_seq, .. } = entry;
    let kind = entry.kind.name();
    holds(Check::Entry, format!("{kind}, number {source_seq} of source {source_id}"));
    let leaf = leaf_hash(&receipt.entry);
    holds(Check::Leaf, format!("leaf hash {leaf}"));
    let log = receipt.log;
    verify_inclusion(&leaf, log.index, log.size, &log.root, &receipt.inclusion)?;
    let (index, size, root) = (log.index, log.size, log.root);
    holds(Check::Inclusion, format!("index {index} of {size} under the root {root}"));

    let (main, changes) = headers(&receipt)?;
    let number = main.header.number;
    let count = changes.len();
    holds(Check::Header, format!("block {number} and {count} changes of validators"));
    let storage_root = state::storage_root(&receipt.state, main.header.state_root)?;
    let state_root = main.header.state_root;
    holds(Check::Account, format!("in the state {state_root}, storage root {storage_root}"));
    let last_append = state::check_head(&receipt, storage_root, number)?;
    holds(Check::Storage, format!("size {size} and root, last append in block {last_append}"));

    check_chain(&receipt, policy)?;
    let block_hash = main.block_hash(policy)?;
    for change in &changes {
        change.block_hash(policy)?;
    }
    let chain = format!("chain {}, block {block_hash}", receipt.chain_id);
    holds(Check::Chain, with_note(chain, policy.chain_note()));
    let signers = main.signers()?;
    let (seals, validators) = (signers.len(), main.set.len());
    let needed = policy.seals_needed(validators);
    main.enough(seals, needed)?;
    let sealed = format!("sealed by {seals} of {validators} validators, {needed} needed");
    holds(Check::Seals, with_note(sealed, policy.seals_note().as_deref()));
    trust::check(&main, &changes, policy)?;
    holds(
        Check::Trust,
        match count {
            0 => "the validators are the policy's".to_owned(),
            _ => format!("the validators follow from the policy's by {count} changes"),
        },
    );
    if let Some(opening) = opening {
        check_opening(&entry, opening)?;
        let bytes = opening.payload.len();
        holds(Check::Commitment, format!("salt and payload ({bytes} bytes) open the commitment"));
    }
    Ok(Verified {
        log_id: log.id,
        index,
        size,
        root,
        entry,
        leaf,
        block_number: number,
        block_hash,
        block_time: main.header.timestamp,
        last_append,
        seals,
        validators,
        changes: count,
    })
}

fn headers(receipt: &Receipt) -> Result<(CheckedHeader, Vec<CheckedHeader>), Fault> {
    let main = CheckedHeader::decode(&receipt.header, Place::Main)?;
    let change = |(index, bytes): (usize, &_)| CheckedHeader::decode(bytes, Place::Change(index));
    let changes =
        receipt.validator_changes.iter().enumerate().map(|(index, bytes)| change((index, bytes)));
    Ok((main, changes.collect::<Result<_, _>>()?))
}

fn check_chain(receipt: &Receipt, policy: &Policy) -> Result<(), Fault> {
    let fault = |sub, detail: String| Err(Fault::new(Check::Chain, sub, detail));
    if receipt.chain_id != policy.chain_id {
        let (got, expected) = (receipt.chain_id, policy.chain_id);
        return fault("CHAIN_ID", format!("chain {got}, the policy is for {expected}"));
    }
    if receipt.genesis_hash != policy.genesis_hash {
        let (got, expected) = (receipt.genesis_hash, policy.genesis_hash);
        return fault("GENESIS_HASH", format!("genesis {got}, the policy is for {expected}"));
    }
    Ok(())
}

fn check_opening(entry: &Entry, opening: Opening<'_>) -> Result<(), Fault> {
    let got = commitment(opening.salt, opening.payload);
    if got == entry.commitment {
        return Ok(());
    }
    let detail = format!("salt and payload give {got}, the entry has {}", entry.commitment);
    Err(Fault::new(Check::Commitment, "MISMATCH", detail))
}

fn with_note(detail: String, note: Option<&str>) -> String {
    match note {
        Some(note) => format!("{detail}; note: {note}"),
        None => detail,
    }
}
