//! No acknowledged transaction is lost.

use super::{Chain, chain::by_id};
use crate::{Client, Observations, Result, quantity};
use serde_json::{Value, json};

/// Receipts asked for in one batch.
const BATCH: usize = 100;

/// Transactions that some node showed in a block and that a node does not have in that block.
pub fn lost_transactions(chains: &[Chain], seen: &Observations) -> Vec<String> {
    let mut found = Vec::new();
    for (transaction, acknowledged) in &seen.transactions {
        for chain in chains {
            let block = chain.block(acknowledged.height);
            if !block.is_some_and(|block| block.transactions.contains(transaction)) {
                found.push(format!(
                    "{transaction}, acknowledged by node {} in block {}, is not on {}",
                    acknowledged.node, acknowledged.height, chain.node
                ));
            }
        }
    }
    found
}

/// Acknowledged transactions without a receipt of the right block on this node.
///
/// # Errors
/// As [`Client::post`].
pub async fn missing_receipts(
    node: &str,
    client: &Client,
    seen: &Observations,
) -> Result<Vec<String>> {
    let method = "eth_getTransactionReceipt";
    let mut found = Vec::new();
    let all: Vec<_> = seen.transactions.iter().collect();
    for part in all.chunks(BATCH) {
        let requests = (0u64..).zip(part).map(|(id, (hash, _))| {
            json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [hash] })
        });
        let body = Value::Array(requests.collect()).to_string().into_bytes();
        let answers = client.post(method, body).await?;
        for (id, (hash, acknowledged)) in (0u64..).zip(part) {
            let height = quantity(method, &by_id(&answers, id)["blockNumber"]);
            if height.ok() != Some(acknowledged.height) {
                found.push(format!(
                    "no receipt of {hash} in block {} on {node}",
                    acknowledged.height
                ));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::chain::tests::chain;
    use alloy_primitives::B256;

    #[test]
    fn a_transaction_must_be_on_every_node_in_its_block() {
        let mut chains = [chain("a", 5), chain("b", 5)];
        let transaction = chains[0].blocks[3].transactions[0];
        let mut seen = Observations::default();
        seen.note_block(0, 3, B256::ZERO, &[transaction]);
        assert!(lost_transactions(&chains, &seen).is_empty());
        let moved = chains[1].blocks[3].transactions.split_off(0);
        chains[1].blocks[4].transactions.extend(moved);
        let found = lost_transactions(&chains, &seen);
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("is not on b"), "{found:?}");
        chains[0].blocks.truncate(3);
        assert_eq!(lost_transactions(&chains, &seen).len(), 2);
    }
}
