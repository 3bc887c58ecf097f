//! Answers of [`ActivityWriteApiServer`].

use super::{
    answer::{self, refused},
    params::{self, malformed},
};
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_activity::{ActivityError, ActivityHandle, Submission, core::Origin, request::Parser};
use peruri_rpc_api::{
    ActivityAccepted, ActivityBatchItem, ActivityDeadLetter, ActivityWriteApiServer,
};
use serde_json::{Value, value::RawValue};

/// Most activities of a batch.
const MOST_IN_BATCH: usize = 1_000;

/// Answers of [`ActivityWriteApiServer`].
pub(crate) struct ActivityWrite {
    handle: ActivityHandle,
    parser: Parser,
}

impl ActivityWrite {
    /// Without `track` user ids and payloads are refused.
    pub(crate) fn new(handle: ActivityHandle, track: bool) -> Self {
        let parser = handle.parser().clone();
        let parser = if track { parser } else { parser.without_track() };
        Self { handle, parser }
    }

    async fn accept(
        &self,
        submission: Result<Submission, ActivityError>,
    ) -> RpcResult<ActivityAccepted> {
        let submission = submission.map_err(refused)?;
        let acceptance = self.handle.submit(submission).await.map_err(refused)?;
        Ok(answer::accepted(&acceptance, Some(&submission)))
    }
}

#[async_trait]
impl ActivityWriteApiServer for ActivityWrite {
    async fn submit(&self, activity: Box<RawValue>) -> RpcResult<ActivityAccepted> {
        self.accept(self.parser.submit(activity.get())).await
    }

    async fn track(&self, activity: Box<RawValue>) -> RpcResult<ActivityAccepted> {
        self.accept(self.parser.track(activity.get())).await
    }

    async fn submit_batch(
        &self,
        activities: Vec<Box<RawValue>>,
    ) -> RpcResult<Vec<ActivityBatchItem>> {
        if activities.len() > MOST_IN_BATCH {
            return Err(refused(malformed("params", "at most 1,000 activities at a time")));
        }
        let parsed: Vec<_> =
            activities.iter().map(|activity| self.parser.either(activity.get())).collect();
        let good: Vec<Submission> =
            parsed.iter().filter_map(|it| it.as_ref().ok()).copied().collect();
        let mut accepted = self.handle.submit_batch(&good, Origin::Caller).await.into_iter();
        let answers = parsed.iter().map(|parsed| match parsed {
            Err(error) => answer::item(&Err(error.clone()), None),
            Ok(submission) => {
                let missing = || Err(ActivityError::Internal("no answer".to_owned()));
                answer::item(&accepted.next().unwrap_or_else(missing), Some(submission))
            }
        });
        Ok(answers.collect())
    }

    async fn erase(&self, activity: Value) -> RpcResult<ActivityAccepted> {
        let id = params::erase(&activity).map_err(refused)?;
        let acceptance = self.handle.erase(id).await.map_err(refused)?;
        Ok(answer::accepted(&acceptance, None))
    }

    async fn void(&self, what: Value) -> RpcResult<bool> {
        let (target, reason) = params::void(&what).map_err(refused)?;
        self.handle.void(target, reason).await.map_err(refused)?;
        Ok(true)
    }

    async fn retry_refused(&self) -> RpcResult<bool> {
        self.handle.retry_refused().await.map_err(refused)?;
        Ok(true)
    }

    fn dead_letters(&self, limit: Option<Value>) -> RpcResult<Vec<ActivityDeadLetter>> {
        let limit = params::limit(limit.as_ref()).map_err(refused)?;
        let letters = self.handle.dead_letters(limit).map_err(refused)?;
        Ok(letters.into_iter().map(answer::dead_letter).collect())
    }
}
