//! What goes wrong, and when.

use std::collections::BTreeSet;

use peruri_ibft2::{
    core::{Input, Wish},
    sign_state::SignRecord,
};

use super::{Event, Fault, Loss, Role, World};
use crate::{
    choices::Stream,
    oracle::{judge::Checked, sizes},
};

impl World {
    /// Draws skew and drift of every clock: large skews on so few nodes that the others are a
    /// quorum.
    pub(crate) fn draw_clocks(&mut self) {
        let n = self.swarm.validators;
        let mut wild = n - sizes::quorum(n);
        for node in 0..self.nodes.len() {
            let drift = self.swarm.drift as i64;
            if drift > 0 {
                let drawn = self.choices.between(Stream::Clock, 0, 2 * drift as u64) as i64;
                self.nodes[node].clock.drift = drawn - drift;
            }
            if self.swarm.skew > 0 {
                let limit = if wild > 0 { self.swarm.skew } else { self.swarm.skew.min(300) };
                let drawn = self.choices.between(Stream::Clock, 0, 2 * limit) as i64;
                self.nodes[node].clock.skew = drawn - limit as i64;
                wild = wild.saturating_sub(1);
            }
        }
    }

    /// Schedules the first fault of each kind and the end of all.
    pub(crate) fn schedule_faults(&mut self) {
        for (mean, fault) in [
            (self.swarm.partitions, Fault::Partition),
            (self.swarm.crashes, Fault::Crash),
            (if self.swarm.jumps { 3_000_000 } else { 0 }, Fault::Clock),
            (self.swarm.votes, Fault::Vote),
            (1_500_000, Fault::Work),
            (self.swarm.flapping, Fault::Flap),
            (self.swarm.suspends, Fault::Suspend),
            (self.swarm.upgrades, Fault::Upgrade),
            (if self.swarm.schemes.forgetful { 2_000_000 } else { 0 }, Fault::Amnesia),
        ] {
            if mean > 0 {
                self.schedule(mean, fault);
            }
        }
        let mut amnesia: BTreeSet<usize> = BTreeSet::new();
        let honest: Vec<usize> = self
            .nodes
            .iter()
            .filter(|node| node.is_honest() && node.member < self.swarm.members())
            .map(|node| node.member)
            .collect();
        while amnesia.len() < self.swarm.amnesia.min(honest.len()) {
            let at = self.choices.draw(Stream::Disk, honest.len() as u32) as usize;
            // With every decision 0 the same member would be drawn for ever.
            let mut at = at;
            while amnesia.contains(&honest[at]) {
                at = (at + 1) % honest.len();
            }
            amnesia.insert(honest[at]);
        }
        self.forgettable = amnesia.iter().map(|member| (*member, Vec::new())).collect();
        self.amnesiacs = amnesia.into_iter().map(|member| (member, false)).collect();
        if self.swarm.isolated
            && let Some(alone) = self.nodes.iter().rposition(|node| node.is_honest())
        {
            let groups: Vec<u32> =
                (0..self.nodes.len()).map(|node| u32::from(node == alone)).collect();
            self.network.divide(&groups);
        }
        if self.swarm.schemes.eclipse {
            self.eclipse();
        }
        if self.plan.is_none() {
            self.after(self.swarm.safety, Event::Fault(Fault::Heal));
        }
    }

    fn schedule(&mut self, mean: u64, fault: Fault) {
        let stream = match fault {
            Fault::Partition => Stream::Topology,
            Fault::Crash | Fault::Start(_) | Fault::Suspend | Fault::Upgrade => Stream::Crash,
            Fault::Flap => Stream::Topology,
            Fault::Amnesia => Stream::Adversary,
            Fault::Clock => Stream::Clock,
            _ => Stream::Workload,
        };
        // The harmless choice is the latest moment.
        let early = self.choices.between(stream, 0, 2 * mean - 1);
        self.after(2 * mean - early, Event::Fault(fault));
    }

