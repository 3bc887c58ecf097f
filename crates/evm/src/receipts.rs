//! Receipts: built per transaction, summarised per block.

use alloy_consensus::{
    Eip658Value, ReceiptEnvelope, ReceiptWithBloom, TxReceipt, proofs::calculate_receipt_root,
};
use alloy_eips::Encodable2718;
use alloy_evm::{
    Evm,
    eth::receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
};
use alloy_primitives::{B256, Bloom};
use peruri_primitives::{Receipt, TransactionSigned};
use rayon::prelude::*;

/// Builds [`Receipt`]s: type, status (EIP-658), cumulative gas, logs.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PeruriReceiptBuilder;

impl ReceiptBuilder for PeruriReceiptBuilder {
    type Transaction = TransactionSigned;
    type Receipt = Receipt;

    fn build_receipt<E: Evm>(
        &self,
        ctx: ReceiptBuilderCtx<'_, alloy_consensus::TxType, E>,
    ) -> Receipt {
        Receipt {
            tx_type: ctx.tx_type,
            success: ctx.result.is_success(),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
        }
    }
}

/// Below this many receipts the blooms are computed on the calling thread.
const PARALLEL_RECEIPTS: usize = 64;

/// The two header fields that follow from a block's receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptsSummary {
    /// Root of the receipts trie.
    pub receipts_root: B256,
    /// Bloom filter over all logs of the block.
    pub logs_bloom: Bloom,
}

impl ReceiptsSummary {
    /// Root and bloom of receipts that carry a status (from Byzantium on, EIP-658).
    pub fn new(receipts: &[Receipt]) -> Self {
        let with_bloom: Vec<ReceiptWithBloom<&Receipt>> = if receipts.len() < PARALLEL_RECEIPTS {
            receipts.iter().map(TxReceipt::with_bloom_ref).collect()
        } else {
            receipts.par_iter().map(TxReceipt::with_bloom_ref).collect()
        };
        Self::of(&with_bloom, |receipt| receipt.logs_bloom)
    }

    /// Root and bloom of receipts that carry the state root after their transaction (before
    /// Byzantium). `post_states` has one root per receipt; a missing one counts as zero.
    pub fn with_post_states(receipts: &[Receipt], post_states: &[B256]) -> Self {
        let roots = post_states.iter().copied().chain(std::iter::repeat(B256::ZERO));
        let envelopes: Vec<ReceiptEnvelope> = receipts
            .iter()
            .zip(roots)
            .map(|(receipt, root)| {
                ReceiptEnvelope::Legacy(
                    alloy_consensus::Receipt {
                        status: Eip658Value::PostState(root),
                        cumulative_gas_used: receipt.cumulative_gas_used,
                        logs: receipt.logs.clone(),
                    }
                    .with_bloom(),
                )
            })
            .collect();
        Self::of(&envelopes, TxReceipt::bloom)
    }

    fn of<T: Encodable2718>(receipts: &[T], bloom: impl Fn(&T) -> Bloom) -> Self {
        let logs_bloom = receipts.iter().fold(Bloom::ZERO, |all, one| all | bloom(one));
        Self { receipts_root: calculate_receipt_root(receipts), logs_bloom }
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{EMPTY_ROOT_HASH, TxType};
    use alloy_primitives::{Address, Log, bytes};

    use super::*;

    fn receipt(gas: u64) -> Receipt {
        Receipt {
            tx_type: TxType::Eip1559,
            success: true,
            cumulative_gas_used: gas,
            logs: vec![Log::new_unchecked(
                Address::with_last_byte((gas % 251) as u8),
                vec![B256::with_last_byte(2)],
                bytes!("01"),
            )],
        }
    }

    #[test]
    fn no_receipts_have_the_empty_root() {
        let summary = ReceiptsSummary::new(&[]);
        assert_eq!(summary.receipts_root, EMPTY_ROOT_HASH);
        assert_eq!(summary.logs_bloom, Bloom::ZERO);
    }

    #[test]
    fn parallel_and_serial_blooms_agree_with_alloy() {
        for count in [1, PARALLEL_RECEIPTS as u64 - 1, PARALLEL_RECEIPTS as u64 + 9] {
            let receipts: Vec<_> = (1..=count).map(|n| receipt(n * 21_000)).collect();
            let summary = ReceiptsSummary::new(&receipts);
            assert_eq!(summary.receipts_root, Receipt::calculate_receipt_root_no_memo(&receipts));
            let bloom = receipts.iter().fold(Bloom::ZERO, |all, one| all | one.bloom());
            assert_eq!(summary.logs_bloom, bloom);
        }
    }

    #[test]
    fn post_states_change_the_root_but_not_the_bloom() {
        let receipts = [Receipt { tx_type: TxType::Legacy, ..receipt(21_000) }];
        let status = ReceiptsSummary::new(&receipts);
        let state = ReceiptsSummary::with_post_states(&receipts, &[B256::with_last_byte(1)]);
        let other = ReceiptsSummary::with_post_states(&receipts, &[B256::with_last_byte(2)]);
        assert_ne!(status.receipts_root, state.receipts_root);
        assert_ne!(other.receipts_root, state.receipts_root);
        assert_eq!(status.logs_bloom, state.logs_bloom);
    }
}
