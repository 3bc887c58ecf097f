//! Logs.

use super::Writer;
use alloy_primitives::{B256, Log};

/// Where a log stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogContext {
    pub(crate) block_hash: B256,
    pub(crate) block_number: u64,
    pub(crate) timestamp: u64,
    pub(crate) tx_hash: B256,
    pub(crate) tx_index: u64,
}

/// Writes one log; `index` is its place in the block.
pub(crate) fn write_log(out: &mut Writer, log: &Log, at: &LogContext, index: u64) {
    out.begin();
    out.field_data("address", log.address.as_slice());
    out.key("topics");
    out.begin_array();
    log.topics().iter().for_each(|topic| out.data(topic.as_slice()));
    out.end_array();
    out.field_data("data", &log.data.data);
    out.field_quantity("blockNumber", at.block_number);
    out.field_data("transactionHash", at.tx_hash.as_slice());
    out.field_quantity("transactionIndex", at.tx_index);
    out.field_data("blockHash", at.block_hash.as_slice());
    out.field_quantity("blockTimestamp", at.timestamp);
    out.field_quantity("logIndex", index);
    out.field_bool("removed", false);
    out.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, bytes};
    use serde_json::Value;

    #[test]
    fn agrees_with_alloy() -> serde_json::Result<()> {
        let log = Log::new_unchecked(
            Address::repeat_byte(1),
            vec![B256::repeat_byte(2), B256::ZERO],
            bytes!("aabb"),
        );
        let at = LogContext {
            block_hash: B256::repeat_byte(3),
            block_number: 4,
            timestamp: 5,
            tx_hash: B256::repeat_byte(6),
            tx_index: 7,
        };
        let mut out = Writer::with_capacity(512);
        write_log(&mut out, &log, &at, 8);
        let ours: Value = out.finish::<Value>()?.decode()?;
        let theirs = alloy_rpc_types_eth::Log {
            inner: log,
            block_hash: Some(at.block_hash),
            block_number: Some(4),
            block_timestamp: Some(5),
            transaction_hash: Some(at.tx_hash),
            transaction_index: Some(7),
            log_index: Some(8),
            removed: false,
        };
        assert_eq!(ours, serde_json::to_value(theirs)?);
        Ok(())
    }
}