    /// Something goes wrong.
    pub(crate) fn fault(&mut self, fault: Fault) -> Checked {
        let again = match fault {
            Fault::Heal => return self.heal(),
            Fault::Start(node) => return self.start(node),
            Fault::Forget(node) => return self.forget(node),
            Fault::Work => {
                self.work()?;
                1_500_000
            }
            Fault::Wake(node) => {
                self.wake(node);
                return Ok(());
            }
            _ if !self.is_faulty() => return Ok(()),
            Fault::Partition => {
                self.partition();
                self.swarm.partitions
            }
            Fault::Crash => {
                self.strike();
                self.swarm.crashes
            }
            Fault::Clock => {
                self.jump();
                3_000_000
            }
            Fault::Vote => {
                self.vote()?;
                self.swarm.votes
            }
            Fault::Flap => {
                self.flap();
                self.swarm.flapping
            }
            Fault::Suspend => {
                self.suspend();
                self.swarm.suspends
            }
            Fault::Upgrade => {
                self.upgrade();
                self.swarm.upgrades
            }
            Fault::Amnesia => {
                self.amnesia()?;
                2_000_000
            }
        };
        if self.is_faulty() || fault == Fault::Work {
            self.schedule(again, fault);
        }
        Ok(())
    }

    fn work(&mut self) -> Checked {
        let node = self.choices.draw(Stream::Workload, self.nodes.len() as u32) as usize;
        if self.nodes[node].asleep {
            return Ok(());
        }
        let transaction = self.next_transaction();
        self.accept_transaction(node, transaction)
    }

    fn partition(&mut self) {
        let count = self.nodes.len();
        if self.swarm.bridges && self.choices.chance(Stream::Topology, 250) {
            self.bridge();
            return self.settle_connections();
        }
        match self.choices.draw(Stream::Topology, 5) {
            0 => self.network.divide(&vec![0; count]),
            1 => {
                let groups: Vec<u32> =
                    (0..count).map(|_| self.choices.draw(Stream::Topology, 2)).collect();
                self.network.divide(&groups);
                self.marks.reach("network divided in two");
            }
            2 => {
                let groups: Vec<u32> =
                    (0..count).map(|_| self.choices.draw(Stream::Topology, 3)).collect();
                self.network.divide(&groups);
            }
            3 => {
                let alone = self.choices.draw(Stream::Topology, count as u32) as usize;
                let groups: Vec<u32> = (0..count).map(|node| u32::from(node == alone)).collect();
                self.network.divide(&groups);
                self.marks.reach("one node cut off");
            }
            _ => {
                // One-way cuts.
                for _ in 0..count {
                    let from = self.choices.draw(Stream::Topology, count as u32) as usize;
                    let to = self.choices.draw(Stream::Topology, count as u32) as usize;
                    self.network.set(from, to, false);
                }
                self.marks.reach("links cut in one direction");
            }
        }
        self.tell(|| "the partition changes".into());
        self.draw_all(|| "the partition changes".into());
        self.settle_connections();
    }

