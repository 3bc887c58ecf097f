/// Why bytes are no entry, or not the one that must come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not 140 bytes.
    #[error("an entry of {got} bytes, expected {}", super::ENTRY_LEN)]
    Length {
        /// The length found.
        got: usize,
    },
    /// Another magic: no entry, or of a version that is not known.
    #[error("the entry begins with {got:02x?}, expected the ASCII bytes PLG1")]
    Magic {
        /// The bytes found.
        got: [u8; 4],
    },
    /// The type is not known.
    #[error("entry type {got:#04x} is not known")]
    Type {
        /// The byte found.
        got: u8,
    },
    /// A flag is set that is not defined.
    #[error("entry flags {got:#04x}, of which only 0x07 are defined")]
    Flags {
        /// The byte found.
        got: u8,
    },
    /// Sources are counted from 1.
    #[error("the entry's source is 0")]
    NoSource,
    /// The entry is another source's.
    #[error("the entry's source is {got}, expected {expected}")]
    Source {
        /// The source that appends.
        expected: u32,
        /// The source in the entry.
        got: u32,
    },
    /// The entry has another place in its source's sequence.
    #[error("the entry's sequence number is {got}, expected {expected}")]
    Seq {
        /// The source's next number.
        expected: u64,
        /// The number in the entry.
        got: u64,
    },
    /// Entries of this type are written by `appendRoot` only.
    #[error("a foreign batch root is appended by appendRoot only")]
    ForeignRoot,
    /// Only the governance address appends entries of this type.
    #[error("a governance entry from a caller that is not the governance address")]
    NotGovernance,
}
