//! The extension.

use crate::Volumes;
use peruri_exex::{ExExContext, ExExNotification};

/// Adds every committed block to the sums, until the node stops.
///
/// # Errors
/// The database cannot be read or written.
pub async fn transfer_volume(mut ctx: ExExContext) -> eyre::Result<()> {
    let volumes = Volumes::new(ctx.store.clone());
    while let Some(notification) = ctx.notifications.next().await? {
        let ExExNotification::ChainCommitted { new } = notification else {
            // Nothing is missing: the blocks come from the database.
            continue;
        };
        let volumes = volumes.clone();
        // A synced write blocks.
        tokio::task::spawn_blocking(move || volumes.add(&new)).await??;
    }
    Ok(())
}
