//! Bounds what strangers cost before it is known who knocks, by IP address.
//!
//! A security handshake costs a signature check: nobody must be able to fill the places or keep the
//! processor busy with it. Two bounds: how many new connections come a second ([`InboundRates`],
//! asked by the transport as soon as there is a connection), and how many are in their handshake
//! ([`PendingGuard`]).

use super::gate::Denied;
use crate::{Rate, rate::TokenBucket};
use libp2p::swarm::ConnectionId;
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

/// Addresses that are watched at the same time.
const MAX_ADDRESSES: usize = 4_096;
/// Addresses of former sessions that are remembered.
const MAX_KNOWN: usize = 1_024;

/// New connections a second from each address.
#[derive(Debug)]
pub(crate) struct InboundRates {
    rate: Rate,
    buckets: HashMap<IpAddr, TokenBucket>,
    known: HashSet<IpAddr>,
    /// Refusals that nobody was told of yet.
    refused: HashMap<Denied, u64>,
}

impl InboundRates {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: HashMap::new(), known: HashSet::new(), refused: HashMap::new() }
    }

    /// Whether a new connection from `ip` may go on; a refusal is remembered.
    pub(super) fn admit(&mut self, ip: IpAddr, now: Instant) -> bool {
        if self.known.contains(&ip) {
            return true;
        }
        match self.take(network_of(ip), now) {
            Ok(()) => true,
            Err(denied) => {
                *self.refused.entry(denied).or_default() += 1;
                false
            }
        }
    }

    fn take(&mut self, ip: IpAddr, now: Instant) -> Result<(), Denied> {
        if !self.buckets.contains_key(&ip) && self.buckets.len() >= MAX_ADDRESSES {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= MAX_ADDRESSES {
                return Err(Denied::TooManyAddresses);
            }
        }
        let rate = self.rate;
        let bucket = self.buckets.entry(ip).or_insert_with(|| TokenBucket::new(rate, now));
        if bucket.try_take(1, now) { Ok(()) } else { Err(Denied::TooFast(ip)) }
    }

    /// Addresses of sessions are exempt from now on.
    pub(super) fn exempt(&mut self, ip: IpAddr) {
        if self.known.len() < MAX_KNOWN {
            self.known.insert(ip);
        }
    }

    pub(super) fn is_exempt(&self, ip: IpAddr) -> bool {
        self.known.contains(&ip)
    }

    /// The refusals since this was last asked, with how often each happened.
    pub(crate) fn take_refused(&mut self) -> HashMap<Denied, u64> {
        std::mem::take(&mut self.refused)
    }
}

/// Connections in their security handshake, for each address.
#[derive(Debug)]
pub(super) struct PendingGuard {
    most: u32,
    pending: HashMap<ConnectionId, IpAddr>,
    counts: HashMap<IpAddr, u32>,
}

impl PendingGuard {
    pub(super) fn new(most: u32) -> Self {
        Self { most, pending: HashMap::new(), counts: HashMap::new() }
    }

    /// Counts a new connection from `ip`, or refuses it.
    pub(super) fn admit(&mut self, connection: ConnectionId, ip: IpAddr) -> Result<(), Denied> {
        let ip = network_of(ip);
        let count = self.counts.get(&ip).copied().unwrap_or_default();
        if count >= self.most {
            return Err(Denied::TooManyPending(ip));
        }
        self.counts.insert(ip, count + 1);
        self.pending.insert(connection, ip);
        Ok(())
    }

    /// The connection is established or has failed.
    pub(super) fn finished(&mut self, connection: ConnectionId) {
        let Some(ip) = self.pending.remove(&connection) else { return };
        if let Some(count) = self.counts.get_mut(&ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&ip);
            }
        }
    }
}

/// IPv6 hosts own a /64 as a rule, so that is what counts as one address.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    const RATE: Rate = Rate { per_second: 1, burst: 3 };

    fn connection(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn the_rate_is_bounded_for_each_address_and_refusals_are_counted() {
        let now = Instant::now();
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut rates = InboundRates::new(RATE);
        let admitted = (0..5).filter(|_| rates.admit(a, now)).count();
        assert_eq!(admitted, 3);
        assert!(rates.admit(b, now));
        assert_eq!(rates.take_refused(), HashMap::from([(Denied::TooFast(a), 2)]));
        assert!(rates.take_refused().is_empty());
        assert!(rates.admit(a, now + Duration::from_secs(1)));
        assert!(!rates.admit(a, now + Duration::from_secs(1)));
        rates.exempt(a);
        assert!((0..9).all(|_| rates.admit(a, now)));
    }

    #[test]
    fn pending_connections_are_bounded_for_each_address() {
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut guard = PendingGuard::new(2);
        guard.admit(connection(1), a).unwrap();
        guard.admit(connection(2), a).unwrap();
        assert_eq!(guard.admit(connection(3), a), Err(Denied::TooManyPending(a)));
        guard.admit(connection(4), b).unwrap();
        guard.finished(connection(1));
        guard.finished(connection(1));
        guard.admit(connection(5), a).unwrap();
        assert!(guard.admit(connection(6), a).is_err());
        (0..9).for_each(|n| guard.finished(connection(n)));
        assert!(guard.counts.is_empty() && guard.pending.is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let mut guard = PendingGuard::new(1);
        guard.admit(connection(1), "2001:db8::1".parse().unwrap()).unwrap();
        let neighbour = guard.admit(connection(2), "2001:db8::2".parse().unwrap());
        assert!(matches!(neighbour, Err(Denied::TooManyPending(_))));
        guard.admit(connection(3), "2001:db8:0:1::1".parse().unwrap()).unwrap();
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let start = Instant::now();
        let mut rates = InboundRates::new(RATE);
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..MAX_ADDRESSES as u32).all(|n| rates.admit(ip(n), start)));
        assert!(!rates.admit(ip(99_999), start));
        assert_eq!(rates.take_refused(), HashMap::from([(Denied::TooManyAddresses, 1)]));
        assert!(rates.admit(ip(99_999), start + Duration::from_secs(60)));
        assert_eq!(rates.buckets.len(), 1);
    }
}
