//! The governance contract as the genesis allocation of a new network holds it.

use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256, address, keccak256};

use super::abi::PlogGovernance;

/// Where `genesis create` puts the governance contract: the ASCII bytes `PLOGGOV1`, left-padded.
pub const GOVERNANCE_ADDRESS: Address = address!("0x000000000000000000000000504c4f47474f5631");

/// Most members (`MOST_MEMBERS` of the contract).
pub const MOST_MEMBERS: usize = 32;

const MEMBERS_SLOT: U256 = U256::ZERO;
const THRESHOLD_SLOT: U256 = U256::ONE;

/// The contract with these members, of whom `threshold` must approve a call: code and slots, as a
/// constructor would leave them.
///
/// # Errors
/// If the contract itself would not accept them: 2 to [`MOST_MEMBERS`] distinct members that are
/// neither zero nor the contract, and a threshold of at least 2 and more than half.
pub fn governance_account(
    members: &[Address],
    threshold: usize,
) -> Result<GenesisAccount, BadMembers> {
    let distinct: std::collections::BTreeSet<_> = members.iter().collect();
    let allowed = |it: &Address| !it.is_zero() && *it != GOVERNANCE_ADDRESS;
    if members.len() > MOST_MEMBERS
        || distinct.len() != members.len()
        || !members.iter().all(allowed)
        || !(2..=members.len()).contains(&threshold)
        || threshold <= members.len() / 2
    {
        return Err(BadMembers { members: members.len(), threshold });
    }
    let first = U256::from_be_bytes(keccak256(B256::from(MEMBERS_SLOT)).0);
    let listed = (0u64..).zip(members).map(|(index, member)| {
        (B256::from(first.wrapping_add(U256::from(index))), member.into_word())
    });
    let counts = [
        (MEMBERS_SLOT.into(), U256::from(members.len()).into()),
        (THRESHOLD_SLOT.into(), U256::from(threshold).into()),
    ];
    Ok(GenesisAccount {
        nonce: Some(1),
        code: Some(PlogGovernance::DEPLOYED_BYTECODE.clone()),
        storage: Some(listed.chain(counts).collect()),
        ..GenesisAccount::default()
    })
}

/// Members and threshold that the governance contract does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{threshold} of {members} members: expected 2 to {MOST_MEMBERS} distinct members and a \
     threshold of at least 2 and more than half"
)]
pub struct BadMembers {
    /// Number of members.
    pub members: usize,
    /// The threshold.
    pub threshold: usize,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn members(count: u8) -> Vec<Address> {
        (1..=count).map(Address::repeat_byte).collect()
    }

    #[test]
    fn members_lie_where_solidity_puts_them() {
        let account = governance_account(&members(3), 2).unwrap();
        let storage = account.storage.unwrap();
        assert_eq!(storage.len(), 5);
        assert_eq!(storage[&B256::ZERO], B256::with_last_byte(3));
        assert_eq!(storage[&B256::with_last_byte(1)], B256::with_last_byte(2));
        let second = U256::from_be_bytes(keccak256(B256::ZERO).0) + U256::from(1);
        assert_eq!(storage[&B256::from(second)], Address::repeat_byte(2).into_word());
    }

    #[test]
    fn one_key_or_a_minority_can_never_be_enough() {
        for (count, threshold) in [(0, 0), (1, 1), (2, 1), (3, 1), (3, 4), (4, 2), (33, 33)] {
            assert!(governance_account(&members(count), threshold).is_err(), "{count} {threshold}");
        }
        for (count, threshold) in [(2, 2), (3, 2), (4, 3), (32, 17)] {
            assert!(governance_account(&members(count), threshold).is_ok(), "{count} {threshold}");
        }
        let twice = [Address::repeat_byte(1); 3];
        assert!(governance_account(&twice, 2).is_err());
        let itself = [Address::repeat_byte(1), Address::repeat_byte(2), GOVERNANCE_ADDRESS];
        assert!(governance_account(&itself, 2).is_err());
    }
}
