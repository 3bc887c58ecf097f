//! The sessions by id, for whoever sends.

use super::pace::Pace;
use crate::{SessionId, behaviour::StreamOpener, queue::ByteQueue};
use libp2p::PeerId;
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Semaphore;

/// Messages and bytes of one session.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) messages_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

impl Traffic {
    pub(crate) fn received(&self, bytes: usize) {
        self.messages_in.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.messages_out.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// What sending to a peer needs.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) peer: PeerId,
    pub(crate) queue: ByteQueue,
    pub(crate) opener: StreamOpener,
    /// Requests to the peer that may still start.
    pub(crate) requests: Semaphore,
    /// Bytes of messages and requests that may still wait for the application.
    pub(crate) budget: Arc<Semaphore>,
    /// The same for answers: an application that awaits an answer may take no messages meanwhile.
    pub(crate) answer_budget: Arc<Semaphore>,
    /// What the peer may still send.
    pub(crate) pace: Pace,
    pub(crate) traffic: Traffic,
}

/// The sessions by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionTable(Arc<RwLock<HashMap<SessionId, Arc<Session>>>>);

impl SessionTable {
    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.0.read().get(&id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    pub(crate) fn insert(&self, id: SessionId, session: Arc<Session>) {
        self.0.write().insert(id, session);
    }

    pub(crate) fn remove(&self, id: SessionId) {
        self.0.write().remove(&id);
    }
}
