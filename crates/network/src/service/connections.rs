//! The connections and their life.

use super::{
    Service,
    arbitration::{Stage, Step, View, next_step},
    remote_of,
};
use crate::{
    Alarm, Direction, PeerIdentity, ProcessInfo, SessionId,
    behaviour::Established,
    connection::{self, Connection, Control, Decision, Report},
    handshake::{Hello, Notice},
    rate::TokenBucket,
    reputation::Reputation,
};
use libp2p::{Multiaddr, PeerId, core::ConnectedPoint, swarm::ConnectionId};
use std::{
    mem,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

/// Penalty of a frame that no honest peer sends.
const VIOLATION: f64 = 25.0;
/// Penalty of each second in which a peer exceeds its rate.
const TOO_FAST: f64 = 1.0;

/// How far a connection is.
#[derive(Debug)]
pub(super) enum State {
    /// Waits for its streams, then for the peer's hello.
    Handshaking(Option<mpsc::Receiver<Notice>>),
    /// Hello good, undecided.
    Candidate { hello: Hello, since: Instant, decision: oneshot::Sender<Decision> },
    /// Accepted here.
    Accepted { hello: Hello },
    /// Accepted by both.
    Open { hello: Hello, session: SessionId, since: Instant, since_ms: u64 },
    /// Its task has ended or is ending.
    Ended,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) peer: PeerIdentity,
    pub(super) direction: Direction,
    pub(super) remote: Multiaddr,
    pub(super) local: Option<Multiaddr>,
    pub(super) control: Control,
    pub(super) state: State,
    pub(super) answered: Option<Instant>,
    pub(super) last_pong: Instant,
    pub(super) pings: Vec<oneshot::Sender<Duration>>,
    pub(super) gossip: (TokenBucket, TokenBucket),
}

impl Entry {
    const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    const fn hello(&self) -> Option<&Hello> {
        match &self.state {
            State::Candidate { hello, .. }
            | State::Accepted { hello }
            | State::Open { hello, .. } => Some(hello),
            State::Handshaking(_) | State::Ended => None,
        }
    }

    pub(super) const fn session(&self) -> Option<SessionId> {
        match &self.state {
            State::Open { session, .. } => Some(*session),
            _ => None,
        }
    }

    fn process(&self) -> Option<ProcessInfo> {
        let hello = self.hello()?;
        Some(ProcessInfo {
            address: self.remote.to_string(),
            instance: hello.instance,
            started_ms: hello.started_ms,
        })
    }

    fn view(&self, id: ConnectionId) -> Option<View> {
        let stage = match &self.state {
            State::Handshaking(_) => Stage::Handshaking,
            State::Candidate { since, .. } => Stage::Candidate(*since),
            State::Accepted { .. } | State::Open { .. } => Stage::Counts,
            State::Ended => return None,
        };
        let instance = self.hello().map(|hello| hello.instance);
        Some(View { id, direction: self.direction, stage, instance, answered: self.answered })
    }
}

impl Service {
    pub(super) fn on_established(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        endpoint: ConnectedPoint,
    ) {
        // The gate lets nobody in whose id is not that of a secp256k1 key.
        let Some(peer) = PeerIdentity::new(peer) else { return };
        let (control, notices) = Control::new();
        let (direction, local) = match &endpoint {
            ConnectedPoint::Dialer { .. } => (Direction::Outbound, None),
            ConnectedPoint::Listener { local_addr, .. } => {
                (Direction::Inbound, Some(local_addr.clone()))
            }
        };
        let now = Instant::now();
        let limits = &self.context.config.limits;
        let gossip =
            (TokenBucket::new(limits.gossip, now), TokenBucket::new(limits.gossip_bytes, now));
        let entry = Entry {
            peer,
            direction,
            remote: remote_of(&endpoint),
            local,
            control,
            state: State::Handshaking(Some(notices)),
            answered: None,
            last_pong: now,
            pings: Vec::new(),
            gossip,
        };
        let first = !self.connections.values().any(|other| other.peer == entry.peer);
        self.subscribers.established(entry.peer.peer_id, id, first);
        self.connections.insert(id, entry);
        self.update_gauges();
    }

    /// The connection's streams are there: its task begins.
    pub(super) fn on_streams(&mut self, established: Established) {
        let Established { connection: id, streams, .. } = established;
        let Some(entry) = self.connections.get_mut(&id) else { return };
        let State::Handshaking(notices) = &mut entry.state else { return };
        let Some(notices) = notices.take() else { return };
        let connection = Connection {
            id,
            peer: entry.peer,
            direction: entry.direction,
            remote: entry.remote.clone(),
            streams,
            control: entry.control.clone(),
            notices,
        };
        self.tasks.spawn(connection::run(self.context.clone(), connection));
    }

