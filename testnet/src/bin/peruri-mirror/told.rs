//! What callers were told, and whether they were told the same each time.

use crate::network::MirrorNetwork;
use peruri_rpc_api::{ActivityAccepted, ActivityBatchItem};
use peruri_testnet::{Client, Findings, MadeActivity, MirrorClient, Result, check_entries};
use serde_json::Value;
use std::collections::BTreeMap;

/// JSON-RPC codes that mean: not now.
const FULL: i32 = -32005;
const STOPPED: i32 = -32013;

/// Answers by activity id.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) accepted: BTreeMap<String, ActivityAccepted>,
    /// Answers that differ from an earlier one, and refusals that have no reason.
    pub(crate) wrong: Vec<String>,
    /// How often a caller was told to come again.
    pub(crate) put_off: usize,
}

impl Told {
    /// Submits; returns the numbers of those that have to be sent again.
    pub(crate) async fn submit(
        &mut self,
        caller: &MirrorClient,
        activities: &[Value],
    ) -> Result<Vec<usize>> {
        let answers = caller.submit_batch(activities).await?;
        let again = answers.into_iter().enumerate().filter_map(|(at, answer)| {
            let id = activities[at]["activityId"].as_str().unwrap_or_default();
            self.note(id, answer).then_some(at)
        });
        Ok(again.collect())
    }

    /// True if it has to be sent again.
    fn note(&mut self, id: &str, answer: ActivityBatchItem) -> bool {
        match answer {
            ActivityBatchItem::Refused { error } if [FULL, STOPPED].contains(&error.code) => {
                self.put_off += 1;
                return true;
            }
            ActivityBatchItem::Refused { error } => self.wrong.push(format!("{id}: {error:?}")),
            ActivityBatchItem::Accepted(told) => {
                let first = self.accepted.entry(id.to_owned()).or_insert_with(|| told.clone());
                if (first.source_seq, &first.entry) != (told.source_seq, &told.entry) {
                    self.wrong.push(format!("{id}: {first:?}, then {told:?}"));
                }
            }
        }
        false
    }

    /// Submits until every one is accepted.
    pub(crate) async fn submit_all(
        &mut self,
        caller: &MirrorClient,
        activities: &[MadeActivity],
    ) -> Result<()> {
        for batch in activities.chunks(100) {
            let mut waiting: Vec<Value> = batch.iter().map(MadeActivity::track).collect();
            while !waiting.is_empty() {
                let again = self.submit(caller, &waiting).await?;
                waiting = again.into_iter().map(|at| waiting[at].clone()).collect();
                if !waiting.is_empty() {
                    caller.accepting(crate::network::LIMIT).await?;
                }
            }
        }
        Ok(())
    }

    /// Highest number that was told.
    pub(crate) fn highest(&self) -> u64 {
        self.accepted.values().map(|it| it.source_seq).max().unwrap_or_default()
    }

    /// Compares with the log as `client`'s node has it.
    pub(crate) async fn compare(
        &self,
        client: &Client,
        network: &MirrorNetwork,
    ) -> Result<Findings> {
        let (source, signer) = (network.setup.source, network.setup.signer()?);
        check_entries(client, source, signer, &self.accepted).await
    }
}
