//! The chain of one node, as its RPC shows it.

use crate::{Client, Result, TestnetError, rpc};
use alloy_primitives::B256;
use serde_json::{Value, json};

/// Blocks asked for in one batch.
const BATCH: u64 = 50;

/// A node's chain from block 0 to its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The node's name.
    pub node: String,
    /// Its blocks by height.
    pub blocks: Vec<ChainBlock>,
}

/// What checks need of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainBlock {
    /// Its hash.
    pub hash: B256,
    /// Its parent's hash.
    pub parent: B256,
    /// State, receipts and transactions root.
    pub roots: [B256; 3],
    /// Hashes of its transactions.
    pub transactions: Vec<B256>,
}

impl Chain {
    /// Reads all blocks up to the node's head.
    ///
    /// # Errors
    /// As [`Client::call`]; [`TestnetError::Answer`] if a block is missing.
    pub async fn download(node: &str, client: &Client) -> Result<Self> {
        let head = client.block_number().await?;
        let mut blocks = Vec::new();
        let mut next = 0;
        while next <= head {
            let end = head.min(next + BATCH - 1);
            let requests = (next..=end).map(|number| {
                json!({
                    "jsonrpc": "2.0", "id": number, "method": "eth_getBlockByNumber",
                    "params": [format!("{number:#x}"), false],
                })
            });
            let body = Value::Array(requests.collect()).to_string().into_bytes();
            let answer = client.post("eth_getBlockByNumber", body).await?;
            for number in next..=end {
                blocks.push(ChainBlock::parse(number, by_id(&answer, number))?);
            }
            next = end + 1;
        }
        Ok(Self { node: node.to_owned(), blocks })
    }

    /// Number of the newest block.
    pub const fn head(&self) -> u64 {
        (self.blocks.len() as u64).saturating_sub(1)
    }

    /// The block at a height.
    pub fn block(&self, height: u64) -> Option<&ChainBlock> {
        self.blocks.get(usize::try_from(height).ok()?)
    }
}

/// The answer to one request of a batch: they come in any order.
pub(super) fn by_id(answers: &Value, id: u64) -> &Value {
    let answers = answers.as_array().map(Vec::as_slice).unwrap_or_default();
    answers.iter().find(|answer| answer["id"] == id).map_or(&Value::Null, |it| &it["result"])
}

impl ChainBlock {
    fn parse(number: u64, block: &Value) -> Result<Self> {
        let method = format!("block {number}");
        if rpc::quantity(&method, &block["number"])? != number {
            return Err(TestnetError::Answer {
                method,
                expected: "the block that was asked for",
                got: block["number"].to_string(),
            });
        }
        let hash = |key: &str| rpc::parse(&method, "a hash", &block[key]);
        let transactions = block["transactions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let transactions = transactions.iter().map(|it| rpc::parse(&method, "a hash", it));
        Ok(Self {
            hash: hash("hash")?,
            parent: hash("parentHash")?,
            roots: [hash("stateRoot")?, hash("receiptsRoot")?, hash("transactionsRoot")?],
            transactions: transactions.collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A chain of `length` blocks in which the hash of block i is made of byte i + 1.
    pub(in crate::check) fn chain(node: &str, length: u8) -> Chain {
        let hash = |number: u8| B256::repeat_byte(number);
        let blocks = (0..length).map(|number| ChainBlock {
            hash: hash(number + 1),
            parent: hash(number),
            roots: [hash(0x10 + number), hash(0x20), hash(0x30)],
            transactions: vec![hash(0x40 + number)],
        });
        Chain { node: node.to_owned(), blocks: blocks.collect() }
    }

    #[test]
    fn a_block_is_read_from_its_json() {
        let hash = B256::repeat_byte(7);
        let block = json!({
            "number": "0x10", "hash": hash, "parentHash": hash, "stateRoot": hash,
            "receiptsRoot": hash, "transactionsRoot": hash, "transactions": [hash],
        });
        assert_eq!(ChainBlock::parse(16, &block).expect("block").transactions, [hash]);
        assert!(ChainBlock::parse(17, &block).is_err());
        assert!(ChainBlock::parse(0, &Value::Null).is_err());
    }

    #[test]
    fn answers_of_a_batch_are_found_in_any_order() {
        let answers = json!([{ "id": 2, "result": "b" }, { "id": 1, "result": "a" }]);
        assert_eq!(by_id(&answers, 1), "a");
        assert_eq!(by_id(&answers, 3), &Value::Null);
    }
}
