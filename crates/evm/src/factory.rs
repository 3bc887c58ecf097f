//! [`PeruriEvmFactory`]: builds EVM instances with this chain's precompiled contracts.

use alloy_evm::{
    Database, EvmEnv, EvmFactory,
    eth::{EthEvm, EthEvmBuilder, EthEvmContext},
    precompiles::PrecompilesMap,
};
use revm::{
    Inspector,
    context::{BlockEnv, DBErrorMarker, TxEnv},
    context_interface::result::{EVMError, HaltReason},
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
};

use crate::precompiles::precompiles;

/// An EVM over database `DB` with inspector `I`.
///
/// Not `Send`: build it inside the blocking closure that uses it, never across an `.await`.
pub type PeruriEvm<DB, I = NoOpInspector> = EthEvm<DB, I, PrecompilesMap>;

/// Builds [`PeruriEvm`]s, with the precompiled contracts of the environment's fork.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PeruriEvmFactory;

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
        let map = precompiles(env.cfg_env.spec);
        EthEvmBuilder::new(db, env).precompiles(map).build()
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<Self::Context<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> Self::Evm<DB, I> {
        let map = precompiles(env.cfg_env.spec);
        EthEvmBuilder::new(db, env).precompiles(map).activate_inspector(inspector).build()
    }
}
