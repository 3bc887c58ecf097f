//! Tells the judge of liveness what happens.

use std::sync::Arc;

use alloy_primitives::Address;

use super::{Event, Role, World};
use crate::{
    clock::EPOCH_MS,
    oracle::{
        View,
        judge::Checked,
        progress::{Decided, Healed, Progress, Terms},
        sizes,
    },
    swarm::{SECOND, Swarm},
    world::block,
};

/// Transactions that a node holds.
const POOL: usize = 64;

/// How long a transaction is on its way from node to node, in microseconds.
const GOSSIP: u64 = 20_000;

/// Blocks that may come until all are connected after healing.
const BEFORE_CONNECTED: u64 = 3;

/// The durations that a swarm's chain prescribes.
pub(super) fn terms(swarm: &Swarm) -> Terms {
    let period = swarm.transitions.iter().filter_map(|transition| transition.period).max();
    Terms {
        base: swarm.base * SECOND,
        cap: swarm.cap() * SECOND,
        period: period.unwrap_or(0).max(swarm.period) * SECOND,
        empty: swarm.empty_period * SECOND,
    }
}

impl World {
    /// The moment of healing, told to the judge.
    pub(super) fn note_healed(&mut self, silent: usize) {
        let head = self.judge.head();
        let set = self.judge.members_at(head + 1);
        let members = set.as_ref().map_or(self.swarm.validators, |set| set.len());
        let first = self.judge.members_at(1);
        let round = self.judge.ledger.highest_round(head + 1);
        self.progress.heal(Healed {
            at: self.now,
            head,
            members,
            round,
            silent,
            f: sizes::byzantine(members),
            changed: self.swarm.votes > 0 || first != set,
            lied: self.lied,
        });
        self.reached_rounds(round);
        // What is in the pool of a node that stays is due, too.
        let held: Vec<u64> = self
            .nodes
            .iter()
            .filter(|node| node.is_honest() && node.is_up() && !node.stopped)
            .flat_map(|node| node.pool.iter().copied())
            .collect();
        for transaction in held {
            self.expect(transaction, head + BEFORE_CONNECTED);
        }
    }

    fn reached_rounds(&mut self, round: u32) {
        if round >= 5 {
            self.marks.reach("healed in round 5 or higher");
        }
        if round >= 50 {
            self.marks.reach("healed in round 50 or higher");
        }
    }

    /// Members of the set at `height` that make blocks, and those that may leave something out.
    fn makers(&self, height: u64) -> (Vec<usize>, usize) {
        let Some(set) = self.judge.members_at(height) else { return (Vec::new(), 0) };
        let healthy: Vec<usize> = (0..self.nodes.len())
            .filter(|node| set.contains(&self.keys.address(self.nodes[*node].member)))
            .filter(|node| self.is_healthy(*node))
            .collect();
        let others = set.len().saturating_sub(healthy.len());
        // With fewer than a quorum everything is up to the others.
        if healthy.len() < sizes::quorum(set.len()) {
            return (Vec::new(), others);
        }
        (healthy, others)
    }

    /// Whether a node follows the rules, runs, and knows what it has signed.
    fn is_healthy(&self, node: usize) -> bool {
        let owner = &self.nodes[node];
        let certain = owner.core.as_ref().is_some_and(|core| !core.in_doubt());
        owner.is_honest() && certain && !self.amnesiacs.contains_key(&owner.member)
    }

    fn expect(&mut self, transaction: u64, head: u64) {
        let (healthy, others) = self.makers(self.judge.head() + 1);
        if !healthy.is_empty() {
            // The running height may have its block already.
            self.progress.accepted(transaction, head + 1, others);
        }
    }

    /// A transaction comes to a node.
    pub(crate) fn accept_transaction(&mut self, node: usize, transaction: u64) -> Checked {
        let owner = &mut self.nodes[node];
        if !owner.is_up() || owner.pool.len() >= POOL || owner.included.contains(&transaction) {
            return Ok(());
        }
        if !owner.pool.insert(transaction) {
            return Ok(());
        }
        self.worked_at = self.now;
        let honest = owner.is_honest() && !owner.stopped;
        let peers: Vec<(usize, u64)> = owner.peers.iter().map(|(to, conn)| (*to, *conn)).collect();
        if honest && !self.is_faulty() && self.first_block_at().is_some() {
            let head = self.judge.head();
            self.expect(transaction, head);
        }
        if owner_forwards(self.nodes[node].role) {
            for (to, conn) in peers {
                if self.network.is_open(node, to) {
                    let event = Event::Transaction { to, from: node, conn, transaction };
                    self.after(GOSSIP, event);
                }
            }
        }
        self.give(node, peruri_ibft2::core::Input::WorkPending)
    }

