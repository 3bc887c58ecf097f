//! The hash of everything that happened in a run, in order.

use std::hash::{BuildHasherDefault, Hasher};

/// A running 64-bit hash; equal runs have equal hashes on every machine and build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Adds a number.
    pub fn number(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    /// Adds bytes and their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        self.number(rest.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }

    /// The hash of bytes alone.
    pub fn of(bytes: &[u8]) -> u64 {
        let mut hash = Self::default();
        hash.bytes(bytes);
        hash.value()
    }

    /// The hash.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// For maps whose keys nobody chooses with bad intent.
pub type Quick = BuildHasherDefault<QuickHasher>;

/// A hasher that is fast and the same in every process.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuickHasher(Trace);

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.bytes(bytes);
    }

    fn write_u64(&mut self, value: u64) {
        self.0.number(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.0.number(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0.value()
    }
}
