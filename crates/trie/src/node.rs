//! RLP of trie nodes (Yellow Paper, appendix D).

use crate::{TrieAccountRow, prefix_set::nibble};
use alloy_primitives::{B256, U256};
use alloy_rlp::{EMPTY_STRING_CODE, Encodable};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, RlpNode},
};
use std::ops::Range;

/// Most bytes a branch can have: header, 16 hashes, empty value.
const MAX_BRANCH: usize = 3 + 16 * 33 + 1;

/// What a leaf holds.
pub(crate) trait LeafValue: Copy {
    /// Appends the RLP of the value.
    fn encode_value(&self, out: &mut Vec<u8>);
}

impl LeafValue for TrieAccountRow {
    fn encode_value(&self, out: &mut Vec<u8>) {
        self.trie_account().encode(out);
    }
}

impl LeafValue for U256 {
    fn encode_value(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

/// A part of the trie whose position under its parent is not settled yet.
#[derive(Clone, Debug)]
pub(crate) enum Subtree<V> {
    /// One leaf.
    Leaf { key: B256, value: V },
    /// A branch and what is below. A parent that is more than one nibble above reaches it through
    /// an extension.
    Branch(Branch),
    /// A leaf or an extension that was not looked at: all that is known is what its parent kept.
    Kept(Kept),
}

/// A child taken over by its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Path of the parent and the child's digit.
    pub(crate) path: Nibbles,
    pub(crate) hash: B256,
    /// Whether it is a leaf.
    pub(crate) leaf: bool,
    /// Whether something is stored below.
    pub(crate) stored: bool,
}

/// A finished branch.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) path: Nibbles,
    pub(crate) node: BranchNode,
    /// Whether its node is stored.
    pub(crate) stored: bool,
}

/// How a parent refers to a branch.
#[derive(Clone, Debug)]
pub(crate) enum BranchNode {
    /// By its hash, or by its RLP when that is shorter.
    Known(RlpNode),
    /// Not hashed yet: its RLP is this part of the builder's buffer.
    Encoded(Range<usize>),
}

impl<V> Subtree<V> {
    /// Its nibble at this depth, which is not below its own position.
    pub(crate) fn nibble(&self, depth: usize) -> u8 {
        match self {
            Self::Leaf { key, .. } => nibble(key, depth),
            Self::Branch(branch) => branch.path.get_unchecked(depth),
            Self::Kept(kept) => kept.path.get_unchecked(depth),
        }
    }

    /// The first `len` nibbles of its position.
    pub(crate) fn prefix(&self, len: usize) -> Nibbles {
        match self {
            Self::Leaf { key, .. } => Nibbles::unpack_array(&key.0).slice(..len),
            Self::Branch(branch) => branch.path.slice(..len),
            Self::Kept(kept) => kept.path.slice(..len),
        }
    }
}

/// Encodes a leaf whose path starts at `depth` of its key. `value_buf` is scratch space.
pub(crate) fn encode_leaf<V: LeafValue>(
    key: &B256,
    value: &V,
    depth: usize,
    value_buf: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    value_buf.clear();
    value.encode_value(value_buf);

    // Hex-prefix encoding: flag 2 for a leaf, 1 for an odd number of nibbles.
    let (first, rest) = if depth.is_multiple_of(2) {
        (0x20, &key.0[depth / 2..])
    } else {
        (0x30 | nibble(key, depth), &key.0[depth.div_ceil(2)..])
    };
    let path_len = 1 + rest.len();
    let path_rlp_len = if path_len == 1 { 1 } else { 1 + path_len };
    let value: &[u8] = value_buf;
    alloy_rlp::Header { list: true, payload_length: path_rlp_len + value.length() }.encode(out);
    if path_len > 1 {
        // A path has at most 33 bytes, a short string.
        out.push(EMPTY_STRING_CODE + path_len as u8);
    }
    out.push(first);
    out.extend_from_slice(rest);
    value.encode(out);
}

/// Encodes an extension over a child.
pub(crate) fn encode_extension(path: &Nibbles, child: &RlpNode, out: &mut Vec<u8>) {
    ExtensionNodeRef::new(path, child).encode(out);
}

/// Writes a branch child by child.
pub(crate) struct BranchEncoder {
    buf: [u8; MAX_BRANCH],
    end: usize,
    next: u8,
}

impl BranchEncoder {
    /// Room for the longest list header in front of the payload.
    const HEADER: usize = 3;

    pub(crate) const fn new() -> Self {
        Self { buf: [EMPTY_STRING_CODE; MAX_BRANCH], end: Self::HEADER, next: 0 }
    }

    /// Adds the child at `digit`; digits ascend.
    #[inline]
    pub(crate) fn push(&mut self, digit: u8, child: &RlpNode) {
        // Slots in between are empty strings, as the buffer is to begin with.
        let at = self.end + usize::from(digit - self.next);
        self.end = at + child.len();
        self.buf[at..self.end].copy_from_slice(child);
        self.next = digit + 1;
    }

    /// The finished encoding.
    pub(crate) fn finish(&mut self) -> &[u8] {
        // The remaining children and the value are empty.
        self.end += usize::from(16 - self.next) + 1;
        let payload = self.end - Self::HEADER;
        let start = if payload < 56 {
            self.buf[2] = 0xc0 + payload as u8;
            2
        } else if payload < 256 {
            self.buf[1..3].copy_from_slice(&[0xf8, payload as u8]);
            1
        } else {
            let [high, low] = (payload as u16).to_be_bytes();
            self.buf[..3].copy_from_slice(&[0xf9, high, low]);
            0
        };
        &self.buf[start..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_trie::{
        TrieMask,
        nodes::{BranchNode as AlloyBranchNode, LeafNodeRef},
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn leaf_is_that_of_alloy(
            key: [u8; 32], value in any::<u64>(), wide: bool, depth in 0usize..=64,
        ) {
            let value = U256::from(value) << if wide { 190 } else { 0 };
            let (mut scratch, mut ours) = (Vec::new(), Vec::new());
            encode_leaf(&key.into(), &value, depth, &mut scratch, &mut ours);
            let path = Nibbles::unpack(key).slice(depth..);
            let value = alloy_rlp::encode(value);
            prop_assert_eq!(ours, alloy_rlp::encode(LeafNodeRef::new(&path, &value)));
        }

        #[test]
        fn branch_is_that_of_alloy(
            mask: u16, children in proptest::array::uniform16((any::<[u8; 32]>(), 0usize..40)),
        ) {
            let mut encoder = BranchEncoder::new();
            let mut stack = Vec::new();
            for (digit, (bytes, len)) in (0u8..).zip(children) {
                if mask & (1 << digit) == 0 { continue }
                let node = if len < 32 && len > 0 {
                    // An inlined node: a short list.
                    let mut raw = vec![0xc0 + (len as u8 - 1)];
                    raw.extend_from_slice(&bytes[..len - 1]);
                    RlpNode::from_raw(&raw).expect("short")
                } else {
                    RlpNode::word_rlp(&bytes.into())
                };
                encoder.push(digit, &node);
                stack.push(node);
            }
            let expected = alloy_rlp::encode(AlloyBranchNode::new(stack, TrieMask::new(mask)));
            prop_assert_eq!(encoder.finish(), &expected[..]);
        }
    }
}
