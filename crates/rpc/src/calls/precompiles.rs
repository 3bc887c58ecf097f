//! What state overrides do to precompiled contracts.

use crate::{RpcError, error::RpcResult};
use alloy_evm::precompiles::{MovePrecompileError, PrecompilesMap};
use alloy_primitives::Address;
use alloy_rpc_types_eth::state::StateOverride;
use peruri_chainspec::PLOG_ADDRESS;
use std::collections::BTreeMap;

/// Moves and replacements, taken out of state overrides.
///
/// The transparency log stays where and what it is: it reads and writes the account at its own
/// address.
#[derive(Debug, Default)]
pub(crate) struct PrecompileChanges {
    /// From, to; in a fixed order, so that the answer does not depend on a hash map's.
    moves: Vec<(Address, Address)>,
    /// Addresses with code of their own.
    replaced: Vec<Address>,
}

impl PrecompileChanges {
    /// Takes the moves out of `overrides`.
    pub(crate) fn take(overrides: &mut StateOverride) -> RpcResult<Self> {
        let mut moves = BTreeMap::new();
        let mut replaced = Vec::new();
        for (address, account) in overrides.iter_mut() {
            if let Some(to) = account.move_precompile_to.take() {
                moves.insert(*address, to);
            }
            if account.code.is_some() {
                replaced.push(*address);
            }
        }
        if moves.contains_key(&PLOG_ADDRESS) || replaced.contains(&PLOG_ADDRESS) {
            return Err(RpcError::CannotMove(PLOG_ADDRESS));
        }
        for (from, to) in &moves {
            if from == to {
                return Err(RpcError::MovedToItself(*from));
            }
            if *to == PLOG_ADDRESS {
                return Err(RpcError::CannotMove(PLOG_ADDRESS));
            }
            if overrides.contains_key(to) {
                let text = format!("account {to} is already overridden");
                return Err(RpcError::Execution(text));
            }
        }
        Ok(Self { moves: moves.into_iter().collect(), replaced })
    }

    /// The addresses that lose what `map` has there.
    pub(crate) fn vacated(&self, map: &PrecompilesMap) -> Vec<Address> {
        let changed = self.moves.iter().map(|(from, _)| from).chain(&self.replaced).copied();
        changed.filter(|address| map.get(address).is_some()).collect()
    }

    /// Changes the contracts of an EVM.
    pub(crate) fn apply(self, map: &mut PrecompilesMap) -> RpcResult<()> {
        map.move_precompiles(self.moves).map_err(
            |MovePrecompileError::NotAPrecompile(address)| RpcError::NotAPrecompile(address),
        )?;
        for address in &self.replaced {
            map.apply_precompile(address, |_| None);
        }
        Ok(())
    }
}
