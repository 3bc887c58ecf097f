//! Situations that a run has reached.

use std::collections::BTreeMap;

/// All situations, in ascending order: a search that never reaches one of them has not tested what
/// it stands for.
pub const ALL: &[&str] = &[
    "Byzantine member restarted from an older disk",
    "a doubt was resolved",
    "a validator is in doubt",
    "all nodes upgraded one after the other",
    "bit flipped in the newer slot of the sign state",
    "block from sync",
    "block from the future",
    "block offered to a straggler",
    "block proposed again by another member",
    "block spoiled by a Byzantine member",
    "block with a vote",
    "block with another state given",
    "block with the seals of another given",
    "blocks fetched",
    "blocks withheld by a liar",
    "bytes damaged by a Byzantine member",
    "certificate forged",
    "clock jumped",
    "crash between finalise and stored",
    "crash between persist and send",
    "crash between persist and send of a Commit",
    "crash between sync and send",
    "crash between two effects",
    "decided in round 1 or higher",
    "decided in round 10 or higher",
    "decided in round 3 or higher",
    "decided in round 3 or higher, prepared before in round 1 or higher",
    "empty block after its own period",
    "epoch block",
    "evidence of equivocation",
    "false block refused",
    "fault of a peer reported",
    "flapping partition",
    "foreign message left no trace",
    "head withdrawn",
    "header with another body given",
    "healed in round 5 or higher",
    "healed in round 50 or higher",
    "healed with members missing",
    "height of a silent proposer without other faults",
    "heights flooded by a Byzantine member",
    "heights without faults judged by their length",
    "higher head claimed",
    "honest node surrounded by Byzantine ones",
    "jump to a higher round",
    "late seal added",
    "links cut in one direction",
    "message changed by a Byzantine member",
    "message held back until the round is nearly over",
    "message made up by a Byzantine member",
    "message of another chain with the same keys",
    "more than a cap until the first block after healing",
    "network divided in two",
    "node suspended",
    "node upgraded",
    "node woke to more than a hundred events",
    "old message sent again by a Byzantine member",
    "older sign state restored",
    "one message sent a thousand times",
    "one node cut off",
    "period changed by a transition",
    "power cut of all nodes",
    "quorum kept away by the scheduler",
    "removed Byzantine member goes on sending",
    "restart",
    "restart after a commit",
    "restart in a later round",
    "restart of a proposer",
    "restart with a certificate",
    "round 10 or higher wanted",
    "round 3 or higher wanted",
    "round change with a certificate",
    "round changed",
    "round left by a proposal",
    "round left by a quorum",
    "round left by its timer",
    "rounds flooded by a Byzantine member",
    "rule breach of an author reported",
    "seal of another Commit stolen",
    "sealed by all",
    "sign state damaged",
    "sign state lost",
    "signed again after a loss that nobody could tell of",
    "spoiled message refused",
    "sync failed, the process ended",
    "too many in doubt to go on",
    "transactions left out by a Byzantine proposer",
    "two groups with one node in common",
    "two proposals for one round",
    "validator added",
    "validator removed",
    "validator removed with its own block",
    "validator set changed",
    "validators overridden",
    "vote cast",
    "vote cast for a set with just a live quorum",
    "vote wished",
];

/// Counts of runs (or whether one run did) by situation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<&'static str, u64>);

impl Marks {
    /// This run has reached a situation.
    pub fn reach(&mut self, situation: &'static str) {
        debug_assert!(ALL.binary_search(&situation).is_ok(), "{situation} is not listed");
        self.0.insert(situation, 1);
    }

    /// Whether a situation was reached.
    pub fn reached(&self, situation: &str) -> bool {
        self.0.contains_key(situation)
    }

    /// Adds the counts of other runs.
    pub fn add(&mut self, other: &Self) {
        for (situation, count) in &other.0 {
            *self.0.entry(situation).or_default() += count;
        }
    }

    /// All situations and how many runs reached them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        ALL.iter().map(|situation| (*situation, self.0.get(situation).copied().unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn situations_are_listed_once_in_order() {
        assert!(ALL.is_sorted_by(|one, next| one < next));
        assert!(ALL.len() >= 60);
    }

    #[test]
    fn those_never_reached_are_counted_too() {
        let (mut sum, mut one) = (Marks::default(), Marks::default());
        one.reach(ALL[0]);
        one.reach(ALL[0]);
        sum.add(&one);
        sum.add(&one);
        assert_eq!(sum.iter().map(|(_, count)| count).sum::<u64>(), 2);
        assert_eq!(sum.iter().count(), ALL.len());
        assert!(one.reached(ALL[0]) && !one.reached(ALL[1]));
    }
}
