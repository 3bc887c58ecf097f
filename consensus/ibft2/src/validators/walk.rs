//! Finding the state after any block by walking back to where counting started afresh.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use alloy_consensus::Header;
use alloy_primitives::B256;

use super::{BlockVote, ValidatorState};
use crate::{
    config::Ibft2Schedule,
    extra_data::{ExtraData, ExtraDataError},
    hash::{BlockHash, block_hash},
};

/// How many states [`ValidatorWalk`] keeps unless told otherwise.
pub const DEFAULT_CACHED_STATES: usize = 128;

/// Where headers come from.
pub trait HeaderSource {
    /// What can go wrong on reading.
    type Error;

    /// The header with this block hash, if it is known.
    ///
    /// # Errors
    /// As the store says.
    fn header_by_hash(&self, hash: BlockHash) -> Result<Option<Header>, Self::Error>;
}

impl<S: HeaderSource + ?Sized> HeaderSource for &S {
    type Error = S::Error;

    fn header_by_hash(&self, hash: BlockHash) -> Result<Option<Header>, Self::Error> {
        (**self).header_by_hash(hash)
    }
}

/// Computes validator states from headers and keeps the latest ones.
///
/// A state that is not cached costs one header read per block back to the closest epoch block,
/// override or cached state; a child of a cached state costs none.
#[derive(Debug)]
pub struct ValidatorWalk {
    schedule: Arc<Ibft2Schedule>,
    cache: StateCache,
}

impl ValidatorWalk {
    /// A walk under `schedule` that keeps `capacity` states (at least one).
    pub fn new(schedule: Arc<Ibft2Schedule>, capacity: usize) -> Self {
        Self { schedule, cache: StateCache::new(capacity) }
    }

    /// The state after `header`, whose ancestors `source` knows. `header` itself need not be in it.
    ///
    /// # Errors
    /// [`WalkError`] if an ancestor is missing or unreadable, or lists no validators.
    pub fn after<S: HeaderSource>(
        &mut self,
        header: &Header,
        source: &S,
    ) -> Result<Arc<ValidatorState>, WalkError<S::Error>> {
        let hash = block_hash(header);
        if let Some(state) = self.cache.get(hash) {
            return Ok(state);
        }
        let (start, blocks) = self.walk_back(hash, header, source)?;
        Ok(self.apply(start, blocks))
    }

    /// [`Self::after`] for a header that `source` knows.
    ///
    /// # Errors
    /// As [`Self::after`].
    pub fn after_hash<S: HeaderSource>(
        &mut self,
        hash: BlockHash,
        source: &S,
    ) -> Result<Arc<ValidatorState>, WalkError<S::Error>> {
        if let Some(state) = self.cache.get(hash) {
            return Ok(state);
        }
        let header = read(source, hash)?;
        self.after(&header, source)
    }

    /// The state to start from and the blocks to apply to it, the latest first.
    fn walk_back<S: HeaderSource>(
        &self,
        hash: BlockHash,
        header: &Header,
        source: &S,
    ) -> Result<(Arc<ValidatorState>, Blocks), WalkError<S::Error>> {
        let mut blocks = Vec::new();
        let mut hash = hash;
        let mut current = Cow::Borrowed(header);
        loop {
            let extra = ExtraData::decode(&current.extra_data)
                .map_err(|source| WalkError::ExtraData { hash, number: current.number, source })?;
            blocks.push((hash, BlockVote::new(&current, &extra)));
            let restart =
                ValidatorState::restart(&self.schedule, current.number, &extra.validators);
            if let Some(state) = restart {
                return Ok((Arc::new(state), blocks));
            }
            let parent = BlockHash(current.parent_hash);
            if let Some(state) = self.cache.get(parent) {
                return Ok((state, blocks));
            }
            let ancestor = read(source, parent)?;
            if ancestor.number.checked_add(1) != Some(current.number) {
                return Err(WalkError::Number {
                    hash: parent,
                    child: current.number,
                    got: ancestor.number,
                });
            }
            hash = parent;
            current = Cow::Owned(ancestor);
        }
    }