    /// A new connection: both tell what they hold.
    pub(crate) fn share_pool(&mut self, from: usize, to: usize, conn: u64) {
        if !owner_forwards(self.nodes[from].role) {
            return;
        }
        let held: Vec<u64> = self.nodes[from].pool.iter().copied().collect();
        for transaction in held {
            self.after(GOSSIP, Event::Transaction { to, from, conn, transaction });
        }
    }

    /// A node has stored a block: what is in it leaves the pool.
    pub(super) fn note_stored(&mut self, node: usize, height: u64) {
        self.progress.stored(node, height, self.now);
        let stored = self.nodes[node].store.get(height).map(|stored| Arc::clone(&stored.sealed));
        let Some(sealed) = stored else { return };
        let owner = &mut self.nodes[node];
        for transaction in block::transactions(&sealed.block.body) {
            owner.pool.remove(&transaction);
            owner.included.insert(transaction);
            if owner.included.len() > 4 * POOL {
                owner.included.pop_first();
            }
        }
    }

    /// An honest node finalises a block; `first` if nobody has before.
    pub(super) fn note_final(&mut self, view: &View, body: &[u8], first: bool) -> Checked {
        for transaction in block::transactions(body) {
            self.progress.included(transaction);
        }
        if !first || self.is_faulty() {
            return Ok(());
        }
        let (healthy, _) = self.makers(view.number);
        let addresses: Vec<Address> =
            healthy.iter().map(|node| self.keys.address(self.nodes[*node].member)).collect();
        let size = self.judge.members_at(view.number).map_or(0, |set| set.len());
        let lost_turns = (0..size).find(|round| {
            let proposer = self.judge.proposer(view.number, *round as u32);
            proposer.is_some_and(|proposer| addresses.contains(&proposer))
        });
        if lost_turns.is_some_and(|lost| lost > 0) {
            self.marks.reach("height of a silent proposer without other faults");
        }
        let parent = self.judge.timestamp(view.number - 1).unwrap_or(0);
        let true_ms = EPOCH_MS + self.now / 1_000;
        let empty = body.len() <= peruri_ibft2::messages::Block::EMPTY_BODY.len();
        let began = self.progress.began(view.number);
        let calm = began.is_some_and(|began| {
            self.worked_at < began && self.nodes.iter().all(|node| node.pool.is_empty())
        });
        let unasked = empty
            && calm
            && view.round == 0
            && self.swarm.votes == 0
            && self.nodes.iter().all(|node| node.role == Role::Honest);
        if unasked && self.swarm.empty_period > 0 {
            self.marks.reach("empty block after its own period");
        }
        self.progress.decided(Decided {
            height: view.number,
            at: self.now,
            healthy,
            lost_turns,
            ahead: (parent * 1_000_000).saturating_sub(true_ms * 1_000),
            unasked,
            distance: view.timestamp - parent,
        })
    }

    /// A vote goes into a block of an honest node: the set that it makes has a live quorum, counting
    /// everybody whom the node can reach (L8).
    pub(super) fn watch_vote(&mut self, node: usize, extra_data: &[u8]) -> Checked {
        let Some((subject, add)) = crate::oracle::header::vote_of(extra_data) else {
            return Ok(());
        };
        let height = self.nodes[node].store.head() + 1;
        let Some(set) = self.judge.members_at(height) else { return Ok(()) };
        let mut next = set.list();
        next.retain(|member| *member != subject);
        if add {
            next.push(subject);
        }
        let reached = |address: &Address| {
            let own = self.keys.address(self.nodes[node].member) == *address;
            own || self.nodes[node]
                .peers
                .keys()
                .any(|peer| self.keys.address(self.nodes[*peer].member) == *address)
        };
        let live = next.iter().filter(|member| reached(member)).count();
        self.marks.reach("vote cast");
        if live == sizes::quorum(next.len()) {
            self.marks.reach("vote cast for a set with just a live quorum");
        }
        Progress::voted(live, sizes::quorum(next.len()), node)
    }
}

/// Whether a node passes transactions on.
const fn owner_forwards(role: Role) -> bool {
    matches!(role, Role::Honest)
}
