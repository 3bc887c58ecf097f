//! The task that drives the swarm: admission, dialling, and which connection of a peer counts.
//!
//! It never waits for the application or for a peer; whoever waits is the task of a connection.

mod arbitration;
mod commands;
mod connections;
mod dial;
mod gossip;
mod records;
mod start;
mod subscription;

pub(crate) use commands::{Command, check_address};
pub use commands::{PeerInfo, Verdict};
pub use records::RefusalRecord;
pub(crate) use start::start;

use crate::{
    Alarm, NodeListError,
    behaviour::{Behaviour, BehaviourEvent, InboundRates},
    connection::{Context, Report},
    handle::GossipVerdict,
    node_list::NodeList,
    queue::Queued,
    reputation::Reputation,
};
use alloy_primitives::Address;
use connections::Entry;
use dial::Dialer;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::ConnectedPoint,
    gossipsub::IdentTopic,
    swarm::{ConnectionId, DialError, ListenError, SwarmEvent},
};
use parking_lot::Mutex;
use records::RefusalLog;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use subscription::Subscribers;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long telling all peers goodbye may take.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// What reaches the service from outside.
pub(crate) struct Inputs {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) publications: mpsc::Receiver<Queued>,
    pub(crate) verdicts: mpsc::Receiver<GossipVerdict>,
    pub(crate) validators: watch::Receiver<Vec<Address>>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) lists: Option<mpsc::Receiver<Result<NodeList, NodeListError>>>,
    pub(crate) stop: CancellationToken,
}

pub(crate) struct Service {
    swarm: Swarm<Behaviour>,
    context: Arc<Context>,
    list: NodeList,
    dialer: Dialer,
    connections: HashMap<ConnectionId, Entry>,
    reputations: HashMap<PeerId, Reputation>,
    /// Shared with the transports, which refuse by it.
    rates: Arc<Mutex<InboundRates>>,
    refusals: RefusalLog,
    topic: IdentTopic,
    subscribers: Subscribers,
    tasks: JoinSet<()>,
}

