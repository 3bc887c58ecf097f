//! How many members of a validator set suffice for what.
//!
//! IBFT 2.0 replaced the `2f + 1` of its predecessor by `ceil(2n / 3)`, so that two quorums always
//! overlap in more than `f` members (Saltini and Hyland-Wood, "IBFT 2.0: A Safe and Live Variation
//! of the IBFT Blockchain Consensus Protocol for Eventually Synchronous Networks", 2019). For
//! `n <= 3` no Byzantine member is tolerated.

/// Members of `n` that must seal a block or change a round: `ceil(2n / 3)`, at least 1.
pub const fn quorum(n: usize) -> usize {
    (n.saturating_mul(2).saturating_sub(1) / 3).saturating_add(1)
}

/// Prepare messages needed besides the proposal, which counts as its author's own.
pub const fn prepare_quorum(n: usize) -> usize {
    quorum(n).saturating_sub(1)
}

/// Byzantine members that a set of `n` tolerates: `floor((n - 1) / 3)`.
pub const fn byzantine(n: usize) -> usize {
    n.saturating_sub(1) / 3
}

/// Votes that change a validator set of `n`: `floor(n / 2) + 1`.
pub const fn vote_majority(n: usize) -> usize {
    (n / 2).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_is_two_thirds_rounded_up() {
        for n in 1..200usize {
            assert_eq!(quorum(n), (2 * n).div_ceil(3));
        }
        assert_eq!(quorum(0), 1);
    }

    #[test]
    fn quorums_overlap_in_an_honest_member() {
        for n in 1..200 {
            assert!(2 * quorum(n) - n > byzantine(n), "{n}");
        }
    }

    #[test]
    fn small_sets_tolerate_nothing() {
        assert_eq!([1, 2, 3, 4].map(byzantine), [0, 0, 0, 1]);
        assert_eq!([1, 2, 3, 4].map(prepare_quorum), [0, 1, 1, 2]);
        assert_eq!([0, 1, 2, 3, 4].map(vote_majority), [1, 1, 2, 2, 3]);
    }

    #[test]
    fn huge_sets_do_not_overflow() {
        assert!(quorum(usize::MAX) > 0);
        assert!(vote_majority(usize::MAX) > 0);
    }
}
