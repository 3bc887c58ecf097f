//! A chain whose blocks hold transactions and receipts, but change one account only.

use alloy_consensus::{Header as PlainHeader, SignableTransaction, TxLegacy, TxType};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256, keccak256};
use peruri_chainspec::ChainSpec;
use peruri_exex::{CommittedBlock, ExExContext, ExExError, ExExManager, ExExNotification};
use peruri_primitives::{Block, BlockBody, Header, Receipt, RecoveredBlock};
use peruri_storage::{BlockExecutionOutput, DbOptions, ExecutedBlock, ProviderFactory};
use peruri_trie::HashedPostState;
use reth_primitives_traits::Account;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Name of the extension under test.
pub(crate) const NAME: &str = "probe";

/// A store, and every block as it was when it was committed.
pub(crate) struct Lab {
    dir: TempDir,
    pub(crate) factory: ProviderFactory,
    pub(crate) committed: Vec<CommittedBlock>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let factory = open(&dir);
        factory.init_genesis().unwrap();
        Self { dir, factory, committed: Vec::new() }
    }

    /// Closes and opens the database.
    pub(crate) fn reopen(self) -> Self {
        let Self { dir, factory, committed } = self;
        drop(factory);
        Self { factory: open(&dir), dir, committed }
    }

    /// Commits a block with one transaction per number, which is how many logs it has.
    pub(crate) fn commit(&mut self, logs: &[u8]) {
        let block = self.execute(logs);
        self.factory.commit_block(&block).unwrap();
        self.committed.push(CommittedBlock {
            block: block.recovered_block.clone(),
            receipts: block.execution_output.receipts.clone(),
        });
    }

    pub(crate) fn commit_many(&mut self, blocks: usize) {
        for number in 0..blocks {
            self.commit(&[(number % 3) as u8]);
        }
    }

    fn execute(&self, logs: &[u8]) -> ExecutedBlock {
        let parent = self.factory.last_header().unwrap();
        let number = parent.number + 1;
        let mut state = HashedPostState::default();
        let account = Account::new(number, U256::from(number), None);
        state.accounts.insert(keccak256(Address::repeat_byte(1)), Some(account));
        let trie = self.factory.latest().unwrap().state_root_with_updates(&state).unwrap();
        let header = PlainHeader {
            parent_hash: parent.hash(),
            number,
            state_root: trie.root,
            timestamp: number,
            ..PlainHeader::default()
        };
        let transactions = (0..logs.len()).map(|index| transaction(number, index)).collect();
        let body = BlockBody { transactions, ..Default::default() };
        let senders = (0..logs.len()).map(|index| Address::repeat_byte(index as u8)).collect();
        let block = Block { header: Header::from(header), body };
        let receipts: Vec<_> =
            logs.iter().enumerate().map(|(index, logs)| receipt(index, *logs)).collect();
        ExecutedBlock {
            recovered_block: Arc::new(RecoveredBlock::new_unhashed(block, senders)),
            execution_output: Arc::new(BlockExecutionOutput { receipts, ..Default::default() }),
            hashed_state: Arc::new(state),
            trie: Arc::new(trie),
        }
    }

    /// Starts the manager with one extension.
    pub(crate) fn start(&self) -> Running {
        let stop = CancellationToken::new();
        let (manager, contexts) =
            ExExManager::install(self.factory.clone(), &[NAME], stop.clone()).unwrap();
        let [context] = <[ExExContext; 1]>::try_from(contexts).unwrap();
        Running { context, stop, manager: tokio::spawn(manager.run()) }
    }
}

/// A running manager with the context of its extension.
pub(crate) struct Running {
    pub(crate) context: ExExContext,
    pub(crate) stop: CancellationToken,
    pub(crate) manager: JoinHandle<Result<(), ExExError>>,
}

impl Running {
    pub(crate) async fn next(&mut self) -> ExExNotification {
        self.context.notifications.next().await.unwrap().unwrap()
    }

    /// The next block, and whether the extension was told that it lags before.
    pub(crate) async fn next_block(&mut self) -> (Arc<CommittedBlock>, bool) {
        let mut lagged = false;
        loop {
            match self.next().await {
                ExExNotification::ChainCommitted { new } => return (new, lagged),
                ExExNotification::Lagged { .. } => lagged = true,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Stops the manager as the node does.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.manager.await.unwrap().unwrap();
    }
}

fn open(dir: &TempDir) -> ProviderFactory {
    let spec = Arc::new(ChainSpec::dev());
    ProviderFactory::open(dir.path().join("db"), spec, DbOptions::default()).unwrap()
}

fn transaction(number: u64, index: usize) -> peruri_primitives::TransactionSigned {
    let tx = TxLegacy {
        nonce: number,
        gas_limit: 21_000 + index as u64,
        to: TxKind::Call(Address::repeat_byte(2)),
        input: Bytes::from(vec![index as u8; index % 90]),
        ..TxLegacy::default()
    };
    tx.into_signed(Signature::test_signature()).into()
}

fn receipt(index: usize, logs: u8) -> Receipt {
    let log = |at: u8| {
        let topics = vec![B256::repeat_byte(at); usize::from(at % 5)];
        Log::new_unchecked(Address::repeat_byte(at), topics, Bytes::from(vec![at; at.into()]))
    };
    Receipt {
        tx_type: TxType::Legacy,
        success: !index.is_multiple_of(3),
        cumulative_gas_used: (index as u64 + 1) * 21_000,
        logs: (0..logs).map(log).collect(),
    }
}
