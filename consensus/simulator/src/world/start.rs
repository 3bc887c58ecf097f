//! Starting and crashing nodes, connecting them.

use std::sync::Arc;

use peruri_ibft2::{
    core::{Core, Input, PeerId, Start, StoredRecord},
    messages::Block,
    sign_state::SignRecord,
};

use super::{Event, Image, Loss, Role, World, driver::OwnSend};
use crate::{
    choices::Stream,
    crypto::SimCrypto,
    oracle::judge::{Checked, broken},
};

impl World {
    /// Starts a node from what its disk holds.
    pub(crate) fn start(&mut self, node: usize) -> Checked {
        if self.nodes[node].is_up() || self.nodes[node].stopped {
            return Ok(());
        }
        let loss = self.lose(node);
        let record = self.read_record(node, loss)?;
        let owner = &mut self.nodes[node];
        owner.life += 1;
        owner.doubt_floor = None;
        owner.clock.boot = self.now;
        owner.durable = 0;
        owner.waiting.clear();
        owner.timers.clear();
        owner.crash_in = None;
        owner.fetching = None;
        owner.heads.clear();
        owner.asked = None;
        owner.incoming.clear();
        owner.newest = owner.sign.durable().cloned();
        let head = Arc::clone(owner.store.get(owner.store.head()).expect("a head"));
        let local = self.keys.address(owner.member);
        let was_validator = (1..=owner.store.head()).any(|height| {
            let stored = owner.store.get(height);
            stored.is_some_and(|stored| stored.sealed.view.validators.contains(&local))
        });
        let image = match loss {
            Loss::Missing | Loss::Damaged => None,
            _ => owner.sign.durable().cloned(),
        };
        let blocks = image.map_or_else(Vec::new, |image| image.blocks.values().cloned().collect());
        if self.nodes[node].life > 1 {
            self.watch_restart(node, &record)?;
        }
        let state = self.state_after(&head.sealed);
        let behind = match &record {
            StoredRecord::Present(record) => record.sequence < head.sequence,
            _ => true,
        };
        self.nodes[node].doubt_floor = behind.then_some(head.sealed.view.number + 1);
        let start = Start {
            parent: head.sealed.block.header.clone(),
            validators: (*state).clone(),
            local,
            record,
            blocks: blocks.into_iter().collect::<Vec<Arc<Block>>>(),
            store_sequence: head.sequence,
            was_validator,
            wishes: Default::default(),
            forced: Vec::new(),
        };
        let odd = self.nodes[node].member % 2 == 1;
        let upgraded = self.nodes[node].upgraded;
        let old =
            if self.swarm.upgrades > 0 { !upgraded } else { odd && self.swarm.mixed_dialects };
        let config = if old { self.old_config.clone() } else { self.config.clone() };
        let crypto = SimCrypto(self.keys.recovery());
        let (core, effects) = Core::new(config, crypto, start, self.clocks(node));
        self.nodes[node].core = Some(core);
        self.tell(|| {
            format!("node {node} starts at {} with {loss:?} lost", head.sealed.view.number)
        });
        self.draw_note(node, || match loss {
            Loss::Nothing => format!("starts at {}", head.sealed.view.number),
            loss => format!("starts, record {loss:?}"),
        });
        self.perform(node, effects)?;
        for peer in 0..self.nodes.len() {
            if peer != node {
                let delay = self.choices.between(Stream::Network, 1_000, 100_000);
                self.after(delay, Event::Connect { a: node, b: peer });
            }
        }
        Ok(())
    }

    /// The record as it is read back: its bytes must say the same.
    fn read_record(
        &self,
        node: usize,
        loss: Loss,
    ) -> Result<StoredRecord, crate::oracle::Violation> {
        match loss {
            Loss::Missing => return Ok(StoredRecord::Missing),
            Loss::Damaged => return Ok(StoredRecord::Damaged),
            Loss::Nothing | Loss::Older | Loss::Flipped => {}
        }
        let Some(image) = self.nodes[node].sign.durable() else {
            return Ok(StoredRecord::Missing);
        };
        match SignRecord::decode(&image.record.encode()) {
            Ok(record) if record == *image.record => Ok(StoredRecord::Present(Box::new(record))),
            other => broken("D2", format!("the record of node {node} reads as {other:?}")),
        }
    }

    /// A Byzantine node restarts from the disk that it started with.
    pub(crate) fn forget(&mut self, node: usize) -> Checked {
        if !self.is_faulty() || self.nodes[node].role != Role::Byzantine {
            return Ok(());
        }
        self.marks.reach("Byzantine member restarted from an older disk");
        self.crash(node);
        let owner = &mut self.nodes[node];
        let record = SignRecord::first(self.config.genesis_hash, self.keys.address(owner.member));
        let image = Image { record: Arc::new(record), blocks: Default::default() };
        owner.sign.replace(Some(image));
        owner.store.truncate(0);
        owner.forgetful = true;
        self.start(node)
    }

