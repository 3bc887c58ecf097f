//! The phase without faults: everything that is left must go on in bounded time (L1–L6).

use super::{Event, Fault, Role, World};
use crate::{
    choices::Stream,
    network::Rates,
    oracle::{judge::Checked, sizes},
    swarm::SECOND,
};

/// In which phase a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything may go wrong.
    Safety,
    /// Nothing goes wrong any more.
    Calm {
        /// The highest final block at the beginning.
        head: u64,
        /// When the next one was final.
        first: Option<u64>,
        /// By when the whole suffix must be final on every node.
        end: u64,
        /// Whether enough members may sign: one in doubt signs nothing until others have gone on.
        able: bool,
    },
}

impl World {
    /// Whether things may still go wrong.
    pub(crate) fn is_faulty(&self) -> bool {
        self.phase == Phase::Safety
    }

    /// Everything heals: a random part of the faulty nodes stays away, all others come back.
    pub(crate) fn heal(&mut self) -> Checked {
        self.network.heal();
        for node in 0..self.nodes.len() {
            self.wake(node);
        }
        self.network.rates = Rates::CALM;
        self.swarm.sync = self.swarm.sync.min(5_000);
        self.swarm.work = self.swarm.work.min(5_000);
        let head = self.judge.head();
        let n = self.judge.members_at(head + 1).map_or(self.swarm.validators, |set| set.len());
        let spare = n - sizes::quorum(n);
        let faulty = self.swarm.byzantine.members + self.swarm.amnesia;
        let doubtful = self.doubtful();
        let may_die = if self.swarm.votes > 0
            || self.swarm.transitions.iter().any(|one| one.validators.is_some())
        {
            0
        } else {
            spare.saturating_sub(faulty + doubtful)
        };
        let able = faulty + doubtful <= spare;
        if !able {
            self.marks.reach("too many in doubt to go on");
        }
        let dead = self.choices.draw(Stream::Crash, may_die as u32 + 1) as usize;
        let mut left = dead;
        for at in 0..self.nodes.len() {
            let node = self.nodes.len() - 1 - at;
            self.nodes[node].crash_in = None;
            let jitter = self.choices.between(Stream::Clock, 0, 400) as i64;
            self.nodes[node].clock.skew = jitter - 200;
            let healthy = self.nodes[node].role == Role::Honest
                && !self.amnesiacs.contains_key(&self.nodes[node].member);
            if left > 0 && healthy {
                left -= 1;
                self.crash(node);
                self.nodes[node].stopped = true;
            } else {
                self.after(0, Event::Fault(Fault::Start(node)));
            }
        }
        self.settle_connections();
        // What was on its way over connections that broke and came back arrives after all.
        for from in 0..self.nodes.len() {
            let peers: Vec<_> =
                self.nodes[from].peers.iter().map(|(to, conn)| (*to, *conn)).collect();
            for (to, conn) in peers {
                self.share_pool(from, to, conn);
            }
        }
        let silent = dead - left + faulty + doubtful;
        if silent > 0 {
            self.marks.reach("healed with members missing");
        }
        self.note_healed(silent);
        let end = self.progress.end(self.swarm.suffix);
        self.phase = Phase::Calm { head, first: None, end, able };
        self.tell(|| format!("everything heals at height {head}, {silent} missing"));
        self.draw_all(|| format!("everything heals at height {head}, {silent} missing"));
        Ok(())
    }

    /// Members that are or will be in doubt although nobody tampered with them: those that were
    /// validators of a final block and have never signed anything cannot know that they have not.
    fn doubtful(&self) -> usize {
        let set = self.judge.members_at(self.judge.head() + 1);
        self.nodes
            .iter()
            .filter(|node| {
                let member =
                    set.as_ref().is_some_and(|set| set.contains(&self.keys.address(node.member)));
                let tampered = self.amnesiacs.contains_key(&node.member);
                let first = node.sign.durable().is_none_or(|image| image.record.is_first());
                let doubts = node.core.as_ref().is_some_and(|core| core.in_doubt());
                member && node.is_honest() && !tampered && (doubts || first)
            })
            .filter(|_| self.judge.head() > 0)
            .count()
    }

    /// Whether those that run, follow the rules and are not in doubt are a quorum.
    fn is_able(&self) -> bool {
        let Some(set) = self.judge.members_at(self.judge.head() + 1) else { return true };
        let signing = self.nodes.iter().filter(|node| {
            let counts = node.is_honest() && set.contains(&self.keys.address(node.member));
            counts && node.core.as_ref().is_some_and(|core| !core.in_doubt())
        });
        signing.count() >= sizes::quorum(set.len())
    }

    /// Whether the run has shown what it had to.
    pub(crate) fn is_over(&mut self) -> Result<bool, crate::oracle::Violation> {
        let Phase::Calm { head, first, end, able } = self.phase else { return Ok(false) };
        if first.is_none() {
            if self.judge.head() > head {
                if self.progress.waited(self.now) > self.swarm.cap() * SECOND {
                    self.marks.reach("more than a cap until the first block after healing");
                }
                self.phase = Phase::Calm { head, first: Some(self.now), end, able };
            } else if self.now > self.progress.deadline() {
                if able && self.is_able() {
                    self.progress.stuck(self.now)?;
                }
                return Ok(true);
            }
            return Ok(false);
        }
        let wanted = head + self.swarm.suffix;
        let behind = self.nodes.iter().position(|node| {
            node.is_up() && node.is_honest() && node.store.durable_head() < wanted
        });
        let Some(node) = behind else {
            self.progress.none_forgotten(wanted)?;
            if self.progress.judged > 0 {
                self.marks.reach("heights without faults judged by their length");
            }
            return Ok(true);
        };
        if self.now <= end {
            return Ok(false);
        }
        if !self.is_able() {
            self.marks.reach("too many in doubt to go on");
            return Ok(true);
        }
        self.progress.behind(self.now, node, self.nodes[node].store.durable_head(), wanted)?;
        Ok(true)
    }

    /// When the first block after healing was final.
    pub(crate) const fn first_block_at(&self) -> Option<u64> {
        match self.phase {
            Phase::Calm { first, .. } => first,
            Phase::Safety => None,
        }
    }
}
