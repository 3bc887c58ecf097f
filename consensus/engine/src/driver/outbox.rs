//! Effects that wait for the sign state: nothing leaves before what it says is durable.

use peruri_ibft2::core::{Effect, PersistToken};
use std::collections::VecDeque;

/// Effects with the token that each waits for, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The newest durable token; none at first.
    durable: Option<PersistToken>,
    waiting: VecDeque<(PersistToken, Effect)>,
}

impl Outbox {
    /// Gives the effect back if it may be carried out now, and keeps it otherwise.
    pub(super) fn admit(&mut self, after: Option<PersistToken>, effect: Effect) -> Option<Effect> {
        match after {
            Some(token) if Some(token) > self.durable => {
                self.waiting.push_back((token, effect));
                None
            }
            _ => Some(effect),
        }
    }

    /// A record is durable, and so are all before it: what may be carried out now.
    pub(super) fn release(&mut self, token: PersistToken) -> Vec<Effect> {
        self.durable = self.durable.max(Some(token));
        let all = std::mem::take(&mut self.waiting);
        let (ready, waiting): (VecDeque<_>, VecDeque<_>) =
            all.into_iter().partition(|(after, _)| *after <= token);
        self.waiting = waiting;
        ready.into_iter().map(|(_, effect)| effect).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;
    use peruri_ibft2::core::Target;

    fn send(after: u64) -> Effect {
        let after = Some(PersistToken(after));
        Effect::Send { after, to: Target::Validators, bytes: Bytes::new() }
    }

    #[test]
    fn nothing_leaves_before_its_record_is_durable() {
        let mut outbox = Outbox::default();
        assert!(outbox.admit(None, send(0)).is_some());
        for token in [1, 2, 3] {
            assert!(outbox.admit(Some(PersistToken(token)), send(token)).is_none());
        }
        assert_eq!(outbox.release(PersistToken(2)), [send(1), send(2)]);
        assert!(outbox.admit(Some(PersistToken(2)), send(2)).is_some());
        assert_eq!(outbox.release(PersistToken(3)), [send(3)]);
    }
}
