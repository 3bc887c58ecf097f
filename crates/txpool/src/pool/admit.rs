//! Admission of a batch, step by step: what is cheap and what can refuse comes first.
//!
//! 1. decode and hash, in parallel;
//! 2. de-duplicate against the pool, the evicted and the batch itself, under a read lock;
//! 3. check form and price, recover the sender (the 38 µs that count), check permission and
//!    sidecar, in parallel;
//! 4. look up the accounts of senders that are new to the pool, in one view of the state;
//! 5. insert under one write lock, in the batch's order;
//! 6. journal what is local, then tell listeners.
//!
//! The result is the same as adding one by one.

use super::{Pool, encoded_length};
use crate::{
    PoolAccount, PoolConfig, PoolError, PoolErrorKind, PoolResult, TransactionOrigin,
    ValidPoolTransaction,
    head::Rules,
    sender::SenderClass,
    state::{Changes, NewTransaction},
    validate,
};
use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{
    Address, Bytes, TxHash,
    map::{AddressMap, AddressSet, B256Map},
};
use peruri_evm::plog::AppendCall;
use peruri_primitives::PooledTransaction;
use rayon::prelude::*;
use std::{sync::Arc, time::Instant};

/// From this many transactions on, a batch is spread over threads.
pub(super) const PARALLEL_FROM: usize = 32;

/// Transactions that a thread takes at once, at least.
pub(super) const PARALLEL_PART: usize = 2;

/// Transactions that are inserted under one lock, at most.
const MAX_BATCH: usize = 1_024;

/// A decoded transaction whose length is within the limit.
pub(super) struct Input {
    tx: PooledTransaction,
    hash: TxHash,
    encoded_length: usize,
    /// Its encoding, where the caller had it.
    raw: Option<Bytes>,
}

impl Input {
    pub(super) fn decode(raw: Bytes, config: &PoolConfig) -> PoolResult<Self> {
        let tx = validate::decode(&raw, config)
            .map_err(|kind| PoolError::new(validate::hash_of_undecoded(&raw, config), kind))?;
        Ok(Self { hash: *tx.tx_hash(), tx, encoded_length: raw.len(), raw: Some(raw) })
    }

    pub(super) fn check(tx: PooledTransaction, config: &PoolConfig) -> PoolResult<Self> {
        let (hash, encoded_length) = (*tx.tx_hash(), encoded_length(&tx));
        validate::check_size(encoded_length, tx.is_eip4844(), config)
            .map_err(|kind| PoolError::new(hash, kind))?;
        Ok(Self { tx, hash, encoded_length, raw: None })
    }
}

/// A transaction that is ready to be inserted.
struct Candidate {
    new: NewTransaction,
    /// Its encoding, if it is to be journalled.
    raw: Option<Bytes>,
}

/// What the checks of one batch share.
struct Checks<'a> {
    pool: &'a Pool,
    rules: &'a Rules,
    listed_only: bool,
    origin: TransactionOrigin,
    journalled: bool,
    now: Instant,
}

impl Pool {
    pub(super) fn admit(
        &self,
        origin: TransactionOrigin,
        inputs: Vec<PoolResult<Input>>,
    ) -> Vec<PoolResult<TxHash>> {
        self.poll_permissions();
        if inputs.len() <= MAX_BATCH {
            return self.admit_batch(origin, inputs);
        }
        let mut results = Vec::with_capacity(inputs.len());
        let mut inputs = inputs.into_iter();
        while inputs.len() > 0 {
            results.extend(self.admit_batch(origin, inputs.by_ref().take(MAX_BATCH).collect()));
        }
        results
    }

    fn admit_batch(
        &self,
        origin: TransactionOrigin,
        inputs: Vec<PoolResult<Input>>,
    ) -> Vec<PoolResult<TxHash>> {
        let Triage { rules, mut results, fresh, twins } = self.triage(inputs);
        let checks = Checks {
            pool: self,
            listed_only: self.listed_only(&rules),
            rules: &rules,
            origin,
            journalled: origin.is_local() && self.shared.journal.is_open(),
            now: Instant::now(),
        };
        let candidates = checks.run(fresh, &mut results);
        self.insert(candidates, &mut results);
        for (index, first) in twins {
            results[index] = match &results[first] {
                Ok(hash) => Err(PoolError::new(*hash, PoolErrorKind::AlreadyKnown)),
                refused => refused.clone(),
            };
        }
        let refused = results.iter().filter(|result| result.is_err()).count();
        self.shared.metrics.refused.increment(refused as u64);
        self.shared.metrics.inserted.increment((results.len() - refused) as u64);
        results
    }

    /// Sorts out what needs no signature to be refused.
    fn triage(&self, inputs: Vec<PoolResult<Input>>) -> Triage {
        let mut results = Vec::with_capacity(inputs.len());
        let mut fresh = Vec::with_capacity(inputs.len());
        let mut twins = Vec::new();
        let mut seen = B256Map::default();
        let state = self.shared.state.read();
        for (index, input) in inputs.into_iter().enumerate() {
            results.push(input.as_ref().map(|input| input.hash).map_err(Clone::clone));
            let Ok(input) = input else { continue };
            let hash = input.hash;
            if let Some(kind) = state.refuses(&hash) {
                results[index] = Err(PoolError::new(hash, kind));
            } else if let Some(first) = seen.get(&hash) {
                twins.push((index, *first));
            } else {
                seen.insert(hash, index);
                fresh.push((index, input));
            }
        }
        Triage { rules: state.rules(), results, fresh, twins }
    }

