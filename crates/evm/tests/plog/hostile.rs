//! Adversarial input through whole blocks: never a panic, and the same result when a block is built
//! and when it is validated.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolError};
use peruri_evm::plog::abi::IPlog;
use peruri_plog::{Entry, EntryType, PLOG_ADDRESS};
use peruri_primitives::TransactionSigned;
use peruri_storage::NoProgress;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    common::{Chain, Setup, tx},
    lab::{
        ANYBODY, CHAINED, DELEGATED, GATEWAY, GOVERNANCE, OTHER_SIGNER, PLAIN, PlogCaller, SIGNER,
        STRANGER, UNKNOWN, append_call, entry, plog_accounts, plog_config,
    },
};

/// Calls of one block.
const BLOCK: usize = 50;

/// Number of cases: a slice by default, `PERURI_PLOG_CASES=100000` for the full number.
fn cases() -> usize {
    std::env::var("PERURI_PLOG_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(5_000)
}

/// Makes calls that are good, nearly good, or nonsense.
struct Attacker {
    random: StdRng,
    nonces: BTreeMap<Address, u64>,
    /// Next numbers of sources 1 to 3 as far as the attacker knows.
    next: [u64; 3],
}

impl Attacker {
    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.random).unwrap()
    }

    fn log(&mut self) -> B256 {
        self.one_of(&[PLAIN, PLAIN, CHAINED, CHAINED, UNKNOWN, B256::ZERO])
    }

    fn number(&mut self) -> u64 {
        let any = self.random.random();
        let small = self.random.random_range(0..40);
        self.one_of(&[0, 1, small, small, any, u64::MAX, 1 << 63, (1 << 63) - 1, 8_191])
    }

    fn source(&mut self) -> u32 {
        self.one_of(&[1, 1, 1, 2, 2, 3, 4, 0, u32::MAX])
    }

    fn address(&mut self) -> Address {
        self.one_of(&[SIGNER, OTHER_SIGNER, GATEWAY, GOVERNANCE, DELEGATED, Address::ZERO])
    }

    fn hash(&mut self) -> B256 {
        let random = B256::from(self.random.random::<[u8; 32]>());
        self.one_of(&[B256::ZERO, B256::repeat_byte(7), random])
    }

    fn entries(&mut self, source: u32) -> Vec<u8> {
        let known = self.next.get(source.wrapping_sub(1) as usize).copied();
        let wrong = self.number();
        let first = match known {
            Some(next) if self.random.random_ratio(9, 10) => next,
            _ => wrong,
        };
        let count = self.one_of(&[1, 1, 2, 3, 5, 16, 40]);
        let entries: Vec<Entry> = (0..count)
            .map(|index| {
                let kinds = [EntryType::Activity, EntryType::Void, EntryType::Erasure];
                let (kind, subject) = (self.one_of(&kinds), self.hash());
                Entry { kind, subject, ..entry(source, first.wrapping_add(index)) }
            })
            .collect();
        append_call(self.log(), &entries)
    }

    /// A call in good form, with arguments that may make sense.
    fn call(&mut self) -> Vec<u8> {
        let (source, log, hash) = (self.source(), self.log(), self.hash());
        let path = vec![hash; self.one_of(&[0, 1, 2, 20, 63, 64, 65, 66, 300])];
        let address = self.address();
        match self.random.random_range(0..20) {
            0 => IPlog::appendRootCall {
                logId: log,
                sourceId: source,
                firstSeq: self.next.get(source as usize).copied().unwrap_or(1),
                root: hash,
                count: self.random.random(),
            }
            .abi_encode(),
            1 => {
                let mode = self.one_of(&[0, 1, 2, u32::MAX]);
                let log = if self.random.random() { hash } else { log };
                IPlog::createLogCall { logId: log, mode }.abi_encode()
            }
            2 => IPlog::setSourceCall { sourceId: 4, signer: address, active: true }.abi_encode(),
            3 => IPlog::setGatewayCall { sourceId: source.max(2), gateway: address }.abi_encode(),
            4 => {
                let source = self.one_of(&[source, 4, 9]);
                IPlog::setWriterCall { logId: log, sourceId: source, allowed: true }.abi_encode()
            }
            5 => IPlog::setGovernanceCall { governance: GOVERNANCE }.abi_encode(),
            6 => IPlog::headCall { logId: log }.abi_encode(),
            7 => IPlog::rootAtCall { logId: log, size: self.number() }.abi_encode(),
            8 => IPlog::frontierCall { logId: log }.abi_encode(),
            9 => IPlog::sourceStateCall { sourceId: source }.abi_encode(),
            10 => IPlog::subjectHeadCall { logId: log, subject: hash }.abi_encode(),
            11 => {
                let (index, size) = (self.number(), self.number());
                IPlog::verifyInclusionCall { leaf: hash, index, size, root: hash, path }
                    .abi_encode()
            }
            12 => IPlog::verifyConsistencyCall {
                first: self.number(),
                firstRoot: hash,
                second: self.number(),
                secondRoot: hash,
                path,
            }
            .abi_encode(),
            _ => self.entries(source),
        }
    }

    /// Damages a call.
    fn damage(&mut self, call: &mut Vec<u8>) {
        for _ in 0..self.one_of(&[1, 1, 1, 2, 5]) {
            let at = self.random.random_range(0..=call.len());
            match self.random.random_range(0..6) {
                0 => call.truncate(at),
                1 => call.extend_from_slice(&[0; 32][..self.one_of(&[1, 31, 32])]),
                2 if at < call.len() => call[at] = self.random.random(),
                3 if at < call.len() => call[at] ^= 1 << self.random.random_range(0..8),
                // A word of the head becomes a length or an offset that is none.
                4 => {
                    let word = 4 + 32 * self.random.random_range(0..6);
                    let value = self.one_of(&[U256::MAX, U256::from(u64::MAX), U256::from(0x80)]);
                    if let Some(place) = call.get_mut(word..word + 32) {
                        place.copy_from_slice(&value.to_be_bytes::<32>());
                    }
                }
                _ => {
                    let byte = self.random.random();
                    call.insert(at, byte);
                }
            }
        }
    }

    /// A transaction with a call of the log somewhere in it.
    fn transaction(&mut self) -> (Address, TransactionSigned) {
        let mut call = self.call();
        if self.random.random_ratio(1, 3) {
            self.damage(&mut call);
        }
        let (target, data) = (PLOG_ADDRESS, Bytes::from(call));
        let gas = match self.random.random_range(0..8) {
            0 => self.random.random_range(300_000..1_000_000),
            _ => 3_000_000,
        };
        let contract = self.one_of(&[GATEWAY, GOVERNANCE, GOVERNANCE, STRANGER, DELEGATED]);
        let (to, data): (Address, Bytes) = match self.random.random_range(0..16) {
            0 => (contract, PlogCaller::doStaticCallCall { target, data }.abi_encode().into()),
            1 => (contract, PlogCaller::doDelegateCallCall { target, data }.abi_encode().into()),
            2 => (contract, PlogCaller::doCallCodeCall { target, data }.abi_encode().into()),
            3 => (contract, PlogCaller::callAndUndoCall { target, data }.abi_encode().into()),
            4 => {
                let gas_limit = U256::from(self.random.random_range(0..400_000u32));
                let call = PlogCaller::tryCallCall { target, data, gasLimit: gas_limit };
                (contract, call.abi_encode().into())
            }
            5..8 => (contract, PlogCaller::doCallCall { target, data }.abi_encode().into()),
            _ => (PLOG_ADDRESS, data),
        };
        let from = self.one_of(&[SIGNER, SIGNER, SIGNER, OTHER_SIGNER, DELEGATED, ANYBODY]);
        let nonce = self.nonces.entry(from).or_insert(u64::from(from == DELEGATED));
        let mut transaction = tx(*nonce, TxKind::Call(to), gas, data);
        *nonce += 1;
        if self.random.random_ratio(1, 40)
            && let alloy_consensus::EthereumTxEnvelope::Eip1559(tx) = &mut transaction
        {
            tx.tx_mut().value = U256::from(1);
        }
        (from, transaction)
    }

    /// Learns what the sources' next numbers are.
    fn look(&mut self, chain: &Chain) {
        let state = chain.state();
        for (next, source) in self.next.iter_mut().zip(1..) {
            let slot = peruri_plog::layout::SourceSlots::new(source).progress();
            let word = state.storage(PLOG_ADDRESS, slot.into()).unwrap();
            *next = peruri_plog::layout::SourceProgress::unpack(word).next_seq;
        }
    }
}

