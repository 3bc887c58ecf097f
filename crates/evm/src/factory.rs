//! [`PeruriEvmFactory`]: builds EVM instances with this chain's precompiled contracts.

use alloy_evm::{
    Database, EvmEnv, EvmFactory,
    eth::{EthEvm, EthEvmBuilder, EthEvmContext},
    precompiles::PrecompilesMap,
};
use alloy_hardforks::ForkCondition;
use revm::{
    Inspector,
    bytecode::opcode::EXTCODEHASH,
    context::{BlockEnv, DBErrorMarker, TxEnv},
    context_interface::result::{EVMError, HaltReason},
    inspector::NoOpInspector,
    interpreter::Instruction,
    primitives::hardfork::SpecId,
};

use crate::{precompiles::precompiles, storage_only::ext_code_hash};

/// An EVM over database `DB` with inspector `I`.
///
/// Not `Send`: build it inside the blocking closure that uses it, never across an `.await`.
pub type PeruriEvm<DB, I = NoOpInspector> = EthEvm<DB, I, PrecompilesMap>;

/// Builds [`PeruriEvm`]s, with the precompiled contracts of the environment's fork and block.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeruriEvmFactory {
    /// Whether the database may show accounts marked as storage-only.
    storage_only: bool,
    /// When the transparency log begins, if the chain has one.
    plog: Option<ForkCondition>,
}

impl PeruriEvmFactory {
    pub(crate) const fn new(storage_only: bool, plog: Option<ForkCondition>) -> Self {
        Self { storage_only, plog }
    }

    /// The precompiled contracts in a block's environment.
    fn precompiles(self, env: &EvmEnv) -> PrecompilesMap {
        let block = &env.block_env;
        let (number, timestamp) = (block.number.saturating_to(), block.timestamp.saturating_to());
        let active = |at: ForkCondition| at.active_at_timestamp_or_number(timestamp, number);
        precompiles(env.cfg_env.spec, self.plog.is_some_and(active))
    }

    fn finish<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        self,
        builder: EthEvmBuilder<DB, I>,
        inspect: bool,
    ) -> PeruriEvm<DB, I> {
        let evm = builder.build();
        if !self.storage_only {
            return evm;
        }
        let mut inner = evm.into_inner();
        if let Some(slot) =
            inner.instruction.instruction_table_mut().get_mut(usize::from(EXTCODEHASH))
        {
            *slot = Instruction::new(ext_code_hash);
        }
        EthEvm::new(inner, inspect)
    }
}

impl EvmFactory for PeruriEvmFactory {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = PeruriEvm<DB, I>;
    type Context<DB: Database> = EthEvmContext<DB>;
    type Tx = TxEnv;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(&self, db: DB, env: EvmEnv) -> Self::Evm<DB, NoOpInspector> {
        let map = self.precompiles(&env);
        self.finish(EthEvmBuilder::new(db, env).precompiles(map), false)
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<Self::Context<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> Self::Evm<DB, I> {
        let map = self.precompiles(&env);
        let builder = EthEvmBuilder::new(db, env).precompiles(map);
        self.finish(builder.activate_inspector(inspector), true)
    }
}
