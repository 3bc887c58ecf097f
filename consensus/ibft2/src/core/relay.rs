//! What is passed on, sent again and answered.
//!
//! * A valid message of the running height is relayed once, and once more when its author sends it
//!   again after a base timeout: validators need not all be connected to each other.
//! * The own messages of the running round go to every validator that connects, and to all of them
//!   once per base.
//! * Who is still at a lower height gets the final block, who is in a lower round the own newest
//!   RoundChange, each author at most once per base.

use alloy_primitives::{Address, B256, keccak256};

use super::{
    Core,
    config::Profile,
    effect::{Effect, Target},
    input::{PeerId, TimerId},
};
use crate::{
    crypto::Crypto,
    messages::{Message, MessageKind},
};

/// Messages of one author that are relayed within one base. An honest validator signs fewer.
const RELAYED_PER_BASE: u32 = 64;

impl<C: Crypto> Core<C> {
    /// Passes on a valid message of the running height.
    pub(super) fn relay(&mut self, deliverer: PeerId, author: Address, message: &Message) {
        let now = self.now.mono_ms;
        // A copy with a spoiled block must not take the place of the good one.
        let copy = message.block().map_or(B256::ZERO, |block| keccak256(&block.body));
        let key = (author, message.kind(), message.id(), copy);
        let again = self.relayed.get(&key).map(|at| at.saturating_add(self.base_ms()));
        if again.is_some_and(|again| now < again || self.config.profile == Profile::Besu) {
            return;
        }
        let budget = self.relay_budget.entry(author).or_insert(RELAYED_PER_BASE);
        let Some(left) = budget.checked_sub(1) else { return };
        *budget = left;
        self.relayed.insert(key, now);
        let bytes = message.to_wire(self.config.schedule.config().besu_dialect);
        let to = Target::AllBut { author, deliverer };
        self.effects.push(Effect::Send { after: None, to, bytes });
    }

    /// Sends the own messages of the running round, the RoundChange first: it lets others enter the
    /// round to which the rest belongs.
    pub(super) fn send_again(&mut self, to: Target) {
        if self.config.profile == Profile::Besu || !self.height.member || mutated!(self, NoResend) {
            return;
        }
        let order = [
            MessageKind::RoundChange,
            MessageKind::Proposal,
            MessageKind::Prepare,
            MessageKind::Commit,
        ];
        for kind in order {
            if kind == MessageKind::Commit && !self.height.round.commit_sent {
                continue;
            }
            if let Some(bytes) = self.height.round.own(kind).cloned() {
                // What was signed last may still be on its way to the disk.
                self.send(Some(self.last_token), to, bytes);
            }
        }
    }

    /// The author works on a height that is final here.
    pub(super) fn answer_lower_height(&mut self, peer: PeerId, author: Address, height: u64) {
        if height <= self.head.header.number && self.may_answer(author) {
            self.effects.push(Effect::OfferBlock { height, peer });
        }
    }

    /// The author works in a round that is over here.
    pub(super) fn answer_lower_round(&mut self, peer: PeerId, author: Address) {
        if !self.may_answer(author) {
            return;
        }
        if let Some(bytes) = self.height.round.own(MessageKind::RoundChange).cloned() {
            self.send(Some(self.last_token), Target::Peer(peer), bytes);
        } else if self.height.round.number > 0 && !self.height.round.prepared {
            // The round was entered by a proposal: the RoundChange is made up for.
            self.height.round.wants_round_change = true;
        }
    }

    fn may_answer(&mut self, author: Address) -> bool {
        if self.config.profile == Profile::Besu {
            return false;
        }
        let now = self.now.mono_ms;
        let next = self.answered.get(&author).map(|at| at.saturating_add(self.base_ms()));
        if next.is_some_and(|next| now < next) {
            return false;
        }
        self.answered.insert(author, now);
        true
    }

    /// Once per base.
    pub(super) fn on_resend_timer(&mut self) {
        self.set_resend_timer();
        self.signer_failed = false;
        self.relay_budget.clear();
        if self.config.profile == Profile::Normal {
            // What may be relayed again need not be remembered.
            let least = self.now.mono_ms.saturating_sub(self.base_ms());
            self.relayed.retain(|_, at| *at > least);
        }
        self.answered.retain(|author, _| self.height.validators.contains(author));
        if !mutated!(self, FutureBlockForgotten) {
            self.height.checks.retry();
        }
        self.expire_claims();
        self.fetch_missing();
        self.send_again(Target::Validators);
    }

    pub(super) fn set_resend_timer(&mut self) {
        let at = self.now.mono_ms.saturating_add(self.base_ms());
        self.effects.push(Effect::SetTimer { id: TimerId::Resend, at });
    }
}
