//! R12: what one node has shown, another one shows as well.

use super::{Attack, Extent, arena::Arena, watch::Limits};
use crate::{
    Client, Cluster, ClusterOptions, Placement, Result, attack::Finding, dev_wallet, quantity,
    stranger,
};
use alloy_primitives::{B256, U256};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Blocks within which a second node must have a receipt that the first one gave.
const WITHIN: u64 = 2;
const PATIENCE: Duration = Duration::from_secs(60);
const ASK: Duration = Duration::from_millis(10);

/// R12.
pub(super) const ATTACK: Attack = Attack {
    id: "R12",
    name: "a receipt of one node, asked of another",
    limits: Limits { interval: 1.5, memory: 64.0 },
    run: |arena, extent| Box::pin(replica(arena, extent)),
};

async fn replica(arena: Arc<Arena>, extent: Extent) -> Result<Vec<Finding>> {
    let options = ClusterOptions {
        followers: 1,
        placement: Placement::Loopback,
        ..ClusterOptions::new(arena.program(), &arena.folder("replica"), 1)
    };
    let mut cluster = Cluster::create(options).await?;
    cluster.start_all(0..2).await?;
    let servers = [cluster.member(0).client(), cluster.member(1).client()];
    servers[1].wait_block(2, PATIENCE).await?;
    let mut wallet = dev_wallet(0, arena.network())?;
    wallet.set_nonce(servers[0].nonce(wallet.address()).await?);
    let (mut wrong, mut latest) = (None, 0);
    let count = extent.of(6, 60);
    for index in 0..count {
        // By turns the validator and the other one are asked first.
        let (first, second) = (&servers[index % 2], &servers[(index + 1) % 2]);
        let sent = wallet.transfer(stranger(index as u64), U256::from(1))?;
        let hash = first.send_raw(&sent.raw).await?;
        let receipt = first.wait_receipt(hash, PATIENCE).await?;
        match compare(first, second, hash, &receipt).await? {
            Ok(blocks) => latest = latest.max(blocks),
            Err(reason) => wrong = wrong.or(Some(reason)),
        }
    }
    cluster.stop_all().await?;
    let seen =
        wrong.clone().unwrap_or_else(|| format!("{count} receipts, at most {latest} blocks later"));
    Ok(vec![Finding::new(
        format!("a second node has the same receipt within {WITHIN} blocks, and with its block"),
        wrong.is_none(),
        seen,
    )])
}

/// Blocks that passed until the second node had the receipt; otherwise what is wrong.
async fn compare(
    first: &Client,
    second: &Client,
    hash: B256,
    receipt: &Value,
) -> Result<Result<u64, String>> {
    let number = quantity("eth_getTransactionReceipt", &receipt["blockNumber"])?;
    loop {
        // The head first: a receipt of a block below it must be there.
        let head = second.block_number().await?;
        let theirs = second.receipt(hash).await?;
        let passed = first.block_number().await?.saturating_sub(number);
        match theirs {
            Some(theirs) if theirs == *receipt => return Ok(Ok(passed)),
            Some(theirs) => return Ok(Err(format!("{receipt} and {theirs}"))),
            None if head >= number => {
                return Ok(Err(format!(
                    "no receipt of {hash} at the head {head}, mined in {number}"
                )));
            }
            None if passed > WITHIN => {
                return Ok(Err(format!("no receipt of {hash} {passed} blocks later")));
            }
            None => tokio::time::sleep(ASK).await,
        }
    }
}
