//! Which of a peer's connections counts.
//!
//! At most one does. A connection whose hello is good is a *candidate*:
//!
//! * Without a rival it is accepted.
//! * Two processes that dial each other at the same time end with two connections. Of these the one
//!   dialled by the smaller peer id stays; both ends see the same two ids, so both decide alike. The
//!   other candidate waits while the preferred one is still in its handshake.
//! * Any other rival that counts is challenged: if it answers a ping that was sent after the
//!   candidate came, it lives and stays. Otherwise it was half open and the candidate replaces it.
//! * A rival that lives and belongs to another process is an identity in use twice.

use crate::Direction;
use libp2p::swarm::ConnectionId;
use std::time::{Duration, Instant};

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Hello not yet seen.
    Handshaking,
    /// Hello good, undecided since then.
    Candidate(Instant),
    /// Accepted.
    Counts,
}

/// One connection of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) id: ConnectionId,
    pub(super) direction: Direction,
    pub(super) stage: Stage,
    /// The peer's process, once its hello is seen.
    pub(super) instance: Option<u64>,
    /// When the last answered ping was sent.
    pub(super) answered: Option<Instant>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Accept(ConnectionId),
    /// Accept `new` and close `old`.
    Replace {
        old: ConnectionId,
        new: ConnectionId,
        half_open: bool,
    },
    /// `stays` lives, `candidate` is refused; `twice`: they are different processes.
    Refuse {
        candidate: ConnectionId,
        stays: ConnectionId,
        twice: bool,
    },
}

/// The next step among the connections of one peer, oldest first; `None`: wait.
pub(super) fn next_step(
    views: &[View],
    local_is_smaller: bool,
    now: Instant,
    challenge: Duration,
) -> Option<Step> {
    let preferred = |view: &View| (view.direction == Direction::Outbound) == local_is_smaller;
    views.iter().find_map(|candidate| {
        let Stage::Candidate(since) = candidate.stage else { return None };
        let rival = |counts: bool| {
            views
                .iter()
                .find(|view| view.id != candidate.id && (view.stage == Stage::Counts) == counts)
        };
        if let Some(old) = rival(true) {
            return against(candidate, since, old, preferred(candidate), now, challenge);
        }
        match rival(false) {
            Some(other) if preferred(other) && !preferred(candidate) => None,
            _ => Some(Step::Accept(candidate.id)),
        }
    })
}

fn against(
    candidate: &View,
    since: Instant,
    old: &View,
    candidate_preferred: bool,
    now: Instant,
    challenge: Duration,
) -> Option<Step> {
    let same_process = old.instance == candidate.instance;
    let crossed = same_process && old.direction != candidate.direction;
    let replace = |half_open| Step::Replace { old: old.id, new: candidate.id, half_open };
    if crossed && candidate_preferred {
        return Some(replace(false));
    }
    if old.answered.is_some_and(|at| at >= since) {
        let (candidate, stays) = (candidate.id, old.id);
        return Some(Step::Refuse { candidate, stays, twice: !same_process });
    }
    (now >= since + challenge).then(|| replace(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: Duration = Duration::from_secs(5);

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    fn view(n: usize, direction: Direction, stage: Stage, instance: u64) -> View {
        let instance = (stage != Stage::Handshaking).then_some(instance);
        View { id: id(n), direction, stage, instance, answered: None }
    }

    use Direction::{Inbound, Outbound};

    #[test]
    fn a_lone_candidate_is_accepted() {
        let now = Instant::now();
        let alone = [view(1, Inbound, Stage::Candidate(now), 1)];
        assert_eq!(next_step(&alone, true, now, CHALLENGE), Some(Step::Accept(id(1))));
        let handshaking = [view(1, Inbound, Stage::Handshaking, 1)];
        assert_eq!(next_step(&handshaking, true, now, CHALLENGE), None);
    }

    /// Both ends of two crossed dials, in every order in which the hellos can arrive.
    #[test]
    fn crossed_dials_end_with_the_one_of_the_smaller_id() {
        let now = Instant::now();
        for smaller in [true, false] {
            // Connection 1 was dialled by the smaller id, 2 by the other.
            let (one, two) = if smaller { (Outbound, Inbound) } else { (Inbound, Outbound) };
            for first in [1, 2] {
                let stage = |n| if n == first { Stage::Candidate(now) } else { Stage::Handshaking };
                let mut views = [view(1, one, stage(1), 7), view(2, two, stage(2), 7)];
                let step = next_step(&views, smaller, now, CHALLENGE);
                // Only the preferred one is accepted at once; the other waits for it.
                assert_eq!(step, (first == 1).then_some(Step::Accept(id(1))));
                for view in &mut views {
                    view.stage = Stage::Candidate(now);
                    view.instance = Some(7);
                }
                let step = next_step(&views, smaller, now, CHALLENGE);
                assert_eq!(step, Some(Step::Accept(id(1))));
                views[0].stage = Stage::Counts;
                views[0].answered = Some(now);
                let step = next_step(&views, smaller, now, CHALLENGE);
                let refuse = Step::Refuse { candidate: id(2), stays: id(1), twice: false };
                assert_eq!(step, Some(refuse));
            }
            // Even if the other one already counts.
            let views = [view(2, two, Stage::Counts, 7), view(1, one, Stage::Candidate(now), 7)];
            let step = next_step(&views, smaller, now, CHALLENGE);
            assert_eq!(step, Some(Step::Replace { old: id(2), new: id(1), half_open: false }));
        }
    }

    #[test]
    fn a_rival_that_answers_stays_one_that_does_not_is_replaced() {
        let now = Instant::now();
        for (instance, twice) in [(7, false), (8, true)] {
            let mut views = [
                view(1, Inbound, Stage::Counts, 7),
                view(2, Inbound, Stage::Candidate(now), instance),
            ];
            views[0].answered = now.checked_sub(Duration::from_millis(1));
            assert_eq!(next_step(&views, true, now, CHALLENGE), None, "answered before");
            let late = next_step(&views, true, now + CHALLENGE, CHALLENGE);
            assert_eq!(late, Some(Step::Replace { old: id(1), new: id(2), half_open: true }));
            views[0].answered = Some(now);
            let refuse = Step::Refuse { candidate: id(2), stays: id(1), twice };
            assert_eq!(next_step(&views, true, now, CHALLENGE), Some(refuse));
        }
    }

    #[test]
    fn another_process_in_the_other_direction_is_no_crossed_dial() {
        let now = Instant::now();
        let views =
            [view(1, Inbound, Stage::Counts, 7), view(2, Outbound, Stage::Candidate(now), 8)];
        assert_eq!(next_step(&views, true, now, CHALLENGE), None, "challenged first");
    }
}
