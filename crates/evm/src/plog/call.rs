//! Calls and their strict decoding: canonical offsets, zero padding, values in the range of their
//! type, nothing after the last word. A call has one encoding, and nothing is copied.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use peruri_plog::{ENTRY_LEN, layout::MODE_SUBJECT_CHAINS};

use super::{
    abi::IPlog,
    stop::{Stop, require},
};

/// Most entries of one call.
pub(super) const MOST_ENTRIES: usize = 1_024;

type Word = [u8; 32];

/// A decoded call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    Append(Append<'a>),
    AppendRoot(AppendRoot),
    CreateLog { log: B256, mode: u32 },
    SetSource { source: u32, signer: Address, active: bool },
    SetGateway { source: u32, gateway: Address },
    SetWriter { log: B256, source: u32, allowed: bool },
    SetGovernance { governance: Address },
    Head { log: B256 },
    RootAt { log: B256, size: u64 },
    Frontier { log: B256 },
    SourceState { source: u32 },
    SubjectHead { log: B256, subject: B256 },
    VerifyInclusion(Inclusion<'a>),
    VerifyConsistency(Consistency<'a>),
}

/// Whose entries go where, and with which number the first one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) log: B256,
    pub(super) source: u32,
    pub(super) first_seq: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Append<'a> {
    pub(super) place: Place,
    pub(super) entries: &'a [[u8; ENTRY_LEN]],
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct AppendRoot {
    pub(super) place: Place,
    pub(super) root: B256,
    pub(super) count: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inclusion<'a> {
    pub(super) leaf: B256,
    pub(super) index: u64,
    pub(super) size: u64,
    pub(super) root: B256,
    pub(super) path: &'a [Word],
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Consistency<'a> {
    pub(super) first: u64,
    pub(super) first_root: B256,
    pub(super) second: u64,
    pub(super) second_root: B256,
    pub(super) path: &'a [Word],
}

/// What a function may do, known from its selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl<'a> Call<'a> {
    /// Decodes a call. In a static context, `is_static`, functions that write are refused; an
    /// `append` is checked for its number of entries after that.
    ///
    /// # Errors
    /// `BadCall()`, `ReadOnly()`, `BadEntry(0)` or `TooLarge()`.
    pub(super) fn decode(data: &'a [u8], is_static: bool) -> Result<Self, Stop> {
        let (selector, arguments) =
            data.split_first_chunk::<4>().ok_or_else(|| Stop::refused(&IPlog::BadCall {}))?;
        let arguments = Arguments::new(arguments);
        let (call, access) = arguments
            .and_then(|arguments| decode(*selector, &arguments))
            .ok_or_else(|| Stop::refused(&IPlog::BadCall {}))?;
        require(access == Access::Read || !is_static, &IPlog::ReadOnly {})?;
        call.checked()
    }
}

/// A call whose entries have not been counted yet.
enum Decoded<'a> {
    Append { place: Place, entries: &'a [u8] },
    Other(Call<'a>),
}

impl<'a> Decoded<'a> {
    fn checked(self) -> Result<Call<'a>, Stop> {
        let (place, entries) = match self {
            Self::Append { place, entries } => (place, entries),
            Self::Other(call) => return Ok(call),
        };
        let (entries, rest) = entries.as_chunks();
        require(!entries.is_empty() && rest.is_empty(), &IPlog::BadEntry { index: 0 })?;
        require(entries.len() <= MOST_ENTRIES, &IPlog::TooLarge {})?;
        Ok(Call::Append(Append { place, entries }))
    }
}

