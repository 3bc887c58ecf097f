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
    receipt::{LogPosition, Receipt},
};
use alloy_primitives::B256;

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
    let mut steps = Steps(Vec::new());
    let outcome = run(document, policy, opening, &mut steps);
    Report::new(steps.0, outcome)
}

/// The steps that hold so far.
struct Steps(Vec<Step>);

impl Steps {
    fn hold(&mut self, check: Check, detail: String) {
        self.0.push(Step { check, code: None, detail });
    }
}

fn run(
    document: &[u8],
    policy: &Policy,
    opening: Option<Opening<'_>>,
    steps: &mut Steps,
) -> Result<Verified, Fault> {
    let receipt = Receipt::parse(document)?;
    steps.hold(Check::Container, format!("a receipt of {} bytes", document.len()));
    let (entry, leaf) = included_entry(&receipt, steps)?;
    let (main, changes) = headers(&receipt)?;
    let (block_number, count) = (main.header.number, changes.len());
    steps.hold(Check::Header, format!("block {block_number} and {count} changes of validators"));
    let last_append = head_in_state(&receipt, &main, steps)?;
    let block_hash = block_of_chain(&receipt, &main, &changes, policy, steps)?;
    let seals = trusted_seals(&main, &changes, policy, steps)?;
    if let Some(opening) = opening {
        check_opening(&entry, opening)?;
        let bytes = opening.payload.len();
        let detail = format!("salt and payload ({bytes} bytes) open the commitment");
        steps.hold(Check::Commitment, detail);
    }
    let LogPosition { id, index, size, root } = receipt.log;
    Ok(Verified {
        log_id: id,
        index,
        size,
        root,
        entry,
        leaf,
        block_number,
        block_hash,
        block_time: main.header.timestamp,
        last_append,
        seals,
        validators: main.set.len(),
        changes: count,
    })
}

/// Steps 2 to 4: the entry, its leaf hash, its place in the tree.
fn included_entry(receipt: &Receipt, steps: &mut Steps) -> Result<(Entry, B256), Fault> {
    let entry = Entry::decode(&receipt.entry)?;
    let (kind, seq, source) = (entry.kind.name(), entry.source_seq, entry.source_id);
    steps.hold(Check::Entry, format!("{kind}, number {seq} of source {source}"));
    let leaf = leaf_hash(&receipt.entry);
    steps.hold(Check::Leaf, format!("leaf hash {leaf}"));
    let LogPosition { index, size, root, .. } = receipt.log;
    verify_inclusion(&leaf, index, size, &root, &receipt.inclusion)?;
    steps.hold(Check::Inclusion, format!("index {index} of {size} under the root {root}"));
    Ok((entry, leaf))
}

/// Steps 6 and 5: the account in the header's state, the log in the account. Gives the block of
/// the last append.
fn head_in_state(receipt: &Receipt, main: &CheckedHeader, steps: &mut Steps) -> Result<u64, Fault> {
    let state_root = main.header.state_root;
    let storage_root = state::storage_root(&receipt.state, state_root)?;
    let account = format!("in the state {state_root}, storage root {storage_root}");
    steps.hold(Check::Account, account);
    let last_append = state::check_head(receipt, storage_root, main.header.number)?;
    let size = receipt.log.size;
    let storage = format!("size {size} and root, last append in block {last_append}");
    steps.hold(Check::Storage, storage);
    Ok(last_append)
}

/// Step 8. Gives the block hash.
fn block_of_chain(
    receipt: &Receipt,
    main: &CheckedHeader,
    changes: &[CheckedHeader],
    policy: &Policy,
    steps: &mut Steps,
) -> Result<B256, Fault> {
    check_chain(receipt, policy)?;
    let block_hash = main.block_hash(policy)?;
    for change in changes {
        change.block_hash(policy)?;
    }
    let chain = format!("chain {}, block {block_hash}", receipt.chain_id);
    steps.hold(Check::Chain, with_note(chain, policy.chain_note()));
    Ok(block_hash)
}

/// Steps 9 and 10. Gives the number of seals.
fn trusted_seals(
    main: &CheckedHeader,
    changes: &[CheckedHeader],
    policy: &Policy,
    steps: &mut Steps,
) -> Result<usize, Fault> {
    let (seals, validators) = (main.signers()?.len(), main.set.len());
    let needed = policy.seals_needed(validators);
    main.enough(seals, needed)?;
    let sealed = format!("sealed by {seals} of {validators} validators, {needed} needed");
    steps.hold(Check::Seals, with_note(sealed, policy.seals_note().as_deref()));
    trust::check(main, changes, policy)?;
    let trust = match changes.len() {
        0 => "the validators are the policy's".to_owned(),
        count => format!("the validators follow from the policy's by {count} changes"),
    };
    steps.hold(Check::Trust, trust);
    Ok(seals)
}

fn headers(receipt: &Receipt) -> Result<(CheckedHeader, Vec<CheckedHeader>), Fault> {
    let main = CheckedHeader::decode(&receipt.header, Place::Main)?;
    let changes = receipt.validator_changes.iter().enumerate();
    let changes = changes.map(|(index, bytes)| CheckedHeader::decode(bytes, Place::Change(index)));
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
