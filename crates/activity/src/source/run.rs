//! The configured queues as tasks of a node.

use super::{AmqpSource, FileSource, PumpError, pump};
use crate::{
    ActivityHandle,
    config::{AmqpConfig, FileConfig},
};
use tokio_util::sync::CancellationToken;

/// Moves messages from the queue of `[activity.amqp]` into the inbox until `stop`. A broker that is not
/// there is waited for.
///
/// # Errors
/// [`PumpError::Source`] if the broker has exchanges or queues otherwise; [`PumpError::Activity`] if the
/// source has ended before `stop`.
pub async fn run_amqp(
    config: AmqpConfig,
    handle: ActivityHandle,
    stop: CancellationToken,
) -> Result<(), PumpError> {
    let Some(source) = stop.run_until_cancelled(AmqpSource::open(config)).await else {
        return Ok(());
    };
    let mut source = source?;
    let done = pump(&mut source, &handle, &stop).await;
    source.close().await;
    done
}

/// Moves the lines of `[activity.file]` into the inbox until its end or `stop`.
///
/// # Errors
/// [`PumpError::Source`] if the file cannot be read; [`PumpError::Activity`] if the source has ended
/// before `stop`.
pub async fn run_file(
    config: FileConfig,
    handle: ActivityHandle,
    stop: CancellationToken,
) -> Result<(), PumpError> {
    let mut source = FileSource::open(&config.path, handle.parser().largest_message()).await?;
    pump(&mut source, &handle, &stop).await
}
