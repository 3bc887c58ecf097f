//! Where the nodes of a network live: each in a network namespace of its own, or each on a loopback
//! address of its own.

mod loopback;
mod namespaces;

#[cfg(test)]
pub(crate) use namespaces::tests;

pub use loopback::Loopback;
pub use namespaces::{NamespaceRecord, Namespaces, namespaces_obstacle};

use crate::Result;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};

/// How a network's nodes are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// A namespace per node, joined by a bridge: partitions, loss and bandwidth are real. Needs root.
    Namespaces,
    /// Plain processes on 127.x.y.z.
    Loopback,
}

impl Placement {
    /// Namespaces where this machine has them, else loopback.
    pub fn best() -> Self {
        if namespaces_obstacle().is_none() { Self::Namespaces } else { Self::Loopback }
    }
}

/// The addresses of a network's nodes, and what was made for them.
#[derive(Debug)]
pub enum Topology {
    /// As [`Placement::Namespaces`].
    Namespaces(Namespaces),
    /// As [`Placement::Loopback`].
    Loopback(Loopback),
}

impl Topology {
    /// Room for `nodes` nodes.
    ///
    /// # Errors
    /// As [`Namespaces::create`].
    pub fn create(placement: Placement, nodes: usize) -> Result<Self> {
        match placement {
            Placement::Namespaces => Namespaces::create(nodes).map(Self::Namespaces),
            Placement::Loopback => Ok(Self::Loopback(Loopback::new())),
        }
    }

    /// Address of the node `index`.
    pub fn ip(&self, index: usize) -> IpAddr {
        match self {
            Self::Namespaces(it) => it.ip(index),
            Self::Loopback(it) => it.ip(index),
        }
    }

    /// So many further addresses of this machine in the network's subnet, from which nodes can be
    /// connected to.
    ///
    /// # Errors
    /// As [`Namespaces::create`].
    pub fn spare_ips(&self, count: usize) -> Result<Vec<IpAddr>> {
        (0..count)
            .map(|index| match self {
                Self::Namespaces(it) => it.add_spare_ip(index),
                Self::Loopback(it) => Ok(it.spare_ip(index)),
            })
            .collect()
    }

    /// The namespaces, if there are any.
    pub const fn namespaces(&self) -> Option<&Namespaces> {
        match self {
            Self::Namespaces(it) => Some(it),
            Self::Loopback(_) => None,
        }
    }
}

/// A number that differs between the networks of this process and, mostly, between processes.
fn run_number() -> (u32, u32) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Host part of the machine's spare address `index`, away from those of nodes.
fn spare_host_part(index: usize) -> u8 {
    u8::try_from(index.saturating_add(200)).unwrap_or(u8::MAX)
}

/// Host part of the node `index`: .1 is the machine itself.
fn host_part(index: usize) -> u8 {
    u8::try_from(index.saturating_add(10)).unwrap_or(u8::MAX)
}