    /// Connections that broke are noticed, those that can be made again are made.
    pub(crate) fn settle_connections(&mut self) {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let open = self.network.is_open(a, b) && self.network.is_open(b, a);
                let delay = self.choices.between(Stream::Topology, 10_000, 1_000_000);
                let one = self.nodes[a].peers.get(&b).copied();
                let both = one.is_some() && one == self.nodes[b].peers.get(&a).copied();
                match one {
                    // Half of the connections that broke are not noticed.
                    Some(conn) if !open && self.choices.chance(Stream::Topology, 500) => {
                        self.after(delay, Event::Disconnect { a, b, conn });
                    }
                    _ if open && !both => self.after(delay, Event::Connect { a, b }),
                    _ => {}
                }
            }
        }
    }

    fn strike(&mut self) {
        let all = self.swarm.power_cuts && self.choices.chance(Stream::Crash, 300);
        let victims: Vec<usize> = if all {
            self.marks.reach("power cut of all nodes");
            (0..self.nodes.len()).collect()
        } else {
            vec![self.choices.draw(Stream::Crash, self.nodes.len() as u32) as usize]
        };
        for node in victims {
            if !self.nodes[node].is_up() {
                continue;
            }
            if self.swarm.crash_in_step && !all {
                let effects = self.choices.draw(Stream::Crash, 40);
                self.nodes[node].crash_in = Some(effects);
            } else {
                self.crash(node);
            }
            let back = self.choices.between(Stream::Crash, 100_000, 5_000_000);
            self.after(back, Event::Fault(Fault::Start(node)));
        }
    }

    fn jump(&mut self) {
        let n = self.swarm.validators;
        let few = (n - sizes::quorum(n)).max(usize::from(n == 1));
        let node = self.choices.draw(Stream::Clock, self.nodes.len() as u32) as usize;
        let far = if node < few { 86_400_000 } else { 400 };
        let by = self.choices.between(Stream::Clock, 0, 2 * far) as i64 - far as i64;
        if n > 1 || by < 0 {
            self.nodes[node].clock.skew = by;
            self.marks.reach("clock jumped");
        }
    }

    fn vote(&mut self) -> Checked {
        let node = self.choices.draw(Stream::Workload, self.nodes.len() as u32) as usize;
        let subject = self.choices.draw(Stream::Workload, self.keys.len() as u32) as usize;
        let faulty = self.swarm.byzantine.members + self.swarm.amnesia;
        let wish = match self.choices.draw(Stream::Workload, 3) {
            0 => Wish::Discard,
            1 => Wish::Add { force: false },
            // Removing honest members could leave more faulty ones than the rest tolerates.
            _ if faulty > 0 => Wish::Add { force: false },
            _ => Wish::Drop { force: false },
        };
        if self.nodes[node].is_up() && !self.nodes[node].asleep {
            self.marks.reach("vote wished");
            let subject = self.keys.address(subject);
            return self.give(node, Input::Vote { subject, wish });
        }
        Ok(())
    }

    /// What the start of a node finds of its sign state.
    pub(crate) fn lose(&mut self, node: usize) -> Loss {
        let owner = &self.nodes[node];
        let member = owner.member;
        if owner.life == 0
            || owner.role == Role::Byzantine
            || self.amnesiacs.get(&member).copied() != Some(false)
        {
            return Loss::Nothing;
        }
        let loss = self.choices.pick(
            Stream::Disk,
            &[Loss::Nothing, Loss::Older, Loss::Missing, Loss::Damaged, Loss::Flipped],
        );
        match loss {
            Loss::Nothing => return loss,
            Loss::Older => {
                let count = self.nodes[node].history.len() as u32;
                let back = self.choices.draw(Stream::Disk, count) as usize;
                let older = self.nodes[node].history.iter().rev().nth(back).cloned();
                let Some(older) = older else { return Loss::Nothing };
                self.nodes[node].sign.replace(Some(older));
                self.marks.reach("older sign state restored");
            }
            Loss::Flipped => {
                let image = self.nodes[node].sign.durable().cloned();
                let before = self.nodes[node].history.last().cloned();
                let (Some(image), Some(before)) = (image, before) else {
                    return Loss::Nothing;
                };
                // The flip shows: what is read is not what was written.
                let mut bytes = image.record.encode().to_vec();
                let bit = self.choices.draw(Stream::Disk, bytes.len() as u32 * 8) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
                let read = SignRecord::decode(&bytes);
                debug_assert!(read.is_err() || read.is_ok_and(|record| record != *image.record));
                self.nodes[node].sign.replace(Some(before));
                self.marks.reach("bit flipped in the newer slot of the sign state");
            }
            Loss::Missing => {
                self.nodes[node].sign.replace(None);
                self.marks.reach("sign state lost");
            }
            Loss::Damaged => {
                self.nodes[node].sign.replace(None);
                self.marks.reach("sign state damaged");
            }
        }
        self.amnesiacs.insert(member, true);
        loss
    }
}
