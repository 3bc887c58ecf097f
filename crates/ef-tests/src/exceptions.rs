//! Names of expected exceptions, and the class of reason for which a block must be refused.

use peruri_validation::RejectionClass::{self, Body, Header, Rlp, Transaction};

/// Exceptions of blocks, without the prefix `BlockException.`, of every generation of the tests.
///
/// Two classes stand where the tests make one field wrong and it depends on the order of checks
/// which of two broken rules is met first.
const BLOCK: [(&str, &[RejectionClass]); 42] = [
    ("RLP_STRUCTURES_ENCODING", &[Rlp]),
    ("RLP_WITHDRAWALS_NOT_READ", &[Rlp]),
    ("RLP_INVALID_FIELD_OVERFLOW_64", &[Rlp]),
    ("RLP_INVALID_ADDRESS", &[Rlp]),
    ("RLP_BLOCK_LIMIT_EXCEEDED", &[Rlp]),
    // A field of another fork is there or not: found by the decoder or by the header rules.
    ("INCORRECT_BLOCK_FORMAT", &[Rlp, Header]),
    ("IMPORT_IMPOSSIBLE_LEGACY", &[Rlp, Header]),
    ("IMPORT_IMPOSSIBLE_LONDON_WRONG_FORMAT", &[Rlp, Header]),
    ("IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS", &[Rlp, Header]),
    ("IMPORT_IMPOSSIBLE_PARIS_WRONG_POW", &[Header]),
    ("IMPORT_IMPOSSIBLE_PARIS_WRONG_POS", &[Header]),
    ("IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI", &[Rlp, Header]),
    ("IMPORT_IMPOSSIBLE_SHANGHAI", &[Rlp, Header]),
    ("IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS", &[Header]),
    // The header's ommersHash is no longer that of no ommers.
    ("IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS", &[Header]),
    ("EXTRA_DATA_TOO_BIG", &[Header]),
    ("EXTRA_DATA_INVALID_DAO", &[Header]),
    ("GASLIMIT_TOO_BIG", &[Header]),
    ("INVALID_GASLIMIT", &[Header]),
    ("GAS_USED_OVERFLOW", &[Header]),
    ("INVALID_GAS_USED_ABOVE_LIMIT", &[Header]),
    ("INVALID_BASEFEE_PER_GAS", &[Header]),
    ("INVALID_BLOCK_NUMBER", &[Header]),
    ("INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT", &[Header]),
    ("INVALID_DIFFICULTY", &[Header]),
    ("UNKNOWN_PARENT", &[Header]),
    ("UNKNOWN_PARENT_ZERO", &[Header]),
    ("INCORRECT_EXCESS_BLOB_GAS", &[Header]),
    // Against the body's blobs, or against the rules of the field itself.
    ("INCORRECT_BLOB_GAS_USED", &[Header, Body]),
    ("BLOB_GAS_USED_ABOVE_LIMIT", &[Header, Body]),
    ("INVALID_STATE_ROOT", &[Body]),
    ("INVALID_RECEIPTS_ROOT", &[Body]),
    ("INVALID_TRANSACTIONS_ROOT", &[Body]),
    ("INVALID_WITHDRAWALS_ROOT", &[Body]),
    ("INVALID_UNCLES_HASH", &[Body]),
    ("INVALID_LOG_BLOOM", &[Body]),
    ("INVALID_GAS_USED", &[Body]),
    ("INVALID_REQUESTS", &[Body]),
    ("SYSTEM_CONTRACT_EMPTY", &[Body]),
    ("SYSTEM_CONTRACT_CALL_FAILED", &[Body]),
    ("INVALID_DEPOSIT_EVENT_LAYOUT", &[Body]),
    ("TOO_MANY_UNCLES", &[Body]),
];

/// Transactions that the decoder refuses because their field does not hold the value, or that the
/// EVM refuses; without the prefix `TransactionException.`.
const UNREPRESENTABLE: [&str; 14] = [
    "ADDRESS_TOO_LONG",
    "ADDRESS_TOO_SHORT",
    "GASLIMIT_OVERFLOW",
    "GASLIMIT_PRICE_PRODUCT_OVERFLOW",
    "GASPRICE_OVERFLOW",
    "INVALID_CHAINID",
    "INVALID_SIGNATURE_VRS",
    "NONCE_OVERFLOW",
    "NONCE_TOO_BIG",
    "PRIORITY_OVERFLOW",
    "TYPE_3_TX_CONTRACT_CREATION",
    "TYPE_4_TX_CONTRACT_CREATION",
    "TYPE_NOT_SUPPORTED",
    "VALUE_OVERFLOW",
];

/// The classes that fit an `expectException` text: one or more names with `|` between them.
///
/// A name that is in no table goes by its family: a `TransactionException` is about a transaction,
/// one that begins with `RLP_` about the encoding, one that begins with `UNCLE` about an ommer, and
/// any other about header or body.
pub(crate) fn classes(expected: &str) -> Vec<RejectionClass> {
    let mut classes: Vec<_> = expected.split('|').flat_map(|name| one(name.trim())).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

fn one(name: &str) -> Vec<RejectionClass> {
    if let Some(name) = name.strip_prefix("TransactionException.").or(name.strip_prefix("TR_")) {
        return if name.starts_with("RLP") || UNREPRESENTABLE.contains(&name) {
            vec![Rlp, Transaction]
        } else {
            vec![Transaction]
        };
    }
    let name = name.strip_prefix("BlockException.").unwrap_or(name);
    match BLOCK.iter().find(|(known, _)| *known == name) {
        Some((_, classes)) => classes.to_vec(),
        None if name.starts_with("RLP_") => vec![Rlp],
        None if name.starts_with("UNCLE") => vec![Header, Body],
        None => vec![Header, Body],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_joined() {
        assert_eq!(
            classes(
                "BlockException.RLP_STRUCTURES_ENCODING|BlockException.RLP_WITHDRAWALS_NOT_READ"
            ),
            [Rlp]
        );
        assert_eq!(
            classes("TransactionException.INTRINSIC_GAS_TOO_LOW|BlockException.UNKNOWN_PARENT"),
            [Header, Transaction]
        );
    }

    #[test]
    fn families_cover_names_outside_the_table() {
        assert_eq!(classes("TransactionException.SENDER_NOT_EOA"), [Transaction]);
        assert_eq!(classes("TR_IntrinsicGas"), [Transaction]);
        assert_eq!(classes("BlockException.RLP_SOMETHING_NEW"), [Rlp]);
        assert_eq!(classes("BlockException.UNCLE_IS_BROTHER"), [Header, Body]);
        assert_eq!(classes("BlockException.SOMETHING_NEW"), [Header, Body]);
    }

    #[test]
    fn the_table_has_no_name_twice() {
        for (index, (name, classes)) in BLOCK.iter().enumerate() {
            assert!(!classes.is_empty());
            assert!(!BLOCK.iter().skip(index + 1).any(|(other, _)| other == name), "{name}");
        }
    }
}
