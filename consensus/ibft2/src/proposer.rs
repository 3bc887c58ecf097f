//! Who proposes a block.
//!
//! The turn follows the *creator* of the parent (its coinbase), not the proposer of the round in
//! which the parent was committed: after a block was proposed again by somebody else the rotation
//! goes on from the original creator.

use alloy_primitives::Address;

use crate::validators::ValidatorSet;

/// The proposer of `round` on a parent with the coinbase `parent_coinbase`, or `None` for an empty
/// set. `validators` is the set after the parent.
///
/// The turn moves by one each block and each round. If the parent's creator is no member any more,
/// the next higher member (or the lowest) takes the turn it would have had. That also covers the
/// first block, whose parent has the coinbase zero.
pub fn proposer(
    parent_coinbase: Address,
    validators: &ValidatorSet,
    round: u32,
) -> Option<Address> {
    let (start, is_member) = turn_of(parent_coinbase, validators);
    nth_from(validators, start, u64::from(round).saturating_add(u64::from(is_member)))
}

/// The proposer under the rule that keeps a proposer until its round fails. IBFT 2.0 chains never
/// use it.
pub fn sticky_proposer(
    parent_coinbase: Address,
    validators: &ValidatorSet,
    round: u32,
) -> Option<Address> {
    let (start, _) = turn_of(parent_coinbase, validators);
    nth_from(validators, start, u64::from(round))
}

/// Index of `creator`, or of the next higher member (past the end: of the lowest), and whether
/// `creator` is a member.
fn turn_of(creator: Address, validators: &ValidatorSet) -> (usize, bool) {
    match validators.as_slice().binary_search(&creator) {
        Ok(index) => (index, true),
        Err(index) => (index, false),
    }
}

fn nth_from(validators: &ValidatorSet, start: usize, steps: u64) -> Option<Address> {
    // Both summands are below 2^34 on any set that fits into memory.
    let turn = u64::try_from(start).ok()?;
    // An insertion index past the end stands for the first member.
    let len = u64::try_from(validators.len()).ok()?;
    let index = turn.checked_rem(len)?.checked_add(steps)?.checked_rem(len)?;
    validators.as_slice().get(usize::try_from(index).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(bytes: &[u8]) -> ValidatorSet {
        bytes.iter().map(|byte| Address::with_last_byte(*byte)).collect()
    }

    fn next(parent: u8, validators: &[u8], round: u32) -> Option<Address> {
        proposer(Address::with_last_byte(parent), &addresses(validators), round)
    }

    #[test]
    fn turn_moves_each_block_and_round() {
        let set = [1, 2, 3];
        assert_eq!(next(1, &set, 0), Some(Address::with_last_byte(2)));
        assert_eq!(next(3, &set, 0), Some(Address::with_last_byte(1)));
        assert_eq!(next(1, &set, 2), Some(Address::with_last_byte(1)));
    }

    #[test]
    fn absent_creator_yields_to_the_next_higher_member() {
        let set = [2, 4, 6];
        assert_eq!(next(3, &set, 0), Some(Address::with_last_byte(4)));
        assert_eq!(next(7, &set, 0), Some(Address::with_last_byte(2)));
        assert_eq!(next(7, &set, 1), Some(Address::with_last_byte(4)));
        assert_eq!(next(0, &set, 1), Some(Address::with_last_byte(4)));
    }

    #[test]
    fn sticky_proposer_stays() {
        let set = addresses(&[1, 2, 3]);
        let parent = Address::with_last_byte(2);
        assert_eq!(sticky_proposer(parent, &set, 0), Some(parent));
        assert_eq!(sticky_proposer(parent, &set, 1), Some(Address::with_last_byte(3)));
    }

    #[test]
    fn highest_round_and_empty_set() {
        assert_eq!(next(1, &[1], u32::MAX), Some(Address::with_last_byte(1)));
        assert_eq!(next(1, &[], 0), None);
    }
}
