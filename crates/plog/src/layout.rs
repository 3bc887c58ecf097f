//! Storage of the precompile's account, so that `eth_getProof` proves it. H(key, slot) is Solidity's
//! mapping: keccak256(key as 32 bytes ‖ slot as 32 bytes).
//!
//! | where | word |
//! |---|---|
//! | slot 0, slot 1 | version = 1, governance address |
//! | base = H(log, 3): +0 | size (u64) \| last block (u64) << 64; creation block in a new log |
//! | +1 | root |
//! | +2 … +65 | frontier, level 0 … 63 |
//! | +66 | mode (u32) \| 1 << 255 |
//! | H(size mod 8191, H(log, 4)): +0, +1 | size \| block << 64, root |
//! | H(source, 5): +0, +1, +2 | signer \| active << 160, nextSeq \| last block << 64, gateway or zero |
//! | H(subject, H(log, 6)): +0, +1 | count, chain |
//! | H(source, H(log, 7)) | 1 when the source may write the log |
//!
//! Unpacking ignores bits that no field covers; a word is canonical if packing gives it again.

use alloy_primitives::{Address, B256, U256, address, keccak256};

/// Address of the precompile: the ASCII bytes `PLOG`, left-padded.
pub const PLOG_ADDRESS: Address = address!("0x00000000000000000000000000000000504c4f47");

/// What stands in [`VERSION_SLOT`].
pub const VERSION: u64 = 1;

/// Slot of the layout's version.
pub const VERSION_SLOT: U256 = U256::ZERO;

/// Slot of the governance address.
pub const GOVERNANCE_SLOT: U256 = U256::ONE;

/// Number of past roots that a log keeps: that of size s lies at s mod this.
pub const ROOT_RING: u64 = 8191;

/// Mode bit 0: the log keeps one hash chain per subject. Other bits are not defined.
pub const MODE_SUBJECT_CHAINS: u32 = 1;

/// What stands in a writer's slot when the source may write.
pub const MAY_WRITE: U256 = U256::ONE;

const LOGS: U256 = U256::from_limbs([3, 0, 0, 0]);
const ROOTS: U256 = U256::from_limbs([4, 0, 0, 0]);
const SOURCES: U256 = U256::from_limbs([5, 0, 0, 0]);
const SUBJECTS: U256 = U256::from_limbs([6, 0, 0, 0]);
const WRITERS: U256 = U256::from_limbs([7, 0, 0, 0]);

/// Bit 255 of a log's mode word: the log exists.
const LOG_EXISTS: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

/// Bit 160 of a source's signer word: the source is active.
const SOURCE_ACTIVE: U256 = U256::from_limbs([0, 0, 1 << 32, 0]);

/// Slot of `key` in the mapping at `slot`: keccak256(key ‖ slot).
pub fn mapping(key: B256, slot: U256) -> U256 {
    let mut input = [0; 64];
    let (left, right) = input.split_at_mut(32);
    left.copy_from_slice(key.as_slice());
    right.copy_from_slice(&slot.to_be_bytes::<32>());
    keccak256(input).into()
}

/// Slots of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSlots {
    base: U256,
}

impl LogSlots {
    /// The slots of the log `id`.
    pub fn new(id: B256) -> Self {
        Self { base: mapping(id, LOGS) }
    }

    /// Slot of [`LogHead`].
    pub const fn head(&self) -> U256 {
        self.base
    }

    /// Slot of the root.
    pub const fn root(&self) -> U256 {
        offset(self.base, 1)
    }

    /// Slot of the peak whose subtree has 2^`level` leaves; `level` is below 64.
    pub fn peak(&self, level: u8) -> U256 {
        debug_assert!(level < 64, "a log has below 2^64 leaves");
        offset(self.base, u64::from(level).saturating_add(2))
    }

    /// Slot of [`LogMode`].
    pub const fn mode(&self) -> U256 {
        offset(self.base, 66)
    }
}

/// Slots of the root that a log had at one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastRootSlots {
    base: U256,
}

impl PastRootSlots {
    /// The slots for `size` of the log `id`. Sizes that differ by a multiple of [`ROOT_RING`] share
    /// them; the size in the word tells which one is there.
    pub fn new(id: B256, size: u64) -> Self {
        Self { base: mapping(number_key(size % ROOT_RING), mapping(id, ROOTS)) }
    }

