#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    CanonicalStateUpdate, ChangedAccounts, SubPoolLimit,
    test_utils::{Bench, ETHER, block, draft, rules, sender},
};
use alloy_primitives::U256;
use peruri_trie::HashedPostState;
use reth_primitives_traits::Account;
use revm::primitives::hardfork::SpecId;

fn bench() -> Bench {
    Bench::new(PoolConfig::default(), 0)
}

fn delegated(n: u64, bench: &mut Bench) {
    let mut account = bench.account(n);
    account.code = AccountCode::Delegation;
    bench.accounts.insert(sender(n), account);
}

#[test]
fn a_gap_queues_and_filling_it_promotes() {
    let mut bench = bench();
    bench.put(draft(0, 0));
    bench.put(draft(0, 2));
    bench.put(draft(0, 3));
    assert_eq!(bench.counts(), (1, 0, 2));
    let mut changes = Changes::default();
    bench.add_with(draft(0, 1), &mut changes).unwrap();
    assert_eq!(bench.counts(), (4, 0, 0));
    let promoted: Vec<_> = changes.promoted.iter().map(|tx| tx.nonce()).collect();
    assert_eq!(promoted, [1, 2, 3]);
    assert_eq!(bench.state.read().sender(&sender(0)).unwrap().pending_nonce(), 4);
}

#[test]
fn the_balance_covers_all_pending_together() {
    let mut bench = bench();
    bench.set_account(0, 0, 100);
    bench.put(draft(0, 0).value(60));
    bench.put(draft(0, 1).value(60));
    bench.put(draft(0, 2).value(0));
    assert_eq!(bench.counts(), (1, 0, 2));
    let refused = bench.add(draft(0, 3).value(101)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "insufficient funds for gas * price + value: balance 100, tx cost 101, overshot 1"
    );
    // Money comes in.
    bench.mine(2, 0, &[], &[(0, 0, 120)]);
    assert_eq!(bench.counts(), (3, 0, 0));
}

#[test]
fn known_and_used_nonces_are_refused() {
    let mut bench = bench();
    bench.set_account(0, 5, ETHER);
    bench.put(draft(0, 5));
    assert_eq!(bench.add(draft(0, 5)).unwrap_err().to_string(), "already known");
    let low = bench.add(draft(0, 4)).unwrap_err();
    assert_eq!(low.to_string(), "nonce too low: next nonce 5, tx nonce 4");
}

#[test]
fn contracts_do_not_send() {
    let mut bench = bench();
    let mut account = bench.account(0);
    account.code = AccountCode::Contract;
    bench.accounts.insert(sender(0), account);
    assert_eq!(bench.add(draft(0, 0)), Err(PoolErrorKind::SenderNotEoa(sender(0))));
}

#[test]
fn nothing_is_replaced_for_free() {
    let mut bench = bench();
    bench.put(draft(0, 0));
    let underpriced = Err(PoolErrorKind::ReplacementUnderpriced);
    assert_eq!(bench.add(draft(0, 0).value(1)), underpriced);
    assert_eq!(bench.add(draft(0, 0).fee(1, 0)), underpriced);
    bench.put(draft(0, 0).fee(1, 1));
    assert_eq!(bench.counts(), (1, 0, 0));
}

#[test]
fn a_replacement_raises_both_fees_by_the_bump() {
    let mut bench = bench();
    let old = bench.put(draft(0, 0).fee(1_000, 100));
    let underpriced = Err(PoolErrorKind::ReplacementUnderpriced);
    assert_eq!(bench.add(draft(0, 0).fee(1_099, 110)), underpriced);
    assert_eq!(bench.add(draft(0, 0).fee(1_100, 109)), underpriced);
    let mut changes = Changes::default();
    bench.add_with(draft(0, 0).fee(1_100, 110), &mut changes).unwrap();
    assert_eq!(changes.removed.len(), 1);
    assert_eq!((changes.removed[0].0.hash, changes.removed[0].1), (old, Removal::Replaced));
}

#[test]
fn a_dearer_replacement_can_push_descendants_out_of_pending() {
    let mut bench = bench();
    bench.set_account(0, 0, 21_000 * 30);
    bench.put(draft(0, 0).fee(10, 10));
    bench.put(draft(0, 1).fee(10, 10));
    assert_eq!(bench.counts(), (2, 0, 0));
    bench.put(draft(0, 0).fee(25, 25));
    assert_eq!(bench.counts(), (1, 0, 1));
}

