//! Who has blocks that are missing here.

use parking_lot::Mutex;
use peruri_network::SessionId;
use std::collections::BTreeMap;
use tokio::sync::{Notify, watch};

/// Heads of the connected nodes, and what consensus wants at once. Shared by those who hear of blocks
/// and the one who fetches them.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    inner: Mutex<Inner>,
    /// For the one who fetches.
    changed: Notify,
    /// For those who wait for the head.
    heads_changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    heads: BTreeMap<SessionId, u64>,
    wanted: Option<Target>,
}

/// A node and the newest block that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) session: SessionId,
    pub(crate) head: u64,
}

impl Targets {
    /// A node says that it has block `head`.
    pub(crate) fn announce(&self, session: SessionId, head: u64) {
        let mut inner = self.inner.lock();
        let known = inner.heads.entry(session).or_default();
        *known = head.max(*known);
        drop(inner);
        self.changed.notify_one();
        self.heads_changed.send_replace(());
    }

    /// A node is gone, or does not have what it said.
    pub(crate) fn forget(&self, session: SessionId) {
        let mut inner = self.inner.lock();
        inner.heads.remove(&session);
        inner.wanted.take_if(|wanted| wanted.session == session);
        drop(inner);
        self.heads_changed.send_replace(());
    }

    /// Whether a node says that it has block `number`.
    pub(crate) fn claims(&self, session: SessionId, number: u64) -> bool {
        self.inner.lock().heads.get(&session).is_some_and(|head| *head >= number)
    }

    /// Consensus has reason to believe that a node has block `number`.
    pub(crate) fn want(&self, session: SessionId, number: u64) {
        self.inner.lock().wanted = Some(Target { session, head: number });
        self.changed.notify_one();
    }

    /// What consensus wants, once, if it lies above `head`.
    pub(crate) fn take_wanted(&self, head: u64) -> Option<Target> {
        let mut inner = self.inner.lock();
        let wanted = inner.wanted.take().filter(|wanted| wanted.head > head)?;
        let head = inner.heads.get(&wanted.session).copied().unwrap_or_default();
        Some(Target { head: head.max(wanted.head), ..wanted })
    }

    /// The node with the highest head, if that is above `head`.
    pub(crate) fn best(&self, head: u64) -> Option<Target> {
        let inner = self.inner.lock();
        let (session, head) = inner.heads.iter().filter(|it| *it.1 > head).max_by_key(|it| it.1)?;
        Some(Target { session: *session, head: *head })
    }

    /// Whether anybody is connected, and nobody says that it has a block above `head`.
    pub(crate) fn nobody_is_above(&self, head: u64) -> bool {
        let inner = self.inner.lock();
        !inner.heads.is_empty() && inner.heads.values().all(|known| *known <= head)
    }

    /// Tells when the heads of others have changed.
    pub(crate) fn heads_changed(&self) -> watch::Receiver<()> {
        self.heads_changed.subscribe()
    }

    /// Waits until something has changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    #[test]
    fn the_highest_head_is_the_target() {
        let targets = Targets::default();
        targets.announce(A, 5);
        targets.announce(B, 7);
        targets.announce(B, 6);
        assert_eq!(targets.best(5), Some(Target { session: B, head: 7 }));
        assert_eq!(targets.best(7), None);
        assert_eq!([6, 7].map(|head| targets.nobody_is_above(head)), [false, true]);
        targets.forget(B);
        assert_eq!(targets.best(4), Some(Target { session: A, head: 5 }));
        targets.forget(A);
        assert!(!targets.nobody_is_above(9), "there is nobody to say so");
    }

    #[test]
    fn what_consensus_wants_is_handed_out_once() {
        let targets = Targets::default();
        targets.announce(A, 9);
        targets.want(A, 6);
        assert_eq!(targets.take_wanted(5).unwrap().head, 9);
        assert_eq!(targets.take_wanted(5), None);
        targets.want(B, 6);
        assert_eq!(targets.take_wanted(6), None, "it is here by now");
        assert_eq!([9, 10].map(|number| targets.claims(A, number)), [true, false]);
        assert!(!targets.claims(B, 6), "it has not said so itself");
    }
}
