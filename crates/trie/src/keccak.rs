//! Keccak-256 of many short messages at once.
//!
//! One Keccak-f\[1600\] is a chain of dependent steps that cannot be sped up much, but wide
//! registers hold the states of eight (AVX-512) or four (AVX2) messages side by side. Nearly all
//! time of a root computation goes into hashing, and the children of a branch are hashed together.
//! Other machines hash one message after the other.

use alloy_primitives::{B256, keccak256};
use std::ops::Range;

/// Bytes absorbed per permutation.
const RATE: usize = 136;

/// More blocks than a trie node can have; longer messages are hashed alone.
const MAX_BLOCKS: usize = 5;

/// Hashes the given parts of `data`, in order.
pub(crate) fn keccak_batch(data: &[u8], parts: &[Range<usize>], out: &mut Vec<B256>) {
    out.clear();
    #[cfg(target_arch = "x86_64")]
    {
        if parts.len() > 1 && is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512.
            let hash = |lanes: &[&[u8]; 8], blocks: usize, hashes: &mut [B256; 8]| unsafe {
                x86::hash_8(lanes, blocks, hashes);
            };
            return in_lanes::<8>(data, parts, out, hash);
        }
        if parts.len() > 2 && is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            let hash = |lanes: &[&[u8]; 4], blocks: usize, hashes: &mut [B256; 4]| unsafe {
                x86::hash_4(lanes, blocks, hashes);
            };
            return in_lanes::<4>(data, parts, out, hash);
        }
    }
    out.extend(parts.iter().map(|part| keccak256(&data[part.clone()])));
}

/// Number of blocks a message is padded to.
const fn blocks(len: usize) -> usize {
    len / RATE + 1
}

/// Hashes messages with the same number of blocks together, as many as there are lanes.
#[cfg(target_arch = "x86_64")]
fn in_lanes<const N: usize>(
    data: &[u8],
    parts: &[Range<usize>],
    out: &mut Vec<B256>,
    hash: impl Fn(&[&[u8]; N], usize, &mut [B256; N]),
) {
    out.resize(parts.len(), B256::ZERO);
    let mut waiting = [[0usize; N]; MAX_BLOCKS];
    let mut counts = [0usize; MAX_BLOCKS];
    let mut hashes = [B256::ZERO; N];
    let mut flush = |indices: &[usize], blocks: usize, out: &mut Vec<B256>| {
        if let [index] = indices {
            out[*index] = keccak256(&data[parts[*index].clone()]);
            return;
        }
        // Idle lanes repeat the first message.
        let lanes: [&[u8]; N] = std::array::from_fn(|lane| {
            &data[parts[indices.get(lane).copied().unwrap_or(indices[0])].clone()]
        });
        hash(&lanes, blocks, &mut hashes);
        for (index, hash) in indices.iter().zip(&hashes) {
            out[*index] = *hash;
        }
    };
    for (index, part) in parts.iter().enumerate() {
        let blocks = blocks(part.len());
        if blocks > MAX_BLOCKS {
            flush(&[index], blocks, out);
            continue;
        }
        let (lanes, count) = (&mut waiting[blocks - 1], &mut counts[blocks - 1]);
        lanes[*count] = index;
        *count += 1;
        if *count == N {
            flush(lanes, blocks, out);
            *count = 0;
        }
    }
    for (blocks, (lanes, count)) in (1..).zip(waiting.iter().zip(counts)) {
        if count > 0 {
            flush(&lanes[..count], blocks, out);
        }
    }
}

