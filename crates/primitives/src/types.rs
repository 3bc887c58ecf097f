//! Type aliases of the chain's data and their [`NodePrimitives`] bundle.

use alloy_consensus::{EthereumReceipt, EthereumTxEnvelope, TxEip4844, TxType};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use reth_primitives_traits::NodePrimitives;

/// Block header whose hash follows the IBFT 2.0 rule on IBFT 2.0 headers and
/// `keccak256(rlp(header))` on all others.
pub type Header = peruri_ibft2::IbftHeader;

/// A signed transaction as it stands in a block (blob transactions without sidecar).
pub type TransactionSigned = EthereumTxEnvelope<TxEip4844>;

/// A signed transaction as it travels and waits in the pool (blob transactions with sidecar).
pub type PooledTransaction =
    EthereumTxEnvelope<alloy_consensus::TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// Typed receipt (EIP-2718) without its bloom filter, which is derived from the logs.
pub type Receipt = EthereumReceipt<TxType>;

/// Block body: transactions, ommers, withdrawals.
pub type BlockBody = alloy_consensus::BlockBody<TransactionSigned, Header>;

/// Header and body.
pub type Block = alloy_consensus::Block<TransactionSigned, Header>;

/// Header with its block hash.
pub type SealedHeader = reth_primitives_traits::SealedHeader<Header>;

/// Block with its block hash.
pub type SealedBlock = reth_primitives_traits::SealedBlock<Block>;

/// Block with its block hash and the sender of each transaction.
pub type RecoveredBlock = reth_primitives_traits::RecoveredBlock<Block>;

/// The primitive types of the node as one [`NodePrimitives`] bundle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeruriPrimitives;

impl NodePrimitives for PeruriPrimitives {
    type Block = Block;
    type BlockHeader = Header;
    type BlockBody = BlockBody;
    type SignedTx = TransactionSigned;
    type Receipt = Receipt;
}
