//! Terms of validator sets: an auditor who trusts one set needs, for each later set, a header that
//! enough of the set before have sealed.

use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_primitives::Address;
use peruri_ibft2::{ExtraData, recover_seals, seal_digest};
use peruri_primitives::SealedHeader;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Headers of a term that are looked at for one with many seals of the set before.
const LOOKED_AT: u64 = 1_000;

/// Name of the row that keeps what was found, so that a start does not read every header again.
const ROW: &str = "rpc/plog-terms";
/// Headers between two writes of that row.
const KEPT_EVERY: u64 = 1_024;

/// A set of validators.
pub(super) type Validators = BTreeSet<Address>;

/// From which block on which set signs, as far as headers were looked at.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Terms {
    terms: Vec<Term>,
    /// Number of the next header to look at.
    next: u64,
    /// The same when the row was written.
    #[serde(skip)]
    kept: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Term {
    /// Its first block.
    first: u64,
    validators: Validators,
    /// The block with most seals of the set before, once one of the first blocks had all of them.
    best: Option<u64>,
}

impl Terms {
    /// Looks at the headers up to `head`.
    pub(super) fn follow(&mut self, ctx: &Inner, head: u64) -> RpcResult<()> {
        if self.next == 0 {
            self.read(ctx)?;
        }
        while self.next <= head {
            let header = header(ctx, self.next)?;
            let validators = validators_of(&header)?;
            if self.terms.last().is_none_or(|term| term.validators != validators) {
                self.terms.push(Term { first: header.number, validators, best: None });
            }
            self.next = self.next.saturating_add(1);
        }
        if self.next.saturating_sub(self.kept) >= KEPT_EVERY {
            ctx.factory().meta_put(ROW, &serde_json::to_vec(self)?)?;
            self.kept = self.next;
        }
        Ok(())
    }

    /// Takes what an earlier start found. The chain never changes, so all of it still holds.
    fn read(&mut self, ctx: &Inner) -> RpcResult<()> {
        if let Some(row) = ctx.factory().meta_get(ROW)? {
            *self = serde_json::from_slice(&row)?;
            self.kept = self.next;
        }
        Ok(())
    }

    /// The set that sealed block `number`.
    fn term_of(&self, number: u64) -> Option<usize> {
        self.terms.partition_point(|term| term.first <= number).checked_sub(1)
    }

    /// Headers that lead from `trusted`, the set of the genesis block by default, to the set of block
    /// `number`, all below it. `None` if there is no way: the term of the block has none below it, or
    /// `trusted` was no set of this chain.
    pub(super) fn changes(
        &mut self,
        ctx: &Inner,
        trusted: Option<&Validators>,
        number: u64,
    ) -> RpcResult<Option<Vec<SealedHeader>>> {
        let Some(last) = self.term_of(number) else { return Ok(None) };
        let trusted = trusted.or(self.terms.first().map(|term| &term.validators)).cloned();
        let start =
            self.terms[..=last].iter().rposition(|term| Some(&term.validators) == trusted.as_ref());
        let Some(start) = start else { return Ok(None) };
        let mut changes = Vec::new();
        for index in start.saturating_add(1)..=last {
            let end = self.terms.get(index.saturating_add(1)).map_or(number, |next| next.first);
            match self.change(ctx, index, end.min(number))? {
                Some(header) => changes.push(header),
                None => return Ok(None),
            }
        }
        Ok(Some(changes))
    }

    /// The header of a term, below block `end`, with most seals of the set before.
    fn change(&mut self, ctx: &Inner, index: usize, end: u64) -> RpcResult<Option<SealedHeader>> {
        let Some([before, term]) = self.terms.get_mut(index.wrapping_sub(1)..=index) else {
            return Ok(None);
        };
        if let Some(best) = term.best.filter(|best| *best < end) {
            return header(ctx, best).map(Some);
        }
        let most = before.validators.intersection(&term.validators).count();
        let mut best: Option<(usize, SealedHeader)> = None;
        for number in term.first..end.min(term.first.saturating_add(LOOKED_AT)) {
            let header = header(ctx, number)?;
            let seals = signers(&header)?.intersection(&before.validators).count();
            if best.as_ref().is_none_or(|(most, _)| seals > *most) {
                best = Some((seals, header));
            }
            if seals == most {
                term.best = Some(number);
                break;
            }
        }
        Ok(best.map(|(_, header)| header))
    }
}

/// The validators whose seals a header carries.
pub(super) fn signers(header: &SealedHeader) -> RpcResult<Validators> {
    let extra = extra_data(header)?;
    let digest = seal_digest(header.header()).map_err(RpcError::internal)?;
    let signers = recover_seals(digest, &extra.seals).map_err(RpcError::internal)?;
    Ok(signers.into_iter().collect())
}

fn validators_of(header: &SealedHeader) -> RpcResult<Validators> {
    Ok(extra_data(header)?.validators.into_iter().collect())
}

fn extra_data(header: &SealedHeader) -> RpcResult<ExtraData> {
    ExtraData::decode(&header.extra_data).map_err(RpcError::internal)
}

fn header(ctx: &Inner, number: u64) -> RpcResult<SealedHeader> {
    let header = ctx.factory().sealed_header(number)?;
    header.ok_or_else(|| RpcError::internal(format_args!("no header of block {number}")))
}
