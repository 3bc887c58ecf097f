//! When to dial whom.

use crate::{NetworkConfig, Timing, node_list::NodeList};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use rand::Rng;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A session that lasted this long proves that dialling works.
const STABLE: Duration = Duration::from_secs(10);
/// Doublings of the wait that are counted.
const MAX_DOUBLINGS: u32 = 16;

#[derive(Debug)]
struct Target {
    addresses: Vec<Multiaddr>,
    listed: bool,
    added: bool,
    failures: u32,
    /// `None` while there is a connection or a dial under way.
    next: Option<Instant>,
}

/// The peers this node dials, and when next.
#[derive(Debug)]
pub(super) struct Dialer {
    local: PeerId,
    tcp: bool,
    quic: bool,
    timing: Timing,
    targets: HashMap<PeerId, Target>,
}

impl Dialer {
    pub(super) fn new(local: PeerId, config: &NetworkConfig) -> Self {
        Self {
            local,
            tcp: config.tcp,
            quic: config.quic,
            timing: config.timing.clone(),
            targets: HashMap::new(),
        }
    }

    fn can_dial(&self, address: &Multiaddr) -> bool {
        let quic = address.iter().any(|part| part == Protocol::QuicV1);
        if quic { self.quic } else { self.tcp }
    }

    /// Dials `address` from now on, whatever the list says.
    pub(super) fn add(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        if peer == self.local || !self.can_dial(&address) {
            return;
        }
        let target = self.target(peer, now);
        target.added = true;
        if !target.addresses.contains(&address) {
            target.addresses.push(address);
        }
        target.failures = 0;
        target.next = target.next.map(|_| now);
    }

    /// Forgets an added peer.
    pub(super) fn remove(&mut self, peer: &PeerId) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.added = false;
            if !target.listed {
                self.targets.remove(peer);
            }
        }
    }

    /// Dials the nodes of a new list, at once where something changed.
    pub(super) fn set_list(&mut self, list: &NodeList, now: Instant) {
        for target in self.targets.values_mut() {
            target.listed = false;
        }
        for node in list.nodes() {
            let peer = node.peer.peer_id;
            let addresses: Vec<_> =
                node.addresses.iter().filter(|address| self.can_dial(address)).cloned().collect();
            if peer == self.local || addresses.is_empty() {
                continue;
            }
            let target = self.target(peer, now);
            target.listed = true;
            if target.added {
                target.addresses.retain(|address| !addresses.contains(address));
                target.addresses.splice(0..0, addresses);
            } else if target.addresses != addresses {
                target.addresses = addresses;
                target.failures = 0;
                target.next = target.next.map(|_| now);
            }
        }
        self.targets.retain(|_, target| target.listed || target.added);
    }

    fn target(&mut self, peer: PeerId, now: Instant) -> &mut Target {
        self.targets.entry(peer).or_insert_with(|| Target {
            addresses: Vec::new(),
            listed: false,
            added: false,
            failures: 0,
            next: Some(now),
        })
    }

    /// When the next dial is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.targets.values().filter_map(|target| target.next).min()
    }

    /// Peers to dial now, with their addresses. Each counts as being dialled until
    /// [`Self::retry`] is called.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        self.targets
            .iter_mut()
            .filter(|(_, target)| target.next.is_some_and(|at| at <= now))
            .map(|(peer, target)| {
                target.next = None;
                (*peer, target.addresses.clone())
            })
            .collect()
    }

    /// The next failure of `peer` counts as the first.
    pub(super) fn forgive(&mut self, peer: &PeerId) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.failures = 0;
        }
    }

    /// There is no connection to `peer` any more, or none was made: dial again, the later the more
    /// often it failed. `lasted`: how long its session was.
    pub(super) fn retry(&mut self, peer: &PeerId, lasted: Option<Duration>, now: Instant) {
        let timing = &self.timing;
        let Some(target) = self.targets.get_mut(peer) else { return };
        if lasted.is_some_and(|lasted| lasted >= STABLE) {
            target.failures = 0;
        }
        let factor = 1_u32 << target.failures.min(MAX_DOUBLINGS);
        let wait = timing.redial_min.saturating_mul(factor).min(timing.redial_max);
        // Two nodes that lose each other must not dial each other at the same moment for ever.
        let jitter = rand::rng().random_range(0.75..1.25);
        target.failures = target.failures.saturating_add(1);
        target.next = Some(now + wait.mul_f64(jitter));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{NodeIdentity, node_list::Node};

    fn id(byte: u8) -> PeerId {
        NodeIdentity::from_secret([byte; 32]).unwrap().peer_id()
    }

    fn tcp(peer: PeerId, port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}").parse().unwrap()
    }

    fn node(peer: PeerId, port: u16) -> Node {
        let peer_identity = crate::PeerIdentity::new(peer).unwrap();
        Node { name: port.to_string(), peer: peer_identity, addresses: vec![tcp(peer, port)] }
    }

    fn dialer() -> Dialer {
        Dialer::new(id(1), &NetworkConfig::default())
    }

    #[test]
    fn back_off_grows_to_the_cap_and_a_stable_session_resets_it() {
        let now = Instant::now();
        let mut dialer = dialer();
        let (min, max) = (dialer.timing.redial_min, dialer.timing.redial_max);
        dialer.add(id(2), tcp(id(2), 1), now);
        assert_eq!(dialer.due(now).len(), 1);
        assert_eq!(dialer.next_due(), None, "being dialled");
        let mut waits = Vec::new();
        for _ in 0..12 {
            dialer.retry(&id(2), None, now);
            waits.push(dialer.next_due().unwrap() - now);
        }
        assert!(waits[0] <= min.mul_f64(1.25), "{waits:?}");
        assert!(waits[11] >= max.mul_f64(0.75) && waits[11] <= max.mul_f64(1.25), "{waits:?}");
        dialer.retry(&id(2), Some(STABLE), now);
        assert!(dialer.next_due().unwrap() - now <= min.mul_f64(1.25));
    }

    #[test]
    fn the_list_decides_whom_to_dial_but_not_oneself() {
        let now = Instant::now();
        let mut dialer = dialer();
        dialer.add(id(9), tcp(id(9), 9), now);
        let list = NodeList::new(vec![node(id(1), 1), node(id(2), 2), node(id(3), 3)]).unwrap();
        dialer.set_list(&list, now);
        let mut due: Vec<_> = dialer.due(now).into_iter().map(|(peer, _)| peer).collect();
        due.sort();
        let mut expected = vec![id(2), id(3), id(9)];
        expected.sort();
        assert_eq!(due, expected);
        dialer.set_list(&NodeList::new(vec![node(id(3), 33)]).unwrap(), now);
        assert_eq!(dialer.targets.len(), 2);
        assert_eq!(dialer.targets[&id(3)].addresses, [tcp(id(3), 33)]);
        dialer.remove(&id(9));
        assert_eq!(dialer.targets.len(), 1);
    }

    #[test]
    fn addresses_of_a_transport_that_is_off_are_left_out() {
        let now = Instant::now();
        let config = NetworkConfig { quic: false, ..NetworkConfig::default() };
        let mut dialer = Dialer::new(id(1), &config);
        let quic = format!("/ip4/127.0.0.1/udp/1/quic-v1/p2p/{}", id(2)).parse().unwrap();
        dialer.add(id(2), quic, now);
        assert!(dialer.due(now).is_empty());
    }
}
