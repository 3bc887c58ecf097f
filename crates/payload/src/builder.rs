//! [`PayloadBuilder`].

use crate::{
    BuildArguments, BuildError, BuildLimits,
    lane::{self, LaneChain},
    metrics,
};
use alloy_consensus::transaction::{Recovered, TxHashRef};
use alloy_primitives::{Address, TxHash};
use alloy_rlp::Encodable;
use peruri_evm::{AssembledBlock, BlockAssembler, BlockSession, ExecutionError, PeruriEvmConfig};
use peruri_primitives::{Header, TransactionSigned};
use peruri_storage::StateProvider;
use peruri_txpool::{BestTransactions, ValidPoolTransaction};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};
use tracing::debug;

/// RLP bytes that a block has beside header and transactions: list headers, empty ommers,
/// withdrawals.
const BODY_OVERHEAD: usize = 32;
/// RLP bytes of the seals and the round that the header gets later, for 100 validators.
const SEALS_ALLOWANCE: usize = 100 * 67 + 16;
/// RLP string header of a typed transaction in a block's body, at most.
const TX_OVERHEAD: usize = 4;
/// Gas below which no transaction can run (EIP-2).
const MIN_TRANSACTION_GAS: u64 = 21_000;

/// Builds candidates.
#[derive(Debug, Clone)]
pub struct PayloadBuilder {
    evm_config: PeruriEvmConfig,
    assembler: BlockAssembler,
}

/// A built block and how it came about.
#[derive(Debug, Clone)]
pub struct BuildOutcome {
    /// The executed block, without round and seals.
    pub assembled: AssembledBlock,
    /// Transactions that are invalid on this state. The pool should drop them.
    pub invalid: Vec<TxHash>,
    /// Transactions of the lane that were reverted and left out. The pool should know.
    pub reverted: Vec<TxHash>,
    /// Which bound ended the block.
    pub stopped_by: StopReason,
}

/// Which bound ended a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The pool has no more transactions.
    PoolExhausted,
    /// Less gas is left than any transaction needs.
    GasLimit,
    /// The time budget.
    Deadline,
    /// [`BuildLimits::max_transactions`].
    MaxTransactions,
}

impl PayloadBuilder {
    /// A builder for the chain of `evm_config`.
    pub fn new(evm_config: PeruriEvmConfig) -> Self {
        Self { assembler: BlockAssembler::new(evm_config.clone()), evm_config }
    }

    /// Builds a block on `state`, the state after the parent, from `best`. Blocking: state reads,
    /// execution, state root.
    ///
    /// # Errors
    /// [`BuildError`]; no block then.
    pub fn build(
        &self,
        arguments: &BuildArguments,
        state: &dyn StateProvider,
        mut best: BestTransactions,
    ) -> Result<BuildOutcome, BuildError> {
        let started = Instant::now();
        let header = self.evm_config.next_header(&arguments.parent, &arguments.attributes);
        let session = self.begin(&header, state)?;
        let limits = BuildLimits {
            max_bytes: arguments
                .limits
                .max_bytes
                .saturating_sub(header.length() + BODY_OVERHEAD + SEALS_ALLOWANCE),
            ..arguments.limits
        };
        let chains =
            lane::judge(best.take_lane(), state).map_err(peruri_evm::ExecutionError::from)?;
        let lane_gas = lane::gas(header.gas_limit, limits.lane_gas_share);
        let mut filling = Filling::new(session, limits);
        filling.fill_lane(chains, lane_gas, &mut best)?;
        let stopped_by = filling.fill(best)?;
        let Filling { session, transactions, senders, invalid, reverted, .. } = filling;
        let count = transactions.len();
        let assembled =
            self.assemble(arguments, header, session, (transactions, senders), state)?;
        metrics::built(started.elapsed(), count);
        Ok(BuildOutcome { assembled, invalid, reverted, stopped_by })
    }

    /// Builds the block that holds exactly `transactions`. Blocking. Bounds are not looked at.
    ///
    /// # Errors
    /// [`BuildError`], also if a transaction is invalid.
    pub fn build_exact<'t>(
        &self,
        arguments: &BuildArguments,
        state: &dyn StateProvider,
        transactions: impl Iterator<Item = Recovered<&'t TransactionSigned>>,
    ) -> Result<AssembledBlock, BuildError> {
        let header = self.evm_config.next_header(&arguments.parent, &arguments.attributes);
        let mut session = self.begin(&header, state)?;
        let (mut included, mut senders) = (Vec::new(), Vec::new());
        for tx in transactions {
            execute_guarded(&mut session, tx, Place::Turn)??;
            senders.push(tx.signer());
            included.push(tx.into_inner().clone());
        }
        self.assemble(arguments, header, session, (included, senders), state)
    }

    fn begin<'a>(
        &'a self,
        header: &Header,
        state: &'a dyn StateProvider,
    ) -> Result<BlockSession<'a>, ExecutionError> {
        self.evm_config.begin(header, self.evm_config.block_context(header), state)
    }

    fn assemble(
        &self,
        arguments: &BuildArguments,
        header: Header,
        session: BlockSession<'_>,
        (transactions, senders): (Vec<TransactionSigned>, Vec<Address>),
        state: &dyn StateProvider,
    ) -> Result<AssembledBlock, BuildError> {
        let outcome = session.finish()?;
        let withdrawals = arguments.attributes.withdrawals.clone();
        Ok(self.assembler.assemble_block(
            header,
            transactions,
            senders,
            withdrawals,
            outcome,
            state,
        )?)
    }
}

