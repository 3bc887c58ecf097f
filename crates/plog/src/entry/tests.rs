#![allow(clippy::unwrap_used)]

use super::*;
use crate::{hash::leaf_hash, subject::chain_step, vectors};
use alloy_primitives::{B256, b256, hex};
use proptest::prelude::*;

#[test]
fn pseudonyms_are_the_vectors() {
    assert_eq!(
        vectors::a().subject,
        b256!("55d1c9d0a69679a9b5636b3b5d1fce092f514779601d3a945e1dbbd6828c925c")
    );
    assert_eq!(
        vectors::b().subject,
        b256!("c02503a8dfa30d46efcf1b2b64e33d8205797c3b4bcfe53a9b540fbd5331e79f")
    );
}

#[test]
fn commitments_are_the_vectors() {
    assert_eq!(
        vectors::a().commitment,
        b256!("4ba0bf8035e3a1e8589f21723cfa0a4444f0d79b8db02e1182a9e9860280de21")
    );
    assert_eq!(
        vectors::b().commitment,
        b256!("6280fe1e266d8076f0062f14584f6447ce5744ed1e117c07cb95fc90ed71ee6f")
    );
}

#[test]
fn entries_and_leaves_are_the_vectors() {
    for (entry, bytes, leaf) in vectors::entries() {
        assert_eq!(hex::encode(entry.encode()), bytes);
        assert_eq!(Entry::decode(&hex::decode(bytes).unwrap()), Ok(entry));
        assert_eq!(entry.leaf(), leaf);
    }
}

#[test]
fn the_chain_of_a_subject_is_the_vector() {
    let chain = chain_step(&crate::subject::EMPTY_CHAIN, &vectors::a().leaf(), 0);
    let expected = b256!("1d0b0fc04d625dc716b0d3fadad199b0804e472ceeab4a9969142e8c986f5948");
    assert_eq!(chain, expected);
}

#[test]
fn what_is_no_entry_is_named() {
    let good = vectors::a().encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = good;
        bytes[at] = byte;
        Entry::decode(&bytes).unwrap_err()
    };
    assert_eq!(Entry::decode(&good[..139]), Err(EntryError::Length { got: 139 }));
    assert_eq!(
        Entry::decode(&[good.as_slice(), &[0]].concat()),
        Err(EntryError::Length { got: 141 })
    );
    assert_eq!(with(3, b'2'), EntryError::Magic { got: *b"PLG2" });
    for byte in [0, 5, 0x0f, 0x11, 0x7c, 0x7f, 0xff] {
        assert_eq!(with(4, byte), EntryError::Type { got: byte });
    }
    assert_eq!(with(5, 8), EntryError::Flags { got: 8 });
    assert_eq!(with(11, 0), EntryError::NoSource);
}

#[test]
fn the_precompile_takes_the_next_entry_of_the_source_only() {
    let check = |entry: Entry, source, seq, governance| {
        Entry::check_appended(&entry.encode(), source, seq, governance)
    };
    let a = vectors::a();
    assert_eq!(check(a, 1, 1, false), Ok(a));
    assert_eq!(check(a, 2, 1, false), Err(EntryError::Source { expected: 2, got: 1 }));
    assert_eq!(check(a, 1, 2, false), Err(EntryError::Seq { expected: 2, got: 1 }));
    assert_eq!(check(vectors::c(), 1, 3, true), Err(EntryError::ForeignRoot));
    let decision = Entry { kind: EntryType::Governance, ..a };
    assert_eq!(check(decision, 1, 1, false), Err(EntryError::NotGovernance));
    assert_eq!(check(decision, 1, 1, true), Ok(decision));
    let void = Entry::void(1, 1, 5, VoidReason::Operator, a.activity_id, a.subject);
    assert_eq!(check(void, 1, 1, false), Ok(void));
}

#[test]
fn a_void_closes_what_it_names() {
    let a = vectors::a();
    let void = Entry::void(1, 9, 5, VoidReason::Duplicate, a.activity_id, a.subject);
    assert_eq!((void.kind.byte(), void.schema), (0x7e, 3));
    assert_eq!((void.activity_id, void.subject), (a.activity_id, a.subject));
    assert_eq!((void.commitment, void.effect), (B256::ZERO, B256::ZERO));
    for number in 0..9 {
        let reason = VoidReason::from_number(number);
        assert_eq!(reason.is_some(), (1..=5).contains(&number));
        assert!(reason.is_none_or(|reason| reason.number() == number));
    }
}

#[test]
fn an_erasure_notice_names_the_erased_leaf() {
    let a = vectors::a();
    let notice = Entry::erasure(1, 9, 5, &a);
    assert_eq!((notice.kind.byte(), notice.effect), (0x7d, leaf_hash(&a.encode())));
    assert_eq!((notice.activity_id, notice.subject), (a.activity_id, a.subject));
    assert_eq!(notice.commitment, B256::ZERO);
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        random in proptest::collection::vec(any::<u8>(), ENTRY_LEN),
        kind in proptest::sample::select(vec![1u8, 2, 3, 4, 0x10, 0x20, 0x7d, 0x7e]),
        flags in 0u8..8,
    ) {
        let mut bytes = random;
        bytes[..4].copy_from_slice(&MAGIC);
        (bytes[4], bytes[5]) = (kind, flags);
        bytes[11] |= 1;
        let entry = Entry::decode(&bytes).unwrap();
        prop_assert_eq!(entry.encode().to_vec(), bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Entry::decode(&bytes).is_err());
    }
}