    /// Inserts candidates in their order, journals and announces them.
    fn insert(&self, candidates: Vec<(usize, Candidate)>, results: &mut [PoolResult<TxHash>]) {
        if candidates.is_empty() {
            return;
        }
        let senders: AddressSet =
            candidates.iter().map(|(_, candidate)| candidate.new.tx.sender()).collect();
        let senders: Vec<Address> = senders.into_iter().collect();
        let (version, unknown) = {
            let state = self.shared.state.read();
            let unknown = senders.iter().filter(|sender| state.sender(sender).is_none());
            (state.version(), unknown.copied().collect::<Vec<_>>())
        };
        let mut accounts = AddressMap::default();
        let mut failure = self.read_accounts(&unknown, &mut accounts).err();

        let mut changes = Changes::default();
        let mut journalled = Vec::new();
        let mut state = self.shared.state.write();
        if state.version() != version {
            // A block came in between: what was read may be older than the pool.
            accounts.clear();
        }
        for sender in &senders {
            if let Some(entry) = state.sender(sender) {
                accounts.insert(*sender, entry.account);
            }
        }
        let late: Vec<Address> =
            senders.iter().filter(|sender| !accounts.contains_key(*sender)).copied().collect();
        if failure.is_none() {
            failure = self.read_accounts(&late, &mut accounts).err();
        }
        for (index, Candidate { new, raw }) in candidates {
            let tx = new.tx.clone();
            let inserted = match (&failure, accounts.contains_key(tx.sender_ref())) {
                (Some(failure), false) => Err(PoolErrorKind::AccountRead(failure.clone())),
                _ => state.insert(new, &accounts, &mut changes),
            };
            match inserted {
                Ok(()) => journalled.extend(raw.map(|raw| (index, tx.hash, raw))),
                Err(kind) => results[index] = Err(PoolError::new(tx.hash, kind)),
            }
        }
        drop(state);
        self.journal(&journalled, results, &mut changes);
        self.finish(changes);
    }

    fn read_accounts(
        &self,
        senders: &[Address],
        accounts: &mut AddressMap<PoolAccount>,
    ) -> Result<(), String> {
        if !senders.is_empty() {
            let read = self.shared.accounts.accounts(senders)?;
            accounts.extend(senders.iter().copied().zip(read));
        }
        Ok(())
    }
}

/// A batch after the first look: results so far, what must be checked, and copies within the batch
/// (their index, the index of the first).
struct Triage {
    rules: Arc<Rules>,
    results: Vec<PoolResult<TxHash>>,
    fresh: Vec<(usize, Input)>,
    twins: Vec<(usize, usize)>,
}

impl Checks<'_> {
    fn run(
        &self,
        fresh: Vec<(usize, Input)>,
        results: &mut [PoolResult<TxHash>],
    ) -> Vec<(usize, Candidate)> {
        let check = |(index, input): (usize, Input)| {
            let hash = input.hash;
            (index, self.check(input).map_err(|kind| PoolError::new(hash, kind)))
        };
        let checked: Vec<(usize, PoolResult<Candidate>)> = if fresh.len() < PARALLEL_FROM {
            fresh.into_iter().map(check).collect()
        } else {
            fresh.into_par_iter().with_min_len(PARALLEL_PART).map(check).collect()
        };
        let mut candidates = Vec::with_capacity(checked.len());
        for (index, checked) in checked {
            match checked {
                Ok(candidate) => candidates.push((index, candidate)),
                Err(error) => results[index] = Err(error),
            }
        }
        candidates
    }

    fn check(&self, input: Input) -> Result<Candidate, PoolErrorKind> {
        let Input { tx, encoded_length, raw, .. } = input;
        let shared = &self.pool.shared;
        validate::check_policy(&tx, self.rules, &shared.config)?;
        validate::check_fork(&tx, self.rules)?;
        let sender = tx.recover_signer().map_err(|_| PoolErrorKind::InvalidSignature)?;
        shared.metrics.recovered.increment(1);
        let class = shared.permissions.class(&sender);
        if self.listed_only && class == SenderClass::Unknown {
            shared.metrics.not_allowed.increment(1);
            return Err(PoolErrorKind::SenderNotAllowed(sender));
        }
        validate::check_sidecar(&tx, self.rules)?;
        let lane = self.lane(&tx, sender)?;
        let authorities = validate::authorities(&tx);
        let raw = self.journalled.then(|| raw.unwrap_or_else(|| Bytes::from(tx.encoded_2718())));
        let (tx, sidecar) = validate::split_sidecar(tx);
        let tx = ValidPoolTransaction::new(
            Recovered::new_unchecked(tx, sender),
            encoded_length,
            self.origin,
            authorities,
            self.now,
            lane,
        );
        Ok(Candidate { new: NewTransaction { tx: Arc::new(tx), sidecar, class }, raw })
    }

    /// What the transaction appends if it is one for the lane.
    fn lane(
        &self,
        tx: &PooledTransaction,
        sender: Address,
    ) -> Result<Option<AppendCall>, PoolErrorKind> {
        let Some(call) = validate::append_call(tx) else { return Ok(None) };
        let signer = self.pool.shared.accounts.source_signer(call.source);
        let signer = signer.map_err(PoolErrorKind::AccountRead)?;
        Ok((signer == Some(sender)).then_some(call))
    }
}
