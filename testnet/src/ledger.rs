//! What a client was told: blocks by number and hash. A node that crashed must still have them.

use crate::{Client, Result, TestnetError, rpc};
use alloy_primitives::B256;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// How often the head is asked for. Shorter than any block period used here.
const POLL: Duration = Duration::from_millis(20);

/// A block as a client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Number of its transactions.
    pub transactions: usize,
}

impl SeenBlock {
    /// Reads an answer of `eth_getBlockByNumber`.
    ///
    /// # Errors
    /// [`TestnetError::Answer`].
    pub fn parse(block: &Value) -> Result<Self> {
        let method = "eth_getBlockByNumber";
        Ok(Self {
            number: rpc::quantity(method, &block["number"])?,
            hash: rpc::parse(method, "a block hash", &block["hash"])?,
            transactions: block["transactions"].as_array().map_or(0, Vec::len),
        })
    }
}

/// Every block that was acknowledged, in order.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    blocks: BTreeMap<u64, SeenBlock>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// The highest block seen.
    pub fn head(&self) -> Option<SeenBlock> {
        self.blocks.values().next_back().copied()
    }

    /// Number of blocks seen.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// True if nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Number of transactions in the blocks seen.
    pub fn transactions(&self) -> usize {
        self.blocks.values().map(|block| block.transactions).sum()
    }

    /// Notes a block.
    ///
    /// # Errors
    /// [`TestnetError::Answer`] if another hash was seen at that height: a final block changed.
    pub fn note(&mut self, block: SeenBlock) -> Result<()> {
        match self.blocks.insert(block.number, block) {
            Some(before) if before.hash != block.hash => Err(TestnetError::Answer {
                method: format!("block {}", block.number),
                expected: "the hash seen before",
                got: format!("{}, before {}", block.hash, before.hash),
            }),
            _ => Ok(()),
        }
    }

    /// Notes every block from the last one seen to the node's head.
    ///
    /// # Errors
    /// As [`Client::call`] and [`Ledger::note`].
    pub async fn catch_up(&mut self, client: &Client) -> Result<()> {
        let head = client.block_number().await?;
        let next = self.head().map_or(head, |seen| seen.number + 1);
        for number in next..=head {
            if let Some(block) = client.block(format!("{number:#x}")).await? {
                self.note(SeenBlock::parse(&block)?)?;
            }
        }
        Ok(())
    }

    /// Watches the node until the connection breaks; the normal end is a crash of the node.
    ///
    /// # Errors
    /// As [`Ledger::catch_up`], except for a broken connection.
    pub async fn watch(&mut self, client: &Client) -> Result<()> {
        loop {
            match self.catch_up(client).await {
                Ok(()) => tokio::time::sleep(POLL).await,
                Err(error) if error.is_connection() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the node for the last `depth` blocks seen; returns those that it lost or changed.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn lost(&self, client: &Client, depth: usize) -> Result<Vec<SeenBlock>> {
        let mut lost = Vec::new();
        for seen in self.blocks.values().rev().take(depth) {
            let now = client.block(format!("{:#x}", seen.number)).await?;
            let same = match now {
                Some(block) => SeenBlock::parse(&block)? == *seen,
                None => false,
            };
            if !same {
                lost.push(*seen);
            }
        }
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(number: u64, byte: u8) -> SeenBlock {
        SeenBlock { number, hash: B256::repeat_byte(byte), transactions: 2 }
    }

    #[test]
    fn a_changed_block_is_an_error() {
        let mut ledger = Ledger::new();
        ledger.note(seen(1, 1)).expect("new");
        ledger.note(seen(1, 1)).expect("the same again");
        assert!(ledger.note(seen(1, 2)).is_err());
    }

    #[test]
    fn head_is_the_highest_number() {
        let mut ledger = Ledger::new();
        assert!(ledger.is_empty());
        ledger.note(seen(9, 1)).expect("new");
        ledger.note(seen(3, 2)).expect("new");
        assert_eq!(ledger.head(), Some(seen(9, 1)));
        assert_eq!((ledger.len(), ledger.transactions()), (2, 4));
    }

    #[test]
    fn a_block_is_read_from_its_json() {
        let hash = B256::repeat_byte(7);
        let block = json!({ "number": "0x10", "hash": hash, "transactions": ["0x", "0x"] });
        assert_eq!(SeenBlock::parse(&block).expect("block"), seen(16, 7));
        assert!(SeenBlock::parse(&json!({ "number": "0x10" })).is_err());
    }
}
