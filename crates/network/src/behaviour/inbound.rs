//! Bounds the connections whose security handshake is under way, by IP address.
//!
//! Until that handshake is done nobody knows who knocks, and it costs a signature check: a stranger
//! must be able neither to fill the places nor to keep the processor busy.

use super::gate::Denied;
use crate::{Rate, rate::TokenBucket};
use libp2p::swarm::ConnectionId;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

/// Addresses that are watched at the same time.
const MAX_ADDRESSES: usize = 4_096;

#[derive(Debug)]
struct Source {
    pending: u32,
    bucket: TokenBucket,
}

#[derive(Debug)]
pub(crate) struct InboundGuard {
    max_pending: u32,
    rate: Rate,
    sources: HashMap<IpAddr, Source>,
    pending: HashMap<ConnectionId, IpAddr>,
}

impl InboundGuard {
    pub(crate) fn new(max_pending: u32, rate: Rate) -> Self {
        Self { max_pending, rate, sources: HashMap::new(), pending: HashMap::new() }
    }

    /// Counts a new connection from `ip`, or refuses it.
    pub(crate) fn admit(
        &mut self,
        connection: ConnectionId,
        ip: IpAddr,
        now: Instant,
    ) -> Result<(), Denied> {
        let ip = network_of(ip);
        if !self.sources.contains_key(&ip) && self.sources.len() >= MAX_ADDRESSES {
            self.sources.retain(|_, source| source.pending > 0 || !source.bucket.is_full(now));
            if self.sources.len() >= MAX_ADDRESSES {
                return Err(Denied::TooManyAddresses);
            }
        }
        let rate = self.rate;
        let source = self
            .sources
            .entry(ip)
            .or_insert_with(|| Source { pending: 0, bucket: TokenBucket::new(rate, now) });
        if source.pending >= self.max_pending {
            return Err(Denied::TooManyPending(ip));
        }
        if !source.bucket.try_take(1, now) {
            return Err(Denied::TooFast(ip));
        }
        source.pending += 1;
        self.pending.insert(connection, ip);
        Ok(())
    }

    /// The connection is established or has failed.
    pub(crate) fn finished(&mut self, connection: ConnectionId) {
        let source = self.pending.remove(&connection).and_then(|ip| self.sources.get_mut(&ip));
        if let Some(source) = source {
            source.pending = source.pending.saturating_sub(1);
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
    fn pending_and_rate_are_bounded_for_each_address() {
        let now = Instant::now();
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut guard = InboundGuard::new(2, RATE);
        guard.admit(connection(1), a, now).unwrap();
        guard.admit(connection(2), a, now).unwrap();
        assert_eq!(guard.admit(connection(3), a, now), Err(Denied::TooManyPending(a)));
        guard.admit(connection(4), b, now).unwrap();
        guard.finished(connection(1));
        guard.finished(connection(1));
        guard.admit(connection(5), a, now).unwrap();
        guard.finished(connection(2));
        assert_eq!(guard.admit(connection(6), a, now), Err(Denied::TooFast(a)));
        guard.admit(connection(7), a, now + Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let now = Instant::now();
        let mut guard = InboundGuard::new(1, RATE);
        guard.admit(connection(1), "2001:db8::1".parse().unwrap(), now).unwrap();
        let neighbour = guard.admit(connection(2), "2001:db8::2".parse().unwrap(), now);
        assert!(matches!(neighbour, Err(Denied::TooManyPending(_))));
        guard.admit(connection(3), "2001:db8:0:1::1".parse().unwrap(), now).unwrap();
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let start = Instant::now();
        let mut guard = InboundGuard::new(1, RATE);
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..MAX_ADDRESSES as u32 {
            guard.admit(connection(n as usize), ip(n), start).unwrap();
        }
        let one_more = guard.admit(connection(9_999), ip(99_999), start);
        assert_eq!(one_more, Err(Denied::TooManyAddresses));
        guard.finished(connection(0));
        let later = start + Duration::from_secs(60);
        guard.admit(connection(9_999), ip(99_999), later).unwrap();
        assert_eq!(guard.sources.len(), MAX_ADDRESSES);
    }
}
