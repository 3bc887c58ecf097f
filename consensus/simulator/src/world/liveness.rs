//! The phase without faults: everything that is left must go on in bounded time (L1–L6).

use super::{Event, Fault, Role, World};
use crate::{
    choices::Stream,
    network::Rates,
    oracle::{
        judge::{Checked, broken},
        sizes,
    },
};

/// In which phase a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything may go wrong.
    Safety,
    /// Nothing goes wrong any more.
    Calm {
        /// Since when.
        since: u64,
        /// The highest final block then.
        head: u64,
        /// By when the next one must be final.
        deadline: u64,
        /// When it was.
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
        self.network.rates = Rates::CALM;
        self.swarm.sync = self.swarm.sync.min(5_000);
        self.swarm.work = self.swarm.work.min(5_000);
        let head = self.judge.head();
        let n = self.judge.members_at(head + 1).map_or(self.swarm.validators, |set| set.len());
        let spare = n - sizes::quorum(n);
        let faulty = self.swarm.byzantine.members + self.swarm.amnesia;
        let doubtful = self.doubtful();
        let may_die =
            if self.swarm.votes > 0 { 0 } else { spare.saturating_sub(faulty + doubtful) };
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
        let silent = (dead - left + faulty + doubtful) as u64;
        if silent > 0 {
            self.marks.reach("healed with members missing");
        }
        let (base, cap) = (self.swarm.base * 1_000_000, self.swarm.cap() * 1_000_000);
        // The bound holds from the moment at which all are connected; an idle height may wait for
        // its empty block, and the chain's time may be ahead of the clocks by a period.
        let connected = self.now + 1_200_000;
        let idle = (self.swarm.period + self.swarm.empty_period) * 1_000_000;
        let bound = (silent + 1) * cap + 3 * base + idle;
        let deadline = connected + bound;
        let end = deadline + (self.swarm.suffix + 2) * (bound + idle);
        self.phase = Phase::Calm { since: self.now, head, deadline, first: None, end, able };
        self.tell(|| format!("everything heals at height {head}, {silent} missing"));
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
        let Phase::Calm { since, head, deadline, first, end, able } = self.phase else {
            return Ok(false);
        };
        if first.is_none() {
            if self.judge.head() > head {
                let took = self.now - since;
                if took > self.swarm.cap() * 1_000_000 {
                    self.marks.reach("more than a cap until the first block after healing");
                }
                let first = Some(self.now);
                self.phase = Phase::Calm { since, head, deadline, first, end, able };
            } else if self.now > deadline && !(able && self.is_able()) {
                return Ok(true);
            } else if self.now > deadline {
                broken(
                    "L2",
                    format!(
                        "height {head} is stuck {} s after healing",
                        (self.now - since) / 1_000_000
                    ),
                )?;
            }
            return Ok(false);
        }
        let wanted = head + self.swarm.suffix;
        let behind = self.nodes.iter().position(|node| {
            node.is_up() && node.is_honest() && node.store.durable_head() < wanted
        });
        match behind {
            None => Ok(true),
            Some(_) if self.now > end && !self.is_able() => {
                self.marks.reach("too many in doubt to go on");
                Ok(true)
            }
            Some(node) if self.now > end => broken(
                "L3",
                format!(
                    "node {node} is at {} of {wanted} {} s after healing",
                    self.nodes[node].store.durable_head(),
                    (self.now - since) / 1_000_000
                ),
            ),
            Some(_) => Ok(false),
        }
    }
}