#[test]
fn hostile_calls_do_the_same_when_built_and_when_validated() {
    let mut setup = Setup::ibft2();
    setup.gas_limit = 1_000_000_000;
    setup.accounts.extend(plog_accounts());
    setup.plog = Some(plog_config());
    let mut chain = setup.start();
    let random = StdRng::seed_from_u64(0x504c_4f47);
    let mut attacker = Attacker { random, nonces: BTreeMap::new(), next: [1; 3] };
    let (mut done, mut succeeded, mut events) = (0, 0, 0);
    while done < cases() {
        attacker.look(&chain);
        let transactions: Vec<_> = (0..BLOCK).map(|_| attacker.transaction()).collect();
        // Builds, validates and compares state root, receipts, bloom and gas.
        let receipts = chain.advance_from(transactions);
        assert_eq!(receipts.len(), BLOCK);
        succeeded += receipts.iter().filter(|receipt| receipt.success).count();
        events += receipts.iter().map(|receipt| receipt.logs.len()).sum::<usize>();
        done += BLOCK;
    }
    // It does reach the inside.
    assert!(succeeded * 10 > done && succeeded * 10 < done * 9, "{succeeded} of {done}");
    assert!(events * 50 > done, "{events} events");
    let report = chain.factory.verify_state(&mut NoProgress).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Every error of the contract is within the attacker's reach: the test above is not blind.
#[test]
fn the_attacker_meets_every_error() {
    use std::collections::BTreeSet;
    let random = StdRng::seed_from_u64(1);
    let mut attacker = Attacker { random, nonces: BTreeMap::new(), next: [1; 3] };
    let mut lab = crate::lab::Lab::new();
    let mut met = BTreeSet::new();
    for _ in 0..20_000 {
        let mut call = attacker.call();
        if attacker.random.random_ratio(1, 3) {
            attacker.damage(&mut call);
        }
        let contract = attacker.one_of(&[GATEWAY, GOVERNANCE]);
        let (target, data) = (PLOG_ADDRESS, Bytes::from(call));
        let call = match attacker.random.random_range(0..4) {
            0 => PlogCaller::doStaticCallCall { target, data }.abi_encode(),
            1 => PlogCaller::doDelegateCallCall { target, data }.abi_encode(),
            _ => PlogCaller::doCallCall { target, data }.abi_encode(),
        };
        let ran = lab.send(ANYBODY, contract, call);
        if !ran.result.is_success() {
            met.insert(ran.error().get(..4).unwrap_or_default().to_vec());
            assert!(ran.changed.is_empty() && ran.logs().is_empty());
        } else if let Some(next) = attacker.next.first_mut() {
            let state = lab.ask(&IPlog::sourceStateCall { sourceId: 1 });
            *next = state.nextSeq;
        }
    }
    let all = [
        IPlog::BadSeq::SELECTOR,
        IPlog::BadEntry::SELECTOR,
        IPlog::NotSource::SELECTOR,
        IPlog::NotGovernance::SELECTOR,
        IPlog::UnknownLog::SELECTOR,
        IPlog::UnknownSize::SELECTOR,
        IPlog::LogExists::SELECTOR,
        IPlog::ReadOnly::SELECTOR,
        IPlog::DirectCallOnly::SELECTOR,
        IPlog::BadCall::SELECTOR,
    ];
    for selector in all {
        assert!(met.contains(selector.as_slice()), "{selector:02x?} was not met");
    }
    // TooLarge needs 1,025 entries, which `refusals` sends.
    assert_eq!(met.len(), all.len(), "{met:02x?}");
}
