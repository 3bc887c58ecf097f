//! A caller of the mirror.

use super::MadeActivity;
use crate::{Client, Member, Result, TestnetError};
use alloy_rpc_types_engine::JwtSecret;
use peruri_rpc_api::{ActivityBatchItem, ActivityCompletions, ActivityQueue, ActivityStatus};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};

/// Requests of a node that may be restarting are tried again after this.
const AGAIN: Duration = Duration::from_millis(100);

/// Hands activities in at the authenticated server and reads at the public one.
#[derive(Debug)]
pub struct MirrorClient {
    auth: Client,
    public: Client,
}

impl MirrorClient {
    /// A caller of this node, which must have been started once: it makes the secret.
    ///
    /// # Errors
    /// [`TestnetError::Io`] if the secret cannot be read.
    pub fn new(member: &Member) -> Result<Self> {
        let path = member.options.datadir.join("jwt.hex");
        let io = || TestnetError::io(path.display().to_string());
        let text = fs::read_to_string(&path).map_err(io())?;
        let secret = JwtSecret::from_hex(text.trim())
            .map_err(|error| io()(std::io::Error::other(error.to_string())))?;
        let address = (member.options.ip, member.options.ports.authrpc.unwrap_or_default()).into();
        Ok(Self { auth: Client::with_secret(address, secret), public: member.client() })
    }

    /// Any method of the authenticated server.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.auth.call(method, params).await
    }

    /// `activity_submitBatch`: an answer for each.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn submit_batch(&self, activities: &[Value]) -> Result<Vec<ActivityBatchItem>> {
        let answer = self.auth.call("activity_submitBatch", json!([activities])).await?;
        decode("activity_submitBatch", answer)
    }

    /// `activity_submitBatch` in the track form.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn track(&self, activities: &[MadeActivity]) -> Result<Vec<ActivityBatchItem>> {
        let params: Vec<_> = activities.iter().map(MadeActivity::track).collect();
        self.submit_batch(&params).await
    }

    /// `activity_getStatus` of several.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn statuses(&self, ids: &[&str]) -> Result<Vec<ActivityStatus>> {
        decode("activity_getStatus", self.public.call("activity_getStatus", json!([ids])).await?)
    }

    /// `activity_getQueue`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn queue(&self) -> Result<ActivityQueue> {
        decode("activity_getQueue", self.public.call("activity_getQueue", json!([])).await?)
    }

    /// `activity_getCompletions` from a number on, waiting for the first.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn completions(&self, from: u64, wait: Duration) -> Result<ActivityCompletions> {
        let query = json!({"from": from, "limit": 1_000, "waitMs": wait.as_millis() as u64});
        let answer = self.public.call("activity_getCompletions", json!([query])).await?;
        decode("activity_getCompletions", answer)
    }

    /// Waits until the source accepts; a node that does not answer yet is asked again.
    ///
    /// # Errors
    /// [`TestnetError::Timeout`] after `limit`, with what the queue said last.
    pub async fn accepting(&self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let mut last = "no answer".to_owned();
        while Instant::now() < end {
            match self.queue().await {
                Ok(queue) if queue.accepting => return Ok(()),
                Ok(queue) => last = format!("{queue:?}"),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(AGAIN).await;
        }
        Err(TestnetError::Timeout { what: format!("that the mirror accepts ({last})"), limit })
    }

    /// Waits until numbers below `end` are through.
    ///
    /// # Errors
    /// [`TestnetError::Timeout`] after `limit`.
    pub async fn through(&self, end: u64, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match self.completions(end - 1, Duration::from_secs(5)).await {
                Ok(found) if found.next >= end => return Ok(()),
                Ok(_) => {}
                Err(error) if error.is_connection() => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(error),
            }
        }
        Err(TestnetError::Timeout { what: format!("the completion of number {}", end - 1), limit })
    }
}

fn decode<T: DeserializeOwned>(method: &str, answer: Value) -> Result<T> {
    serde_json::from_value(answer).map_err(|error| TestnetError::Answer {
        method: method.to_owned(),
        expected: "the documented members",
        got: error.to_string(),
    })
}
