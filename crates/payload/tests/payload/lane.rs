//! The lane of the transparency log.

use crate::support::{CHAIN_ID, Chain, call, hashes, sign, transfer};
use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, TxHash, TxKind, U256};
use alloy_sol_types::SolCall;
use peruri_evm::plog::abi::IPlog;
use peruri_payload::{BuildLimits, BuildOutcome, lane};
use peruri_plog::{ENTRY_LEN, Entry, EntryType, PLOG_ADDRESS};
use peruri_primitives::PooledTransaction;
use peruri_txpool::TransactionPool;

/// The log of [`Chain::with_log`], whose sources 1, 2 and 3 are signers 0, 1 and 2.
pub(crate) const LOG: B256 = B256::repeat_byte(0x10);

fn entry(source: u32, seq: u64) -> [u8; ENTRY_LEN] {
    Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: source,
        source_seq: seq,
        occurred_at: 1,
        activity_id: [seq as u8; 16],
        subject: B256::ZERO,
        commitment: B256::repeat_byte(9),
        effect: B256::ZERO,
    }
    .encode()
}

/// An append of these entries by signer `n`.
fn append_of(n: u64, nonce: u64, source: u32, seq: u64, entries: Vec<u8>) -> PooledTransaction {
    let append =
        IPlog::appendCall { logId: LOG, sourceId: source, firstSeq: seq, entries: entries.into() };
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        to: TxKind::Call(PLOG_ADDRESS),
        input: append.abi_encode().into(),
        ..TxEip1559::default()
    };
    sign(n, tx)
}

/// An append of entry `seq` by signer `n` for a source.
fn append(n: u64, nonce: u64, source: u32, seq: u64) -> PooledTransaction {
    append_of(n, nonce, source, seq, entry(source, seq).to_vec())
}

fn all_succeed(outcome: &BuildOutcome) -> bool {
    outcome.assembled.executed.execution_output.receipts.iter().all(|receipt| receipt.success)
}

/// Hashes of a block on the head, which others find valid too.
fn built(chain: &Chain) -> (Vec<TxHash>, BuildOutcome) {
    let outcome = chain.build(&chain.arguments()).unwrap();
    let block = (*outcome.assembled.executed.recovered_block).clone();
    let again = chain.evm_config.process_block(block, &*chain.state()).unwrap();
    assert_eq!(again.execution_output, outcome.assembled.executed.execution_output);
    (hashes(&outcome), outcome)
}

#[test]
fn appends_come_first_by_source_and_nonce() {
    let chain = Chain::with_log();
    let others = chain.add(vec![transfer(5, 0), transfer(6, 0)]);
    let second = chain.add(vec![append(1, 0, 2, 1), append(1, 1, 2, 2)]);
    let first = chain.add(vec![append(0, 1, 1, 2), append(0, 0, 1, 1)]);
    let (hashes, outcome) = built(&chain);
    assert_eq!(hashes, [first[1], first[0], second[0], second[1], others[0], others[1]]);
    assert!(all_succeed(&outcome));
}

#[test]
fn a_lane_goes_as_far_as_its_share_and_the_rest_takes_turns() {
    let chain = Chain::with_log();
    chain.add((0..3).map(|nonce| transfer(5, nonce)).collect());
    let appends = chain.add((0..8).map(|nonce| append(0, nonce, 1, nonce + 1)).collect());
    let leading = |lane_gas_share| {
        let limits = BuildLimits { lane_gas_share, ..BuildLimits::bytes(usize::MAX) };
        let outcome = chain.build(&chain.limited(limits)).unwrap();
        let hashes = hashes(&outcome);
        assert_eq!(hashes.len(), 11, "nothing is left out");
        assert!(all_succeed(&outcome));
        let leading = hashes.iter().take_while(|hash| appends.contains(hash)).count();
        let receipts = &outcome.assembled.executed.execution_output.receipts;
        (leading, leading.checked_sub(1).map_or(0, |last| receipts[last].cumulative_gas_used))
    };
    assert_eq!(leading(0).0, 0);
    let one_percent = chain.arguments().attributes.gas_limit / 100;
    let (count, gas) = leading(1);
    assert!((1..8).contains(&count), "{count}");
    assert!(gas <= one_percent, "{gas} of {one_percent}");
    assert_eq!(leading(50).0, 8);
}