/// A block while transactions are added to it.
struct Filling<'a> {
    session: BlockSession<'a>,
    limits: BuildLimits,
    bytes: usize,
    transactions: Vec<TransactionSigned>,
    senders: Vec<Address>,
    invalid: Vec<TxHash>,
    reverted: Vec<TxHash>,
}

/// Where in the block a transaction is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the lane, as far as this much gas of the block is not used. Only if it succeeds.
    Lane { gas: u64 },
    /// Wherever its turn comes.
    Turn,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    Taken,
    /// There is no room for it here.
    NoRoom,
    /// It is invalid, or reverted where it must not be.
    LeftOut,
}

impl<'a> Filling<'a> {
    const fn new(session: BlockSession<'a>, limits: BuildLimits) -> Self {
        Self {
            session,
            limits,
            bytes: 0,
            transactions: Vec::new(),
            senders: Vec::new(),
            invalid: Vec::new(),
            reverted: Vec::new(),
        }
    }

    /// Takes the lane's transactions within `gas`. What is not taken for want of room goes on as
    /// ordinary, what is left out has no turn in this block.
    fn fill_lane(
        &mut self,
        chains: Vec<LaneChain>,
        gas: u64,
        best: &mut BestTransactions,
    ) -> Result<(), BuildError> {
        for chain in chains {
            for tx in chain {
                if self.bound().is_some() {
                    break;
                }
                match self.add(&tx, Place::Lane { gas })? {
                    Added::Taken => best.begin_after(&tx),
                    Added::NoRoom => break,
                    Added::LeftOut => {
                        best.mark_invalid(&tx);
                        break;
                    }
                }
            }
        }
        metrics::lane(self.transactions.len(), self.session.gas_used(), gas);
        Ok(())
    }

    /// The bound that keeps any further transaction out.
    fn bound(&self) -> Option<StopReason> {
        if self.transactions.len() >= self.limits.max_transactions {
            Some(StopReason::MaxTransactions)
        } else if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some(StopReason::Deadline)
        } else if self.session.gas_available() < MIN_TRANSACTION_GAS {
            Some(StopReason::GasLimit)
        } else {
            None
        }
    }

    /// Takes transactions from `best` until a bound is reached.
    fn fill(&mut self, mut best: BestTransactions) -> Result<StopReason, BuildError> {
        loop {
            if let Some(bound) = self.bound() {
                return Ok(bound);
            }
            let Some(tx) = best.next() else { return Ok(StopReason::PoolExhausted) };
            if self.add(&tx, Place::Turn)? != Added::Taken {
                best.mark_invalid(&tx);
            }
        }
    }

    /// Executes one transaction.
    fn add(&mut self, tx: &ValidPoolTransaction, place: Place) -> Result<Added, BuildError> {
        let bytes = tx.encoded_length().saturating_add(TX_OVERHEAD);
        let gas = match place {
            Place::Lane { gas } => gas.saturating_sub(self.session.gas_used()),
            Place::Turn => self.session.gas_available(),
        };
        let fits = self.bytes.saturating_add(bytes) <= self.limits.max_bytes;
        // Blob transactions exist only on chains that this node does not build blocks for.
        if !fits || tx.gas_limit() > gas || tx.is_eip4844() {
            return Ok(Added::NoRoom);
        }
        let recovered = Recovered::new_unchecked(tx.transaction().inner(), tx.sender());
        match execute_guarded(&mut self.session, recovered, place)? {
            Ok(false) => {
                debug!(target: "payload", hash = %tx.hash(), "append reverted: left out");
                metrics::lane_reverted();
                self.reverted.push(*tx.hash());
                Ok(Added::LeftOut)
            }
            Ok(true) => {
                let (transaction, sender) = tx.to_consensus().into_parts();
                self.bytes = self.bytes.saturating_add(bytes);
                self.transactions.push(transaction);
                self.senders.push(sender);
                Ok(Added::Taken)
            }
            Err(error) if error.is_invalid_transaction() => {
                debug!(target: "payload", hash = %tx.hash(), %error, "transaction left out");
                if error.transaction_error().is_some_and(|reason| !reason.is_block_full()) {
                    metrics::skipped_invalid();
                    self.invalid.push(*tx.hash());
                }
                Ok(Added::LeftOut)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Executes a transaction and says whether it belongs to the block. Turns a panic into an error that
/// names the transaction, so that one cannot stop a validator for good. The session must be dropped
/// after a panic.
fn execute_guarded(
    session: &mut BlockSession<'_>,
    tx: Recovered<&TransactionSigned>,
    place: Place,
) -> Result<Result<bool, ExecutionError>, BuildError> {
    let execute = || match place {
        Place::Lane { .. } => session.execute_successful(tx).map(|outcome| outcome.success),
        Place::Turn => session.execute_transaction(tx).map(|_| true),
    };
    catch_unwind(AssertUnwindSafe(execute)).map_err(|panic| BuildError::Panicked {
        hash: *tx.tx_hash(),
        message: panic_message(panic.as_ref()),
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned())
}