/// Decodes the arguments of the function with this selector; `None` if there is none or they are
/// not as they must be.
fn decode<'a>(selector: [u8; 4], arguments: &Arguments<'a>) -> Option<(Decoded<'a>, Access)> {
    let writes = |call| Some((Decoded::Other(call), Access::Write));
    let reads = |call| Some((Decoded::Other(call), Access::Read));
    match selector {
        IPlog::appendCall::SELECTOR => {
            let ([log, source, first_seq], entries) = arguments.with_bytes()?;
            let place = place(log, source, first_seq)?;
            Some((Decoded::Append { place, entries }, Access::Write))
        }
        IPlog::appendRootCall::SELECTOR => {
            let [log, source, first_seq, root, count] = arguments.all()?;
            let place = place(log, source, first_seq)?;
            writes(Call::AppendRoot(AppendRoot { place, root: root.into(), count: u32(count)? }))
        }
        IPlog::createLogCall::SELECTOR => {
            let [log, mode] = arguments.all()?;
            let mode = u32(mode).filter(|mode| mode & !MODE_SUBJECT_CHAINS == 0)?;
            writes(Call::CreateLog { log: log.into(), mode })
        }
        IPlog::setSourceCall::SELECTOR => {
            let [source_id, signer, active] = arguments.all()?;
            let (source, signer) = (source(source_id)?, address(signer).filter(not_zero)?);
            writes(Call::SetSource { source, signer, active: bool(active)? })
        }
        IPlog::setGatewayCall::SELECTOR => {
            let [source_id, gateway] = arguments.all()?;
            writes(Call::SetGateway { source: source(source_id)?, gateway: address(gateway)? })
        }
        IPlog::setWriterCall::SELECTOR => {
            let [log, source_id, allowed] = arguments.all()?;
            let (source, allowed) = (source(source_id)?, bool(allowed)?);
            writes(Call::SetWriter { log: log.into(), source, allowed })
        }
        IPlog::setGovernanceCall::SELECTOR => {
            let [governance] = arguments.all()?;
            writes(Call::SetGovernance { governance: address(governance).filter(not_zero)? })
        }
        IPlog::headCall::SELECTOR => {
            let [log] = arguments.all()?;
            reads(Call::Head { log: log.into() })
        }
        IPlog::rootAtCall::SELECTOR => {
            let [log, size] = arguments.all()?;
            reads(Call::RootAt { log: log.into(), size: u64(size)? })
        }
        IPlog::frontierCall::SELECTOR => {
            let [log] = arguments.all()?;
            reads(Call::Frontier { log: log.into() })
        }
        IPlog::sourceStateCall::SELECTOR => {
            let [source_id] = arguments.all()?;
            reads(Call::SourceState { source: source(source_id)? })
        }
        IPlog::subjectHeadCall::SELECTOR => {
            let [log, subject] = arguments.all()?;
            reads(Call::SubjectHead { log: log.into(), subject: subject.into() })
        }
        IPlog::verifyInclusionCall::SELECTOR => {
            let ([leaf, index, size, root], path) = arguments.with_words()?;
            let (leaf, root) = (leaf.into(), root.into());
            let (index, size) = (u64(index)?, u64(size)?);
            reads(Call::VerifyInclusion(Inclusion { leaf, index, size, root, path }))
        }
        IPlog::verifyConsistencyCall::SELECTOR => {
            let ([first, first_root, second, second_root], path) = arguments.with_words()?;
            let (first, second) = (u64(first)?, u64(second)?);
            let (first_root, second_root) = (first_root.into(), second_root.into());
            let proof = Consistency { first, first_root, second, second_root, path };
            reads(Call::VerifyConsistency(proof))
        }
        _ => None,
    }
}

/// The words after a selector.
struct Arguments<'a>(&'a [Word]);

impl<'a> Arguments<'a> {
    /// Whole words only.
    fn new(data: &'a [u8]) -> Option<Self> {
        match data.as_chunks() {
            (words, []) => Some(Self(words)),
            _ => None,
        }
    }

    /// All arguments of a function whose arguments are `N` words.
    fn all<const N: usize>(&self) -> Option<[Word; N]> {
        self.0.try_into().ok()
    }

    /// `N` words, then one argument of variable length: its offset, and at the offset its length
    /// and the words of its content.
    fn with_tail<const N: usize>(&self) -> Option<([Word; N], usize, &'a [Word])> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        let ([offset, length], content) = rest.split_first_chunk()?;
        let canonical = U256::from(N.saturating_add(1)).saturating_mul(U256::from(32));
        if U256::from_be_bytes(*offset) != canonical {
            return None;
        }
        let length = usize::try_from(U256::from_be_bytes(*length)).ok()?;
        Some((*head, length, content))
    }