#[test]
fn what_is_reverted_is_left_out_with_its_descendants_and_named() {
    let chain = Chain::with_log();
    let bad = append_of(0, 0, 1, 1, vec![0xee; ENTRY_LEN]);
    let bad = chain.add(vec![bad, append(0, 1, 1, 2)]);
    let good = chain.add(vec![append(1, 0, 2, 1), transfer(5, 0)]);
    let (hashes, outcome) = built(&chain);
    assert_eq!(hashes, good);
    assert_eq!(outcome.reverted, bad[..1]);
    assert!(outcome.invalid.is_empty());
    // The pool is told once a block; after ten of them it is an ordinary transaction.
    chain.pool.lane_reverted(&outcome.reverted);
    assert!(chain.pool.contains(&bad[0]));
}

#[test]
fn what_is_not_the_sources_next_is_ordinary() {
    let chain = Chain::with_log();
    let first = chain.add(vec![transfer(5, 0)]);
    let gap = chain.add(vec![append(0, 0, 1, 2)]);
    let stranger = chain.add(vec![append(6, 0, 1, 1)]);
    let paid = TxEip1559 {
        to: TxKind::Call(PLOG_ADDRESS),
        gas_limit: 200_000,
        value: U256::ONE,
        input: IPlog::headCall { logId: LOG }.abi_encode().into(),
        ..call()
    };
    let paid = chain.add(vec![sign(1, paid)]);
    // It comes after an ordinary one of its sender.
    let blocked = chain.add(vec![transfer(2, 0), append(2, 1, 3, 1)]);
    let (hashes, outcome) = built(&chain);
    assert_eq!(hashes, [first[0], gap[0], stranger[0], paid[0], blocked[0], blocked[1]]);
    let success: Vec<_> = outcome
        .assembled
        .executed
        .execution_output
        .receipts
        .iter()
        .map(|receipt| receipt.success)
        .collect();
    assert_eq!(success, [true, false, false, false, true, true]);
    assert!(outcome.reverted.is_empty());
}

#[test]
fn a_block_of_one_transaction_takes_the_lane() {
    let chain = Chain::with_log();
    chain.add(vec![transfer(5, 0)]);
    let append = chain.add(vec![append(0, 0, 1, 1)]);
    let limits = BuildLimits { max_transactions: 1, ..BuildLimits::bytes(usize::MAX) };
    let outcome = chain.build(&chain.limited(limits)).unwrap();
    assert_eq!(hashes(&outcome), append);
}

#[test]
fn what_a_proposer_leaves_out_is_counted_as_far_as_the_share_had_room() {
    let chain = Chain::with_log();
    chain.add((0..5).map(|nonce| transfer(5, nonce)).collect());
    chain.add((0..5).map(|nonce| append(0, nonce, 1, nonce + 1)).collect());
    let due = lane::judge(chain.pool.lane_due(0), &*chain.state()).unwrap();
    assert_eq!(due.iter().map(Vec::len).collect::<Vec<_>>(), [5]);
    let built = |lane_gas_share| {
        let limits =
            BuildLimits { lane_gas_share, max_transactions: 5, ..BuildLimits::bytes(usize::MAX) };
        chain.build(&chain.limited(limits)).unwrap().assembled.executed.recovered_block
    };
    assert_eq!(lane::left_out(&due, &built(50), 50), 0);
    // Senders in turn: three transfers and two appends.
    let in_turns = built(0);
    assert_eq!(lane::left_out(&due, &in_turns, 50), 3);
    assert_eq!(lane::left_out(&due, &in_turns, 0), 0);
    // A fiftieth of 30,000,000 has room for three appends with 200,000 gas.
    assert_eq!(lane::left_out(&due, &in_turns, 2), 1);
}