#[test]
fn the_base_fee_parks_and_frees() {
    let mut bench = Bench::new(PoolConfig::default(), 10);
    bench.put(draft(0, 0).fee(10, 0));
    bench.put(draft(0, 1).fee(50, 0));
    bench.put(draft(1, 0).fee(9, 0));
    assert_eq!(bench.counts(), (2, 1, 0));
    bench.mine(2, 20, &[], &[]);
    // What follows a parked one is queued.
    assert_eq!(bench.counts(), (0, 2, 1));
    let changes = bench.mine(3, 5, &[], &[]);
    assert_eq!(bench.counts(), (3, 0, 0));
    assert_eq!(changes.promoted.len(), 3);
}

#[test]
fn mined_transactions_leave_and_the_rest_stays_pending() {
    let mut bench = bench();
    let hashes: Vec<_> = (0..4).map(|nonce| bench.put(draft(0, nonce))).collect();
    let changes = bench.mine(2, 0, &hashes[..2], &[(0, 2, ETHER)]);
    assert!(changes.removed.iter().all(|(_, why)| *why == Removal::Mined));
    assert!(changes.promoted.is_empty(), "they were pending before");
    assert_eq!(bench.counts(), (2, 0, 0));
    assert_eq!(bench.order(), [(0, 2), (0, 3)]);
}

#[test]
fn mined_alone_moves_the_nonce() {
    let mut bench = bench();
    let hashes: Vec<_> = (0..2).map(|nonce| bench.put(draft(0, nonce))).collect();
    bench.mine(2, 0, &hashes[..1], &[]);
    assert_eq!(bench.order(), [(0, 1)]);
    assert!(matches!(
        bench.add(draft(0, 0).value(1)),
        Err(PoolErrorKind::NonceTooLow { expected: 1, got: 0 })
    ));
}

#[test]
fn another_transaction_of_the_nonce_makes_it_stale() {
    let mut bench = bench();
    bench.put(draft(0, 0));
    bench.put(draft(0, 1));
    let changes = bench.mine(2, 0, &[], &[(0, 1, ETHER)]);
    assert_eq!(changes.removed[0].1, Removal::Stale);
    assert_eq!(bench.counts(), (1, 0, 0));
}

#[test]
fn accounts_by_hash_are_followed() {
    let mut bench = bench();
    bench.put(draft(0, 0));
    bench.put(draft(0, 1).value(100));
    bench.put(draft(1, 0));
    let mut state = HashedPostState::default();
    let poor = Account { nonce: 1, balance: U256::from(99), ..Default::default() };
    state.accounts.insert(alloy_primitives::keccak256(sender(0)), Some(poor));
    state.accounts.insert(alloy_primitives::keccak256(sender(1)), None);
    let update = CanonicalStateUpdate {
        block: block(2, 0),
        mined: Vec::new(),
        changed_accounts: ChangedAccounts::ByHash(Arc::new(state)),
    };
    bench.state.write().update(rules(block(2, 0)), update, &mut Changes::default());
    // Nonce 0 is used, nonce 1 cannot be paid; sender 1 is untouched but for its money.
    assert_eq!(bench.counts(), (1, 0, 1));
}

#[test]
fn removing_an_ancestor_queues_descendants() {
    let mut bench = bench();
    let hashes: Vec<_> = (0..3).map(|nonce| bench.put(draft(0, nonce))).collect();
    bench.state.write().remove(&hashes[0], Removal::Asked, &mut Changes::default());
    assert_eq!(bench.counts(), (0, 0, 2));
    bench.put(draft(0, 0).value(1));
    assert_eq!(bench.counts(), (3, 0, 0));
}

#[test]
fn removing_an_ancestor_does_not_overfill_queued() {
    let config = PoolConfig { queued: SubPoolLimit::new(2, usize::MAX), ..Default::default() };
    let mut bench = Bench::new(config, 0);
    let hashes: Vec<_> = (0..5).map(|nonce| bench.put(draft(0, nonce))).collect();
    let mut changes = Changes::default();
    bench.state.write().remove(&hashes[0], Removal::Asked, &mut changes);
    assert_eq!(bench.counts(), (0, 0, 2));
    let left: Vec<_> = changes.removed.iter().map(|(tx, _)| tx.nonce()).collect();
    assert_eq!(left, [0, 4, 3]);
}

