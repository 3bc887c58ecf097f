//! Namespace `exex`.

use crate::{RpcError, context::Context};
use jsonrpsee::core::RpcResult;
use peruri_rpc_api::{ExExApiServer, ExExHeight};

/// Answers of [`ExExApiServer`].
pub(crate) struct ExEx {
    ctx: Context,
}

impl ExEx {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }
}

impl ExExApiServer for ExEx {
    fn heights(&self) -> RpcResult<Vec<ExExHeight>> {
        let heights = self.ctx.factory().finished_heights();
        let head = self.ctx.factory().best_block_number().map_err(RpcError::from)?;
        let line = |(name, finished_height)| {
            let lag = head.saturating_sub(finished_height);
            ExExHeight { name, finished_height, lag }
        };
        Ok(heights.into_iter().map(line).collect())
    }
}