    fn apply(&mut self, start: Arc<ValidatorState>, blocks: Blocks) -> Arc<ValidatorState> {
        let mut state = start;
        let mut left = blocks.len();
        for (hash, block) in blocks.into_iter().rev() {
            // Most blocks change nothing and share the state of their parent.
            if block.vote.is_some() || self.schedule.is_epoch(block.number) {
                state = Arc::new((*state).clone().apply(&self.schedule, &block));
            }
            if left <= self.cache.capacity {
                self.cache.insert(hash, Arc::clone(&state));
            }
            left = left.saturating_sub(1);
        }
        state
    }
}

type Blocks = Vec<(BlockHash, BlockVote)>;

fn read<S: HeaderSource>(source: &S, hash: BlockHash) -> Result<Header, WalkError<S::Error>> {
    source.header_by_hash(hash).map_err(WalkError::Source)?.ok_or(WalkError::Missing { hash })
}

/// The latest states by block hash; the oldest entry goes first.
#[derive(Debug)]
struct StateCache {
    capacity: usize,
    states: BTreeMap<B256, Arc<ValidatorState>>,
    order: VecDeque<B256>,
}

impl StateCache {
    fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), states: BTreeMap::new(), order: VecDeque::new() }
    }

    fn get(&self, hash: BlockHash) -> Option<Arc<ValidatorState>> {
        self.states.get(&hash.0).map(Arc::clone)
    }

    fn insert(&mut self, hash: BlockHash, state: Arc<ValidatorState>) {
        if self.states.insert(hash.0, state).is_none() {
            self.order.push_back(hash.0);
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.states.remove(&oldest);
            }
        }
    }
}

