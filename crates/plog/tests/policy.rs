//! Policies: what is read, what is refused, and the hash that organisations publish.

#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256, b256};
use peruri_plog::{Policy, PolicyError};

fn text(validators: &[u8], more: &str) -> String {
    let list: Vec<_> =
        validators.iter().map(|byte| format!("\"{:#x}\"", Address::repeat_byte(*byte))).collect();
    format!(
        "chain_id = 7251\ngenesis_hash = \"{}\"\nvalidators = [{}]\n{more}\n",
        B256::repeat_byte(0x9e),
        list.join(", ")
    )
}

fn error(text: &str) -> PolicyError {
    Policy::parse(text).unwrap_err()
}

#[test]
fn the_hash_is_that_of_the_values() {
    let policy = Policy::parse(&text(&[0x11, 0x22, 0x33], "seals = 3")).unwrap();
    let expected = b256!("1259338a7ac0505f1f562b174cec45d9fba633f2340ab29619d0e1428c53893b");
    assert_eq!(policy.hash(), expected);
    let other = format!("# of PDS\n{}", text(&[0x33, 0x11, 0x22], "chain_bound = true\nseals=3"));
    assert_eq!(Policy::parse(&other).unwrap().hash(), expected);
    let second = text(&[0x11, 0x22, 0x33], "change_seals = 2\nchain_bound = false");
    let expected = b256!("a79fe7d09557041345eeaa202d8f1e8e42e4c1f2fa174aa8241983b34cf7f60f");
    assert_eq!(Policy::parse(&second).unwrap().hash(), expected);
}

#[test]
fn defaults_are_the_strict_ones() {
    let policy = Policy::parse(&text(&[1, 2, 3, 4], "")).unwrap();
    assert!(policy.chain_bound);
    assert_eq!((policy.seals, policy.change_seals), (None, None));
    assert_eq!([3, 4, 7].map(|n| policy.seals_needed(n)), [2, 3, 5]);
    assert_eq!([3, 4, 7].map(|n| policy.change_seals_needed(n)), [2, 3, 5]);
    let strict = Policy { seals: Some(4), change_seals: Some(1), ..policy };
    assert_eq!([3, 4, 7].map(|n| strict.seals_needed(n)), [4, 4, 5]);
    assert_eq!(strict.change_seals_needed(7), 4);
    let lax = Policy { seals: None, ..strict };
    assert_eq!(lax.change_seals_needed(7), 1);
}

#[test]
fn what_is_no_policy_is_named() {
    let good = text(&[1, 2, 3], "");
    assert!(matches!(error("\nchain_id = "), PolicyError::Toml { line: 2, .. }));
    for (wrong, named) in [
        (text(&[1], "sealz = 3"), "sealz"),
        (text(&[1], "seals = -1"), "integer"),
        (text(&[1], "seals = 3\nseals = 3"), "duplicate"),
        (text(&[1], "chain_bound = 1"), "boolean"),
        (good.replace("chain_id = 7251\n", ""), "chain_id"),
    ] {
        let PolicyError::Toml { message, .. } = error(&wrong) else { panic!("{wrong}") };
        assert!(message.contains(named), "{message}");
    }
    let huge = good.replace("7251", "9007199254740992");
    assert_eq!(error(&huge), PolicyError::ChainId { got: 1 << 53 });
    assert_eq!(error(&good.replace("9e9e\"", "9E9E\"")), PolicyError::GenesisHash);
    assert_eq!(error(&good.replace("9e9e\"", "9e\"")), PolicyError::GenesisHash);
    assert_eq!(error(&good.replace("0x0202", "0202")), PolicyError::Validator { index: 1 });
    let duplicate = PolicyError::Duplicate { index: 2, address: Address::repeat_byte(1) };
    assert_eq!(error(&text(&[1, 2, 1], "")), duplicate);
    assert_eq!(error(&text(&[], "")), PolicyError::NoValidators);
    assert_eq!(error(&text(&[1], "seals = 0")), PolicyError::Zero { key: "seals" });
    assert_eq!(error(&text(&[1], "change_seals = 0")), PolicyError::Zero { key: "change_seals" });
}
