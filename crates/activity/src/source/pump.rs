//! From a queue into the inbox.

use super::{Delivery, QueueSource, SourceError};
use crate::{
    ActivityError, ActivityHandle, Submission, core::Origin, rows::DeadLetter, service::now_ms,
};

/// Messages that are accepted with one sync.
const GROUP: usize = 1_000;

/// Why a pump has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PumpError {
    /// The queue cannot be read or answered.
    #[error("queue source: {0}")]
    Source(#[from] SourceError),
    /// The source has failed.
    #[error(transparent)]
    Activity(#[from] ActivityError),
}

/// Moves messages until the queue ends: accepted ones are acknowledged, malformed ones are kept as
/// dead letters and rejected. While the inbox is full or the source stopped nothing more is taken.
///
/// # Errors
/// [`PumpError`]. What was not answered then is delivered again.
pub async fn pump<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
) -> Result<(), PumpError> {
    loop {
        handle.room().await?;
        let deliveries = source.next(GROUP).await?;
        if deliveries.is_empty() {
            return Ok(());
        }
        take_in(source, handle, deliveries).await?;
        if let Some(lag) = source.lag() {
            metrics::gauge!("peruri_activity_source_messages").set(lag as f64);
        }
    }
}

async fn take_in<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
    deliveries: Vec<Delivery>,
) -> Result<(), PumpError> {
    let (mut good, mut malformed) = (Vec::new(), Vec::new());
    for delivery in deliveries {
        match handle.parser().cloud_event(&delivery.message) {
            Ok(submission) => good.push((delivery, submission)),
            Err(error) => malformed.push((delivery, error)),
        }
    }
    // At once: the others may have to wait for room.
    reject(source, handle, malformed).await?;
    while !good.is_empty() {
        let submissions: Vec<Submission> = good.iter().map(|(_, submission)| *submission).collect();
        let answers = handle.submit_batch(&submissions, Origin::Queue).await;
        let (mut again, mut refused) = (Vec::new(), Vec::new());
        for ((delivery, submission), answer) in good.into_iter().zip(answers) {
            match answer {
                Ok(_) => source.ack(delivery.tag).await?,
                Err(ActivityError::Full { .. } | ActivityError::Stopped(_)) => {
                    again.push((delivery, submission));
                }
                Err(error @ ActivityError::Internal(_)) => return Err(error.into()),
                Err(error) => refused.push((delivery, error)),
            }
        }
        reject(source, handle, refused).await?;
        good = again;
        if !good.is_empty() {
            handle.room().await?;
        }
    }
    Ok(())
}

async fn reject<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
    bad: Vec<(Delivery, ActivityError)>,
) -> Result<(), PumpError> {
    if bad.is_empty() {
        return Ok(());
    }
    let now = now_ms();
    let letters =
        bad.iter().map(|(delivery, error)| DeadLetter::new(&delivery.message, error, now));
    handle.keep_dead(letters.collect()).await?;
    for (delivery, error) in &bad {
        source.reject(delivery.tag, error).await?;
    }
    Ok(())
}
