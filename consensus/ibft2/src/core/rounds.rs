//! How rounds are left and entered.
//!
//! | cause | rule |
//! |---|---|
//! | timer | the round has lasted `min(base * 2^round, cap)` |
//! | jump | RoundChanges of f + 1 validators for higher rounds: at least one honest one is there. To the highest round that so many have reached, at most 1,024 rounds at a time and once per base |
//! | quorum | RoundChanges of a quorum for one round |
//! | proposal | a valid proposal of a higher round, whose RoundChanges are a quorum |
//!
//! The timer of a round above 0 starts when a quorum has reached the round: groups of validators a
//! few rounds apart under capped timers would never meet if each went on alone. Until then the
//! RoundChange is sent again. Where Besu takes part the timer starts at once, as Besu's.

use super::{
    Core,
    clock::timeout_ms,
    config::Profile,
    effect::{Effect, Report, RoundCause},
    input::TimerId,
    round::{Proposing, Round, Timer},
};
use crate::{crypto::Crypto, messages::RoundId};

/// Rounds that a jump crosses at most.
const JUMP_BOUND: u32 = 1_024;

impl<C: Crypto> Core<C> {
    /// Moves to `number`. The certificate of the height stays, whatever the cause.
    pub(super) fn enter_round(&mut self, number: u32, cause: RoundCause) {
        self.cancel_round_timers();
        self.height.inbox.drop_below(number);
        let height = self.height.number;
        self.relayed.retain(|(_, _, id, _), _| *id >= RoundId::new(height, number));
        let left = std::mem::replace(&mut self.height.round, Round::new(number));
        if mutated!(self, RoundPoisoned) {
            self.height.round.seen = left.seen;
        }
        if mutated!(self, BuildNotRetried) && matches!(left.proposing, Proposing::Building { .. }) {
            self.height.round.proposing = left.proposing;
        }
        if mutated!(self, VerdictForgotten) {
            self.height.checks = Default::default();
        }
        self.height.round.justified = matches!(cause, RoundCause::Quorum | RoundCause::Proposal);
        self.height.round.wants_round_change = match cause {
            RoundCause::Timer => true,
            RoundCause::Jump | RoundCause::Quorum => self.config.profile == Profile::Normal,
            RoundCause::Proposal => false,
        };
        let lost = match cause {
            RoundCause::Timer => mutated!(self, LockLostOnTimer),
            _ => mutated!(self, LockLostOnJump),
        };
        if lost {
            self.height.certificate = None;
        }
        self.report(Report::RoundChanged { id: self.height.id(), cause });
    }

    /// The round timer has run out: the next round is asked for.
    pub(super) fn on_round_timer(&mut self, id: RoundId) {
        let over = id != self.height.id() || self.height.finalising.is_some();
        if (over && !mutated!(self, LateTimerCounts)) || !self.height.member {
            return;
        }
        self.height.round.timer = None;
        // Who cannot sign cannot ask for a round. It stays and follows the others.
        if !self.may_sign() {
            return;
        }
        let step = if mutated!(self, RoundSkipped) { 2 } else { 1 };
        if let Some(next) = id.round.checked_add(step) {
            self.enter_round(next, RoundCause::Timer);
        }
    }

    /// IBFT 2.0 leaves a round early when others show that it is lost.
    pub(super) fn follow_others(&mut self) -> bool {
        if self.height.finalising.is_some() || !self.height.member {
            return false;
        }
        self.follow_quorum() || self.jump()
    }

    /// RoundChanges of a quorum for one round: that round starts.
    fn follow_quorum(&mut self) -> bool {
        let (current, quorum) = (self.height.round.number, self.height.quorum());
        let inbox = &self.height.inbox.round_changes;
        if inbox.len() < quorum {
            return false;
        }
        let target = inbox
            .rounds()
            .filter(|round| *round > current)
            .filter(|round| inbox.count(*round, |_, _| true) >= quorum)
            .max();
        let Some(target) = target else { return false };
        self.enter_round(target, RoundCause::Quorum);
        true
    }

    /// RoundChanges of f + 1 others for higher rounds (at n <= 3 one is enough): the own round is
    /// given up for the highest that so many have reached.
    fn jump(&mut self) -> bool {
        if self.config.profile == Profile::Besu || mutated!(self, NoJump) {
            return false;
        }
        let current = self.height.round.number;
        let authors =
            if mutated!(self, JumpOnOne) { 1 } else { self.height.byzantine().saturating_add(1) };
        let Some(reached) = self.height.inbox.reached_by(authors) else { return false };
        if reached <= current {
            return false;
        }
        let now = self.now.mono_ms;
        let next_jump = self.height.jumped_at.map(|at| at.saturating_add(self.base_ms()));
        if next_jump.is_some_and(|next| now < next) {
            return false;
        }
        self.height.jumped_at = Some(now);
        let bound = if mutated!(self, JumpUnbounded) {
            u32::MAX
        } else {
            current.saturating_add(JUMP_BOUND)
        };
        self.enter_round(reached.min(bound), RoundCause::Jump);
        true
    }

    /// Starts the timer of the running round when its time has come.
    pub(super) fn start_round_timer(&mut self) {
        if !self.height.member || self.height.finalising.is_some() {
            return;
        }
        let round = self.height.round.number;
        if round > 0 && (self.height.round.timer.is_some() || !self.round_is_shared()) {
            return;
        }
        let start = if round == 0 { self.round_zero_start() } else { self.now.mono_ms };
        let profile =
            if mutated!(self, TimerUncapped) { Profile::Besu } else { self.config.profile };
        let timeout = timeout_ms(&self.config.schedule, profile, round);
        let at = start.saturating_add(timeout);
        // Round 0 of a height without work starts later; work that comes up moves its timer.
        let set = self.height.round.timer;
        if set.is_some_and(|set| set <= at) {
            return;
        }
        if mutated!(self, TimerNotReset) && round > 0 {
            return;
        }
        self.height.round.timer = Some(at);
        self.effects.push(Effect::SetTimer { id: TimerId::Round(self.height.id()), at });
    }

    /// Round 0 starts when its block may be proposed: after the block period, or the empty-block
    /// period as long as nothing waits for a block.
    fn round_zero_start(&self) -> u64 {
        if mutated!(self, RoundTimerEarly) {
            return self.now.mono_ms;
        }
        let times = &self.height.times;
        let due = match times.empty_due {
            Some(empty_due) if !self.has_work() || mutated!(self, WorkIgnored) => empty_due,
            _ => times.block_due,
        };
        due.max(self.now.mono_ms)
    }

    /// Whether a quorum is known to be in this round or above, the own node counted.
    fn round_is_shared(&self) -> bool {
        if self.height.round.justified
            || self.config.profile == Profile::Besu
            || self.config.schedule.config().besu_peers
            || mutated!(self, RoundTimerAlone)
        {
            return true;
        }
        let round = self.height.round.number;
        let others = self
            .height
            .inbox
            .reached
            .iter()
            .filter(|(author, reached)| **author != self.local && **reached >= round)
            .count();
        let own = usize::from(self.may_sign());
        others.saturating_add(own) >= self.height.quorum()
    }

    /// The block timer of the running round is over.
    pub(super) fn on_block_timer(&mut self, id: RoundId) {
        if id == self.height.id() {
            self.height.round.block_timer = Timer::Over;
        }
    }

    /// The empty-block timer of the running round is over.
    pub(super) fn on_empty_timer(&mut self, id: RoundId) {
        if id == self.height.id() {
            self.height.round.empty_timer = Timer::Over;
        }
    }
}
