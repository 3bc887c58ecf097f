//! A transaction as the pool keeps it.

use alloy_consensus::{InMemorySize, Transaction, Typed2718, transaction::Recovered};
use alloy_primitives::{Address, TxHash, U256};
use peruri_evm::plog::AppendCall;
use peruri_primitives::TransactionSigned;
use std::time::Instant;

/// Where a transaction came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionOrigin {
    /// From this node's own clients (RPC): journalled and handed on to peers.
    Local,
    /// From a peer.
    External,
    /// From this node's own clients, neither journalled nor handed on.
    Private,
}

impl TransactionOrigin {
    /// Whether it came from this node's clients and is journalled.
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Local)
    }
}

/// A transaction that passed all checks, with its sender and what the pool derived from it. Blob
/// sidecars are kept apart from it.
#[derive(Debug)]
pub struct ValidPoolTransaction {
    pub(crate) transaction: Recovered<TransactionSigned>,
    pub(crate) hash: TxHash,
    pub(crate) cost: U256,
    pub(crate) encoded_length: usize,
    pub(crate) size: usize,
    pub(crate) origin: TransactionOrigin,
    pub(crate) authorities: Box<[Address]>,
    pub(crate) timestamp: Instant,
    pub(crate) lane: Option<AppendCall>,
}

/// What a transaction costs in the pool beside itself: its places in the maps.
const OVERHEAD: usize = 256;

impl ValidPoolTransaction {
    pub(crate) fn new(
        transaction: Recovered<TransactionSigned>,
        encoded_length: usize,
        origin: TransactionOrigin,
        authorities: Box<[Address]>,
        timestamp: Instant,
        lane: Option<AppendCall>,
    ) -> Self {
        let tx = transaction.inner();
        let size = tx.size() + size_of_val(&*authorities) + OVERHEAD;
        Self {
            hash: *tx.tx_hash(),
            cost: max_cost(tx),
            encoded_length,
            size,
            origin,
            authorities,
            timestamp,
            lane,
            transaction,
        }
    }

    /// The transaction's hash.
    pub const fn hash(&self) -> &TxHash {
        &self.hash
    }

    /// The account that signed it.
    pub const fn sender(&self) -> Address {
        self.transaction.signer()
    }

    /// The account that signed it.
    pub const fn sender_ref(&self) -> &Address {
        self.transaction.signer_ref()
    }

    /// The sender's nonce that it uses.
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    /// The transaction with its sender.
    pub const fn transaction(&self) -> &Recovered<TransactionSigned> {
        &self.transaction
    }

    /// A copy of the transaction with its sender, for the block builder.
    pub fn to_consensus(&self) -> Recovered<TransactionSigned> {
        self.transaction.clone()
    }

    /// Gas it may use.
    pub fn gas_limit(&self) -> u64 {
        self.transaction.gas_limit()
    }

    /// The most it can cost its sender: gas, blob gas and value, in wei.
    pub const fn cost(&self) -> &U256 {
        &self.cost
    }

    /// Most it pays for a unit of gas, in wei.
    pub fn max_fee_per_gas(&self) -> u128 {
        self.transaction.max_fee_per_gas()
    }

    /// Most it pays the proposer for a unit of gas, in wei.
    pub fn priority_fee_or_price(&self) -> u128 {
        self.transaction.priority_fee_or_price()
    }

    /// What the proposer gets for a unit of gas at `base_fee`, in wei; `None` below the base fee.
    pub fn effective_tip_per_gas(&self, base_fee: u64) -> Option<u128> {
        self.transaction.effective_tip_per_gas(base_fee)
    }

    /// Length of its EIP-2718 encoding in bytes, with its sidecar if it has one.
    pub const fn encoded_length(&self) -> usize {
        self.encoded_length
    }

    /// Memory it takes, in bytes (estimated, without sidecar).
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Where it came from.
    pub const fn origin(&self) -> TransactionOrigin {
        self.origin
    }

    /// Whether it is handed on to peers.
    pub const fn propagate(&self) -> bool {
        !matches!(self.origin, TransactionOrigin::Private)
    }

    /// Whether it is a blob transaction (EIP-4844).
    pub fn is_eip4844(&self) -> bool {
        self.transaction.is_eip4844()
    }

    /// When it entered the pool.
    pub const fn timestamp(&self) -> Instant {
        self.timestamp
    }

    /// What it appends, if it is one for the lane: by its form, and because its sender was the signer
    /// of that active source when it entered.
    pub const fn lane(&self) -> Option<AppendCall> {
        self.lane
    }

    /// Accounts whose code it sets (EIP-7702).
    pub fn authorities(&self) -> &[Address] {
        &self.authorities
    }
}

/// The most `tx` can cost its sender in wei; saturates, since nobody has 2^256 - 1 wei.
fn max_cost(tx: &TransactionSigned) -> U256 {
    let gas = U256::from(tx.gas_limit()) * U256::from(tx.max_fee_per_gas());
    let blobs = U256::from(tx.blob_gas_used().unwrap_or_default())
        * U256::from(tx.max_fee_per_blob_gas().unwrap_or_default());
    gas.saturating_add(blobs).saturating_add(tx.value())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_consensus::{Signed, TxEip1559};
    use alloy_primitives::{Signature, TxKind};

    fn tx(value: U256, gas_limit: u64, max_fee_per_gas: u128) -> TransactionSigned {
        let tx = TxEip1559 {
            chain_id: 1,
            gas_limit,
            max_fee_per_gas,
            to: TxKind::Call(Address::ZERO),
            value,
            ..Default::default()
        };
        Signed::new_unhashed(tx, Signature::test_signature()).into()
    }

    #[test]
    fn cost_is_gas_plus_value() {
        assert_eq!(max_cost(&tx(U256::from(5), 21_000, 2)), U256::from(42_005));
    }

    #[test]
    fn cost_saturates() {
        assert_eq!(max_cost(&tx(U256::MAX, 21_000, u128::MAX)), U256::MAX);
    }
}
