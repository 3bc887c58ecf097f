//! Receipt rows: each receipt with its own gas and the index of its first log, so that one of them
//! can be served without the receipts before it. Bloom filters are derived, not stored.

use alloy_consensus::TxType;
use alloy_primitives::Log;
use alloy_rlp::{Decodable, Encodable};
use peruri_primitives::Receipt;

use super::{
    frames::{self, Dictionary, Frames},
    reader::{Reader, put_varint},
};
use crate::{IndexedReceipt, ProviderError, ProviderResult};

const RECEIPTS: &str = "receipts";

/// Encodes the receipts of a block.
pub(crate) fn encode(receipts: &[Receipt]) -> Vec<u8> {
    let mut gas_before = 0u64;
    let mut logs_before = 0u64;
    frames::encode(Dictionary::Receipts, receipts.len(), |index, out| {
        let receipt = &receipts[index];
        out.push(receipt.tx_type as u8);
        out.push(u8::from(receipt.success));
        put_varint(out, receipt.cumulative_gas_used);
        put_varint(out, receipt.cumulative_gas_used.saturating_sub(gas_before));
        put_varint(out, logs_before);
        receipt.logs.encode(out);
        gas_before = receipt.cumulative_gas_used;
        logs_before = logs_before.saturating_add(receipt.logs.len() as u64);
    })
}

/// Reads all receipts of a row.
pub(crate) fn decode(row: &[u8]) -> ProviderResult<Vec<Receipt>> {
    let frames = Frames::parse(RECEIPTS, Dictionary::Receipts, row)?;
    let mut receipts = Vec::with_capacity(frames.len());
    frames.for_each(|item| {
        receipts.push(decode_item(item)?.receipt);
        Ok(())
    })?;
    Ok(receipts)
}

/// Reads one receipt of a row; `None` if there are not that many.
pub(crate) fn decode_one(row: &[u8], index: u64) -> ProviderResult<Option<IndexedReceipt>> {
    let frames = Frames::parse(RECEIPTS, Dictionary::Receipts, row)?;
    match usize::try_from(index) {
        Ok(index) => frames.get(index, decode_item),
        Err(_) => Ok(None),
    }
}

fn decode_item(item: &[u8]) -> ProviderResult<IndexedReceipt> {
    let mut reader = Reader::new(RECEIPTS, item);
    let tx_type = TxType::try_from(reader.u8()?).map_err(|e| ProviderError::codec(RECEIPTS, e))?;
    let success = reader.u8()? != 0;
    let cumulative_gas_used = reader.varint()?;
    let gas_used = reader.varint()?;
    let first_log_index = reader.varint()?;
    let mut bytes = reader.rest();
    let logs = Vec::<Log>::decode(&mut bytes).map_err(|e| ProviderError::codec(RECEIPTS, e))?;
    if !bytes.is_empty() {
        return Err(ProviderError::codec(RECEIPTS, "bytes behind a receipt"));
    }
    let receipt = Receipt { tx_type, success, cumulative_gas_used, logs };
    Ok(IndexedReceipt { receipt, gas_used, first_log_index })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes};

    use super::*;

    fn receipts(count: usize) -> Vec<Receipt> {
        (0..count)
            .map(|i| Receipt {
                tx_type: [TxType::Legacy, TxType::Eip1559, TxType::Eip7702][i % 3],
                success: i % 5 != 0,
                cumulative_gas_used: 21_000 * (i as u64 + 1),
                logs: (0..i % 4)
                    .map(|l| {
                        Log::new_unchecked(
                            Address::repeat_byte(l as u8),
                            vec![B256::repeat_byte(i as u8); l],
                            Bytes::from(vec![l as u8; 32 * l]),
                        )
                    })
                    .collect(),
            })
            .collect()
    }

    #[test]
    fn receipts_round_trip() -> ProviderResult<()> {
        for count in [0, 1, 3, 70] {
            let receipts = receipts(count);
            let row = encode(&receipts);
            assert_eq!(decode(&row)?, receipts);
            let mut logs = 0;
            for (index, receipt) in receipts.iter().enumerate() {
                let one = decode_one(&row, index as u64)?.expect("receipt exists");
                assert_eq!(&one.receipt, receipt);
                assert_eq!(one.gas_used, 21_000);
                assert_eq!(one.first_log_index, logs);
                logs += receipt.logs.len() as u64;
            }
            assert_eq!(decode_one(&row, count as u64)?, None);
        }
        Ok(())
    }
}
