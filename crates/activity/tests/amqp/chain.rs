//! A chain whose blocks hold what the source has sealed, with the receipts that the log would give.

use alloy_consensus::{Header as PlainHeader, Transaction};
use alloy_eips::Decodable2718;
use alloy_primitives::{B256, Bytes, Log};
use alloy_sol_types::{SolCall, SolEvent};
use parking_lot::Mutex;
use peruri_activity::{
    ActivityId, SourceKey,
    chain::{ChainEntry, ChainView, Lane, Limits, Offered, SourceState},
    rows::StoreError,
};
use peruri_evm::plog::abi::IPlog;
use peruri_plog::{ENTRY_LEN, PLOG_ADDRESS, batch_root, leaf_hash};
use peruri_primitives::{Block, BlockBody, Header, Receipt, RecoveredBlock, TransactionSigned};
use peruri_storage::{BlockExecutionOutput, ExecutedBlock, ProviderFactory};
use peruri_trie::HashedPostState;
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const SOURCE: u32 = 1;

pub(crate) fn key() -> SourceKey {
    SourceKey::new(&B256::repeat_byte(1)).unwrap()
}

pub(crate) fn log_id() -> B256 {
    B256::right_padding_from(b"activity")
}

#[derive(Default)]
struct State {
    height: u64,
    nonce: u64,
    lane: BTreeMap<u64, Bytes>,
    /// All entries of the source.
    entries: Vec<[u8; ENTRY_LEN]>,
}

/// What is final, and what waits; it outlives the node.
#[derive(Clone, Default)]
pub(crate) struct Chain(Arc<Mutex<State>>);

impl Chain {
    /// Ids of all activities on chain, in order.
    pub(crate) fn ids(&self) -> Vec<[u8; 16]> {
        let entry = |entry: &[u8; ENTRY_LEN]| peruri_plog::Entry::decode(entry).unwrap();
        self.0.lock().entries.iter().map(|it| entry(it).activity_id).collect()
    }

    /// Commits a block with what waits.
    pub(crate) fn produce(&self, factory: &ProviderFactory) {
        let mut state = self.0.lock();
        let (mut transactions, mut receipts) = (Vec::new(), Vec::new());
        loop {
            let nonce = state.nonce;
            let Some(raw) = state.lane.remove(&nonce) else { break };
            let tx = TransactionSigned::decode_2718_exact(&raw).unwrap();
            let logs = vec![state.append(&tx)];
            let tx_type = alloy_consensus::TxType::Eip1559;
            receipts.push(Receipt { tx_type, success: true, cumulative_gas_used: 0, logs });
            transactions.push(tx);
            state.nonce += 1;
        }
        let parent = factory.last_header().unwrap();
        let number = parent.number + 1;
        let hashed = HashedPostState::default();
        let trie = factory.latest().unwrap().state_root_with_updates(&hashed).unwrap();
        let header = PlainHeader {
            parent_hash: parent.hash(),
            number,
            state_root: trie.root,
            timestamp: number,
            ..PlainHeader::default()
        };
        let senders = vec![key().address(); transactions.len()];
        let body = BlockBody { transactions, ..Default::default() };
        let block = Block { header: Header::from(header), body };
        state.height = number;
        drop(state);
        let block = ExecutedBlock {
            recovered_block: Arc::new(RecoveredBlock::new_unhashed(block, senders)),
            execution_output: Arc::new(BlockExecutionOutput { receipts, ..Default::default() }),
            hashed_state: Arc::new(hashed),
            trie: Arc::new(trie),
        };
        factory.commit_block(&block).unwrap();
    }
}

impl State {
    /// Takes the entries of an append over and returns its event.
    fn append(&mut self, tx: &TransactionSigned) -> Log {
        let call = IPlog::appendCall::abi_decode(tx.input()).unwrap();
        let (entries, rest) = call.entries.as_chunks::<ENTRY_LEN>();
        assert!(rest.is_empty());
        let first_index = self.entries.len() as u64;
        assert_eq!((call.logId, call.firstSeq), (log_id(), first_index + 1));
        self.entries.extend(entries);
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let event = IPlog::Appended {
            logId: call.logId,
            sourceId: SOURCE,
            firstSeq: call.firstSeq,
            firstIndex: first_index,
            newSize: self.entries.len() as u64,
            batchRoot: batch_root(&leaves),
            root: B256::ZERO,
        };
        Log { address: PLOG_ADDRESS, data: event.encode_log_data() }
    }
}

impl ChainView for Chain {
    fn source(&self) -> Result<SourceState, StoreError> {
        let state = self.0.lock();
        let next_seq = state.entries.len() as u64 + 1;
        let (height, nonce) = (state.height, state.nonce);
        Ok(SourceState { height, next_seq, nonce, may_append: true })
    }

    fn limits(&self) -> Result<Limits, StoreError> {
        Ok(Limits { base_fee: 0, max_gas: 1 << 24, subject_chains: false })
    }

    fn published(&self, ids: &[ActivityId]) -> Result<Vec<Option<(B256, u64)>>, StoreError> {
        Ok(vec![None; ids.len()])
    }

    fn entries(&self, _: u64, _: usize) -> Result<Vec<ChainEntry>, StoreError> {
        // Asked only by an inbox that was lost.
        Err(StoreError::new("no inbox is lost here"))
    }
}

impl Lane for Chain {
    fn offer(&self, raw: &Bytes) -> Offered {
        let nonce = TransactionSigned::decode_2718_exact(raw).unwrap().nonce();
        let mut state = self.0.lock();
        if nonce >= state.nonce {
            state.lane.entry(nonce).or_insert_with(|| raw.clone());
        }
        Offered::Taken
    }

    fn pending(&self) -> Vec<Bytes> {
        self.0.lock().lane.values().cloned().collect()
    }
}
