//! Penalties for peers that send what no honest node sends.

use peruri_network::{NetworkHandle, Penalty, SessionId};
use tracing::debug;

/// Weight of bytes that cannot be read; two of them are a ban.
pub(crate) const UNDECODABLE: f64 = 50.0;
/// Weight of a signature that is nobody's.
pub(crate) const BAD_SIGNATURE: f64 = 10.0;
/// Weight of a block that breaks a rule: a ban.
pub(crate) const BAD_BLOCK: f64 = 100.0;

/// Weight of a request for blocks that stays without an answer; four of them are a ban. Who says that
/// it has blocks and keeps them keeps others from asking somebody else.
pub(crate) const UNANSWERED: f64 = 25.0;

/// Adds a penalty to the peer of a session.
pub(crate) fn blame(network: &NetworkHandle, session: SessionId, weight: f64, reason: String) {
    if let Err(error) = network.penalise(session, Penalty { weight, reason }) {
        // It is hardly the last one of this peer.
        debug!(target: "consensus::engine", %session, %error, "a peer goes unpunished");
    }
}
