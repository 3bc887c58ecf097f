//! `append` and `appendRoot`: the only way entries enter a log.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use peruri_plog::{
    ENTRY_LEN, Entry, EntryType, Frontier, batch_root,
    frontier::MAX_SIZE,
    layout::{
        LogHead, LogMode, LogSlots, PastRootSlots, SourceProgress, SourceSlots, SubjectSlots,
    },
    leaf_hash,
    subject::chain_step,
};

use super::{
    abi::IPlog,
    account::Account,
    call::{Append, AppendRoot, Place},
    capture::Capture,
    gas::{self, Meter},
    stop::{Stop, require},
};

/// Appends entries of one source.
pub(super) fn append(
    call: &Append<'_>,
    caller: Address,
    account: &mut Account<'_>,
    meter: &mut Meter,
    capture: &Capture,
) -> Result<Bytes, Stop> {
    let target = Target::admit(&call.place, call.entries.len() as u64, caller, account)?;
    meter.charge(gas::content(call.entries, target.mode.subject_chains()))?;
    let governance = account.governance()? == caller;
    let leaves = checked(call, governance)?;
    target.write(&leaves, account, capture)
}

/// Appends the entry that stands for a foreign root.
pub(super) fn append_root(
    call: &AppendRoot,
    caller: Address,
    account: &mut Account<'_>,
    capture: &Capture,
) -> Result<Bytes, Stop> {
    let target = Target::admit(&call.place, 1, caller, account)?;
    let AppendRoot { place: Place { source, first_seq, .. }, root, count } = *call;
    let entry = Entry::foreign_root(source, first_seq, account.block_time(), root, count);
    target.write(&[Leaf { hash: entry.leaf(), entry }], account, capture)
}

/// An entry that may be appended, and its leaf hash.
struct Leaf {
    hash: B256,
    entry: Entry,
}

/// Decodes and checks all entries before the first word is written.
fn checked(call: &Append<'_>, governance: bool) -> Result<Vec<Leaf>, Stop> {
    let Place { source, first_seq, .. } = call.place;
    let leaf = |(index, bytes): (u32, &[u8; ENTRY_LEN])| {
        let seq = first_seq.saturating_add(index.into());
        let entry = Entry::check_appended(bytes, source, seq, governance)
            .map_err(|_| Stop::refused(&IPlog::BadEntry { index }))?;
        Ok(Leaf { hash: leaf_hash(bytes), entry })
    };
    (0..).zip(call.entries).map(leaf).collect()
}

/// A log and a source that may append to it now.
struct Target {
    place: Place,
    log: LogSlots,
    source: SourceSlots,
    mode: LogMode,
    head: LogHead,
}

impl Target {
    /// Checks that `caller` may append `count` entries here now.
    fn admit(
        place: &Place,
        count: u64,
        caller: Address,
        account: &mut Account<'_>,
    ) -> Result<Self, Stop> {
        let (log, source) = (LogSlots::new(place.log), SourceSlots::new(place.source));
        let mode = account.existing(&log)?;
        require(may_append(place, &source, caller, account)?, &IPlog::NotSource {})?;
        let expected = account.progress(&source)?.next_seq;
        let got = place.first_seq;
        require(got == expected, &IPlog::BadSeq { expected, got })?;
        let head = account.head(&log)?;
        let fits = |number: u64| number.checked_add(count).is_some_and(|sum| sum <= MAX_SIZE);
        require(fits(head.size) && fits(expected), &IPlog::TooLarge {})?;
        Ok(Self { place: *place, log, source, mode, head })
    }

    /// Appends the leaves, writes every word and emits the events.
    fn write(
        self,
        leaves: &[Leaf],
        account: &mut Account<'_>,
        capture: &Capture,
    ) -> Result<Bytes, Stop> {
        let Self { place, log, source, mode, head } = self;
        let block = account.block_number();
        let mut tree = Frontier::read(head.size, |level| account.hash(log.peak(level)))?;
        for (index, leaf) in (head.size..).zip(leaves) {
            tree.append(leaf.hash, |_, _, _| ()).map_err(|_| Stop::refused(&IPlog::TooLarge {}))?;
            if mode.subject_chains() && !leaf.entry.subject.is_zero() {
                extend_chain(place.log, leaf, index, account)?;
            }
        }
        for (level, peak) in tree.peaks_since(head.size) {
            account.set(log.peak(level), peak.into())?;
        }
        let (new_size, root) = (tree.size(), tree.root());
        let new_head = LogHead { size: new_size, block }.pack();
        let past = PastRootSlots::new(place.log, new_size);
        for (head, at) in [(log.head(), log.root()), (past.head(), past.root())] {
            account.set(head, new_head)?;
            account.set(at, root.into())?;
        }
        let next_seq = place.first_seq.saturating_add(leaves.len() as u64);
        let progress = SourceProgress { next_seq, last_block: block };
        account.set(source.progress(), progress.pack())?;
        emit(&place, head.size, new_size, root, leaves, account);
        let entries = leaves.iter().flat_map(|leaf| leaf.entry.encode()).collect();
        capture.note(place.log, head.size, root, entries);
        let answer = IPlog::appendReturn { firstIndex: head.size, newSize: new_size, root };
        Ok(IPlog::appendCall::abi_encode_returns(&answer).into())
    }
}

/// Whether the source is active, may write the log, and the caller may speak for it.
fn may_append(
    place: &Place,
    source: &SourceSlots,
    caller: Address,
    account: &mut Account<'_>,
) -> Result<bool, Stop> {
    let signer = account.signer(source)?;
    if !signer.active || !account.may_write(place.log, place.source)? {
        return Ok(false);
    }
    let gateway = account.gateway(source)?;
    if !gateway.is_zero() && gateway == caller {
        return Ok(true);
    }
    // A signer's key signs transactions; code at its address, delegated by EIP-7702 too, would let
    // others append in its name.
    Ok(signer.signer == caller && !account.has_code(caller)?)
}

/// Extends the chain of a leaf's subject.
fn extend_chain(log: B256, leaf: &Leaf, index: u64, account: &mut Account<'_>) -> Result<(), Stop> {
    let slots = SubjectSlots::new(log, leaf.entry.subject);
    let count = account.get(slots.count())?;
    let chain = account.hash(slots.chain())?;
    account.set(slots.count(), count.saturating_add(U256::ONE))?;
    account.set(slots.chain(), chain_step(&chain, &leaf.hash, index).into())
}

/// One `Appended`, then `Voided` and `Erased` in the order of the entries.
fn emit(
    place: &Place,
    first_index: u64,
    new_size: u64,
    root: B256,
    leaves: &[Leaf],
    account: &mut Account<'_>,
) {
    let Place { log, source, first_seq } = *place;
    let hashes: Vec<B256> = leaves.iter().map(|leaf| leaf.hash).collect();
    account.emit(&IPlog::Appended {
        logId: log,
        sourceId: source,
        firstSeq: first_seq,
        firstIndex: first_index,
        newSize: new_size,
        batchRoot: batch_root(&hashes),
        root,
    });
    for (index, Leaf { entry, .. }) in (first_index..).zip(leaves) {
        match entry.kind {
            EntryType::Void => {
                account.emit(&IPlog::Voided { logId: log, index, reason: entry.schema });
            }
            EntryType::Erasure => account.emit(&IPlog::Erased { logId: log, index }),
            _ => {}
        }
    }
}