    /// Stops a node as a power cut does.
    pub(crate) fn crash(&mut self, node: usize) {
        if !self.nodes[node].is_up() {
            return;
        }
        self.tell(|| format!("node {node} crashes"));
        self.draw_note(node, || "crashes".into());
        let owner = &mut self.nodes[node];
        if owner.waiting.iter().any(|(_, effect)| effect.is_own_send()) {
            self.marks.reach("crash between persist and send");
        }
        if owner.waiting.iter().any(|(_, effect)| effect.is_own_commit()) {
            self.marks.reach("crash between persist and send of a Commit");
        }
        owner.core = None;
        owner.life += 1;
        owner.waiting.clear();
        owner.timers.clear();
        owner.crash_in = None;
        owner.pool.clear();
        owner.asleep = false;
        owner.deferred.clear();
        if owner.store.head() > owner.store.durable_head() {
            self.marks.reach("crash between finalise and stored");
        }
        owner.sign.crash(&mut self.choices);
        owner.store.crash(&mut self.choices);
        let peers = std::mem::take(&mut owner.peers);
        for (peer, conn) in peers {
            let delay = self.choices.between(Stream::Network, 1_000, 2_000_000);
            self.after(delay, Event::Disconnect { a: peer, b: node, conn });
        }
    }

    /// Connects two nodes if both run and hear each other.
    pub(crate) fn connect(&mut self, a: usize, b: usize) -> Checked {
        let awake = !self.nodes[a].asleep && !self.nodes[b].asleep;
        let up = awake && self.nodes[a].is_up() && self.nodes[b].is_up();
        let open = self.network.is_open(a, b) && self.network.is_open(b, a);
        if !up || !open || self.nodes[a].member == self.nodes[b].member {
            return Ok(());
        }
        let conns = [self.nodes[a].peers.get(&b), self.nodes[b].peers.get(&a)];
        if conns[0].is_some() && conns[0] == conns[1] {
            return Ok(());
        }
        // One end may not have noticed yet that the old connection is gone.
        for (one, other) in [(a, b), (b, a)] {
            if let Some(conn) = self.nodes[one].peers.get(&other).copied() {
                self.end_connection(one, other, conn)?;
            }
        }
        self.connections += 1;
        let conn = self.connections;
        for (one, other) in [(a, b), (b, a)] {
            let address = self.keys.address(self.nodes[one].member);
            let mark = self.nodes[other].core.as_ref().and_then(|core| core.mark_of(&address));
            let mark = self.told_mark(other, one, mark);
            let head = self.tip(other);
            let validator = Some(self.keys.address(self.nodes[other].member));
            // Either may have crashed in the handshake.
            if self.nodes[one].is_up() && self.nodes[other].is_up() {
                self.nodes[one].peers.insert(other, conn);
                self.watch_connection(conn);
                let peer = PeerId(conn);
                self.give(one, Input::PeerConnected { peer, validator, head, mark })?;
                self.share_pool(other, one, conn);
                if !self.swarm.silent || !self.is_member(one, self.judge.head()) {
                    self.after(1_000, Event::Head { to: one, from: other, conn, height: head });
                }
            }
        }
        Ok(())
    }

    /// One end notices that a connection is gone, and the other a little later.
    pub(crate) fn disconnect(&mut self, a: usize, b: usize, conn: u64) -> Checked {
        self.end_connection(a, b, conn)?;
        self.end_connection(b, a, conn)?;
        self.after(200_000, Event::Connect { a, b });
        Ok(())
    }

    pub(crate) fn end_connection(&mut self, one: usize, other: usize, conn: u64) -> Checked {
        if self.nodes[one].peers.get(&other) != Some(&conn) {
            return Ok(());
        }
        self.nodes[one].peers.remove(&other);
        self.nodes[one].heads.remove(&other);
        self.give(one, Input::PeerDisconnected { peer: PeerId(conn) })
    }

    /// The image that a node writes next: its record and the blocks that it names.
    pub(crate) fn image(
        &self,
        node: usize,
        record: Box<SignRecord>,
        block: Option<Arc<Block>>,
    ) -> Result<Image, crate::oracle::Violation> {
        let before = self.nodes[node].newest.as_ref();
        let mut blocks = before.map(|image| image.blocks.clone()).unwrap_or_default();
        if let Some(block) = block {
            blocks.insert(block.hash().0, block);
        }
        let named: Vec<_> = record.blocks().into_iter().map(|hash| hash.0).collect();
        blocks.retain(|hash, _| named.contains(hash));
        if blocks.len() < named.len() {
            return broken("D1", format!("node {node} writes a record without its blocks"));
        }
        Ok(Image { record: Arc::from(record), blocks })
    }
}
