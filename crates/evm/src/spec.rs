//! [`ExecutorSpec`]: which block-level rules the executor applies.

use std::sync::Arc;

use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::Address;
use peruri_chainspec::ChainSpec;

/// The chain specification as the block executor sees it.
///
/// The executor asks it, per block, for system calls, deposit requests, block rewards and the DAO's
/// irregular state change. The EVM's own rules do not come from here but from the environment.
///
/// On a chain with `config.ibft2`, Cancun and everything later is reported as never active, so that
/// no system call runs and no request is collected even if contracts stand at those addresses (one
/// that reverts would make every block invalid), and Paris as active from block 0, so that
/// Ethereum's proof-of-work reward is not paid. Other chains are reported as they are.
#[derive(Debug, Clone)]
pub struct ExecutorSpec(Arc<ChainSpec>);

impl ExecutorSpec {
    /// Wraps a chain specification.
    pub const fn new(chain_spec: Arc<ChainSpec>) -> Self {
        Self(chain_spec)
    }

    /// Whether system calls and Ethereum's block rewards are switched off.
    pub fn is_bft(&self) -> bool {
        self.0.ibft2().is_some()
    }
}

impl EthereumHardforks for ExecutorSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        if !self.is_bft() {
            return self.0.ethereum_fork_activation(fork);
        }
        match fork {
            EthereumHardfork::Paris => ForkCondition::Block(0),
            EthereumHardfork::Dao => ForkCondition::Never,
            later if later >= EthereumHardfork::Cancun => ForkCondition::Never,
            earlier => self.0.ethereum_fork_activation(earlier),
        }
    }
}

impl EthExecutorSpec for ExecutorSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.0.deposit_contract_address()
    }
}