    pub(super) fn on_report(&mut self, report: Report) {
        match report {
            Report::Ready { connection, hello, decision } => {
                let Some(entry) = self.connections.get_mut(&connection) else { return };
                let since = Instant::now();
                let peer = entry.peer.peer_id;
                self.subscribers.hello(&peer, connection, hello.instance);
                entry.state = State::Candidate { hello, since, decision };
                self.arbitrate(&peer);
            }
            Report::Opened { connection, session, known } => {
                self.on_opened(connection, session);
                known.send(()).ok();
            }
            Report::Notice { connection, notice } => self.on_notice(connection, notice),
            Report::Violation { connection, reason } => {
                self.penalise_connection(connection, VIOLATION, &reason);
            }
            Report::TooFast { connection } => {
                self.penalise_connection(connection, TOO_FAST, "exceeds its rate");
            }
            Report::Closed { connection, peer, remote, reason, refused } => {
                self.on_task_ended(connection, peer, remote, reason, refused);
            }
        }
    }

    /// A peer says that our identity is used twice. That holds for as long as it is said again, so
    /// a node that was turned away for it comes back soon.
    fn on_notice(&mut self, connection: ConnectionId, notice: Notice) {
        let Some(entry) = self.connections.get(&connection) else { return };
        let told_by = entry.peer;
        let (first, second) = notice.processes();
        self.dialer.forgive(&told_by.peer_id);
        self.raise(Alarm::OwnIdentityInUse { told_by, first, second });
    }

