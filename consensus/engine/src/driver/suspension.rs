//! Two live processes with one key: the younger one signs nothing while others see both.
//!
//! Each has a sign state of its own, so that nothing else keeps them from contradicting each other. A
//! single validator could claim this to silence another one; f + 1 of them cannot all be lying.

use super::Driver;
use crate::EngineError;
use alloy_primitives::{Address, B256};
use peruri_ibft2::{
    byzantine,
    core::{Input, RequestId},
};
use peruri_network::ProcessInfo;
use std::collections::BTreeMap;
use tokio::time::Instant;
use tracing::{error, info};

/// Who says that this key is in use twice, and what is not signed meanwhile.
#[derive(Debug)]
pub(super) struct Suspension {
    /// What tells this process from the other one; `None` without a network.
    instance: Option<u64>,
    /// Until when each validator's word counts.
    told: BTreeMap<Address, Instant>,
    /// When too few are left that say so; `None` while this process may sign.
    ends: Option<Instant>,
    /// What the core wants to have signed.
    held: Vec<(RequestId, B256)>,
}

impl Suspension {
    pub(super) const fn new(instance: Option<u64>) -> Self {
        Self { instance, told: BTreeMap::new(), ends: None, held: Vec::new() }
    }

    /// Keeps a request back if nothing may be signed now.
    pub(super) fn hold(&mut self, request: RequestId, digest: B256) -> bool {
        let suspended = self.ends.is_some();
        if suspended {
            self.held.push((request, digest));
        }
        suspended
    }

    /// When this process may sign again.
    pub(super) const fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Whether it has been suspended and is not any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// Whether this process is the younger of the two.
    fn is_younger(&self, processes: &[ProcessInfo; 2]) -> bool {
        let younger = processes.iter().max_by_key(|it| (it.started_ms, it.instance));
        younger.is_some_and(|younger| Some(younger.instance) == self.instance)
    }

    /// `told_by` says so until `until`; it takes `needed` of them. Returns whether that is news.
    fn tell(&mut self, told_by: Address, until: Instant, needed: usize) -> bool {
        let now = Instant::now();
        self.told.insert(told_by, until);
        self.told.retain(|_, until| *until > now);
        let mut ends: Vec<_> = self.told.values().copied().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let ends = needed.checked_sub(1).and_then(|last| ends.get(last).copied());
        let was = std::mem::replace(&mut self.ends, ends);
        was.is_none() && ends.is_some()
    }

    fn release(&mut self) -> Vec<(RequestId, B256)> {
        self.ends = None;
        self.told.clear();
        std::mem::take(&mut self.held)
    }
}

impl Driver {
    pub(super) fn on_identity_in_use(&mut self, told_by: Address, processes: &[ProcessInfo; 2]) {
        let validators = self.core.validators();
        if !validators.contains(&told_by) || !self.suspension.is_younger(processes) {
            return;
        }
        let needed = byzantine(validators.len()).saturating_add(1);
        let until = Instant::now() + self.schedule.config().request_timeout() * 2;
        if self.suspension.tell(told_by, until, needed) {
            metrics::gauge!("peruri_consensus_identity_in_doubt").set(1.0);
            error!(
                target: "consensus::engine",
                ?processes,
                "this validator's key is in use by an older process too: this one signs nothing"
            );
        }
    }

    /// The other process is gone: what the core asked for meanwhile is signed.
    pub(super) fn sign_what_was_held(&mut self) -> Result<(), EngineError> {
        metrics::gauge!("peruri_consensus_identity_in_doubt").set(0.0);
        info!(target: "consensus::engine", "the key is in use once again: signing");
        for (request, digest) in self.suspension.release() {
            let signature = self.signer.sign(digest)?;
            self.give(Input::Signed { request, signature })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn process(instance: u64, started_ms: u64) -> ProcessInfo {
        ProcessInfo { address: String::new(), instance, started_ms }
    }

    #[test]
    fn only_the_younger_process_is_concerned() {
        let both = [process(1, 100), process(2, 200)];
        assert!(!Suspension::new(Some(1)).is_younger(&both));
        assert!(Suspension::new(Some(2)).is_younger(&both));
        assert!(!Suspension::new(None).is_younger(&both));
    }

    #[test]
    fn it_takes_more_validators_than_may_lie_and_ends_with_the_last_but_f() {
        let mut suspension = Suspension::new(Some(2));
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        assert!(!suspension.hold(RequestId(1), B256::ZERO));
        assert!(!suspension.tell(Address::with_last_byte(1), later(10), 2));
        assert!(!suspension.tell(Address::with_last_byte(1), later(20), 2), "the same one again");
        assert!(suspension.tell(Address::with_last_byte(2), later(15), 2));
        assert!(suspension.hold(RequestId(2), B256::ZERO));
        assert_eq!(suspension.ends(), Some(later(15)));
        assert!(!suspension.is_over(later(14)) && suspension.is_over(later(15)));
        assert_eq!(suspension.release(), [(RequestId(2), B256::ZERO)]);
        assert!(!suspension.hold(RequestId(3), B256::ZERO));
    }
}
