//! The operator's wishes for the validator set.
//!
//! A wish becomes a vote in an own block while it is useful. One that would leave fewer live members
//! than the new set's quorum is passed over unless it is forced; one that would leave nobody is never
//! cast.

use std::collections::BTreeSet;

use alloy_primitives::Address;

use super::{Core, input::Wish};
use crate::{
    crypto::Crypto,
    extra_data::{Vote, VoteType},
    votes::{VoteRefused, Wishes, check_vote, is_satisfied, useful_votes},
};

/// How far behind the head a connected validator may be and still count as live.
const LIVE_DISTANCE: u64 = 10;

impl<C: Crypto> Core<C> {
    /// The wishes that are not satisfied.
    pub const fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// Subjects of the forced wishes.
    pub const fn forced_wishes(&self) -> &BTreeSet<Address> {
        &self.forced
    }

    /// Whether a wish is to be accepted from an operator.
    ///
    /// # Errors
    /// [`VoteRefused`] if its vote would leave too few live members and is not forced, or nobody.
    pub fn check_wish(&self, subject: Address, wish: Wish) -> Result<(), VoteRefused> {
        let (kind, force) = match wish {
            Wish::Add { force } => (VoteType::Add, force),
            Wish::Drop { force } => (VoteType::Drop, force),
            Wish::Discard => return Ok(()),
        };
        self.check(&Vote { recipient: subject, kind }, force)
    }

    fn check(&self, vote: &Vote, force: bool) -> Result<(), VoteRefused> {
        let force = force || mutated!(self, VoteUnchecked);
        match check_vote(vote, self.head.state.validators(), &self.live()) {
            Err(VoteRefused::NoQuorum { .. }) if force => Ok(()),
            result => result,
        }
    }

    /// This node and the connected validators that are near the head.
    fn live(&self) -> BTreeSet<Address> {
        let least = self.head.header.number.saturating_sub(LIVE_DISTANCE);
        let mut live: BTreeSet<Address> = self
            .peers
            .values()
            .filter(|peer| peer.head >= least)
            .filter_map(|peer| peer.validator)
            .collect();
        if !self.doubt.is_in_doubt() {
            live.insert(self.local);
        }
        live
    }

    pub(super) fn on_wish(&mut self, subject: Address, wish: Wish) {
        let (kind, force) = match wish {
            Wish::Add { force } => (VoteType::Add, force),
            Wish::Drop { force } => (VoteType::Drop, force),
            Wish::Discard => {
                self.wishes.remove(&subject);
                self.forced.remove(&subject);
                return;
            }
        };
        self.wishes.insert(subject, kind);
        if force {
            self.forced.insert(subject);
        } else {
            self.forced.remove(&subject);
        }
    }

    /// The next wish that may be cast, after that on `last` in the order of addresses.
    pub(super) fn castable_vote(&self, last: Option<Address>) -> Option<Vote> {
        useful_votes(&self.wishes, &self.head.state, self.local, last)
            .find(|vote| self.check(vote, self.forced.contains(&vote.recipient)).is_ok())
    }

    /// Whether something waits for a block.
    pub(super) fn has_work(&self) -> bool {
        self.height.work
            || !self.wishes.is_empty()
                && !self.config.schedule.is_epoch(self.height.number)
                && self.castable_vote(self.last_vote).is_some()
    }

    pub(super) fn drop_satisfied_wishes(&mut self) {
        let (state, local) = (&self.head.state, self.local);
        self.wishes.retain(|subject, wish| !is_satisfied(state, &local, subject, *wish));
        let wishes = &self.wishes;
        self.forced.retain(|subject| wishes.contains_key(subject));
    }
}
