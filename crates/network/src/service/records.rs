//! What was refused lately, for the operator.

use libp2p::{Multiaddr, PeerId};
use std::{
    collections::VecDeque,
    time::{SystemTime, UNIX_EPOCH},
};

/// Refusals that are remembered, of admitted peers and of strangers each.
const KEPT: usize = 256;

/// A connection that was refused or failed, here or there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRecord {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// Who, as far as known.
    pub peer: Option<PeerId>,
    /// From where, or to where.
    pub address: Option<Multiaddr>,
    /// Why.
    pub reason: String,
}

/// Two rings, so that strangers who knock all day do not push out what matters.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    admitted: VecDeque<RefusalRecord>,
    strangers: VecDeque<RefusalRecord>,
}

impl RefusalLog {
    pub(super) fn push(
        &mut self,
        admitted: bool,
        peer: Option<PeerId>,
        address: Option<Multiaddr>,
        reason: String,
    ) {
        let ring = if admitted { &mut self.admitted } else { &mut self.strangers };
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(RefusalRecord { at_ms: now_ms(), peer, address, reason });
    }

    /// The last `count` of `peer`, oldest first.
    pub(super) fn of(&self, peer: &PeerId, count: usize) -> Vec<RefusalRecord> {
        let all = self.iter().filter(|record| record.peer == Some(*peer));
        let skip = all.clone().count().saturating_sub(count);
        all.skip(skip).cloned().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RefusalRecord> + Clone {
        self.strangers.iter().chain(&self.admitted)
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_push_out_peers() {
        let mut log = RefusalLog::default();
        let peer = PeerId::random();
        for n in 0..3 {
            log.push(true, Some(peer), None, n.to_string());
        }
        for _ in 0..KEPT * 2 {
            log.push(false, Some(PeerId::random()), None, "stranger".to_owned());
        }
        assert_eq!(log.iter().count(), KEPT + 3);
        let reasons: Vec<_> = log.of(&peer, 2).into_iter().map(|record| record.reason).collect();
        assert_eq!(reasons, ["1", "2"]);
    }
}
