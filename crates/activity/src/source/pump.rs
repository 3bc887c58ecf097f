//! From a queue into the inbox.

use super::{Delivery, QueueSource, SourceError};
use crate::{
    Acceptance, ActivityError, ActivityHandle, Submission, core::Origin, rows::DeadLetter,
    service::now_ms,
};
use tokio_util::sync::CancellationToken;

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

/// Moves messages until the queue ends or `stop`: accepted ones are acknowledged, malformed ones are kept
/// as dead letters and rejected. While the inbox is full or the source stopped nothing more is taken.
///
/// # Errors
/// [`PumpError`]. What was not answered then is delivered again.
pub async fn pump<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
    stop: &CancellationToken,
) -> Result<(), PumpError> {
    // Wherever this is left, a message that was not acknowledged comes again and is recognised.
    stop.run_until_cancelled(move_all(source, handle)).await.unwrap_or(Ok(()))
}

/// A message that can be accepted.
type Good = (Delivery, Submission);

async fn move_all<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
) -> Result<(), PumpError> {
    let mut held = Vec::new();
    loop {
        handle.room().await?;
        if held.is_empty() {
            let deliveries = source.next(GROUP).await?;
            if deliveries.is_empty() {
                return Ok(());
            }
            held = sort_out(source, handle, deliveries).await?;
        }
        held = take_in(source, handle, held).await?;
    }
}

/// Offers messages to the inbox; returns those that have to wait. When it is full afterwards, the queue
/// pauses first: an acknowledgement would let it deliver more. What it had delivered has room beyond
/// the mark, so that it does not have to go back, which counts as a failed delivery.
async fn take_in<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
    mut held: Vec<Good>,
) -> Result<Vec<Good>, PumpError> {
    loop {
        let submissions: Vec<Submission> = held.iter().map(|(_, submission)| *submission).collect();
        let answers = handle.submit_batch(&submissions, Origin::Queue).await;
        let more = if handle.has_room() { Vec::new() } else { pause(source).await? };
        held = settle(source, handle, held, answers).await?;
        if more.is_empty() {
            return Ok(held);
        }
        held.extend(sort_out(source, handle, more).await?);
    }
}

async fn pause<S: QueueSource>(source: &mut S) -> Result<Vec<Delivery>, SourceError> {
    let delivered = source.pause().await?;
    let (lag, delivered_messages) = (source.lag(), delivered.len());
    tracing::debug!(target: "activity", lag, delivered_messages, "no room: the queue waits");
    Ok(delivered)
}

/// Answers the queue; returns what has to wait.
async fn settle<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
    offered: Vec<Good>,
    answers: Vec<Result<Acceptance, ActivityError>>,
) -> Result<Vec<Good>, PumpError> {
    let (mut accepted, mut again, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for ((delivery, submission), answer) in offered.into_iter().zip(answers) {
        match answer {
            Ok(_) => accepted.push(delivery.tag),
            Err(ActivityError::Full { .. } | ActivityError::Stopped(_)) => {
                again.push((delivery, submission));
            }
            Err(error @ ActivityError::Internal(_)) => return Err(error.into()),
            Err(error) => refused.push((delivery, error)),
        }
    }
    reject(source, handle, refused).await?;
    source.ack(&accepted).await?;
    Ok(again)
}

/// Rejects what is malformed at once, before the others wait for room.
async fn sort_out<S: QueueSource>(
    source: &mut S,
    handle: &ActivityHandle,
    deliveries: Vec<Delivery>,
) -> Result<Vec<Good>, PumpError> {
    let (mut good, mut malformed) = (Vec::new(), Vec::new());
    for delivery in deliveries {
        match handle.parser().cloud_event(&delivery.message) {
            Ok(submission) => good.push((delivery, submission)),
            Err(error) => malformed.push((delivery, error)),
        }
    }
    reject(source, handle, malformed).await?;
    Ok(good)
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
