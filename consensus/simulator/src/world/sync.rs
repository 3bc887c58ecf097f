//! Blocks between nodes: heads are told, missing blocks fetched, checked and given to the core.

use std::sync::Arc;

use peruri_ibft2::core::Input;

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
        let life = owner.life;
        self.note_stored(node, height);
        let owner = &self.nodes[node];
        let pending = !owner.pool.is_empty();
        let peers: Vec<(usize, u64)> =
            owner.peers.iter().map(|(peer, conn)| (*peer, *conn)).collect();
        for (to, conn) in peers {
            if self.swarm.silent && self.is_member(to, height) {
                continue;
            }
            let height = self.tip(node);
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

    /// Whether a node's key is in the set that decided a height, so that it hears of it anyway.
    pub(crate) fn is_member(&self, node: usize, height: u64) -> bool {
        let set = self.judge.members_at(height);
        set.is_some_and(|set| set.contains(&self.keys.address(self.nodes[node].member)))
    }

    /// A node tells its height.
    pub(crate) fn head(&mut self, to: usize, from: usize, conn: u64, height: u64) -> Checked {
        let owner = &mut self.nodes[to];
        if owner.peers.get(&from) != Some(&conn) || height <= owner.store.head() {
            return Ok(());
        }
        owner.heads.insert(from, height);
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
        self.nodes[node].asked = Some(from);
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
        let liar = self.nodes[node].role == Role::Byzantine;
        if liar && self.lies_about_blocks() {
            self.marks.reach("blocks withheld by a liar");
            self.lied = true;
            return;
        }
        let store = &self.nodes[node].store;
        let last = store.durable_head().min(height.saturating_add(BATCH - 1));
        let mut blocks: Vec<Arc<Sealed>> = (height..=last)
            .filter_map(|height| store.get(height))
            .map(|stored| Arc::clone(&stored.sealed))
            .collect();
        if liar && self.swarm.schemes.lies {
            blocks = self.falsify(node, blocks);
        }
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
            return self.drop_liar(node);
        }
        let Ok(extra) = sealed.block.extra_data() else { return Ok(()) };
        self.marks.reach("block from sync");
        let block = Arc::clone(&sealed.block);
        self.give(node, Input::Finalised { block, seals: extra.seals })
    }

    /// Who gave a false block is dropped, and may come back later and later.
    fn drop_liar(&mut self, node: usize) -> Checked {
        self.nodes[node].incoming.clear();
        if let Some(liar) = self.nodes[node].asked
            && let Some(conn) = self.nodes[node].peers.get(&liar).copied()
        {
            let times = self.nodes[node].deceived.entry(liar).or_default();
            *times += 1;
            let wait = u64::from(*times) * PATIENCE;
            self.end_connection(node, liar, conn)?;
            self.end_connection(liar, node, conn)?;
            self.after(wait, Event::Connect { a: node, b: liar });
        }
        self.fetch_on(node)
    }

    /// Asks for more if somebody has it, another one than before if there is a choice.
    fn fetch_on(&mut self, node: usize) -> Checked {
        let owner = &self.nodes[node];
        let next = owner.store.head() + 1;
        if owner.fetching.is_some_and(|since| since + PATIENCE > self.now) {
            return Ok(());
        }
        let ahead = |peer: &usize| owner.heads.get(peer).is_some_and(|head| *head >= next);
        let last = owner.asked.unwrap_or(usize::MAX);
        let mut peers = owner.peers.iter().filter(|(peer, _)| ahead(peer));
        let first = owner.peers.iter().find(|(peer, _)| ahead(peer));
        if let Some((peer, conn)) = peers.find(|(peer, _)| **peer > last).or(first) {
            let (peer, conn) = (*peer, *conn);
            self.fetch(node, peer, conn, next);
        }
        Ok(())
    }

    fn lies_about_blocks(&mut self) -> bool {
        self.choices.chance(Stream::Adversary, 300)
    }

    /// The height that a node says it has.
    pub(crate) fn tip(&mut self, node: usize) -> u64 {
        let head = self.nodes[node].store.durable_head();
        if self.nodes[node].role == Role::Honest || !self.swarm.schemes.lies {
            return head;
        }
        let claimed = match self.choices.draw(Stream::Adversary, 6) {
            0 | 1 => return head,
            2 => head + 1,
            3 => head + 1_000,
            4 => u64::MAX - 1,
            _ => 0,
        };
        self.lied = true;
        self.marks.reach(if claimed > head { "higher head claimed" } else { "head withdrawn" });
        claimed
    }

    /// Blocks as a liar gives them.
    fn falsify(&mut self, node: usize, mut blocks: Vec<Arc<Sealed>>) -> Vec<Arc<Sealed>> {
        let at = self.choices.draw(Stream::Adversary, blocks.len() as u32) as usize;
        let Some(honest) = blocks.get(at).cloned() else { return blocks };
        let mut block = (*honest.block).clone();
        let false_block = match self.choices.draw(Stream::Adversary, 4) {
            0 => return blocks,
            1 => {
                block.body = block::body(&[u64::MAX]);
                self.marks.reach("header with another body given");
                Sealed::new(Arc::new(block))
            }
            2 => {
                // Seals of the block before.
                let other = self.nodes[node].store.get(honest.view.number.saturating_sub(1));
                let seals = other
                    .and_then(|other| other.sealed.block.extra_data().ok())
                    .map_or_else(Vec::new, |extra| extra.seals);
                self.marks.reach("block with the seals of another given");
                let sealed = block.sealed(honest.view.round, seals).ok();
                sealed.and_then(|block| Sealed::new(Arc::new(block)))
            }
            _ => {
                let mut header = alloy_consensus::Header::from(block.header.clone());
                header.state_root = alloy_primitives::B256::repeat_byte(8);
                block.header = peruri_ibft2::IbftHeader::from(header);
                self.marks.reach("block with another state given");
                Sealed::new(Arc::new(block))
            }
        };
        if let Some(false_block) = false_block {
            self.lied = true;
            blocks[at] = Arc::new(false_block);
        }
        blocks
    }
}
