//! What a running network looks like, asked from outside.

use super::{ClusterState, MemberState};
use crate::{Client, Result, TestnetError, quantity};
use serde_json::{Value, json};
use std::{fmt::Write, path::Path, time::Duration};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A node's answers; `Err` with the reason where it gave none.
#[derive(Debug)]
pub struct NodeStatus {
    name: String,
    validator: bool,
    rpc: String,
    alive: bool,
    head: Result<u64, String>,
    peers: Result<u64, String>,
    round: Result<Value, String>,
}

/// Asks all nodes of the network in `folder`.
///
/// # Errors
/// As [`ClusterState::read`].
pub async fn status(folder: &Path) -> Result<Vec<NodeStatus>> {
    let state = ClusterState::read(folder)?;
    Ok(futures::future::join_all(state.members.iter().map(NodeStatus::of)).await)
}

impl NodeStatus {
    async fn of(member: &MemberState) -> Self {
        let client = Client::new(member.rpc);
        let number = async |method: &str| {
            let answer = ask(&client, method).await?;
            quantity(method, &answer).map_err(|error| error.to_string())
        };
        Self {
            name: member.name.clone(),
            validator: member.validator,
            rpc: format!("http://{}", member.rpc),
            alive: member.process.is_some_and(|process| process.is_alive()),
            head: number("eth_blockNumber").await,
            peers: number("net_peerCount").await,
            round: ask(&client, "ibft_getRoundState").await,
        }
    }

    /// The answers as a table with a line per node.
    pub fn table(nodes: &[Self]) -> String {
        let mut rows =
            vec![["NODE", "ROLE", "PROCESS", "HEAD", "PEERS", "ROUND", "RPC"].map(str::to_owned)];
        rows.extend(nodes.iter().map(Self::row));
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
        let mut table = String::new();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }

    fn row(&self) -> [String; 7] {
        let number = |answer: &Result<u64, String>| {
            answer.as_ref().map_or_else(|_| "-".to_owned(), u64::to_string)
        };
        let round = match &self.round {
            Ok(round) => round_state(round),
            Err(reason) => reason.clone(),
        };
        [
            self.name.clone(),
            if self.validator { "validator" } else { "follower" }.to_owned(),
            if self.alive { "up" } else { "down" }.to_owned(),
            number(&self.head),
            number(&self.peers),
            round,
            self.rpc.clone(),
        ]
    }
}

/// Height and round, and whatever else the node says of itself in a few words.
fn round_state(state: &Value) -> String {
    let shown = |key: &str| match &state[key] {
        Value::Null => None,
        Value::String(text) => Some(format!("{key} {text}")),
        Value::Array(items) => Some(format!("{} {key}", items.len())),
        other => Some(format!("{key} {other}")),
    };
    let parts: Vec<_> = ["height", "round", "missing"].into_iter().filter_map(shown).collect();
    if parts.is_empty() { state.to_string() } else { parts.join(", ") }
}

async fn ask(client: &Client, method: &str) -> Result<Value, String> {
    match tokio::time::timeout(PATIENCE, client.call(method, json!([]))).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(TestnetError::Http { .. })) => Err("no answer".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_per_node_with_columns_below_each_other() {
        let node = |name: &str, head| NodeStatus {
            name: name.to_owned(),
            validator: true,
            rpc: "http://x".to_owned(),
            alive: true,
            head,
            peers: Ok(3),
            round: Ok(json!({ "height": 5, "round": 0, "missing": ["a"] })),
        };
        let table =
            NodeStatus::table(&[node("node1", Ok(4)), node("node10", Err("no".to_owned()))]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("height 5, round 0, 1 missing"), "{table}");
        let column = |line: &str| line.find("http").or_else(|| line.find("RPC"));
        assert!(lines.iter().all(|line| column(line) == column(lines[0])), "{table}");
        assert!(lines[2].starts_with("node10  validator  up       -     3"), "{table}");
    }

    #[tokio::test]
    async fn a_node_that_is_away_is_shown_as_such() {
        let member = MemberState {
            name: "node1".to_owned(),
            address: alloy_primitives::Address::ZERO,
            validator: false,
            rpc: ([127, 0, 0, 1], crate::free_port().expect("port")).into(),
            process: None,
        };
        let table = NodeStatus::table(&[NodeStatus::of(&member).await]);
        assert!(table.contains("follower  down") && table.contains("no answer"), "{table}");
    }
}
