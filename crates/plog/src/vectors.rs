//! The published test vectors: three entries, their leaves and roots.

use crate::entry::{Entry, EntryType, commitment, subject};
use alloy_primitives::{B256, b256, hex, keccak256};

fn counting_from(first: u8) -> [u8; 32] {
    std::array::from_fn(|at| first + u8::try_from(at).expect("below 32"))
}

pub(crate) fn a() -> Entry {
    Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: 1,
        source_seq: 1,
        occurred_at: 1_767_225_600_000,
        activity_id: hex!("6f1f9f0e6f0b4d539a5e0a4b8f0c7d01"),
        subject: subject(&counting_from(0), "PRI-000042"),
        commitment: commitment(&[0x11; 32], br#"{"hadir":true}"#),
        effect: B256::ZERO,
    }
}

pub(crate) fn b() -> Entry {
    Entry {
        kind: EntryType::TokenEffect,
        flags: 3,
        schema: 1,
        source_id: 1,
        source_seq: 2,
        occurred_at: 1_767_225_601_500,
        activity_id: hex!("00112233445566778899aabbccddeeff"),
        subject: subject(&counting_from(0), "sari.wulandari\u{e9}"),
        commitment: commitment(&counting_from(0x20), b""),
        effect: keccak256("effect"),
    }
}

pub(crate) fn c() -> Entry {
    let root = crate::hash::sha256(&[b"foreign"]);
    Entry::foreign_root(1, 3, 1_767_225_602, root, 1000)
}

/// Entry, its bytes and its leaf.
pub(crate) fn entries() -> [(Entry, &'static str, B256); 3] {
    [
        (
            a(),
            "504c4731010000010000000100000000000000010000019b76daa8006f1f9f0e6f0b4d539a5e0a4b8f0c7d0155d1c9d0a69679a9b5636b3b5d1fce092f514779601d3a945e1dbbd6828c925c4ba0bf8035e3a1e8589f21723cfa0a4444f0d79b8db02e1182a9e9860280de210000000000000000000000000000000000000000000000000000000000000000",
            b256!("b8c800943a7df8f426f84587d906879f31858772edce092edfa46b0d20e3ee30"),
        ),
        (
            b(),
            "504c4731020300010000000100000000000000020000019b76daaddc00112233445566778899aabbccddeeffc02503a8dfa30d46efcf1b2b64e33d8205797c3b4bcfe53a9b540fbd5331e79f6280fe1e266d8076f0062f14584f6447ce5744ed1e117c07cb95fc90ed71ee6f6b914d005b4da452d90d926958f0ac93460f424a4e45391bb63946a15716e29f",
            b256!("f6683435ed2f803bc70ae2573fd6ad9023b05e0bd4a2c910cfb2a899c0afb74f"),
        ),
        (
            c(),
            "504c4731100000000000000100000000000000030000019b76daafd0000000000000000000000000000003e80000000000000000000000000000000000000000000000000000000000000000656771905e1ef731f65cd0a0d9fb061238380a1a012e6abdf846ecc7d2ea36fd0000000000000000000000000000000000000000000000000000000000000000",
            b256!("8bf30e7bfa6898643c04d1f199e21e20151aa5735087811015535f9e57b4a52c"),
        ),
    ]
}

/// Roots of the trees over the first one, two and three of them.
#[test]
fn roots_are_the_vectors() {
    let leaves = entries().map(|(_, _, leaf)| leaf);
    let two = b256!("803c3111588d1de4e62868a6148e64eff3a56399981b000731f317fb1477c196");
    let three = b256!("c001d97521836f3057084cc50319d084320b930a6d215509faaf70cfef1268e8");
    let mut frontier = crate::Frontier::new();
    for (leaf, root) in leaves.iter().zip([leaves[0], two, three]) {
        assert_eq!(frontier.append(*leaf, |_, _, _| ()), Ok(()));
        assert_eq!(frontier.root(), root);
        let size = usize::try_from(frontier.size()).expect("three at most");
        assert_eq!(crate::batch_root(&leaves[..size]), root);
    }
}