#[test]
fn an_evicted_transaction_stays_out_for_a_while() {
    let config = PoolConfig { eviction_blocks: 3, ..Default::default() };
    let mut bench = Bench::new(config, 0);
    let hash = bench.put(draft(0, 0));
    bench.state.write().evict(&hash, &mut Changes::default());
    let refusal = Err(PoolErrorKind::Evicted { until: 5 });
    assert_eq!(bench.add(draft(0, 0)), refusal);
    bench.mine(4, 0, &[], &[]);
    assert_eq!(bench.add(draft(0, 0)), refusal);
    // Another one of the same nonce is welcome at any time.
    bench.put(draft(0, 0).value(1));
    bench.mine(5, 0, &[], &[]);
    assert_eq!(bench.add(draft(0, 0)), Err(PoolErrorKind::ReplacementUnderpriced));
}

#[test]
fn a_sender_has_a_limit_and_may_still_fill_a_gap() {
    let config = PoolConfig { max_account_slots: 4, ..Default::default() };
    let mut bench = Bench::new(config, 0);
    for nonce in [0, 2, 3, 4] {
        bench.put(draft(0, nonce));
    }
    let limit = Err(PoolErrorKind::AccountLimitExceeded { limit: 4 });
    assert_eq!(bench.add(draft(0, 5)), limit);
    bench.put(draft(0, 1));
    assert_eq!(bench.order(), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    assert_eq!(bench.add(draft(0, 4)), limit);
}

#[test]
fn a_nonce_far_ahead_is_refused() {
    let config = PoolConfig { max_nonce_gap: 8, ..Default::default() };
    let mut bench = Bench::new(config, 0);
    bench.put(draft(0, 8));
    assert_eq!(bench.add(draft(0, 9)), Err(PoolErrorKind::NonceTooHigh { expected: 0, got: 9 }));
    bench.put(draft(0, 0));
    bench.put(draft(0, 9));
}

#[test]
fn unlisted_external_transactions_have_a_cap_of_their_own() {
    let config = PoolConfig { max_unknown_external: 3, ..Default::default() };
    let mut bench = Bench::new(config, 0);
    bench.listed = vec![sender(100)];
    let hashes: Vec<_> = (0..3).map(|n| bench.put(draft(n, 0))).collect();
    assert_eq!(bench.add(draft(3, 0)), Err(PoolErrorKind::TxPoolOverflow));
    bench.put(draft(100, 0));
    let local = crate::TransactionOrigin::Local;
    bench.put(crate::test_utils::Draft { origin: local, ..draft(4, 0) });
    bench.mine(2, 0, &hashes[..1], &[(0, 1, ETHER)]);
    bench.put(draft(3, 0));
}

#[test]
fn a_full_pool_makes_room_for_who_has_less() {
    let config = PoolConfig { pending: SubPoolLimit::new(4, usize::MAX), ..Default::default() };
    let mut bench = Bench::new(config, 0);
    for nonce in 0..4 {
        bench.put(draft(0, nonce));
    }
    // The greedy sender loses its last, not its first.
    bench.put(draft(1, 0));
    assert_eq!(bench.order(), [(0, 0), (1, 0), (0, 1), (0, 2)]);
    bench.put(draft(2, 0));
    assert_eq!(bench.add(draft(0, 2)), Err(PoolErrorKind::TxPoolOverflow));
    bench.put(draft(3, 0));
    // All have one: the newcomer finds no room.
    assert_eq!(bench.add(draft(4, 0)), Err(PoolErrorKind::TxPoolOverflow));
    // A listed sender does.
    bench.listed = vec![sender(5)];
    bench.put(draft(5, 0));
    assert_eq!(bench.counts(), (4, 0, 0));
    assert_eq!(bench.order()[0], (5, 0));
}

#[test]
fn bytes_are_limited_too() {
    let one = draft(0, 0).build().size;
    let config = PoolConfig { queued: SubPoolLimit::new(100, one * 2), ..Default::default() };
    let mut bench = Bench::new(config, 0);
    bench.put(draft(0, 1));
    bench.put(draft(1, 1));
    assert_eq!(bench.add(draft(2, 1)), Err(PoolErrorKind::TxPoolOverflow));
    bench.put(draft(2, 0));
    let size = bench.state.read().size();
    assert_eq!((size.pending_size, size.queued_size), (one, one * 2));
}

#[test]
fn a_delegated_account_has_one_in_flight() {
    let mut bench = bench();
    delegated(0, &mut bench);
    assert_eq!(bench.add(draft(0, 1)), Err(PoolErrorKind::OutOfOrderTxFromDelegated));
    bench.put(draft(0, 0));
    assert_eq!(bench.add(draft(0, 1)), Err(PoolErrorKind::InflightTxLimitReached));
    bench.put(draft(0, 0).fee(1, 1));
}

#[test]
fn a_pending_authorization_limits_its_authority() {
    let mut bench = bench();
    let setter = crate::test_utils::Draft { authorities: vec![sender(1)], ..draft(0, 0) };
    let hash = bench.put(setter);
    bench.put(draft(1, 0));
    assert_eq!(bench.add(draft(1, 1)), Err(PoolErrorKind::InflightTxLimitReached));
    bench.state.write().remove(&hash, Removal::Asked, &mut Changes::default());
    bench.put(draft(1, 1));
    let setter = crate::test_utils::Draft { authorities: vec![sender(1)], ..draft(2, 0) };
    assert_eq!(bench.add(setter), Err(PoolErrorKind::AuthorityReserved(sender(1))));
}

#[test]
fn what_is_queued_for_too_long_is_dropped() {
    let config = PoolConfig { queued_lifetime_blocks: 100, ..Default::default() };
    let mut bench = Bench::new(config, 0);
    bench.put(draft(0, 0));
    bench.put(draft(1, 1));
    bench.mine(64, 0, &[], &[]);
    assert_eq!(bench.counts(), (1, 0, 1));
    bench.mine(128, 0, &[], &[]);
    assert_eq!(bench.counts(), (1, 0, 0));
}

#[test]
fn a_fork_drops_what_it_no_longer_takes() {
    let mut bench = bench();
    bench.put(crate::test_utils::Draft { gas: 20_000_000, ..draft(0, 0) });
    bench.put(draft(0, 1));
    bench.put(draft(1, 0));
    let block = block(2, 0);
    let osaka = Rules::from_parts(1, SpecId::OSAKA, None, block);
    let update = CanonicalStateUpdate {
        block,
        mined: Vec::new(),
        changed_accounts: ChangedAccounts::ByAddress(Vec::new()),
    };
    bench.state.write().update(osaka, update, &mut Changes::default());
    assert_eq!(bench.counts(), (1, 0, 1));
}

#[test]
fn a_lower_block_gas_limit_queues_what_does_not_fit() {
    let mut bench = bench();
    bench.put(crate::test_utils::Draft { gas: 25_000_000, ..draft(0, 0) });
    let low = crate::BlockInfo { gas_limit: 20_000_000, ..block(2, 0) };
    let update = CanonicalStateUpdate {
        block: low,
        mined: Vec::new(),
        changed_accounts: ChangedAccounts::ByAddress(Vec::new()),
    };
    bench.state.write().update(rules(low), update, &mut Changes::default());
    assert_eq!(bench.counts(), (0, 0, 1));
}

#[test]
fn a_new_list_moves_and_removes_senders() {
    let mut bench = bench();
    for n in 0..3 {
        bench.put(draft(n, 0));
        bench.put(draft(n, 1));
    }
    let class = |address: &Address| {
        if *address == sender(1) { SenderClass::Listed } else { SenderClass::Unknown }
    };
    bench.state.write().reclassify(class, false, &mut Changes::default());
    assert_eq!(bench.order()[0], (1, 0));
    assert_eq!(bench.state.read().unknown_external, 4);
    let mut changes = Changes::default();
    bench.state.write().reclassify(class, true, &mut changes);
    assert_eq!(bench.order(), [(1, 0), (1, 1)]);
    assert!(changes.removed.iter().all(|(_, why)| *why == Removal::NotAllowed));
    assert_eq!(bench.state.read().unknown_external, 0);
}

#[test]
fn blobs_are_bounded() {
    let config = PoolConfig { max_blob_bytes: 10, ..Default::default() };
    let bench = Bench::new(config, 0);
    let sidecar =
        BlobTransactionSidecarVariant::Eip4844(alloy_eips::eip4844::BlobTransactionSidecar {
            blobs: vec![Default::default()],
            commitments: vec![Default::default()],
            proofs: vec![Default::default()],
        });
    let new = NewTransaction {
        tx: draft(0, 0).build(),
        sidecar: Some(Arc::new(sidecar)),
        class: SenderClass::Unknown,
    };
    let mut accounts = AddressMap::default();
    accounts.insert(sender(0), bench.account(0));
    let mut state = bench.state.write();
    let refused = state.insert(new, &accounts, &mut Changes::default());
    assert_eq!(refused, Err(PoolErrorKind::TxPoolOverflow));
    assert_eq!(state.size(), PoolSize::default());
}
