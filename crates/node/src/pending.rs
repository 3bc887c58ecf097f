//! The block that this node would build now, for the tag `pending`.

use alloy_primitives::Address;
use parking_lot::Mutex;
use peruri_engine::Proposer;
use peruri_rpc::PendingBlockSource;
use peruri_storage::{ExecutedBlock, ProviderFactory};
use peruri_validation::ValidatorSource;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::debug;

/// How long a candidate is good for: building one costs as much as executing it.
const LIFETIME: Duration = Duration::from_millis(250);

/// Builds candidates on demand and keeps the last one for a moment.
#[derive(Debug)]
pub(crate) struct PendingBlocks {
    pub(crate) provider: ProviderFactory,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) validators: Arc<dyn ValidatorSource>,
    /// The block's coinbase.
    pub(crate) coinbase: Address,
    pub(crate) last: Mutex<Option<(Instant, Arc<ExecutedBlock>)>>,
}

impl PendingBlocks {
    fn build(&self) -> eyre::Result<Arc<ExecutedBlock>> {
        let parent = self.provider.last_header()?;
        let state = self.validators.state_after(&parent)?;
        Ok(Arc::new(self.proposer.preview(state.validators(), &parent, self.coinbase)?))
    }
}

impl PendingBlockSource for PendingBlocks {
    /// Builds in place: the runtime moves its other tasks away meanwhile.
    fn pending(&self) -> Option<Arc<ExecutedBlock>> {
        tokio::task::block_in_place(|| self.kept_or_built())
    }
}

impl PendingBlocks {
    fn kept_or_built(&self) -> Option<Arc<ExecutedBlock>> {
        let mut last = self.last.lock();
        let head = self.provider.best_block_hash().ok()?;
        if let Some((built, block)) = &*last
            && built.elapsed() < LIFETIME
            && block.parent_hash() == head
        {
            return Some(block.clone());
        }
        match self.build() {
            Ok(block) => {
                *last = Some((Instant::now(), block.clone()));
                Some(block)
            }
            Err(error) => {
                debug!(target: "node::pending", %error, "no pending block");
                None
            }
        }
    }
}
