//! What survives a crash: the sign state and the block store of a node.
//!
//! Writes go to a tail that is not synced yet. A sync makes everything before it durable; a crash
//! keeps the durable part and an arbitrary beginning of the tail. A record is written to the slot
//! that does not hold the newest durable one, so a torn write leaves the older record.

use std::{collections::VecDeque, sync::Arc};

use crate::choices::{Choices, Stream};

/// A value with its unsynced successors.
#[derive(Debug, Clone)]
pub struct Tail<T> {
    durable: Option<T>,
    tail: VecDeque<(u64, T)>,
    next: u64,
}

impl<T> Default for Tail<T> {
    fn default() -> Self {
        Self { durable: None, tail: VecDeque::new(), next: 0 }
    }
}

impl<T> Tail<T> {
    /// A store that holds `value`.
    pub const fn holding(value: Option<T>) -> Self {
        Self { durable: value, tail: VecDeque::new(), next: 0 }
    }

    /// Writes a value; returns what to name when it is synced.
    pub fn write(&mut self, value: T) -> u64 {
        self.next += 1;
        self.tail.push_back((self.next, value));
        self.next
    }

    /// A sync has made everything up to `written` durable. Makes the next of those writes the
    /// durable value and returns the one before; `None` when all are.
    pub fn synced(&mut self, written: u64) -> Option<Option<T>> {
        let (number, _) = self.tail.front()?;
        if *number > written {
            return None;
        }
        let next = self.tail.pop_front().map(|(_, value)| value);
        Some(std::mem::replace(&mut self.durable, next))
    }

    /// The durable value.
    pub const fn durable(&self) -> Option<&T> {
        self.durable.as_ref()
    }

    /// Replaces everything.
    pub fn replace(&mut self, value: Option<T>) {
        self.durable = value;
        self.tail.clear();
    }

    /// Loses power: an arbitrary beginning of the tail was written after all.
    pub fn crash(&mut self, choices: &mut Choices) {
        let kept = choices.draw(Stream::Disk, self.tail.len() as u32 + 1) as usize;
        // 0 is the harmless choice: nothing that was not synced is there.
        if let Some((_, value)) = self.tail.drain(..).take(kept).last() {
            self.durable = Some(value);
        }
    }
}

/// The chain of a node: a list of blocks, the upper part of which may not be synced yet.
#[derive(Debug, Clone)]
pub struct Blocks<B> {
    blocks: Vec<Arc<B>>,
    durable: usize,
}

impl<B> Blocks<B> {
    /// A chain that holds its genesis.
    pub fn new(genesis: Arc<B>) -> Self {
        Self { blocks: vec![genesis], durable: 1 }
    }

    /// Height of the last block.
    pub fn head(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    /// Height of the last block that is synced.
    pub const fn durable_head(&self) -> u64 {
        self.durable as u64 - 1
    }

    /// A block.
    pub fn get(&self, height: u64) -> Option<&Arc<B>> {
        self.blocks.get(usize::try_from(height).ok()?)
    }

    /// Appends a block.
    pub fn push(&mut self, block: Arc<B>) {
        self.blocks.push(block);
    }

    /// Replaces a block by another form of it.
    pub fn replace(&mut self, height: u64, block: Arc<B>) {
        if let Some(slot) = usize::try_from(height).ok().and_then(|at| self.blocks.get_mut(at)) {
            *slot = block;
        }
    }

    /// Everything up to `height` is synced.
    pub fn synced(&mut self, height: u64) {
        self.durable = self.durable.max(usize::try_from(height).unwrap_or(0) + 1);
        self.durable = self.durable.min(self.blocks.len());
    }

    /// Loses power.
    pub fn crash(&mut self, choices: &mut Choices) {
        let tail = self.blocks.len() - self.durable;
        let kept = choices.draw(Stream::Disk, tail as u32 + 1) as usize;
        self.blocks.truncate(self.durable + kept);
        self.durable = self.blocks.len();
    }

    /// Keeps the blocks up to `height`.
    pub fn truncate(&mut self, height: u64) {
        self.blocks.truncate(usize::try_from(height).unwrap_or(usize::MAX) + 1);
        self.durable = self.durable.min(self.blocks.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crash_keeps_what_was_synced() {
        for seed in 0..50 {
            let mut choices = Choices::from_seed(seed, false);
            let mut disk = Tail::default();
            let first = disk.write(1);
            disk.write(2);
            disk.write(3);
            assert_eq!(disk.synced(first), Some(None));
            assert_eq!(disk.durable(), Some(&1));
            assert_eq!(disk.synced(first), None);
            disk.crash(&mut choices);
            assert!(disk.durable().is_some_and(|value| (1..=3).contains(value)));
            let mut chain = Blocks::new(Arc::new(0));
            (1..5).for_each(|block| chain.push(Arc::new(block)));
            chain.synced(2);
            chain.crash(&mut choices);
            assert!((2..5).contains(&chain.head()));
        }
    }
}