    /// `N` words, then `bytes`.
    fn with_bytes<const N: usize>(&self) -> Option<([Word; N], &'a [u8])> {
        let (head, length, content) = self.with_tail()?;
        if length.div_ceil(32) != content.len() {
            return None;
        }
        let (bytes, padding) = content.as_flattened().split_at_checked(length)?;
        padding.iter().all(|byte| *byte == 0).then_some((head, bytes))
    }

    /// `N` words, then `bytes32[]`.
    fn with_words<const N: usize>(&self) -> Option<([Word; N], &'a [Word])> {
        let (head, length, content) = self.with_tail()?;
        (length == content.len()).then_some((head, content))
    }
}

fn place(log: Word, source_id: Word, first_seq: Word) -> Option<Place> {
    Some(Place { log: log.into(), source: source(source_id)?, first_seq: u64(first_seq)? })
}

/// Sources are counted from 1.
fn source(word: Word) -> Option<u32> {
    u32(word).filter(|source| *source != 0)
}

fn u64(word: Word) -> Option<u64> {
    U256::from_be_bytes(word).try_into().ok()
}

fn u32(word: Word) -> Option<u32> {
    U256::from_be_bytes(word).try_into().ok()
}

fn bool(word: Word) -> Option<bool> {
    match u32(word)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn address(word: Word) -> Option<Address> {
    let (padding, address) = word.split_first_chunk::<12>()?;
    (*padding == [0; 12]).then(|| Address::from_slice(address))
}

fn not_zero(address: &Address) -> bool {
    !address.is_zero()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy_sol_types::SolInterface;
    use proptest::prelude::*;

    use super::*;
    use crate::plog::abi::IPlog::IPlogCalls;

    fn examples() -> Vec<Vec<u8>> {
        let (log, hash) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let append = |count: usize| IPlog::appendCall {
            logId: log,
            sourceId: 3,
            firstSeq: 4,
            entries: vec![5; count * ENTRY_LEN].into(),
        };
        let proof = |nodes| IPlog::verifyInclusionCall {
            leaf: hash,
            index: 5,
            size: 6,
            root: hash,
            path: vec![hash; nodes],
        };
        let set_source =
            IPlog::setSourceCall { sourceId: 9, signer: Address::repeat_byte(7), active: true };
        vec![
            append(1).abi_encode(),
            append(8).abi_encode(),
            proof(0).abi_encode(),
            proof(3).abi_encode(),
            set_source.abi_encode(),
            IPlog::setWriterCall { logId: log, sourceId: 1, allowed: false }.abi_encode(),
            IPlog::createLogCall { logId: log, mode: 1 }.abi_encode(),
            IPlog::rootAtCall { logId: log, size: 77 }.abi_encode(),
        ]
    }

    #[test]
    fn good_calls_decode() {
        for data in examples() {
            assert!(Call::decode(&data, false).is_ok());
        }
        let examples = examples();
        let decoded = Call::decode(&examples[1], false);
        let Ok(Call::Append(append)) = decoded else { panic!("{decoded:?}") };
        let log = B256::repeat_byte(1);
        assert_eq!(append.place, Place { log, source: 3, first_seq: 4 });
        assert_eq!(append.entries, [[5; ENTRY_LEN]; 8]);
    }

    proptest! {
        /// What is accepted is the one encoding of its arguments.
        #[test]
        fn an_accepted_call_encodes_to_the_same_bytes(
            which in 0usize..8,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in proptest::option::of(any::<prop::sample::Index>()),
            more in 0usize..40,
        ) {
            let mut data = examples()[which].clone();
            for (at, byte) in changes {
                let at = at.index(data.len());
                data[at] = byte;
            }
            if let Some(cut) = cut {
                data.truncate(cut.index(data.len()));
            }
            data.extend(vec![0; more / 32 * 32]);
            if Call::decode(&data, false).is_ok() {
                let again = IPlogCalls::abi_decode(&data).unwrap();
                prop_assert_eq!(again.abi_encode(), data);
            }
        }

        #[test]
        fn nonsense_is_refused_without_a_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(Call::decode(&data, false).is_err());
        }
    }
}