    /// Slot of [`LogHead`] as it was.
    pub const fn head(&self) -> U256 {
        self.base
    }

    /// Slot of the root.
    pub const fn root(&self) -> U256 {
        offset(self.base, 1)
    }
}

/// Slots of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSlots {
    base: U256,
}

impl SourceSlots {
    /// The slots of the source `id`.
    pub fn new(id: u32) -> Self {
        Self { base: mapping(number_key(u64::from(id)), SOURCES) }
    }

    /// Slot of [`SourceSigner`].
    pub const fn signer(&self) -> U256 {
        self.base
    }

    /// Slot of [`SourceProgress`].
    pub const fn progress(&self) -> U256 {
        offset(self.base, 1)
    }

    /// Slot of the gateway's address, zero for none.
    pub const fn gateway(&self) -> U256 {
        offset(self.base, 2)
    }
}

/// Slots of one subject's chain in one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectSlots {
    base: U256,
}

impl SubjectSlots {
    /// The slots of `subject` in the log `id`.
    pub fn new(id: B256, subject: B256) -> Self {
        Self { base: mapping(subject, mapping(id, SUBJECTS)) }
    }

    /// Slot of the number of entries.
    pub const fn count(&self) -> U256 {
        self.base
    }

    /// Slot of the chain, see [`subject`](crate::subject).
    pub const fn chain(&self) -> U256 {
        offset(self.base, 1)
    }
}

/// Slot that holds [`MAY_WRITE`] when `source` may write the log `id`.
pub fn writer_slot(id: B256, source: u32) -> U256 {
    mapping(number_key(u64::from(source)), mapping(id, WRITERS))
}

/// Size of a log and the block of its last append, or of its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogHead {
    /// Number of entries.
    pub size: u64,
    /// Number of the block.
    pub block: u64,
}

/// The next sequence number of a source and the block of its last append (0 before the first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceProgress {
    /// The sequence number that its next entry must carry; 0 if the source is unknown.
    pub next_seq: u64,
    /// Number of the block.
    pub last_block: u64,
}

/// Who signs for a source, and whether it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceSigner {
    /// The account whose transactions append its entries; zero if the source is unknown.
    pub signer: Address,
    /// Whether it may append.
    pub active: bool,
}

/// Mode of a log, and whether there is such a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogMode {
    /// See [`MODE_SUBJECT_CHAINS`].
    pub mode: u32,
    /// Whether the log exists.
    pub exists: bool,
}

impl LogHead {
    /// The word: size, block << 64.
    pub const fn pack(&self) -> U256 {
        U256::from_limbs([self.size, self.block, 0, 0])
    }

    /// The fields of a word.
    pub const fn unpack(word: U256) -> Self {
        let [size, block, ..] = *word.as_limbs();
        Self { size, block }
    }
}

impl SourceProgress {
    /// The progress of a source that has not appended yet.
    pub const NEW: Self = Self { next_seq: 1, last_block: 0 };

    /// The word: next sequence number, last block << 64.
    pub const fn pack(&self) -> U256 {
        U256::from_limbs([self.next_seq, self.last_block, 0, 0])
    }

    /// The fields of a word.
    pub const fn unpack(word: U256) -> Self {
        let [next_seq, last_block, ..] = *word.as_limbs();
        Self { next_seq, last_block }
    }
}

impl SourceSigner {
    /// The word: signer, active << 160.
    pub fn pack(&self) -> U256 {
        let active = if self.active { SOURCE_ACTIVE } else { U256::ZERO };
        address_word(self.signer) | active
    }

    /// The fields of a word.
    pub fn unpack(word: U256) -> Self {
        Self { signer: word_address(word), active: word.bit(160) }
    }
}

impl LogMode {
    /// The mode of a log that exists.
    pub const fn existing(mode: u32) -> Self {
        Self { mode, exists: true }
    }

    /// Whether the log keeps subject chains.
    pub const fn subject_chains(&self) -> bool {
        self.mode & MODE_SUBJECT_CHAINS != 0
    }

    /// The word: mode, exists << 255.
    pub fn pack(&self) -> U256 {
        let exists = if self.exists { LOG_EXISTS } else { U256::ZERO };
        U256::from(self.mode) | exists
    }

