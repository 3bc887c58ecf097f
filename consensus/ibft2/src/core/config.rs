//! What a core is made with.

use std::sync::Arc;

use alloy_primitives::{Address, B256};

#[cfg(feature = "mutants")]
use super::mutants::Mutant;
use crate::{
    config::Ibft2Schedule,
    header::IbftHeader,
    messages::{Block, SigningDomain},
    sign_state::SignRecord,
    validators::ValidatorState,
    votes::Wishes,
};

/// Which timing and relaying rules a core follows. Safety is the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Every node.
    #[default]
    Normal,
    /// Besu, for its own test scenarios: a round timer starts with its round and is not capped, no
    /// jump, nothing is sent again, and the own Commit counts from the acceptance of a proposal on.
    Besu,
}

/// The settings of a core that never change.
#[derive(Debug, Clone)]
pub struct Config {
    /// Periods, timeouts, transitions.
    pub schedule: Arc<Ibft2Schedule>,
    /// Chain id of EIP-155, part of the signing domain where signatures are chain-bound.
    pub chain_id: u64,
    /// Hash of block 0.
    pub genesis_hash: B256,
    /// Vanity of own blocks; where signatures are chain-bound the genesis hash takes its place.
    pub vanity: B256,
    /// Timing and relaying rules.
    pub profile: Profile,
    /// The bug to be found, in builds that show that the simulator finds it.
    #[cfg(feature = "mutants")]
    pub mutant: Option<Mutant>,
}

impl Config {
    /// Normal profile, vanity zero.
    pub const fn new(schedule: Arc<Ibft2Schedule>, chain_id: u64, genesis_hash: B256) -> Self {
        Self {
            schedule,
            chain_id,
            genesis_hash,
            vanity: B256::ZERO,
            profile: Profile::Normal,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// What signatures of messages cover on this chain.
    pub fn domain(&self) -> SigningDomain {
        #[cfg(feature = "mutants")]
        if self.mutant == Some(Mutant::DomainUnbound) {
            return SigningDomain::Besu;
        }
        if self.schedule.config().chain_bound_signatures {
            SigningDomain::ChainBound { chain_id: self.chain_id, genesis_hash: self.genesis_hash }
        } else {
            SigningDomain::Besu
        }
    }

    /// Vanity of own blocks.
    pub fn own_vanity(&self) -> B256 {
        if self.schedule.config().chain_bound_signatures { self.genesis_hash } else { self.vanity }
    }
}

/// What the driver found of the sign state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredRecord {
    /// No sign state.
    Missing,
    /// A sign state without a whole record, of another chain or of another validator.
    Damaged,
    /// The newest whole record.
    Present(Box<SignRecord>),
}

/// The state in which a core starts.
#[derive(Debug, Clone)]
pub struct Start {
    /// The newest stored header.
    pub parent: IbftHeader,
    /// Validators and votes after it.
    pub validators: ValidatorState,
    /// Address of the own key.
    pub local: Address,
    /// The own sign state.
    pub record: StoredRecord,
    /// The blocks that the record names ([`SignRecord::blocks`]).
    pub blocks: Vec<Arc<Block>>,
    /// Sequence number of the newest durable record that the database names; 0 for none.
    pub store_sequence: u64,
    /// Whether the chain shows the own address in the validator set of a stored block (genesis not
    /// counted: nobody signs it).
    pub was_validator: bool,
    /// The operator's wishes and whether each is forced.
    pub wishes: Wishes,
    /// Those of the wishes that are forced.
    pub forced: Vec<Address>,
}
