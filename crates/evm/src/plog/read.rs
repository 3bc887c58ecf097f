//! Functions that anybody may call and that change nothing.

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use peruri_plog::{
    EMPTY_ROOT, Frontier,
    layout::{LogHead, LogSlots, PastRootSlots, SourceSlots, SubjectSlots},
    proof::{verify_consistency, verify_inclusion},
};

use super::{
    abi::IPlog,
    account::Account,
    call::{Consistency, Inclusion},
    gas::{self, Meter},
    stop::{Stop, require},
};

/// No proof is longer: trees have below 2^63 leaves, and a consistency proof has one node more than
/// the tree has levels.
const LONGEST_PATH: usize = 65;

pub(super) fn head(log: B256, account: &mut Account<'_>) -> Result<Bytes, Stop> {
    let slots = LogSlots::new(log);
    account.existing(&slots)?;
    let LogHead { size, block } = account.head(&slots)?;
    let root = account.hash(slots.root())?;
    let answer = IPlog::headReturn { size, root, blockNumber: block };
    Ok(IPlog::headCall::abi_encode_returns(&answer).into())
}

pub(super) fn root_at(log: B256, size: u64, account: &mut Account<'_>) -> Result<Bytes, Stop> {
    account.existing(&LogSlots::new(log))?;
    let root = if size == 0 {
        EMPTY_ROOT
    } else {
        let past = PastRootSlots::new(log, size);
        let kept = LogHead::unpack(account.get(past.head())?).size;
        require(kept == size, &IPlog::UnknownSize {})?;
        account.hash(past.root())?
    };
    Ok(IPlog::rootAtCall::abi_encode_returns(&root).into())
}

pub(super) fn frontier(
    log: B256,
    account: &mut Account<'_>,
    meter: &mut Meter,
) -> Result<Bytes, Stop> {
    let slots = LogSlots::new(log);
    account.existing(&slots)?;
    let size = account.head(&slots)?.size;
    meter.charge(gas::peaks(size))?;
    let tree = Frontier::read(size, |level| account.hash(slots.peak(level)))?;
    let peaks = tree.peaks().map(|(_, peak)| peak).collect();
    Ok(IPlog::frontierCall::abi_encode_returns(&peaks).into())
}

pub(super) fn source_state(source: u32, account: &mut Account<'_>) -> Result<Bytes, Stop> {
    let slots = SourceSlots::new(source);
    let signer = account.signer(&slots)?;
    let progress = account.progress(&slots)?;
    let answer = IPlog::sourceStateReturn {
        signer: signer.signer,
        nextSeq: progress.next_seq,
        lastBlock: progress.last_block,
        active: signer.active,
    };
    Ok(IPlog::sourceStateCall::abi_encode_returns(&answer).into())
}

pub(super) fn subject_head(
    log: B256,
    subject: B256,
    account: &mut Account<'_>,
) -> Result<Bytes, Stop> {
    account.existing(&LogSlots::new(log))?;
    let slots = SubjectSlots::new(log, subject);
    let count = account.get(slots.count())?.saturating_to();
    let answer = IPlog::subjectHeadReturn { count, chain: account.hash(slots.chain())? };
    Ok(IPlog::subjectHeadCall::abi_encode_returns(&answer).into())
}

pub(super) fn inclusion(proof: &Inclusion<'_>) -> Bytes {
    let Inclusion { leaf, index, size, root, path } = proof;
    let holds =
        nodes(path).is_some_and(|path| verify_inclusion(leaf, *index, *size, root, &path).is_ok());
    IPlog::verifyInclusionCall::abi_encode_returns(&holds).into()
}

pub(super) fn consistency(proof: &Consistency<'_>) -> Bytes {
    let Consistency { first, first_root, second, second_root, path } = proof;
    let holds = nodes(path).is_some_and(|path| {
        verify_consistency(*first, first_root, *second, second_root, &path).is_ok()
    });
    IPlog::verifyConsistencyCall::abi_encode_returns(&holds).into()
}

/// The nodes of a path, unless it is longer than any proof.
fn nodes(path: &[[u8; 32]]) -> Option<Vec<B256>> {
    (path.len() <= LONGEST_PATH).then(|| path.iter().map(B256::from).collect())
}
