//! The pool's data against a naive model that keeps a plain list and derives everything from it.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    SubPoolLimit,
    test_utils::{Bench, Draft, draft, number_of, sender},
};
use alloy_primitives::U256;
use proptest::prelude::*;

const SENDERS: u64 = 6;

#[derive(Debug, Clone)]
enum Op {
    Add(Draft),
    /// A block of the best so many, with a new base fee.
    Mine(usize, u64),
    /// Somebody's nonce and balance change from outside (nonce forward by so much).
    Change(u64, u64, u64),
    Remove(u64, u64),
    Evict(u64, u64),
    Reclassify(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let add = (0..SENDERS, 0..9u64, 0..6u128, 0..6u128, 0..400_000u64).prop_map(
        |(from, nonce, fee, tip, value)| {
            Op::Add(draft(from, nonce).fee(fee * 3, (tip * 3).min(fee * 3)).value(value))
        },
    );
    prop_oneof![
        12 => add,
        2 => (0..8usize, 0..10u64).prop_map(|(count, fee)| Op::Mine(count, fee)),
        2 => (0..SENDERS, 0..3u64, 0..1_500_000u64)
            .prop_map(|(from, forward, balance)| Op::Change(from, forward, balance)),
        1 => (0..SENDERS, 0..9u64).prop_map(|(from, nonce)| Op::Remove(from, nonce)),
        1 => (0..SENDERS, 0..9u64).prop_map(|(from, nonce)| Op::Evict(from, nonce)),
        1 => (0..SENDERS).prop_map(Op::Reclassify),
    ]
}

/// What each transaction's sub-pool is, from the rules as they are written down.
fn derive(bench: &Bench) -> BTreeMap<(u64, u64), SubPool> {
    let state = bench.state.read();
    let base_fee = u128::from(state.rules.block.next_base_fee);
    let mut derived = BTreeMap::new();
    for n in 0..SENDERS {
        let account = bench.account(n);
        let mut txs: Vec<_> =
            state.by_hash.values().filter(|tx| tx.sender() == sender(n)).cloned().collect();
        txs.sort_by_key(|tx| tx.nonce());
        let (mut next, mut spent, mut open) = (account.nonce, U256::ZERO, true);
        for tx in txs {
            assert!(tx.nonce() >= account.nonce, "a used nonce stayed");
            spent += tx.cost;
            let executable = open && tx.nonce() == next && spent <= account.balance;
            let sub = match executable {
                true if tx.max_fee_per_gas() >= base_fee => SubPool::Pending,
                true => SubPool::BaseFee,
                false => SubPool::Queued,
            };
            open = sub == SubPool::Pending;
            next = if tx.nonce() == next { next + 1 } else { u64::MAX };
            derived.insert((n, tx.nonce()), sub);
        }
    }
    derived
}

fn check(bench: &Bench) {
    let derived = derive(bench);
    let state = bench.state.read();
    // Membership.
    let mut actual = BTreeMap::new();
    let mut sizes = Sizes::default();
    for entry in state.senders.values() {
        assert!(!entry.slots.is_empty(), "an empty sender stayed");
        let mut counts = [0; 3];
        let mut gapless = entry.account.nonce;
        for (nonce, slot) in &entry.slots {
            assert_eq!(state.by_hash[&slot.tx.hash].nonce(), *nonce);
            actual.insert((number_of(&entry.address), *nonce), slot.sub);
            counts[slot.sub.index()] += 1;
            sizes[slot.sub.index()].count += 1;
            sizes[slot.sub.index()].bytes += slot.tx.size;
            gapless += u64::from(*nonce == gapless);
        }
        assert_eq!(entry.counts, counts);
        assert_eq!(entry.pending_nonce(), gapless);
        assert!(counts[SubPool::BaseFee.index()] <= 1);
        for sub in SubPool::ALL {
            let last = entry.slots.values().rfind(|slot| slot.sub == sub);
            let last = last.map(|slot| slot.tx.hash);
            assert_eq!(entry.last_in(sub).map(|tx| tx.hash), last);
        }
    }
    assert_eq!(actual, derived);
    assert_eq!(state.by_hash.len(), actual.len());
    // Sizes and limits.
    assert_eq!(state.sizes, sizes);
    let config = &state.config;
    for (size, limit) in sizes.iter().zip([config.pending, config.basefee, config.queued]) {
        assert!(size.count <= limit.max_txs && size.bytes <= limit.max_bytes);
    }
    // The orders of eviction.
    for sub in SubPool::ALL {
        let expected: BTreeSet<LoadKey> =
            state.senders.values().filter_map(|entry| entry.load_keys()[sub.index()]).collect();
        assert_eq!(state.load[sub.index()], expected);
    }
    let unknown = state.senders.values().flat_map(|entry| {
        entry.slots.values().filter(|slot| is_unknown_external(&slot.tx, entry.class))
    });
    assert_eq!(state.unknown_external, unknown.count());
    drop(state);
    // The order for blocks: exactly the pending ones, no gap, no sender twice in a round.
    let order = bench.order();
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for (n, nonce) in &order {
        let expected = next.entry(*n).or_insert(bench.account(*n).nonce);
        assert_eq!(nonce, expected, "gap in the order");
        *expected += 1;
    }
    let pending = derived.values().filter(|sub| **sub == SubPool::Pending).count();
    assert_eq!(order.len(), pending);
}

fn apply(bench: &mut Bench, number: &mut u64, op: Op) {
    match op {
        Op::Add(draft) => drop(bench.add(draft)),
        Op::Mine(count, base_fee) => {
            *number += 1;
            let mined: Vec<_> = bench.best().take(count).collect();
            let mut changed: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
            for tx in &mined {
                let n = number_of(&tx.sender());
                let account = bench.account(n);
                let (nonce, balance) =
                    changed.entry(n).or_insert((account.nonce, account.balance.to::<u64>()));
                *nonce += 1;
                *balance -= tx.cost.to::<u64>();
            }
            let changed: Vec<_> = changed.into_iter().map(|(n, (a, b))| (n, a, b)).collect();
            let hashes: Vec<_> = mined.iter().map(|tx| tx.hash).collect();
            bench.mine(*number, base_fee, &hashes, &changed);
        }
        Op::Change(n, forward, balance) => {
            *number += 1;
            let base_fee = bench.state.read().rules.block.next_base_fee;
            let nonce = bench.account(n).nonce + forward;
            bench.mine(*number, base_fee, &[], &[(n, nonce, balance)]);
        }
        Op::Remove(n, nonce) | Op::Evict(n, nonce) => {
            let mut state = bench.state.write();
            let hash = state
                .sender(&sender(n))
                .and_then(|entry| entry.slots.get(&nonce))
                .map(|slot| slot.tx.hash);
            let Some(hash) = hash else { return };
            if matches!(op, Op::Evict(..)) {
                state.evict(&hash, &mut Changes::default());
            } else {
                state.remove(&hash, Removal::Asked, &mut Changes::default());
            }
        }
        Op::Reclassify(n) => {
            bench.listed = vec![sender(n)];
            let class = |address: &Address| {
                if *address == sender(n) { SenderClass::Listed } else { SenderClass::Unknown }
            };
            bench.state.write().reclassify(class, false, &mut Changes::default());
        }
    }
}

fn run(config: PoolConfig, ops: Vec<Op>) {
    let mut bench = Bench::new(config, 0);
    let mut number = 1;
    for n in 0..SENDERS {
        bench.set_account(n, 0, 1_000_000);
    }
    for op in ops {
        apply(&mut bench, &mut number, op);
        check(&bench);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_sequence_keeps_the_rules(ops in prop::collection::vec(op(), 1..80)) {
        run(PoolConfig::default(), ops);
    }

    #[test]
    fn any_sequence_keeps_the_rules_in_a_small_pool(ops in prop::collection::vec(op(), 1..80)) {
        let config = PoolConfig {
            pending: SubPoolLimit::new(6, 6 * 1_000),
            basefee: SubPoolLimit::new(2, usize::MAX),
            queued: SubPoolLimit::new(4, usize::MAX),
            max_account_slots: 4,
            max_nonce_gap: 5,
            max_unknown_external: 8,
            eviction_blocks: 2,
            max_evicted: 2,
            queued_lifetime_blocks: 40,
            ..Default::default()
        };
        run(config, ops);
    }
}