    /// The fields of a word.
    pub fn unpack(word: U256) -> Self {
        let [.., a, b, c, d] = word.to_be_bytes::<32>();
        Self { mode: u32::from_be_bytes([a, b, c, d]), exists: word.bit(255) }
    }
}

/// An address as a word.
pub fn address_word(address: Address) -> U256 {
    address.into_word().into()
}

/// The address in the lower 160 bits of a word.
pub fn word_address(word: U256) -> Address {
    Address::from_word(word.into())
}

fn number_key(number: u64) -> B256 {
    U256::from(number).into()
}

const fn offset(base: U256, by: u64) -> U256 {
    base.wrapping_add(U256::from_limbs([by, 0, 0, 0]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::uint;

    fn pilot() -> B256 {
        B256::right_padding_from(b"activity")
    }

    #[test]
    fn the_slots_of_the_pilot_are_known() {
        let base = uint!(0xaff547a1fb089d2187fc6f747f1d602a7c0fb05e28562d3c46ad45b7e876fa46_U256);
        let log = LogSlots::new(pilot());
        assert_eq!(log.head(), base);
        assert_eq!(log.root(), base + U256::from(1));
        assert_eq!([log.peak(0), log.peak(63)], [base + U256::from(2), base + U256::from(65)]);
        assert_eq!(log.mode(), base + U256::from(66));
        let source = uint!(0x1471eb6eb2c5e789fc3de43f8ce62938c7d1836ec861730447e2ada8fd81017b_U256);
        let slots = SourceSlots::new(1);
        assert_eq!(slots.signer(), source);
        assert_eq!(slots.progress(), source + U256::from(1));
        assert_eq!(slots.gateway(), source + U256::from(2));
        let writer = uint!(0x9a43a5ff525ca07d7efe021481f2e4ab822bba3c53d907ab81286cf800b546fd_U256);
        assert_eq!(writer_slot(pilot(), 1), writer);
        assert_eq!(PLOG_ADDRESS.as_slice()[16..], *b"PLOG");
    }

    #[test]
    fn past_roots_share_slots_round_a_ring() {
        let slots = |size| PastRootSlots::new(pilot(), size);
        assert_eq!(slots(5), slots(5 + 8191));
        assert_ne!(slots(5), slots(6));
        let nested = mapping(number_key(5), mapping(pilot(), U256::from(4)));
        assert_eq!(slots(5).head(), nested);
        assert_eq!(slots(5).root(), nested + U256::from(1));
    }

    #[test]
    fn subjects_have_slots_of_their_own() {
        let subject = B256::repeat_byte(7);
        let slots = SubjectSlots::new(pilot(), subject);
        assert_eq!(slots.count(), mapping(subject, mapping(pilot(), U256::from(6))));
        assert_eq!(slots.chain(), slots.count() + U256::from(1));
        assert_ne!(slots, SubjectSlots::new(B256::ZERO, subject));
    }

    #[test]
    fn words_hold_their_fields() {
        let head = LogHead { size: 3, block: u64::MAX };
        assert_eq!(head.pack(), uint!(0xffffffffffffffff0000000000000003_U256));
        assert_eq!(LogHead::unpack(head.pack()), head);
        let progress = SourceProgress { next_seq: u64::MAX, last_block: 9 };
        assert_eq!(progress.pack(), (U256::from(9) << 64) | U256::from(u64::MAX));
        assert_eq!(SourceProgress::unpack(progress.pack()), progress);
        assert_eq!(SourceProgress::NEW.pack(), U256::from(1));
        for active in [false, true] {
            let signer = SourceSigner { signer: Address::repeat_byte(0xee), active };
            assert_eq!(SourceSigner::unpack(signer.pack()), signer);
            assert_eq!(signer.pack() >> 160, U256::from(u8::from(active)));
        }
        for (mode, exists) in [(0, false), (1, true), (u32::MAX, true)] {
            let mode = LogMode { mode, exists };
            assert_eq!(LogMode::unpack(mode.pack()), mode);
        }
        assert_eq!(LogMode::existing(1).pack(), (U256::from(1) << 255) | U256::from(1));
        assert!(LogMode::existing(1).subject_chains() && !LogMode::existing(2).subject_chains());
    }
}
