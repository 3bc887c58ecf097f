//! The source as an extension of the node.

use super::{ActivityHandle, Command, metrics};
use crate::{ActivityError, chain::BlockFacts, rows::StoreError};
use peruri_exex::{ExExContext, ExExError, ExExNotification};

/// Why the extension ended; the node stops with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExExFailure {
    /// Blocks could not be delivered.
    #[error(transparent)]
    Delivery(#[from] ExExError),
    /// Storage of the source has failed, or what it was given cannot be right.
    #[error("activity: {0}")]
    Store(#[from] StoreError),
    /// The source has ended.
    #[error("activity: {0}")]
    Ended(#[from] ActivityError),
}

/// Feeds committed blocks to a source.
#[derive(Debug)]
pub struct ActivityExEx {
    handle: ActivityHandle,
}

impl ActivityExEx {
    /// For the source of `handle`.
    pub const fn new(handle: ActivityHandle) -> Self {
        Self { handle }
    }

    /// Hands over every block until the node stops; then makes the mark exact. The source writes its
    /// height with its rows, in batches of its own.
    ///
    /// A source without an inbox is made anew from the chain as it is when this begins: start it only
    /// on a node that has caught up with its network.
    ///
    /// # Errors
    /// [`ExExFailure`].
    pub async fn run(self, mut ctx: ExExContext) -> Result<(), ExExFailure> {
        let (source, signer) = {
            let settings = self.handle.settings();
            (settings.source, settings.key.address())
        };
        let mut head = ctx.head.number;
        if self.handle.is_new() {
            // Its inbox is made from the index of the log, which knows the blocks before.
            head = ctx.provider.best_block_number().map_err(StoreError::from)?;
            ctx.notifications.skip_to(head);
        }
        let mut caught_up = ctx.finished_height >= head || self.handle.is_new();
        if caught_up {
            self.caught_up().await?;
        }
        while let Some(notification) = ctx.notifications.next().await? {
            let ExExNotification::ChainCommitted { new } = notification else { continue };
            let facts = BlockFacts::decode(&new.block, &new.receipts, source, signer);
            self.handle.ask(|reply| Command::Block { facts, reply }).await??;
            metrics::show_age(self.handle.queue()?.oldest_ms);
            if !caught_up && new.number() >= head {
                caught_up = true;
                self.caught_up().await?;
            }
        }
        Ok(self.handle.close().await?)
    }

    async fn caught_up(&self) -> Result<(), ExExFailure> {
        Ok(self.handle.ask(|reply| Command::CaughtUp { reply }).await??)
    }
}
