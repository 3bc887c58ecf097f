//! File descriptors: connections, database files and the sign state share one limit of the process.

use crate::config::Config;
use fdlimit::Outcome;
use peruri_storage::DbOptions;
use tracing::{debug, warn};

/// Servers with connections of their own: HTTP, WebSocket and the authenticated one.
const SERVERS: u64 = 3;
/// Log, sign state, journal, the runtime's own, and some to spare.
const RESERVE: u64 = 128;

/// Raises the limit of open files to what the system allows, and warns if clients could still take
/// what the database and the sign state need.
///
/// # Errors
/// If the limit can neither be read nor set.
pub(crate) fn raise_limit(config: &Config) -> eyre::Result<()> {
    let needed = needed(config);
    match fdlimit::raise_fd_limit()? {
        Outcome::LimitRaised { to, .. } if to < needed => warn!(
            target: "node",
            limit = to,
            needed,
            "too few open files are allowed: raise the hard limit (`ulimit -Hn`, systemd's LimitNOFILE) or lower --rpc.max-connections"
        ),
        Outcome::LimitRaised { from, to } => debug!(target: "node", from, to, "open files"),
        // Not on Unix: there is no such limit.
        Outcome::Unsupported => {}
    }
    Ok(())
}

/// Descriptors of a node whose servers are full.
fn needed(config: &Config) -> u64 {
    let files = u64::try_from(DbOptions::default().max_open_files).unwrap_or(u64::MAX);
    SERVERS.saturating_mul(config.rpc.max_connections.into()).saturating_add(files + RESERVE)
}
