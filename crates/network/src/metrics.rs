//! What the network reports of itself.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Handles of the network's metrics. They bind to the recorder that is installed when they are made.
pub(crate) struct NetworkMetrics {
    pub(crate) sessions: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) refused: Counter,
    pub(crate) dials: Counter,
    pub(crate) dial_failures: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) messages_out: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) send_full: Counter,
    pub(crate) paused: Counter,
    pub(crate) violations: Counter,
    pub(crate) requests_in: Counter,
    pub(crate) requests_out: Counter,
    pub(crate) request_failures: Counter,
    pub(crate) refused_streams: Counter,
    pub(crate) gossip_in: Counter,
    pub(crate) gossip_ignored: Counter,
    pub(crate) gossip_rejected: Counter,
    pub(crate) gossip_published: Counter,
    pub(crate) gossip_unsent: Counter,
    pub(crate) penalties: Counter,
    pub(crate) bans: Counter,
    pub(crate) alarms: Counter,
    pub(crate) lost_alarms: Counter,
    pub(crate) node_list_errors: Counter,
    pub(crate) round_trip: Histogram,
}

impl NetworkMetrics {
    pub(crate) fn new() -> Self {
        Self {
            sessions: gauge!("peruri_network_session_connections"),
            connections: gauge!("peruri_network_open_connections"),
            refused: counter!("peruri_network_refused_connections_total"),
            dials: counter!("peruri_network_dials_total"),
            dial_failures: counter!("peruri_network_dial_failures_total"),
            messages_in: counter!("peruri_network_received_messages_total"),
            messages_out: counter!("peruri_network_sent_messages_total"),
            bytes_in: counter!("peruri_network_received_bytes_total"),
            bytes_out: counter!("peruri_network_sent_bytes_total"),
            send_full: counter!("peruri_network_send_queue_full_total"),
            paused: counter!("peruri_network_paused_reads_total"),
            violations: counter!("peruri_network_frame_violations_total"),
            requests_in: counter!("peruri_network_served_requests_total"),
            requests_out: counter!("peruri_network_sent_requests_total"),
            request_failures: counter!("peruri_network_failed_requests_total"),
            refused_streams: counter!("peruri_network_refused_streams_total"),
            gossip_in: counter!("peruri_network_gossip_received_total"),
            gossip_ignored: counter!("peruri_network_gossip_ignored_total"),
            gossip_rejected: counter!("peruri_network_gossip_rejected_total"),
            gossip_published: counter!("peruri_network_gossip_published_total"),
            gossip_unsent: counter!("peruri_network_gossip_unsent_total"),
            penalties: counter!("peruri_network_penalties_total"),
            bans: counter!("peruri_network_bans_total"),
            alarms: counter!("peruri_network_alarms_total"),
            lost_alarms: counter!("peruri_network_lost_alarms_total"),
            node_list_errors: counter!("peruri_network_node_list_errors_total"),
            round_trip: histogram!("peruri_network_round_trip_seconds"),
        }
    }
}
