//! Transactions.

use super::Writer;
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, Signature, U256};
use alloy_rpc_types_eth::Transaction;
use peruri_primitives::TransactionSigned;
use peruri_rpc_api::Json;

/// Where a transaction stands. `None` in its place: in the pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransactionPlace {
    pub(crate) block_hash: B256,
    pub(crate) block_number: u64,
    pub(crate) timestamp: u64,
    pub(crate) index: u64,
    pub(crate) base_fee: Option<u64>,
}

/// One transaction as an answer.
pub(crate) fn transaction_json(
    tx: &TransactionSigned,
    from: Address,
    place: Option<&TransactionPlace>,
) -> serde_json::Result<Json<Transaction>> {
    let mut out = Writer::with_capacity(size_hint(tx));
    write_transaction(&mut out, tx, from, place);
    out.finish()
}

/// Roughly the bytes of a transaction's text.
pub(crate) fn size_hint(tx: &TransactionSigned) -> usize {
    900 + 2 * tx.input().len() + tx.access_list().map_or(0, |list| 72 * list.storage_keys_count())
}

/// Writes one transaction.
pub(crate) fn write_transaction(
    out: &mut Writer,
    tx: &TransactionSigned,
    from: Address,
    place: Option<&TransactionPlace>,
) {
    out.begin();
    match place {
        Some(place) => {
            out.field_data("blockHash", place.block_hash.as_slice());
            out.field_quantity("blockNumber", place.block_number);
            out.field_quantity("blockTimestamp", place.timestamp);
        }
        None => {
            out.field_null("blockHash");
            out.field_null("blockNumber");
            out.field_null("blockTimestamp");
        }
    }
    out.field_data("from", from.as_slice());
    out.field_quantity("gas", tx.gas_limit());
    write_fees(out, tx, place.and_then(|place| place.base_fee));
    out.field_data("hash", tx.tx_hash().as_slice());
    out.field_data("input", tx.input());
    out.field_quantity("nonce", tx.nonce());
    out.field_address("to", tx.to().as_ref());
    match place {
        Some(place) => out.field_quantity("transactionIndex", place.index),
        None => out.field_null("transactionIndex"),
    }
    out.field_quantity256("value", &tx.value());
    out.field_quantity("type", tx.ty());
    if let Some(list) = tx.access_list() {
        write_access_list(out, list);
    }
    if let Some(chain_id) = tx.chain_id() {
        out.field_quantity("chainId", chain_id);
    }
    if let Some(hashes) = tx.blob_versioned_hashes() {
        out.key("blobVersionedHashes");
        out.begin_array();
        hashes.iter().for_each(|hash| out.data(hash.as_slice()));
        out.end_array();
    }
    if let Some(list) = tx.authorization_list() {
        write_authorizations(out, list);
    }
    write_signature(out, tx.signature(), tx.is_legacy(), tx.chain_id());
    out.end();
}

fn write_fees(out: &mut Writer, tx: &TransactionSigned, base_fee: Option<u64>) {
    out.field_quantity("gasPrice", tx.effective_gas_price(base_fee));
    if let Some(tip) = tx.max_priority_fee_per_gas() {
        out.field_quantity("maxFeePerGas", tx.max_fee_per_gas());
        out.field_quantity("maxPriorityFeePerGas", tip);
    }
    if let Some(fee) = tx.max_fee_per_blob_gas() {
        out.field_quantity("maxFeePerBlobGas", fee);
    }
}

fn write_access_list(out: &mut Writer, list: &AccessList) {
    out.key("accessList");
    out.begin_array();
    for item in &list.0 {
        out.begin();
        out.field_data("address", item.address.as_slice());
        out.key("storageKeys");
        out.begin_array();
        item.storage_keys.iter().for_each(|key| out.data(key.as_slice()));
        out.end_array();
        out.end();
    }
    out.end_array();
}

fn write_authorizations(out: &mut Writer, list: &[SignedAuthorization]) {
    out.key("authorizationList");
    out.begin_array();
    for item in list {
        out.begin();
        out.field_quantity256("chainId", &item.chain_id);
        out.field_data("address", item.address.as_slice());
        out.field_quantity("nonce", item.nonce);
        out.field_quantity("yParity", item.y_parity());
        out.field_quantity256("r", &item.r());
        out.field_quantity256("s", &item.s());
        out.end();
    }
    out.end_array();
}

