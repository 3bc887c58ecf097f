//! T16: memory and disk of a validator, idle, after S1 and after ten times S1, where S1 is
//! 102,400 transfers to accounts that did not exist.

use crate::{
    load::{self, Kind, Plan},
    subject::{CHAIN_ID, Programs, Running, Subject},
};
use eyre::Result;
use peruri_testnet::Network;
use serde::Serialize;
use std::time::Duration;

/// Transfers of S1.
pub const S1: usize = 102_400;
/// How often S1 is done in all.
const TIMES: usize = 10;
/// Transfers that are sent before they are waited for: what the pool can hold.
const PART: usize = 51_200;
const BATCH: usize = 100;
const CONNECTIONS: usize = 4;

/// Memory and disk at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// Transfers so far.
    pub transfers: usize,
    /// Resident memory in MiB.
    pub resident_mib: f64,
    /// Files in MiB.
    pub disk_mib: f64,
}

/// How a validator grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Growth {
    /// Started, ten blocks old.
    pub idle: Size,
    /// After S1.
    pub once: Size,
    /// After ten times S1.
    pub tenfold: Size,
}

impl Growth {
    /// Bytes on disk for each transfer between the two.
    pub fn disk_bytes_per_transfer(&self) -> f64 {
        let transfers = (self.tenfold.transfers - self.once.transfers) as f64;
        (self.tenfold.disk_mib - self.once.disk_mib) * f64::from(1 << 20) / transfers
    }
}

/// Measures after `s1` transfers and after ten times as many; the row's own number is [`S1`].
///
/// # Errors
/// If the node fails, or a transaction is refused.
pub async fn measure(programs: &Programs, s1: usize) -> Result<Growth> {
    let network = Network { chain_id: CHAIN_ID, max_fee_per_gas: 0 };
    let transactions = s1 * TIMES;
    eprintln!("T16: signing {transactions} transactions");
    let mut plan = Plan::sign(Kind::Transfers, network, transactions, BATCH, CONNECTIONS)?;
    let node = Subject::Peruri.start(programs, &plan.senders).await?;
    node.client().wait_block(10, Duration::from_secs(60)).await?;
    let idle = size(&node, 0)?;
    transfer(&node, &mut plan, s1).await?;
    let once = size(&node, s1)?;
    transfer(&node, &mut plan, transactions - s1).await?;
    let tenfold = size(&node, transactions)?;
    node.stop().await?;
    Ok(Growth { idle, once, tenfold })
}

/// Sends the next transfers of the plan in parts, until they are mined.
async fn transfer(node: &Running, plan: &mut Plan, count: usize) -> Result<()> {
    let client = node.client();
    let (mut from, mut left) = (client.block_number().await?, count);
    while left > 0 {
        let part = left.min(PART);
        let bodies = part / (BATCH * CONNECTIONS);
        let next = plan.bodies.iter_mut().map(|all| all.drain(..bodies).collect::<Vec<_>>());
        load::send(&[node.address()], next.collect()).await?;
        from = load::mined(&client, from, part).await?;
        left -= part;
    }
    Ok(())
}

fn size(node: &Running, transfers: usize) -> Result<Size> {
    let size = Size { transfers, resident_mib: node.resident_mib()?, disk_mib: node.disk_mib()? };
    eprintln!(
        "T16: after {transfers} transfers {:.0} MiB of memory, {:.0} MiB on disk",
        size.resident_mib, size.disk_mib
    );
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_nodes_files_do_not_count_per_transfer() {
        let size = |transfers, disk_mib| Size { transfers, resident_mib: 1.0, disk_mib };
        let growth = Growth {
            idle: size(0, 5.0),
            once: size(1 << 20, 100.0),
            tenfold: size(11 << 20, 3_100.0),
        };
        assert_eq!(growth.disk_bytes_per_transfer(), 300.0);
    }
}