    fn on_opened(&mut self, id: ConnectionId, session: SessionId) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        let hello = match mem::replace(&mut entry.state, State::Ended) {
            State::Accepted { hello } => hello,
            other => {
                entry.state = other;
                return;
            }
        };
        let (since, since_ms) = (Instant::now(), super::records::now_ms());
        info!(
            target: "network", peer = %entry.peer, remote = %entry.remote, version = hello.version,
            %session, "peer connected"
        );
        let instance = hello.instance;
        entry.state = State::Open { hello, session, since, since_ms };
        let (peer, remote) = (entry.peer.peer_id, entry.remote.clone());
        self.swarm.behaviour_mut().gate.session_began(peer, &remote);
        if self.subscribers.opened(&peer, id, instance) {
            self.subscribe_anew();
        }
        self.update_gauges();
    }

    fn on_task_ended(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: Multiaddr,
        reason: String,
        refused: bool,
    ) {
        if refused {
            self.refused(Some(peer), Some(remote), reason);
        } else {
            info!(target: "network", %peer, reason, "peer disconnected");
        }
        self.swarm.behaviour_mut().gate.closing(id);
        self.swarm.close_connection(id);
        self.end(id);
    }

    /// The connection is gone, or as good as gone.
    fn end(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        entry.pings.clear();
        let state = mem::replace(&mut entry.state, State::Ended);
        if matches!(state, State::Ended) {
            return;
        }
        let peer = entry.peer.peer_id;
        let lasted = match state {
            State::Open { since, .. } => Some(since.elapsed()),
            _ => None,
        };
        if self.session_of(&peer).is_none() {
            self.swarm.behaviour_mut().gate.session_ended(&peer);
        }
        if !self.has_connection(&peer) {
            self.dialer.retry(&peer, lasted, Instant::now());
        }
        self.arbitrate(&peer);
        self.update_gauges();
    }

    pub(super) fn on_connection_closed(&mut self, id: ConnectionId, cause: &str) {
        if let Some(entry) = self.connections.get(&id) {
            entry.control.lost(format!("connection lost: {cause}"));
        }
        self.end(id);
        if let Some(Entry { peer, .. }) = self.connections.remove(&id) {
            let last = !self.connections.values().any(|other| other.peer == peer);
            if self.subscribers.closed(&peer.peer_id, last) {
                self.subscribe_anew();
            }
        }
        self.update_gauges();
    }

    pub(super) fn on_pong(&mut self, id: ConnectionId, rtt: Duration, now: Instant) {
        self.context.metrics.round_trip.record(rtt.as_secs_f64());
        let Some(entry) = self.connections.get_mut(&id) else { return };
        entry.last_pong = now;
        entry.answered = now.checked_sub(rtt);
        for waiting in entry.pings.drain(..) {
            // Whoever asked may have given up.
            waiting.send(rtt).ok();
        }
        let peer = entry.peer.peer_id;
        self.arbitrate(&peer);
    }

    /// Closes what does not answer, decides what has waited long enough, forgets what is old.
    pub(super) fn on_tick(&mut self, now: Instant) {
        let liveness = self.context.config.timing.liveness;
        let mut waiting = Vec::new();
        for entry in self.connections.values() {
            if !entry.is_ended() && now.duration_since(entry.last_pong) > liveness {
                entry.control.close(format!("no answer to a ping for {liveness:?}"));
            }
            if matches!(entry.state, State::Candidate { .. }) {
                waiting.push(entry.peer.peer_id);
            }
        }
        for peer in waiting {
            self.arbitrate(&peer);
        }
        self.record_refused();
        self.swarm.behaviour_mut().gate.forget_bans(now);
        let scoring = &self.context.config.scoring;
        self.reputations.retain(|_, reputation| !reputation.is_forgotten(now, scoring));
    }

    /// Decides among the connections of `peer` until there is nothing more to decide.
    fn arbitrate(&mut self, peer: &PeerId) {
        let local_is_smaller = self.swarm.local_peer_id() < peer;
        let challenge = self.context.config.timing.challenge;
        loop {
            let mut views: Vec<_> = self
                .connections
                .iter()
                .filter(|(_, entry)| entry.peer.peer_id == *peer)
                .filter(|(_, entry)| !entry.control.is_closing())
                .filter_map(|(id, entry)| entry.view(*id))
                .collect();
            views.sort_by_key(|view| view.id);
            match next_step(&views, local_is_smaller, Instant::now(), challenge) {
                None => return,
                Some(Step::Accept(id)) => self.accept(id),
                Some(Step::Replace { old, new, half_open }) => self.replace(old, new, half_open),
                Some(Step::Refuse { candidate, stays, twice: false }) => {
                    self.refuse(candidate, "already connected".to_owned(), None);
                    debug!(target: "network", %peer, ?stays, "second connection refused");
                }
                Some(Step::Refuse { candidate, stays, twice: true }) => {
                    self.refuse_twin(candidate, stays);
                }
            }
        }
    }

    fn accept(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        match mem::replace(&mut entry.state, State::Ended) {
            State::Candidate { hello, decision, .. } => {
                entry.state = State::Accepted { hello };
                if decision.send(Decision::Accept).is_err() {
                    debug!(target: "network", peer = %entry.peer, "candidate is gone");
                }
            }
            other => entry.state = other,
        }
    }

    fn replace(&mut self, old: ConnectionId, new: ConnectionId, half_open: bool) {
        if let Some(entry) = self.connections.get(&old) {
            let reason = if half_open {
                "replaced by a newer connection: this one does not answer"
            } else {
                "replaced by the connection that the smaller peer id dialled"
            };
            entry.control.close(reason);
        }
        self.accept(new);
    }

    fn refuse(&mut self, id: ConnectionId, reason: String, notice: Option<Notice>) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        match mem::replace(&mut entry.state, State::Handshaking(None)) {
            State::Candidate { decision, .. } => {
                // It ends by itself; until then it must not look like a candidate.
                if decision.send(Decision::Refuse { reason, notice }).is_err() {
                    debug!(target: "network", peer = %entry.peer, "candidate is gone");
                }
            }
            other => entry.state = other,
        }
    }

    /// Two live processes with one identity: alarm here, notice to both, the older one stays.
    fn refuse_twin(&mut self, candidate: ConnectionId, stays: ConnectionId) {
        let process = |id| self.connections.get(&id).and_then(Entry::process);
        let (Some(first), Some(second)) = (process(stays), process(candidate)) else { return };
        let Some(entry) = self.connections.get(&stays) else { return };
        let notice = Notice::new(&first, &second);
        if !entry.control.notify(notice.clone()) {
            warn!(target: "network", peer = %entry.peer, "notice not told: too many are waiting");
        }
        let peer = entry.peer;
        let reason = format!(
            "identity in use twice: instance {} of {} lives, started {} ms since 1970",
            first.instance, first.address, first.started_ms
        );
        self.refuse(candidate, reason, Some(notice));
        self.raise(Alarm::IdentityInUseTwice { peer, first, second });
    }

    fn penalise_connection(&mut self, id: ConnectionId, weight: f64, reason: &str) {
        if let Some(entry) = self.connections.get(&id) {
            let peer = entry.peer.peer_id;
            self.penalise(peer, weight, reason);
        }
    }

    /// Adds a penalty; bans the peer if it was one too many.
    pub(super) fn penalise(&mut self, peer: PeerId, weight: f64, reason: &str) {
        self.context.metrics.penalties.increment(1);
        debug!(target: "network", %peer, weight, reason, "penalty");
        let now = Instant::now();
        let reputation = self.reputations.entry(peer).or_insert_with(|| Reputation::new(now));
        let ban = reputation.penalise(weight, now, &self.context.config.scoring);
        let Some((length, until)) = ban.zip(reputation.banned_until(now)) else { return };
        warn!(target: "network", %peer, reason, ?length, "peer banned");
        self.context.metrics.bans.increment(1);
        self.swarm.behaviour_mut().gate.ban(peer, until);
        let text = format!("banned for {length:?}: {reason}");
        for entry in self.connections.values().filter(|entry| entry.peer.peer_id == peer) {
            entry.control.close(text.clone());
        }
        self.refused(Some(peer), None, text);
    }

    /// Whether there is a connection that is not just being closed.
    pub(super) fn has_connection(&self, peer: &PeerId) -> bool {
        self.connections.values().any(|entry| entry.peer.peer_id == *peer && !entry.is_ended())
    }

    pub(super) fn session_of(&self, peer: &PeerId) -> Option<SessionId> {
        self.connections
            .values()
            .filter(|entry| entry.peer.peer_id == *peer)
            .find_map(Entry::session)
    }

    fn update_gauges(&self) {
        let open = self.connections.values().filter(|entry| entry.session().is_some()).count();
        self.context.metrics.sessions.set(open as f64);
        self.context.metrics.connections.set(self.connections.len() as f64);
    }
}