/// Why the validators after a block are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError<E> {
    /// The store failed.
    #[error("reading a header: {0}")]
    Source(E),
    /// An ancestor is not in the store.
    #[error("header {hash} is missing, the validators cannot be computed")]
    Missing {
        /// Block hash of the header.
        hash: BlockHash,
    },
    /// A header lists no validators in the IBFT 2.0 form.
    #[error("block {number} ({hash}): {source}")]
    ExtraData {
        /// Block hash of the header.
        hash: BlockHash,
        /// Its number.
        number: u64,
        /// What is wrong.
        #[source]
        source: ExtraDataError,
    },
    /// A parent has the wrong number.
    #[error("parent {hash} of block {child} has number {got}")]
    Number {
        /// Block hash of the parent.
        hash: BlockHash,
        /// Number of the child.
        child: u64,
        /// Number of the parent.
        got: u64,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use alloy_primitives::Address;

    use super::*;
    use crate::{
        config::{ForkPoints, Ibft2Config, Transition},
        extra_data::{Form, Vote, VoteType},
        hash::MIX_HASH,
        validators::ValidatorSet,
    };

    #[derive(Default)]
    struct Chain {
        headers: BTreeMap<B256, Header>,
        by_number: Vec<B256>,
        reads: Cell<usize>,
    }

    impl HeaderSource for Chain {
        type Error = core::convert::Infallible;

        fn header_by_hash(&self, hash: BlockHash) -> Result<Option<Header>, Self::Error> {
            self.reads.set(self.reads.get() + 1);
            Ok(self.headers.get(&hash.0).cloned())
        }
    }

    fn address(byte: u8) -> Address {
        Address::with_last_byte(byte)
    }

    fn set(bytes: &[u8]) -> ValidatorSet {
        bytes.iter().copied().map(address).collect()
    }

    impl Chain {
        /// A chain by rotating creators among `members`, with votes by block number.
        fn new(length: u64, members: &[u8], votes: &BTreeMap<u64, Vote>) -> Self {
            let mut this = Self::default();
            let mut parent_hash = B256::ZERO;
            for number in 0..length {
                let creator = members[usize::try_from(number).unwrap() % members.len()];
                let extra = ExtraData {
                    validators: set(members).to_vec(),
                    vote: votes.get(&number).copied(),
                    ..ExtraData::default()
                };
                let header = Header {
                    parent_hash,
                    number,
                    beneficiary: address(creator),
                    mix_hash: MIX_HASH,
                    extra_data: extra.encode(Form::All),
                    ..Header::default()
                };
                parent_hash = block_hash(&header).0;
                this.headers.insert(parent_hash, header);
                this.by_number.push(parent_hash);
            }
            this
        }

        fn header(&self, number: usize) -> &Header {
            &self.headers[&self.by_number[number]]
        }
    }

    fn schedule(epoch: u64, overrides: &[(u64, &[u8])]) -> Arc<Ibft2Schedule> {
        let config = Ibft2Config { epoch_length: epoch, ..Ibft2Config::default() };
        let transitions = overrides.iter().map(|(block, members)| Transition {
            block: *block,
            validators: Some(set(members).to_vec()),
            ..Transition::default()
        });
        let forks = ForkPoints::default();
        Arc::new(Ibft2Schedule::new(config, transitions.collect(), &forks).unwrap())
    }

    #[test]
    fn walks_back_to_the_epoch_and_then_uses_the_cache() {
        let chain = Chain::new(30, &[1, 2, 3], &BTreeMap::new());
        let mut walk = ValidatorWalk::new(schedule(10, &[]), 8);
        assert_eq!(walk.after(chain.header(25), &chain).unwrap().validators(), &set(&[1, 2, 3]));
        assert_eq!(chain.reads.replace(0), 5);
        walk.after(chain.header(26), &chain).unwrap();
        walk.after(chain.header(25), &chain).unwrap();
        assert_eq!(chain.reads.get(), 0);
    }

    #[test]
    fn counts_votes_on_the_way() {
        let vote = Vote { recipient: address(9), kind: VoteType::Add };
        let votes = BTreeMap::from([(11, vote), (12, vote)]);
        let chain = Chain::new(20, &[1, 2, 3], &votes);
        let mut walk = ValidatorWalk::new(schedule(10, &[]), 8);
        let after = |walk: &mut ValidatorWalk, number| {
            walk.after_hash(BlockHash(chain.by_number[number]), &chain).unwrap()
        };
        assert_eq!(after(&mut walk, 11).validators(), &set(&[1, 2, 3]));
        assert_eq!(after(&mut walk, 12).validators(), &set(&[1, 2, 3, 9]));
        assert_eq!(after(&mut walk, 19).validators(), &set(&[1, 2, 3, 9]));
    }

    #[test]
    fn stops_at_an_override() {
        let chain = Chain::new(20, &[1, 2, 3], &BTreeMap::new());
        let mut walk = ValidatorWalk::new(schedule(1_000, &[(15, &[4, 5])]), 8);
        assert_eq!(walk.after(chain.header(18), &chain).unwrap().validators(), &set(&[4, 5]));
        assert_eq!(chain.reads.get(), 4);
        assert_eq!(walk.after(chain.header(13), &chain).unwrap().validators(), &set(&[1, 2, 3]));
    }

    #[test]
    fn cache_is_bounded_and_any_order_of_questions_agrees() {
        let vote = Vote { recipient: address(2), kind: VoteType::Drop };
        let votes = BTreeMap::from([(3, vote), (4, vote), (6, vote)]);
        let chain = Chain::new(40, &[1, 2, 3], &votes);
        let mut small = ValidatorWalk::new(schedule(20, &[]), 2);
        let mut large = ValidatorWalk::new(schedule(20, &[]), 100);
        for number in (0..40).chain((0..40).rev()).chain((0..40).step_by(7)) {
            let header = chain.header(number);
            assert_eq!(small.after(header, &chain), large.after(header, &chain));
            assert!(small.cache.states.len() <= 2);
            assert_eq!(small.cache.states.len(), small.cache.order.len());
        }
    }

    #[test]
    fn missing_ancestor_is_an_error() {
        let mut chain = Chain::new(10, &[1], &BTreeMap::new());
        let missing = chain.by_number[4];
        chain.headers.remove(&missing);
        let mut walk = ValidatorWalk::new(schedule(1_000, &[]), 8);
        assert_eq!(
            walk.after(chain.header(7), &chain),
            Err(WalkError::Missing { hash: BlockHash(missing) })
        );
    }
}