fn write_signature(out: &mut Writer, signature: &Signature, legacy: bool, chain_id: Option<u64>) {
    let parity = u128::from(signature.v());
    if legacy {
        // EIP-155: 35 + 2 * chain id + parity; before it 27 + parity.
        let v = match chain_id {
            Some(chain_id) => 35 + 2 * u128::from(chain_id) + parity,
            None => 27 + parity,
        };
        out.field_quantity("v", v);
    } else {
        out.field_quantity("v", parity);
    }
    let words: [(&str, U256); 2] = [("r", signature.r()), ("s", signature.s())];
    for (key, word) in words {
        out.field_quantity256(key, &word);
    }
    if !legacy {
        out.field_quantity("yParity", parity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{
        Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy, transaction::Recovered,
    };
    use alloy_eips::{eip2930::AccessListItem, eip7702::Authorization};
    use alloy_primitives::{TxKind, bytes};
    use serde_json::Value;

    fn sign<T>(tx: T) -> TransactionSigned
    where
        T: alloy_consensus::SignableTransaction<Signature>
            + alloy_consensus::transaction::RlpEcdsaEncodableTx,
        TransactionSigned: From<Signed<T>>,
    {
        Signed::new_unhashed(tx, Signature::test_signature()).into()
    }

    fn list() -> AccessList {
        AccessList(vec![AccessListItem {
            address: Address::repeat_byte(3),
            storage_keys: vec![B256::ZERO, B256::repeat_byte(9)],
        }])
    }

    fn transactions() -> Vec<TransactionSigned> {
        let to = Address::repeat_byte(1);
        let authorization = Authorization { chain_id: U256::from(5), address: to, nonce: 7 }
            .into_signed(Signature::test_signature());
        vec![
            sign(TxLegacy { gas_price: 9, to: TxKind::Create, ..Default::default() }),
            sign(TxLegacy {
                chain_id: Some(u64::MAX),
                gas_price: 9,
                gas_limit: 21_000,
                to: TxKind::Call(to),
                value: U256::MAX,
                ..Default::default()
            }),
            sign(TxEip2930 { chain_id: 5, access_list: list(), ..Default::default() }),
            sign(TxEip1559 {
                chain_id: 5,
                max_fee_per_gas: 100,
                max_priority_fee_per_gas: 3,
                input: bytes!("0102"),
                to: TxKind::Call(to),
                ..Default::default()
            }),
            sign(TxEip4844 {
                chain_id: 5,
                max_fee_per_gas: 100,
                max_fee_per_blob_gas: 4,
                blob_versioned_hashes: vec![B256::repeat_byte(1)],
                ..Default::default()
            }),
            sign(TxEip7702 {
                chain_id: 5,
                max_fee_per_gas: 100,
                authorization_list: vec![authorization],
                ..Default::default()
            }),
        ]
    }

    /// What alloy writes has the same members, but for `blockTimestamp: null`.
    #[test]
    fn agrees_with_alloy() -> serde_json::Result<()> {
        let from = Address::repeat_byte(8);
        let place = TransactionPlace {
            block_hash: B256::repeat_byte(2),
            block_number: 20,
            timestamp: 30,
            index: 4,
            base_fee: Some(50),
        };
        for tx in transactions() {
            let ours: Value = transaction_json(&tx, from, Some(&place))?.text().parse::<Value>()?;
            let theirs = Transaction {
                effective_gas_price: Some(tx.effective_gas_price(Some(50))),
                inner: Recovered::new_unchecked(tx, from),
                block_hash: Some(place.block_hash),
                block_number: Some(20),
                transaction_index: Some(4),
                block_timestamp: Some(30),
            };
            assert_eq!(ours, serde_json::to_value(theirs)?);
        }
        Ok(())
    }

    #[test]
    fn pending_transactions_have_null_places_and_decode() -> serde_json::Result<()> {
        for tx in transactions() {
            let json = transaction_json(&tx, Address::ZERO, None)?;
            let value: Value = json.text().parse::<Value>()?;
            for key in ["blockHash", "blockNumber", "blockTimestamp", "transactionIndex"] {
                assert_eq!(value.get(key), Some(&Value::Null), "{key}");
            }
            let decoded = json.decode()?;
            assert_eq!(decoded.inner.tx_hash(), tx.tx_hash());
        }
        Ok(())
    }
}
