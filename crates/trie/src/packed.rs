//! Node paths as database keys.

use alloy_trie::Nibbles;

/// Length of a packed path in bytes.
pub const PACKED_PATH_LEN: usize = 33;

/// A node path as a database key of fixed length: 32 bytes with two nibbles each, aligned left and
/// filled up with zeros, then one byte with the number of nibbles.
///
/// Byte order equals the order of [`Nibbles`]. Where two paths differ within the shorter one, the
/// first 32 bytes decide. Else one is a prefix of the other: either the longer one has a nibble
/// other than zero behind the prefix and is greater by that, or the 32 bytes are equal and the
/// length decides. The empty path is 33 zero bytes, the least key of all.
pub type PackedPath = [u8; PACKED_PATH_LEN];

/// Packs a path.
pub fn pack_path(path: &Nibbles) -> PackedPath {
    let mut packed = [0; PACKED_PATH_LEN];
    path.pack_to(&mut packed[..path.len().div_ceil(2)]);
    // A path has at most 64 nibbles.
    packed[PACKED_PATH_LEN - 1] = path.len() as u8;
    packed
}

/// Unpacks a path; `None` when these are not the bytes of one.
pub fn unpack_path(packed: &[u8]) -> Option<Nibbles> {
    let (len, bytes) = packed.split_last()?;
    let len = usize::from(*len);
    if packed.len() != PACKED_PATH_LEN || len > 64 {
        return None;
    }
    let path = Nibbles::unpack(bytes).slice(..len);
    // One path has one key: what lies behind its end is zero.
    (pack_path(&path) == packed).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path() -> impl Strategy<Value = Nibbles> {
        // Few values and many zeros, so that prefixes and ties occur.
        proptest::collection::vec(prop_oneof![Just(0u8), Just(0), 0..16u8], 0..=64)
            .prop_map(Nibbles::from_nibbles)
    }

    proptest! {
        #[test]
        fn byte_order_is_path_order(a in path(), b in path(), cut in 0usize..=64) {
            let prefix = a.slice(..cut.min(a.len()));
            prop_assert_eq!(pack_path(&a).cmp(&pack_path(&b)), a.cmp(&b));
            prop_assert_eq!(pack_path(&a).cmp(&pack_path(&prefix)), a.cmp(&prefix));
        }

        #[test]
        fn round_trips(a in path()) {
            prop_assert_eq!(unpack_path(&pack_path(&a)), Some(a));
        }
    }

    #[test]
    fn root_is_all_zero() {
        assert_eq!(pack_path(&Nibbles::new()), [0; PACKED_PATH_LEN]);
    }

    #[test]
    fn malformed_keys_are_refused() {
        assert_eq!(unpack_path(&[]), None);
        assert_eq!(unpack_path(&[0; 32]), None);
        let mut long = [0; PACKED_PATH_LEN];
        long[32] = 65;
        assert_eq!(unpack_path(&long), None);
        let mut dirty = [0; PACKED_PATH_LEN];
        dirty[0] = 0x12;
        dirty[32] = 1;
        assert_eq!(unpack_path(&dirty), None);
    }
}
