//! Faults of the environment that depend on what is going on: an adversary that delays exactly what
//! would complete a quorum, nodes that are suspended, disks that fail, releases that are rolled out.

use std::collections::BTreeSet;

use super::{Event, Fault, Role, World};
use crate::{
    choices::Stream,
    oracle::{sizes, wire::Kind},
    swarm::{MS, SECOND},
};

/// Events that wait for a node that is suspended; more messages than that are lost.
const DEFERRED: usize = 4_000;

/// What is on its way to a node for one round.
#[derive(Debug, Clone, Default)]
pub(super) struct Aim {
    /// Whether the scheduler is after this node in this round.
    hit: bool,
    /// Authors of each kind of message.
    authors: [BTreeSet<usize>; 4],
}

impl World {
    /// By how much a message is late because it would complete a quorum (adaptive scheduler): it
    /// comes when the round is over, or when everything heals.
    pub(super) fn spite(&mut self, to: usize, key: u64) -> u64 {
        if !self.swarm.schemes.adaptive || !self.is_faulty() {
            return 0;
        }
        let Some(known) = self.known.get(&key).copied() else { return 0 };
        let (Some(author), true) = (known.author, known.kind != Kind::Proposal) else { return 0 };
        let place = (known.height, known.round, to);
        if !self.aimed.contains_key(&place) {
            let hit = self.choices.draw(Stream::Adversary, 2) == 1;
            self.aimed.insert(place, Aim { hit, ..Aim::default() });
            let below = self.judge.head().saturating_sub(2);
            self.aimed = self.aimed.split_off(&(below, 0, 0));
        }
        let set = self.judge.members_at(known.height);
        let needed = sizes::quorum(set.map_or(self.swarm.validators, |set| set.len()));
        let Some(aim) = self.aimed.get_mut(&place) else { return 0 };
        let authors = &mut aim.authors[known.kind.code() as usize];
        authors.insert(author);
        if !aim.hit || authors.len() + 1 < needed {
            return 0;
        }
        self.marks.reach("quorum kept away by the scheduler");
        let round = self.progress.terms().timeout(known.round) + 500 * MS;
        round.min(self.swarm.safety.saturating_sub(self.now))
    }

    /// The event, unless the node that it is for is suspended: then it waits.
    pub(super) fn unless_asleep(&mut self, event: Event) -> Option<Event> {
        let node = match &event {
            Event::Disconnect { a, b, .. } => [*a, *b].into_iter().find(|x| self.nodes[*x].asleep),
            other => other.node(),
        };
        let Some(node) = node.filter(|node| self.nodes[*node].asleep) else { return Some(event) };
        let full = self.nodes[node].deferred.len() >= DEFERRED;
        if !(full && matches!(event, Event::Deliver { .. })) {
            self.nodes[node].deferred.push(event);
        }
        None
    }

    /// A node is suspended.
    pub(super) fn suspend(&mut self) {
        let node = self.choices.draw(Stream::Crash, self.nodes.len() as u32) as usize;
        let longest = self.swarm.longest_sleep;
        let length = self.choices.between(Stream::Crash, SECOND, longest.max(SECOND));
        if !self.nodes[node].is_up() || self.nodes[node].asleep {
            return;
        }
        self.marks.reach("node suspended");
        self.tell(|| format!("node {node} is suspended for {length} µs"));
        self.draw_note(node, || "suspended".into());
        self.nodes[node].asleep = true;
        self.after(length, Event::Fault(Fault::Wake(node)));
    }

    /// A node that was suspended goes on: everything that has come meanwhile is there.
    pub(super) fn wake(&mut self, node: usize) {
        let owner = &mut self.nodes[node];
        if !std::mem::take(&mut owner.asleep) {
            return;
        }
        let deferred = std::mem::take(&mut owner.deferred);
        if deferred.len() > 100 {
            self.marks.reach("node woke to more than a hundred events");
        }
        for event in deferred {
            self.after(0, event);
        }
        self.tell(|| format!("node {node} goes on"));
        self.draw_note(node, || "goes on".into());
        self.settle_connections();
    }

    /// A sync has failed: nothing says what is on the disk, so the process ends.
    pub(super) fn sync_failed(&mut self, node: usize) {
        self.marks.reach("sync failed, the process ended");
        self.tell(|| format!("a sync of node {node} fails"));
        self.draw_note(node, || "sync fails".into());
        self.crash(node);
        let back = self.choices.between(Stream::Crash, 100 * MS, 5 * SECOND);
        self.after(back, Event::Fault(Fault::Start(node)));
    }

    /// A partition that comes and goes faster than rounds end.
    pub(super) fn flap(&mut self) {
        let count = self.nodes.len();
        self.flapped = !self.flapped;
        let half = |node: usize| u32::from(self.flapped && node >= count / 2);
        let groups: Vec<u32> = (0..count).map(half).collect();
        self.network.divide(&groups);
        self.marks.reach("flapping partition");
        self.settle_connections();
    }

    /// Two groups that have one node in common.
    pub(super) fn bridge(&mut self) {
        let count = self.nodes.len();
        let bridge = self.choices.draw(Stream::Topology, count as u32) as usize;
        let groups: Vec<u32> = (0..count).map(|_| self.choices.draw(Stream::Topology, 2)).collect();
        self.network.divide(&groups);
        for node in 0..count {
            self.network.set(node, bridge, true);
            self.network.set(bridge, node, true);
        }
        self.marks.reach("two groups with one node in common");
    }

    /// One honest node hears Byzantine nodes and one honest node only.
    pub(super) fn eclipse(&mut self) {
        let honest: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].is_honest()).collect();
        let [first, .., victim] = honest.as_slice() else { return };
        for node in &honest {
            if node != first && node != victim {
                self.network.set(*node, *victim, false);
                self.network.set(*victim, *node, false);
            }
        }
        self.marks.reach("honest node surrounded by Byzantine ones");
    }

    /// The next node gets the newer release, which speaks the newer dialect.
    pub(super) fn upgrade(&mut self) {
        let Some(node) = self.nodes.iter().position(|node| !node.upgraded) else { return };
        self.nodes[node].upgraded = true;
        self.marks.reach("node upgraded");
        if self.nodes.iter().all(|node| node.upgraded) {
            self.marks.reach("all nodes upgraded one after the other");
        }
        self.crash(node);
        let back = self.choices.between(Stream::Crash, 100 * MS, 2 * SECOND);
        self.after(back, Event::Fault(Fault::Start(node)));
    }

    /// Some Byzantine node restarts from an older disk.
    pub(super) fn amnesia(&mut self) -> crate::oracle::judge::Checked {
        let byzantine: Vec<usize> =
            (0..self.nodes.len()).filter(|n| self.nodes[*n].role == Role::Byzantine).collect();
        let at = self.choices.draw(Stream::Adversary, byzantine.len() as u32) as usize;
        match byzantine.get(at) {
            Some(node) => self.forget(*node),
            None => Ok(()),
        }
    }
}
