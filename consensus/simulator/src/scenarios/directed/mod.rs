//! Directed runs: one fault each, from beginning to end.

mod blocks;
mod bounds;
mod doubt;
mod finality;
mod lock;
mod members;
mod restart;
mod rounds;
mod times;

use super::{
    Lab, Play, Scenario,
    stage::{Setting, Stage},
};

/// The directed runs.
pub(super) const DIRECTED: &[Scenario] = &[
    Scenario {
        ids: &["K7", "V4"],
        title: "the round timer starts before the block may be proposed",
        bugs: &["RoundTimerEarly"],
        play: Play::Directed(5, times::idle_heights_cost_no_round),
    },
    Scenario {
        ids: &["K9", "V1"],
        title: "timers are as long as an outage was, and who slept through it does not follow",
        bugs: &["TimerUncapped", "NoJump"],
        play: Play::Directed(2, times::an_outage_is_over_soon),
    },
    Scenario {
        ids: &["V3"],
        title: "a dead proposer costs more than its round",
        bugs: &["RoundSkipped"],
        play: Play::Directed(4, rounds::a_dead_proposer_costs_one_round),
    },
    Scenario {
        ids: &["V11"],
        title: "clocks that differ cost turns",
        bugs: &["FutureBlockForgotten", "NotBeforeIgnored"],
        play: Play::Directed(2, times::skewed_clocks_cost_no_turn),
    },
    Scenario {
        ids: &["K27"],
        title: "a clock is set back far, also in a late round",
        bugs: &["WaitUncut"],
        play: Play::Directed(2, times::a_clock_set_back_stops_nobody),
    },
    Scenario {
        ids: &["K28"],
        title: "a block is withheld in an idle height, and work does not end its wait",
        bugs: &["WorkIgnored"],
        play: Play::Directed(1, times::a_withheld_block_of_an_idle_height),
    },
    Scenario {
        ids: &["U5"],
        title: "a timer that runs out beside the import of a block",
        bugs: &["LateTimerCounts"],
        play: Play::Directed(2, rounds::late_timers),
    },
    Scenario {
        ids: &["U2"],
        title: "after a restart another proposal of the same round is committed to",
        bugs: &["RecordIgnored"],
        play: Play::Directed(1, restart::another_proposal_after_a_restart),
    },
    Scenario {
        ids: &["V8"],
        title: "the first bad proposal poisons more than its round",
        bugs: &["RoundPoisoned"],
        play: Play::Directed(2, rounds::a_bad_proposal_costs_its_round_only),
    },
    Scenario {
        ids: &["V9"],
        title: "a block that could not be built is never built",
        bugs: &["BuildNotRetried"],
        play: Play::Directed(3, rounds::a_failed_build_is_tried_again),
    },
    Scenario {
        ids: &["V12"],
        title: "two dialects in one network",
        bugs: &["ForeignDialectRefused"],
        play: Play::Directed(2, rounds::both_dialects_are_read),
    },
    Scenario {
        ids: &["K17"],
        title: "the longest proposal is longer than a message may be",
        bugs: &["MessageBoundTooSmall"],
        play: Play::Directed(2, blocks::the_longest_proposal_is_read),
    },
    Scenario {
        ids: &["U8"],
        title: "a proposer chooses the base fee",
        bugs: &["NeverFresh", "AlwaysFresh"],
        play: Play::Directed(2, blocks::the_base_fee_of_a_fresh_block_is_checked),
    },
    Scenario {
        ids: &["V7"],
        title: "a block is executed again in each round",
        bugs: &["VerdictForgotten"],
        play: Play::Directed(1, blocks::a_block_is_checked_once),
    },
    Scenario {
        ids: &["K8", "K18"],
        title: "numbers near the greatest of their type",
        bugs: &["JumpUnbounded", "TimerUncapped", "ClaimsNeverExpire"],
        play: Play::Directed(2, bounds::the_greatest_numbers),
    },
    Scenario {
        ids: &["V5"],
        title: "messages of later heights fill the memory",
        bugs: &["FutureAuthorUnchecked", "FutureHeightsUnbounded"],
        play: Play::Directed(2, bounds::later_heights_without_end),
    },
    Scenario {
        ids: &["V6"],
        title: "messages of later rounds fill the memory",
        bugs: &["UnboundedRounds"],
        play: Play::Directed(1, bounds::later_rounds_without_end),
    },
    Scenario {
        ids: &["V10"],
        title: "consensus stands still while somebody claims to have more blocks",
        bugs: &["ClaimsStop"],
        play: Play::Directed(1, bounds::a_claimed_head_stops_nobody),
    },
    Scenario {
        ids: &["K26"],
        title: "marks of an earlier network with the same keys",
        bugs: &["FarMarksProve", "ClaimsNeverExpire"],
        play: Play::Directed(2, doubt::marks_of_an_earlier_network),
    },
    Scenario {
        ids: &["K20", "U9"],
        title: "RoundChanges of another network with the same keys count",
        bugs: &["DomainUnbound"],
        play: Play::Directed(2, doubt::messages_of_another_network),
    },
    Scenario {
        ids: &["K20"],
        title: "what somebody says who is no validator",
        bugs: &["OutsiderAccepted"],
        play: Play::Directed(2, doubt::messages_of_a_stranger),
    },
    Scenario {
        ids: &["K2", "K3"],
        title: "another block is proposed than the one that members are prepared on",
        bugs: &["ReproposalUnchecked", "JustificationUnchecked"],
        play: Play::Directed(3, lock::a_certificate_forces_its_block),
    },
    Scenario {
        ids: &["U3"],
        title: "a proposer makes its block in the name of another",
        bugs: &["CoinbaseUnbound"],
        play: Play::Directed(2, blocks::the_creator_is_the_proposer),
    },
    Scenario {
        ids: &["K13"],
        title: "a validator is voted in before it is there",
        bugs: &["VoteUnchecked"],
        play: Play::Directed(2, members::a_vote_waits_for_its_subject),
    },
    Scenario {
        ids: &["K6"],
        title: "what was heard of the next height is thrown away when it starts",
        bugs: &["BacklogDropped"],
        play: Play::Directed(1, rounds::messages_of_the_next_height_wait),
    },
    Scenario {
        ids: &["K30"],
        title: "a late seal is not its author's",
        bugs: &["LateSealUnchecked"],
        play: Play::Directed(3, finality::late_seals_are_of_their_author),
    },
    Scenario {
        ids: &["K29"],
        title: "a block of a former lone validator stops the others",
        bugs: &["AnyConflictStops"],
        play: Play::Directed(1, finality::a_former_lone_validator),
    },
    Scenario {
        ids: &["U4"],
        title: "a final block is replaced, or nobody notices that there are two",
        bugs: &["ConflictIgnored", "FinalBlockReplaced"],
        play: Play::Directed(2, finality::the_local_chain_never_changes),
    },
    Scenario {
        ids: &["U6"],
        title: "too few validators for a malicious one, and nobody says so",
        bugs: &["FewValidatorsSilent"],
        play: Play::Directed(4, members::few_validators_are_told),
    },
    Scenario {
        ids: &["U7"],
        title: "nodes do not agree on the validators after an epoch or an override",
        bugs: &["EpochKeepsVotes", "OverrideIgnored"],
        play: Play::Directed(1, members::epochs_and_overrides),
    },
    Scenario {
        ids: &["V13"],
        title: "a quorum is lost for good",
        bugs: &["OverrideIgnored"],
        play: Play::Directed(1, members::an_override_replaces_a_lost_quorum),
    },
];
