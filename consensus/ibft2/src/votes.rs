//! Which vote the next own block carries.
//!
//! An operator's wishes stand in a list; a block carries at most one vote. A wish is *useful* while
//! the standing votes do not express it yet. Useful wishes are taken in the order of their
//! addresses, starting over at the end, so that none waits for ever.
//!
//! An epoch block's vote is ignored: the caller does not ask for one there.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use alloy_primitives::Address;

use crate::{
    extra_data::{Vote, VoteType},
    quorum::quorum,
    validators::{ValidatorSet, ValidatorState},
};

/// Wishes by subject.
pub type Wishes = BTreeMap<Address, VoteType>;

/// Whether a vote of `local` for this wish would change the standing votes: add a non-member or
/// drop a member without having voted so, or turn an opposite standing vote.
pub fn is_useful(
    state: &ValidatorState,
    local: &Address,
    subject: &Address,
    wish: VoteType,
) -> bool {
    let member = state.validators().contains(subject);
    let (wanted, opposite) = match wish {
        VoteType::Add => (!member, VoteType::Drop),
        VoteType::Drop => (member, VoteType::Add),
    };
    (wanted && !state.has_voted(local, subject, wish)) || state.has_voted(local, subject, opposite)
}

/// Whether nothing is left to do for a wish: the set is as wished and no standing vote of `local`
/// says the opposite. Such a wish can be removed from the list.
pub fn is_satisfied(
    state: &ValidatorState,
    local: &Address,
    subject: &Address,
    wish: VoteType,
) -> bool {
    let as_wished = state.validators().contains(subject) == (wish == VoteType::Add);
    as_wished && !is_useful(state, local, subject, wish)
}

/// Useful wishes in the order in which they are to be cast: addresses above `last` ascending, then
/// the others. `last` is the subject of the latest own vote.
pub fn useful_votes<'a>(
    wishes: &'a Wishes,
    state: &'a ValidatorState,
    local: Address,
    last: Option<Address>,
) -> impl Iterator<Item = Vote> + 'a {
    let (after, until) = match last {
        None => (Bound::Unbounded, None),
        Some(last) => (Bound::Excluded(last), Some(last)),
    };
    let head = wishes.range((after, Bound::Unbounded));
    let tail = until.into_iter().flat_map(|last| wishes.range(..=last));
    head.chain(tail)
        .filter(move |(subject, wish)| is_useful(state, &local, subject, **wish))
        .map(|(subject, wish)| Vote { recipient: *subject, kind: *wish })
}

/// Checks that a vote, if it took effect, would leave a set that can go on: enough of its members
/// are in `live` for a quorum.
///
/// # Errors
/// [`VoteRefused`]; an empty set must not even be forced.
pub fn check_vote(
    vote: &Vote,
    validators: &ValidatorSet,
    live: &BTreeSet<Address>,
) -> Result<(), VoteRefused> {
    let mut next = validators.clone();
    match vote.kind {
        VoteType::Add => next.insert(vote.recipient),
        VoteType::Drop => next.remove(&vote.recipient),
    };
    if next.is_empty() {
        return Err(VoteRefused::EmptySet);
    }
    let alive = next.iter().filter(|member| live.contains(*member)).count();
    let needed = quorum(next.len());
    if alive < needed {
        return Err(VoteRefused::NoQuorum { live: alive, needed, members: next.len() });
    }
    Ok(())
}

/// Why a vote should not be cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoteRefused {
    /// The chain would have no validators.
    #[error("the vote would leave no validators")]
    EmptySet,
    /// The chain would stop until more members are back.
    #[error("the vote would leave {live} live of {members} validators, {needed} are needed")]
    NoQuorum {
        /// Live members of the new set.
        live: usize,
        /// Quorum of the new set.
        needed: usize,
        /// Size of the new set.
        members: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8) -> Address {
        Address::with_last_byte(byte)
    }

    fn state(bytes: &[u8]) -> ValidatorState {
        ValidatorState::new(bytes.iter().copied().map(address).collect())
    }

    fn wishes(list: &[(u8, VoteType)]) -> Wishes {
        list.iter().map(|(subject, wish)| (address(*subject), *wish)).collect()
    }

    fn subjects(wishes: &Wishes, state: &ValidatorState, last: Option<u8>) -> Vec<Address> {
        useful_votes(wishes, state, address(1), last.map(address))
            .map(|vote| vote.recipient)
            .collect()
    }

    #[test]
    fn useful_wishes_cycle_in_address_order() {
        let wishes = wishes(&[
            (9, VoteType::Add),
            (2, VoteType::Drop),
            (3, VoteType::Add),
            (7, VoteType::Drop),
        ]);
        let state = state(&[1, 2, 3, 4]);
        // 3 is a member and 7 is none: nothing to do for them.
        assert_eq!(subjects(&wishes, &state, None), [address(2), address(9)]);
        assert_eq!(subjects(&wishes, &state, Some(2)), [address(9), address(2)]);
        assert_eq!(subjects(&wishes, &state, Some(5)), [address(9), address(2)]);
        assert_eq!(subjects(&wishes, &state, Some(9)), [address(2), address(9)]);
    }

    #[test]
    fn standing_vote_makes_a_wish_useless_until_it_is_turned() {
        let mut state = state(&[1, 2, 3, 4]);
        state.count(address(1), Vote { recipient: address(9), kind: VoteType::Add });
        assert!(subjects(&wishes(&[(9, VoteType::Add)]), &state, None).is_empty());
        assert_eq!(subjects(&wishes(&[(9, VoteType::Drop)]), &state, None), [address(9)]);
    }

    #[test]
    fn wish_is_satisfied_when_set_and_votes_agree_with_it() {
        let mut state = state(&[1, 2, 3, 4]);
        let (local, subject) = (address(1), address(2));
        assert!(is_satisfied(&state, &local, &subject, VoteType::Add));
        assert!(!is_satisfied(&state, &local, &subject, VoteType::Drop));
        state.count(local, Vote { recipient: subject, kind: VoteType::Drop });
        assert!(!is_satisfied(&state, &local, &subject, VoteType::Add));
    }

    #[test]
    fn vote_has_to_leave_a_live_quorum() {
        let state = state(&[1, 2, 3, 4]);
        let live: BTreeSet<_> = [1, 2, 3].into_iter().map(address).collect();
        let check = |kind, subject| {
            check_vote(&Vote { recipient: address(subject), kind }, state.validators(), &live)
        };
        assert_eq!(check(VoteType::Drop, 4), Ok(()));
        // Three members need two, and two are left.
        assert_eq!(check(VoteType::Drop, 3), Ok(()));
        assert_eq!(
            check(VoteType::Add, 5),
            Err(VoteRefused::NoQuorum { live: 3, needed: 4, members: 5 })
        );
    }

    #[test]
    fn vote_for_an_empty_set_is_refused() {
        let state = state(&[1]);
        let vote = Vote { recipient: address(1), kind: VoteType::Drop };
        let live = BTreeSet::from([address(1)]);
        assert_eq!(check_vote(&vote, state.validators(), &live), Err(VoteRefused::EmptySet));
    }
}
