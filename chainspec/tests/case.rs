//! The case of keys means nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use peruri_chainspec::{ChainSpec, DEV_JSON, PILOT_JSON};
use proptest::prelude::*;

/// Every key of the file (a string before a colon) with the case of its letters chosen by `bits`.
fn shuffle_case(json: &str, bits: &[bool]) -> String {
    let mut bits = bits.iter().cycle();
    let mut out = String::new();
    let mut pieces = json.split('"').peekable();
    let mut quoted = false;
    while let Some(piece) = pieces.next() {
        let is_key = quoted && pieces.peek().is_some_and(|next| next.trim_start().starts_with(':'));
        if is_key {
            out.extend(piece.char_indices().map(|(at, letter)| match bits.next() {
                // `0X` is a prefix, not a letter of the key.
                Some(true) if !(at == 1 && piece.starts_with("0x")) => letter.to_ascii_uppercase(),
                _ => letter.to_ascii_lowercase(),
            }));
        } else {
            out.push_str(piece);
        }
        if pieces.peek().is_some() {
            out.push('"');
        }
        quoted = !quoted;
    }
    out
}

proptest! {
    #[test]
    fn changing_the_case_of_keys_keeps_the_hash(bits in prop::collection::vec(any::<bool>(), 97)) {
        for (json, spec) in [(PILOT_JSON, ChainSpec::pilot()), (DEV_JSON, ChainSpec::dev())] {
            let (read, notices) = ChainSpec::from_genesis_json(&shuffle_case(json, &bits)).unwrap();
            prop_assert_eq!(read.genesis_hash(), spec.genesis_hash());
            prop_assert_eq!(read.chain_id(), spec.chain_id());
            prop_assert!(notices.is_empty());
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}", at in 0usize..900, cut in 0usize..900) {
        let _ = ChainSpec::from_genesis_json(&text);
        let mut broken = PILOT_JSON.to_owned();
        let at = at.min(broken.len());
        broken.insert_str(at, &text);
        let _ = ChainSpec::from_genesis_json(&broken);
        let _ = ChainSpec::from_genesis_json(&PILOT_JSON[..cut.min(PILOT_JSON.len())]);
    }
}
