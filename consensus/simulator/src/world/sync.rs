//! Blocks between nodes: heads are told, missing blocks fetched, checked and given to the core.

use std::sync::Arc;

use peruri_ibft2::{core::Input, messages::Block};

use super::{Event, Role, Sealed, World, block};
use crate::{choices::Stream, oracle::judge::Checked};

/// Blocks in one answer.
const BATCH: u64 = 16;
/// After how long a fetch that was not answered may be repeated, in microseconds.
const PATIENCE: u64 = 2_000_000;

impl World {
    /// The block store is synced up to a height.
    pub(crate) fn stored(&mut self, node: usize, height: u64) -> Checked {
        let owner = &mut self.nodes[node];
        if height <= owner.store.durable_head() {
            return Ok(());
        }
        owner.store.synced(height);
        let body = owner.store.get(height).map(|stored| stored.sealed.block.body.len());
        if body.is_some_and(|length| length > Block::EMPTY_BODY.len()) {
            owner.pending = false;
        }
        let life = owner.life;
        let pending = owner.pending;
        let peers: Vec<(usize, u64)> =
            owner.peers.iter().map(|(peer, conn)| (*peer, *conn)).collect();
        for (to, conn) in peers {
            if self.swarm.silent && self.is_member(to) {
                continue;
            }
            for delay in self.network.deliveries(node, to, &mut self.choices).into_iter().flatten()
            {
                self.after(delay, Event::Head { to, from: node, conn, height });
            }
        }
        self.give(node, Input::Stored { height })?;
        if pending && self.nodes[node].life == life {
            self.give(node, Input::WorkPending)?;
        }
        if self.nodes[node].life == life {
            self.feed(node)?;
        }
        Ok(())
    }

    /// Whether a node's key is in the set after the highest final block.
    pub(crate) fn is_member(&self, node: usize) -> bool {
        let set = self.judge.members_at(self.judge.head() + 1);
        set.is_some_and(|set| set.contains(&self.keys.address(self.nodes[node].member)))
    }

    /// A node tells its height.
    pub(crate) fn head(&mut self, to: usize, from: usize, conn: u64, height: u64) -> Checked {
        let owner = &mut self.nodes[to];
        if owner.peers.get(&from) != Some(&conn) || height <= owner.store.head() {
            return Ok(());
        }
        if owner.best.is_none_or(|(best, _)| height > best) {
            owner.best = Some((height, from));
        }
        let next = owner.store.head() + 1;
        let busy = owner.fetching.is_some_and(|since| since + PATIENCE > self.now);
        if !busy {
            self.fetch(to, from, conn, next);
        }
        Ok(())
    }

    /// Asks another node for blocks.
    pub(crate) fn fetch(&mut self, node: usize, from: usize, conn: u64, height: u64) {
        self.nodes[node].fetching = Some(self.now);
        self.marks.reach("blocks fetched");
        for delay in self.network.deliveries(node, from, &mut self.choices).into_iter().flatten() {
            self.after(delay, Event::Fetch { to: from, from: node, conn, height });
        }
    }

    /// Answers a request for blocks.
    pub(crate) fn serve(&mut self, node: usize, asker: usize, conn: u64, height: u64) {
        if !self.nodes[node].is_up() || self.nodes[node].peers.get(&asker) != Some(&conn) {
            return;
        }
        if self.nodes[node].role == Role::Byzantine && self.lies_about_blocks() {
            self.marks.reach("blocks withheld by a liar");
            return;
        }
        let store = &self.nodes[node].store;
        let last = store.durable_head().min(height.saturating_add(BATCH - 1));
        let blocks: Vec<Arc<Sealed>> = (height..=last)
            .filter_map(|height| store.get(height))
            .map(|stored| Arc::clone(&stored.sealed))
            .collect();
        if !blocks.is_empty() {
            let delay = self.network.delay(node, asker, &mut self.choices);
            self.after(delay, Event::Blocks { to: asker, from: node, conn, blocks });
        }
    }

    /// Sends one block unasked.
    pub(crate) fn offer(&mut self, node: usize, to: usize, conn: u64, height: u64) {
        let store = &self.nodes[node].store;
        if height > store.durable_head() {
            return;
        }
        let Some(stored) = store.get(height) else { return };
        let blocks = vec![Arc::clone(&stored.sealed)];
        self.marks.reach("block offered to a straggler");
        for delay in self.network.deliveries(node, to, &mut self.choices).into_iter().flatten() {
            let blocks = blocks.clone();
            self.after(delay, Event::Blocks { to, from: node, conn, blocks });
        }
    }

    /// Blocks arrive.
    pub(crate) fn blocks(
        &mut self,
        to: usize,
        from: usize,
        conn: u64,
        blocks: Vec<Arc<Sealed>>,
    ) -> Checked {
        let owner = &mut self.nodes[to];
        if owner.peers.get(&from) != Some(&conn) {
            return Ok(());
        }
        owner.fetching = None;
        for sealed in blocks {
            let number = sealed.view.number;
            if number > owner.store.head() && number <= owner.store.head() + 64 {
                owner.incoming.insert(number, sealed);
            }
        }
        self.feed(to)
    }

    /// Gives the next block to the core if it has come and is valid.
    pub(crate) fn feed(&mut self, node: usize) -> Checked {
        let owner = &mut self.nodes[node];
        let next = owner.store.durable_head() + 1;
        owner.incoming = owner.incoming.split_off(&next);
        if owner.store.head() >= next || !owner.is_up() {
            return Ok(());
        }
        let Some(sealed) = owner.incoming.remove(&next) else {
            return self.fetch_on(node);
        };
        let parent = owner.store.get(next - 1).map(|stored| Arc::clone(&stored.sealed));
        let Some(parent) = parent else { return Ok(()) };
        let executed = block::execute(parent.view.state_root, &sealed.block.body);
        let follows = sealed.view.parent == parent.view.hash
            && sealed.view.state_root == executed
            && self.judge.seals(&sealed.view).is_ok();
        if !follows {
            self.marks.reach("false block refused");
            return self.fetch_on(node);
        }
        let Ok(extra) = sealed.block.extra_data() else { return Ok(()) };
        self.marks.reach("block from sync");
        let block = Arc::clone(&sealed.block);
        self.give(node, Input::Finalised { block, seals: extra.seals })
    }

    /// Asks for more if somebody has it.
    fn fetch_on(&mut self, node: usize) -> Checked {
        let owner = &self.nodes[node];
        let Some((best, peer)) = owner.best else { return Ok(()) };
        let next = owner.store.head() + 1;
        let busy = owner.fetching.is_some_and(|since| since + PATIENCE > self.now);
        if best >= next
            && !busy
            && let Some(conn) = owner.peers.get(&peer).copied()
        {
            self.fetch(node, peer, conn, next);
        }
        Ok(())
    }

    fn lies_about_blocks(&mut self) -> bool {
        self.choices.chance(Stream::Adversary, 300)
    }
}
