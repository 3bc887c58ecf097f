//! What a committed block says about one source. Live and replayed blocks give the same facts.

use alloy_consensus::{Transaction, TxReceipt};
use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEvent;
use peruri_evm::plog::abi::IPlog;
use peruri_plog::PLOG_ADDRESS;
use peruri_primitives::{Receipt, RecoveredBlock};

/// The facts of one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockFacts {
    /// Its number.
    pub number: u64,
    /// Transactions of the source's signer, in order.
    pub transactions: Vec<OwnTransaction>,
    /// Appends of the source, in order.
    pub appends: Vec<Appended>,
}

/// A transaction of the source's signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnTransaction {
    /// Its hash.
    pub hash: B256,
    /// Its nonce.
    pub nonce: u64,
    /// It was not reverted.
    pub success: bool,
}

/// An append of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The transaction that did it.
    pub tx_hash: B256,
    /// The log.
    pub log: B256,
    /// The first number.
    pub first_seq: u64,
    /// Index of the first entry in the log.
    pub first_index: u64,
    /// How many entries.
    pub count: u64,
    /// Root of the tree over these entries alone (RFC 9162 §2.1.1).
    pub batch_root: B256,
}

impl BlockFacts {
    /// Reads a block and its receipts.
    pub fn decode(
        block: &RecoveredBlock,
        receipts: &[Receipt],
        source: u32,
        signer: Address,
    ) -> Self {
        let mut facts = Self { number: block.header().number, ..Self::default() };
        let transactions = block.body().transactions.iter().zip(block.senders()).zip(receipts);
        for ((tx, sender), receipt) in transactions {
            let hash = *tx.tx_hash();
            if *sender == signer {
                let (nonce, success) = (tx.nonce(), receipt.status());
                facts.transactions.push(OwnTransaction { hash, nonce, success });
            }
            let own = receipt.logs().iter().filter(|log| log.address == PLOG_ADDRESS);
            let events = own.filter_map(|log| IPlog::Appended::decode_log_data(&log.data).ok());
            for event in events.filter(|event| event.sourceId == source) {
                facts.appends.push(Appended {
                    tx_hash: hash,
                    log: event.logId,
                    first_seq: event.firstSeq,
                    first_index: event.firstIndex,
                    count: event.newSize.saturating_sub(event.firstIndex),
                    batch_root: event.batchRoot,
                });
            }
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_consensus::{Header as PlainHeader, SignableTransaction, TxLegacy, TxType};
    use alloy_primitives::{Log, LogData, Signature};
    use peruri_primitives::{Block, BlockBody, Header};

    const SIGNER: Address = Address::repeat_byte(1);
    const LOG: B256 = B256::repeat_byte(2);

    fn appended(address: Address, source: u32) -> Log {
        let event = IPlog::Appended {
            logId: LOG,
            sourceId: source,
            firstSeq: 5,
            firstIndex: 10,
            newSize: 13,
            batchRoot: B256::repeat_byte(3),
            root: B256::repeat_byte(4),
        };
        Log { address, data: event.encode_log_data() }
    }

    fn receipt(success: bool, logs: Vec<Log>) -> Receipt {
        Receipt { tx_type: TxType::Legacy, success, cumulative_gas_used: 0, logs }
    }

    #[test]
    fn only_the_signers_transactions_and_the_sources_appends_are_read() {
        let tx = |nonce| TxLegacy { nonce, ..TxLegacy::default() };
        let tx = |nonce| tx(nonce).into_signed(Signature::test_signature()).into();
        let body = BlockBody { transactions: (7..11).map(tx).collect(), ..Default::default() };
        let hashes: Vec<_> = body.transactions.iter().map(|tx| *tx.tx_hash()).collect();
        let header = Header::from(PlainHeader { number: 9, ..PlainHeader::default() });
        let senders = vec![Address::ZERO, SIGNER, SIGNER, Address::ZERO];
        let block = RecoveredBlock::new_unhashed(Block { header, body }, senders);
        let junk = Log { address: PLOG_ADDRESS, data: LogData::default() };
        let receipts = [
            receipt(true, vec![appended(PLOG_ADDRESS, 2)]),
            receipt(true, vec![junk, appended(SIGNER, 1), appended(PLOG_ADDRESS, 1)]),
            receipt(false, Vec::new()),
            receipt(true, Vec::new()),
        ];
        let facts = BlockFacts::decode(&block, &receipts, 1, SIGNER);
        let own = |at: usize, nonce, success| OwnTransaction { hash: hashes[at], nonce, success };
        let append = Appended {
            tx_hash: hashes[1],
            log: LOG,
            first_seq: 5,
            first_index: 10,
            count: 3,
            batch_root: B256::repeat_byte(3),
        };
        let transactions = vec![own(1, 8, true), own(2, 9, false)];
        assert_eq!(facts, BlockFacts { number: 9, transactions, appends: vec![append] });
    }
}