impl Service {
    /// Runs until the network is shut down or nobody holds a handle any more.
    pub(crate) async fn run(mut self, mut inputs: Inputs) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let dial = self.dialer.next_due();
            tokio::select! {
                () = inputs.stop.cancelled() => break,
                Some(report) = inputs.reports.recv() => self.on_report(report),
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                command = inputs.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                Some(message) = inputs.publications.recv() => self.publish(message),
                Some(verdict) = inputs.verdicts.recv() => self.on_verdict(verdict),
                Ok(()) = inputs.validators.changed() => {
                    let validators = inputs.validators.borrow_and_update().clone();
                    self.set_validators(validators);
                }
                Some(list) = next_list(&mut inputs.lists) => self.on_list(list),
                () = due(dial) => self.dial_due(),
                _ = ticks.tick() => self.on_tick(Instant::now()),
                Some(_) = self.tasks.join_next() => {}
            }
        }
        self.shut_down(inputs).await;
    }

    /// Tells all peers goodbye and waits for their tasks, but not for ever.
    async fn shut_down(mut self, mut inputs: Inputs) {
        info!(target: "network", "shutting down");
        let gate = &mut self.swarm.behaviour_mut().gate;
        gate.set_listed([]);
        gate.set_validators([]);
        for entry in self.connections.values() {
            entry.control.close("the node is shutting down");
        }
        let farewell = async {
            // Dropping the swarm would cut off what is still being sent.
            while !self.tasks.is_empty() || !self.connections.is_empty() {
                tokio::select! {
                    Some(_) = self.tasks.join_next() => {}
                    Some(report) = inputs.reports.recv() => self.on_report(report),
                    event = self.swarm.select_next_some() => self.on_swarm_event(event),
                }
            }
        };
        if timeout(SHUTDOWN, farewell).await.is_err() {
            warn!(target: "network", "some peers could not be told goodbye");
        }
        // Whoever waits for the end may bind the port again: listeners first, then the inputs.
        drop(self);
        drop(inputs);
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(established)) => {
                self.on_streams(established);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)) => {
                if let Ok(rtt) = ping.result {
                    self.on_pong(ping.connection, rtt, Instant::now());
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(connection_id, peer_id, endpoint);
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => {
                let cause = cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string());
                self.on_connection_closed(connection_id, &cause);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, peer_id, .. } => {
                self.on_incoming_error(peer_id, send_back_addr, &error);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.on_dial_error(peer_id, &error);
            }
            SwarmEvent::ListenerError { error, .. } => {
                warn!(target: "network", %error, "a listener has an error");
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                error!(target: "network", ?addresses, ?reason, "a listener closed");
            }
            _ => {}
        }
    }

    fn on_incoming_error(&mut self, peer: Option<PeerId>, remote: Multiaddr, error: &ListenError) {
        let reason = match error {
            ListenError::Denied { cause } => innermost(cause),
            other => innermost(other),
        };
        self.refused(peer, Some(remote), format!("inbound connection: {reason}"));
    }

    /// Records what the transports have refused. One record for each address, or a flood would push
    /// everything else out.
    fn record_refused(&mut self) {
        let refused = self.rates.lock().take_refused();
        for (denied, count) in refused {
            // One of them is counted with its record.
            self.context.metrics.refused.increment(count.saturating_sub(1));
            self.refused(None, None, format!("inbound connection: {denied}, {count} times"));
        }
    }

    fn on_dial_error(&mut self, peer: Option<PeerId>, error: &DialError) {
        self.context.metrics.dial_failures.increment(1);
        let Some(peer) = peer else { return };
        let reason = match error {
            DialError::Denied { cause } => innermost(cause),
            DialError::Transport(errors) => errors
                .iter()
                .map(|(address, error)| format!("{address}: {}", innermost(error)))
                .collect::<Vec<_>>()
                .join("; "),
            other => innermost(other),
        };
        if !self.has_connection(&peer) {
            self.dialer.retry(&peer, None, Instant::now());
            self.refused(Some(peer), None, format!("outbound connection: {reason}"));
        }
    }

    /// Dials whoever is due.
    fn dial_due(&mut self) {
        use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
        for (peer, addresses) in self.dialer.due(Instant::now()) {
            if self.has_connection(&peer) {
                continue;
            }
            self.context.metrics.dials.increment(1);
            let options = DialOpts::peer_id(peer)
                .addresses(addresses)
                // A connection that is being closed does not count as one.
                .condition(PeerCondition::NotDialing)
                // Every listener shares its port, so a dial from it could collide.
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(options) {
                self.on_dial_error(Some(peer), &error);
            }
        }
    }

    fn on_list(&mut self, list: Result<NodeList, NodeListError>) {
        match list {
            Ok(list) => {
                info!(target: "network", nodes = list.nodes().len(), "node list read again");
                self.set_list(list);
            }
            Err(error) => {
                self.context.metrics.node_list_errors.increment(1);
                self.raise(Alarm::NodeListUnusable { reason: error.to_string() });
            }
        }
    }

    fn set_list(&mut self, list: NodeList) {
        let peers = list.nodes().iter().map(|node| node.peer.peer_id);
        self.swarm.behaviour_mut().gate.set_listed(peers);
        self.dialer.set_list(&list, Instant::now());
        self.list = list;
        self.expel();
    }

    fn set_validators(&mut self, validators: Vec<Address>) {
        self.swarm.behaviour_mut().gate.set_validators(validators);
        self.expel();
    }

    /// Closes the connections of peers that may no longer connect.
    fn expel(&mut self) {
        let gate = &self.swarm.behaviour().gate;
        for entry in self.connections.values() {
            if let Err(denied) = gate.admit(&entry.peer.peer_id) {
                entry.control.close(denied.to_string());
            }
        }
    }

    /// Tells the operator: log, metric, event.
    fn raise(&self, alarm: Alarm) {
        error!(target: "network", ?alarm, "alarm");
        self.context.metrics.alarms.increment(1);
        if self.context.events.alarms.try_send(alarm).is_err() {
            self.context.metrics.lost_alarms.increment(1);
        }
    }

    /// Remembers a refusal.
    fn refused(&mut self, peer: Option<PeerId>, address: Option<Multiaddr>, reason: String) {
        self.context.metrics.refused.increment(1);
        debug!(target: "network", ?peer, ?address, reason, "refused");
        let admitted = peer.is_some_and(|peer| self.is_listed(&peer));
        self.refusals.push(admitted, peer, address, reason);
    }

    fn is_listed(&self, peer: &PeerId) -> bool {
        self.swarm.behaviour().gate.is_listed(peer)
    }
}

/// What an operator wants to know: libp2p's outer errors only say that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

async fn next_list(
    lists: &mut Option<mpsc::Receiver<Result<NodeList, NodeListError>>>,
) -> Option<Result<NodeList, NodeListError>> {
    match lists {
        Some(lists) => lists.recv().await,
        None => None,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The address at the other end.
fn remote_of(endpoint: &ConnectedPoint) -> Multiaddr {
    endpoint.get_remote_address().clone()
}
