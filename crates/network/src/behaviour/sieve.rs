//! Closes connections of addresses that connect too fast before anything is spent on them.
//!
//! By the time libp2p asks a behaviour, an inbound connection has cost timers, tasks and events, about as
//! much again as the system's part; at a thousand a second that is noticed.

use super::inbound::InboundRates;
use crate::event::ip_of;
use libp2p::{
    Multiaddr,
    core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent},
};
use parking_lot::Mutex;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

/// A transport without the inbound connections that [`InboundRates`] refuses.
pub(super) struct Sieve<T> {
    inner: T,
    rates: Arc<Mutex<InboundRates>>,
}

impl<T> Sieve<T> {
    pub(super) const fn new(inner: T, rates: Arc<Mutex<InboundRates>>) -> Self {
        Self { inner, rates }
    }

    fn admits(&self, remote: &Multiaddr) -> bool {
        ip_of(remote).is_none_or(|ip| self.rates.lock().admit(ip, Instant::now()))
    }
}

impl<T: Transport + Unpin> Transport for Sieve<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        loop {
            let event = ready!(Pin::new(&mut self.inner).poll(cx));
            match &event {
                // Dropping the event closes the connection.
                TransportEvent::Incoming { send_back_addr, .. } if !self.admits(send_back_addr) => {
                }
                _ => return Poll::Ready(event),
            }
        }
    }
}