/// FIPS 202, section 3.2, on several states side by side.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::RATE;
    use alloy_primitives::B256;
    use std::arch::x86_64::*;

    const ROUND_CONSTANTS: [u64; 24] = [
        0x0000000000000001,
        0x0000000000008082,
        0x800000000000808a,
        0x8000000080008000,
        0x000000000000808b,
        0x0000000080000001,
        0x8000000080008081,
        0x8000000000008009,
        0x000000000000008a,
        0x0000000000000088,
        0x0000000080008009,
        0x000000008000000a,
        0x000000008000808b,
        0x800000000000008b,
        0x8000000000008089,
        0x8000000000008003,
        0x8000000000008002,
        0x8000000000000080,
        0x000000000000800a,
        0x800000008000000a,
        0x8000000080008081,
        0x8000000000008080,
        0x0000000080000001,
        0x8000000080008008,
    ];

    /// Word `word` of block `block` of a message, padded with 0x01 and 0x80 (Keccak's own padding,
    /// not that of SHA-3).
    #[inline(always)]
    fn word(message: &[u8], block: usize, word: usize) -> u64 {
        let at = block * RATE + word * 8;
        let mut value = if let Some(bytes) = message.get(at..at + 8) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            return u64::from_le_bytes(word) ^ last_bit(message.len(), block, word_is_last(at));
        } else {
            let mut word = [0; 8];
            let rest = message.get(at..).unwrap_or_default();
            word[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(word)
        };
        if (at..at + 8).contains(&message.len()) {
            value ^= 1 << (8 * (message.len() - at));
        }
        value ^ last_bit(message.len(), block, word_is_last(at))
    }

    #[inline(always)]
    const fn word_is_last(at: usize) -> bool {
        at % RATE == RATE - 8
    }

    #[inline(always)]
    const fn last_bit(len: usize, block: usize, last_word: bool) -> u64 {
        if last_word && block == len / RATE { 1 << 63 } else { 0 }
    }

    macro_rules! keccak_lanes {
        (
            $name:ident, $lanes:literal, $feature:literal, $vector:ty,
            $zero:ident, $splat:ident, $xor:ident, $xor3:expr, $rotate:ident, $chi:expr
        ) => {
            /// Hashes messages that are all padded to this number of blocks.
            #[target_feature(enable = $feature)]
            pub(super) fn $name(
                messages: &[&[u8]; $lanes],
                blocks: usize,
                hashes: &mut [B256; $lanes],
            ) {
                let mut a: [$vector; 25] = [$zero(); 25];
                for block in 0..blocks {
                    for (i, lane) in a.iter_mut().enumerate().take(RATE / 8) {
                        let mut words = [0u64; $lanes];
                        for (word_of_lane, message) in words.iter_mut().zip(messages) {
                            *word_of_lane = word(message, block, i);
                        }
                        // SAFETY: same size, and any bits are a value of the vector.
                        let words: $vector = unsafe { std::mem::transmute(words) };
                        *lane = $xor(*lane, words);
                    }
                    for constant in ROUND_CONSTANTS {
                        // theta
                        let xor3 = $xor3;
                        let c0 = $xor(xor3(a[0], a[5], a[10]), $xor(a[15], a[20]));
                        let c1 = $xor(xor3(a[1], a[6], a[11]), $xor(a[16], a[21]));
                        let c2 = $xor(xor3(a[2], a[7], a[12]), $xor(a[17], a[22]));
                        let c3 = $xor(xor3(a[3], a[8], a[13]), $xor(a[18], a[23]));
                        let c4 = $xor(xor3(a[4], a[9], a[14]), $xor(a[19], a[24]));
                        let d0 = $xor(c4, $rotate!(c1, 1));
                        let d1 = $xor(c0, $rotate!(c2, 1));
                        let d2 = $xor(c1, $rotate!(c3, 1));
                        let d3 = $xor(c2, $rotate!(c4, 1));
                        let d4 = $xor(c3, $rotate!(c0, 1));
                        // rho and pi
                        let b0 = $xor(a[0], d0);
                        let b10 = $rotate!($xor(a[1], d1), 1);
                        let b20 = $rotate!($xor(a[2], d2), 62);
                        let b5 = $rotate!($xor(a[3], d3), 28);
                        let b15 = $rotate!($xor(a[4], d4), 27);
                        let b16 = $rotate!($xor(a[5], d0), 36);
                        let b1 = $rotate!($xor(a[6], d1), 44);
                        let b11 = $rotate!($xor(a[7], d2), 6);
                        let b21 = $rotate!($xor(a[8], d3), 55);
                        let b6 = $rotate!($xor(a[9], d4), 20);
                        let b7 = $rotate!($xor(a[10], d0), 3);
                        let b17 = $rotate!($xor(a[11], d1), 10);
                        let b2 = $rotate!($xor(a[12], d2), 43);
                        let b12 = $rotate!($xor(a[13], d3), 25);
                        let b22 = $rotate!($xor(a[14], d4), 39);
                        let b23 = $rotate!($xor(a[15], d0), 41);
                        let b8 = $rotate!($xor(a[16], d1), 45);
                        let b18 = $rotate!($xor(a[17], d2), 15);
                        let b3 = $rotate!($xor(a[18], d3), 21);
                        let b13 = $rotate!($xor(a[19], d4), 8);
                        let b14 = $rotate!($xor(a[20], d0), 18);
                        let b24 = $rotate!($xor(a[21], d1), 2);
                        let b9 = $rotate!($xor(a[22], d2), 61);
                        let b19 = $rotate!($xor(a[23], d3), 56);
                        let b4 = $rotate!($xor(a[24], d4), 14);
                        // chi and iota
                        let chi = $chi;
                        a = [
                            $xor(chi(b0, b1, b2), $splat(constant as i64)),
                            chi(b1, b2, b3),
                            chi(b2, b3, b4),
                            chi(b3, b4, b0),
                            chi(b4, b0, b1),
                            chi(b5, b6, b7),
                            chi(b6, b7, b8),
                            chi(b7, b8, b9),
                            chi(b8, b9, b5),
                            chi(b9, b5, b6),
                            chi(b10, b11, b12),
                            chi(b11, b12, b13),
                            chi(b12, b13, b14),
                            chi(b13, b14, b10),
                            chi(b14, b10, b11),
                            chi(b15, b16, b17),
                            chi(b16, b17, b18),
                            chi(b17, b18, b19),
                            chi(b18, b19, b15),
                            chi(b19, b15, b16),
                            chi(b20, b21, b22),
                            chi(b21, b22, b23),
                            chi(b22, b23, b24),
                            chi(b23, b24, b20),
                            chi(b24, b20, b21),
                        ];
                    }
                }
                for (i, lane) in a.into_iter().enumerate().take(4) {
                    // SAFETY: same size, and integers have no invalid bits.
                    let words: [u64; $lanes] = unsafe { std::mem::transmute(lane) };
                    for (hash, word) in hashes.iter_mut().zip(words) {
                        hash.0[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
                    }
                }
            }
        };
    }

    macro_rules! rotate_512 {
        ($value:expr, $bits:literal) => {
            _mm512_rol_epi64::<$bits>($value)
        };
    }

    macro_rules! rotate_256 {
        ($value:expr, $bits:literal) => {{
            let value = $value;
            let left = _mm256_slli_epi64::<$bits>(value);
            _mm256_or_si256(left, _mm256_srli_epi64::<{ 64 - $bits }>(value))
        }};
    }

    keccak_lanes!(
        hash_8,
        8,
        "avx512f",
        __m512i,
        _mm512_setzero_si512,
        _mm512_set1_epi64,
        _mm512_xor_si512,
        |a, b, c| _mm512_ternarylogic_epi64::<0x96>(a, b, c),
        rotate_512,
        |a, b, c| _mm512_ternarylogic_epi64::<0xd2>(a, b, c)
    );

    keccak_lanes!(
        hash_4,
        4,
        "avx2",
        __m256i,
        _mm256_setzero_si256,
        _mm256_set1_epi64x,
        _mm256_xor_si256,
        |a, b, c| _mm256_xor_si256(_mm256_xor_si256(a, b), c),
        rotate_256,
        |a, b, c| _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of all lengths up to some blocks, and what they hash to.
    fn messages() -> Vec<(Vec<u8>, B256)> {
        (0..5 * RATE + 3)
            .map(|len| {
                let message: Vec<u8> = (0..len).map(|i| (i * 31 + len * 7) as u8).collect();
                let hash = keccak256(&message);
                (message, hash)
            })
            .collect()
    }

    #[test]
    fn batches_of_any_size_and_mix() {
        let messages = messages();
        for size in [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 100, messages.len()] {
            // Neighbours in steps, so that a batch mixes block counts.
            let batch: Vec<_> =
                (0..size).map(|i| &messages[(i * 61 + size) % messages.len()]).collect();
            let mut data = Vec::new();
            let mut parts = Vec::new();
            for (message, _) in &batch {
                parts.push(data.len()..data.len() + message.len());
                data.extend_from_slice(message);
            }
            let mut hashes = vec![B256::ZERO; 3];
            keccak_batch(&data, &parts, &mut hashes);
            let expected: Vec<_> = batch.iter().map(|(_, hash)| *hash).collect();
            assert_eq!(hashes, expected, "batch of {size}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn each_width_hashes_every_length() {
        for (message, expected) in messages() {
            let blocks = blocks(message.len());
            if is_x86_feature_detected!("avx512f") {
                let mut hashes = [B256::ZERO; 8];
                // SAFETY: the processor has AVX-512.
                unsafe { x86::hash_8(&[&message; 8], blocks, &mut hashes) };
                assert_eq!(hashes, [expected; 8]);
            }
            if is_x86_feature_detected!("avx2") {
                let mut hashes = [B256::ZERO; 4];
                // SAFETY: the processor has AVX2.
                unsafe { x86::hash_4(&[&message; 4], blocks, &mut hashes) };
                assert_eq!(hashes, [expected; 4]);
            }
        }
    }
}
