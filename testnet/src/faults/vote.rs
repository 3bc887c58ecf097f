//! Validators voted in and out.

use crate::{Client, Cluster, Result, TestnetError, rpc};
use alloy_primitives::Address;
use serde_json::json;
use std::time::Duration;

/// How long a vote may take: each validator votes when it proposes.
const DECIDED: Duration = Duration::from_secs(60);
/// How often the set is asked for.
const POLL: Duration = Duration::from_millis(200);

/// The validators at the head that a node shows.
///
/// # Errors
/// As [`Client::call`].
pub async fn validators(client: &Client) -> Result<Vec<Address>> {
    let method = "ibft_getValidatorsByBlockNumber";
    let answer = client.call(method, json!(["latest"])).await?;
    let list = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|address| rpc::parse(method, "an address", address)).collect()
}

/// Tells every running validator but the subject to vote `subject` in, or out, and waits until it is
/// decided.
///
/// # Errors
/// [`TestnetError::Timeout`], or as [`Client::call`]; [`TestnetError::Answer`] if no validator runs.
pub async fn vote(cluster: &mut Cluster, subject: usize, enter: bool) -> Result<()> {
    let address = cluster.member(subject).address;
    let voters = voters(cluster, subject).await?;
    for client in &voters {
        client.call("ibft_proposeValidatorVote", json!([address, enter])).await?;
    }
    let decided = async {
        loop {
            for client in &voters {
                if validators(client).await?.contains(&address) == enter {
                    return Ok(());
                }
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let what = format!("the vote about {address}");
    let timeout = || TestnetError::Timeout { what, limit: DECIDED };
    tokio::time::timeout(DECIDED, decided).await.map_err(|_| timeout())?
}

/// Clients of the running validators, without the subject of the vote.
async fn voters(cluster: &mut Cluster, subject: usize) -> Result<Vec<Client>> {
    let others = (0..cluster.len()).filter(|node| *node != subject);
    let running: Vec<_> = others.filter(|node| cluster.running(*node).is_ok()).collect();
    let first = running.first().ok_or_else(|| TestnetError::Answer {
        method: "a vote".to_owned(),
        expected: "a running node",
        got: "none".to_owned(),
    })?;
    let set = validators(&cluster.member(*first).client()).await?;
    let members = running.into_iter().map(|node| cluster.member(node));
    Ok(members.filter(|it| set.contains(&it.address)).map(|it| it.client()).collect())
}
