//! T5: transfers into four validators on this machine beside anvil with one node; and how long agreement
//! on an empty block takes beside the hops and syncs that it consists of.

use crate::{
    load::{self, Kind, Plan},
    machine::{Quiet, cpu_time, fdatasync_p50, resident_mib, unix_ms},
    stats::{Summary, percentile},
    subject::{CHAIN_ID, GAS_LIMIT, Programs, Subject},
};
use eyre::{OptionExt, Result, ensure};
use jsonrpsee::{
    core::client::{Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::WsClientBuilder,
};
use peruri_testnet::{Client, Cluster, ClusterOptions, Network, Placement, quantity};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Validators of the network.
const VALIDATORS: usize = 4;
/// Empty blocks whose agreement is timed.
const EMPTY_BLOCKS: usize = 60;
/// Hops of a block from its proposer's timer to its finality: Proposal, Prepare, Commit.
const HOPS: f64 = 3.0;
/// Syncs in a row on the way: the Proposal's record with its block (two files), the Prepare's, the
/// Commit's, and the batch.
const SYNCS: f64 = 5.0;

/// One side in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Side {
    /// Transactions final a second, from the first request to the sight of the last block.
    pub per_second: f64,
    /// CPU time of all nodes per transaction in microseconds.
    pub cpu_us: f64,
    /// Resident memory of the largest node at the end, in MiB.
    pub resident_mib: f64,
}

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// Four validators.
    pub network: Side,
    /// anvil.
    pub anvil: Side,
    /// Blocks of the network that needed more than one round.
    pub missed_rounds: usize,
    /// Seconds from a transfer's acceptance to its block, sampled.
    pub to_final_p50: f64,
    /// The same, the 99th percentile.
    pub to_final_p99: f64,
}

/// Agreement on empty blocks, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Agreement {
    /// From the block timer to the commit on all nodes.
    pub p50: f64,
    /// The same.
    pub p99: f64,
    /// Blocks that were timed.
    pub blocks: usize,
    /// Half of a round trip between two of the nodes.
    pub hop: f64,
    /// `fdatasync` of a few bytes on this disk.
    pub sync: f64,
    /// What the hops and syncs on the way add up to.
    pub floor: f64,
}

/// Everything that was measured of networks.
#[derive(Debug, Clone, Serialize)]
pub struct Networks {
    /// Transactions of a round.
    pub transactions: usize,
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Agreement on empty blocks.
    pub agreement: Agreement,
}

impl Networks {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Round) -> f64) -> Option<Summary> {
        Summary::of(self.rounds.iter().filter(|round| round.quiet.quiet).map(figure))
    }
}

/// Measures `rounds` rounds of `transactions` transfers, then agreement on empty blocks.
///
/// # Errors
/// If a node fails, or a transaction is refused or does not succeed.
pub async fn measure(programs: &Programs, transactions: usize, rounds: usize) -> Result<Networks> {
    let network = Network { chain_id: CHAIN_ID, max_fee_per_gas: 0 };
    eprintln!("T5: signing {transactions} transactions");
    let plan = Plan::sign(Kind::Transfers, network, transactions, 100, VALIDATORS)?;
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let figures = one_round(programs, &plan).await?;
        eprintln!(
            "T5: round {round}: four validators {:.0}, anvil {:.0} a second, {} rounds missed",
            figures.network.per_second, figures.anvil.per_second, figures.missed_rounds
        );
        measured.push(figures);
    }
    let agreement = agreement(programs).await?;
    eprintln!("agreement: {agreement:?}");
    Ok(Networks { transactions, rounds: measured, agreement })
}

async fn one_round(programs: &Programs, plan: &Plan) -> Result<Round> {
    let quiet = Quiet::wait(&programs.folder)?;
    let cluster = Validators::start(programs, plan).await?;
    let client = cluster.client(0);
    let from = client.block_number().await?;
    let (cpu, start) = (cluster.cpu_time()?, Instant::now());
    let accepted = load::send(&cluster.servers, plan.bodies.clone()).await?;
    let last = load::mined(&client, from, plan.transactions).await?;
    let (wall, cpu) = (start.elapsed(), cluster.cpu_time()? - cpu);
    let resident_mib = cluster.resident_mib()?;
    let succeeded = load::succeeded(&client, plan).await?;
    ensure!(succeeded == plan.transactions, "{succeeded} of {} succeeded", plan.transactions);
    let blocks = cluster.blocks(from + 1, last).await?;
    cluster.stop().await?;
    let each = plan.transactions as f64;
    let network = Side {
        per_second: each / wall.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / each,
        resident_mib,
    };
    let (to_final_p50, to_final_p99) = blocks.to_final(accepted, start_ms(wall));
    let anvil = anvil(programs, plan).await?;
    let missed_rounds = blocks.missed;
    Ok(Round { quiet, network, anvil, missed_rounds, to_final_p50, to_final_p99 })
}

/// When a span that ends now began, Unix milliseconds.
fn start_ms(wall: Duration) -> f64 {
    unix_ms() - wall.as_secs_f64() * 1e3
}

async fn anvil(programs: &Programs, plan: &Plan) -> Result<Side> {
    let node = Subject::Anvil.start(programs, &plan.senders).await?;
    let client = node.client();
    let from = client.block_number().await?;
    let (cpu, start) = (node.cpu_time()?, Instant::now());
    load::send(&[node.address()], plan.bodies.clone()).await?;
    load::mined(&client, from, plan.transactions).await?;
    let (wall, cpu) = (start.elapsed(), node.cpu_time()? - cpu);
    let resident_mib = node.resident_mib()?;
    node.stop().await?;
    let each = plan.transactions as f64;
    let (per_second, cpu_us) = (each / wall.as_secs_f64(), cpu.as_secs_f64() * 1e6 / each);
    Ok(Side { per_second, cpu_us, resident_mib })
}

/// Four running validators.
struct Validators {
    cluster: Cluster,
    servers: Vec<SocketAddr>,
    folder: PathBuf,
}

/// The blocks of a round: when each was final and how many transactions it holds.
struct Blocks {
    /// Unix milliseconds and transactions.
    final_at: Vec<(f64, usize)>,
    missed: usize,
}

impl Blocks {
    /// Seconds from acceptance to finality, median and 99th percentile, if transactions were accepted
    /// evenly over `accepted` from `start_ms` on and in the order in which they were mined.
    fn to_final(&self, accepted: Duration, start_ms: f64) -> (f64, f64) {
        let total: usize = self.final_at.iter().map(|block| block.1).sum();
        let pace = accepted.as_secs_f64() * 1e3 / total.max(1) as f64;
        let mut waits = Vec::with_capacity(total);
        for (at, count) in &self.final_at {
            for _ in 0..*count {
                let accepted_at = start_ms + waits.len() as f64 * pace;
                waits.push(((at - accepted_at) / 1e3).max(0.0));
            }
        }
        waits.sort_unstable_by(f64::total_cmp);
        (percentile(&waits, 0.5), percentile(&waits, 0.99))
    }
}

impl Validators {
    async fn start(programs: &Programs, plan: &Plan) -> Result<Self> {
        let folder = programs.folder.join("network");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut options = ClusterOptions::new(&programs.node, &folder, VALIDATORS);
        options.placement = Placement::Loopback;
        options.gas_limit = Some(GAS_LIMIT);
        options.funded = plan.senders.clone();
        options.message_logs = false;
        options.args = ["--db.min-free", "256"].map(Into::into).into();
        let mut cluster = Cluster::create(options).await?;
        for index in 0..VALIDATORS {
            cluster.start(index).await?;
        }
        let servers = cluster.members().iter().map(|member| member.rpc()).collect();
        let this = Self { cluster, servers, folder };
        this.client(0).wait_block(3, Duration::from_secs(60)).await?;
        Ok(this)
    }

    fn client(&self, index: usize) -> Client {
        Client::new(self.servers[index])
    }

    fn pids(&self) -> Result<Vec<u32>> {
        let pids = self.cluster.members().iter().map(|member| member.pid());
        pids.collect::<Option<_>>().ok_or_eyre("a validator does not run")
    }

    fn cpu_time(&self) -> Result<Duration> {
        self.pids()?.into_iter().map(cpu_time).sum()
    }

    fn resident_mib(&self) -> Result<f64> {
        let all = self.pids()?.into_iter().map(resident_mib).collect::<Result<Vec<_>>>()?;
        Ok(all.into_iter().fold(0.0, f64::max))
    }

    async fn blocks(&self, first: u64, last: u64) -> Result<Blocks> {
        let client = self.client(0);
        let mut blocks = Blocks { final_at: Vec::new(), missed: 0 };
        for number in first..=last {
            let record = client.call("ibft_getRoundRecord", json!([number])).await?;
            let method = "eth_getBlockTransactionCountByNumber";
            let count = client.call(method, json!([format!("{number:#x}")])).await?;
            let at = record["committedMs"].as_f64().ok_or_eyre("no record of a block's rounds")?;
            blocks.final_at.push((at, quantity(method, &count)? as usize));
            blocks.missed += usize::from(record["round"] != "0x0");
        }
        Ok(blocks)
    }

    async fn stop(mut self) -> Result<()> {
        for index in 0..VALIDATORS {
            self.cluster.stop(index).await?;
        }
        Ok(())
    }
}

/// Times empty blocks of an idle network.
async fn agreement(programs: &Programs) -> Result<Agreement> {
    let network = Network { chain_id: CHAIN_ID, max_fee_per_gas: 0 };
    let none = Plan::sign(Kind::Transfers, network, load::SENDERS, 100, VALIDATORS)?;
    Quiet::wait(&programs.folder)?;
    let cluster = Validators::start(programs, &none).await?;
    let mut arrivals: BTreeMap<u64, (f64, usize)> = BTreeMap::new();
    let mut heads = Vec::new();
    for member in cluster.cluster.members() {
        heads.push(Heads::follow(member.ws()).await?);
    }
    let mut latencies = Vec::new();
    while latencies.len() < EMPTY_BLOCKS {
        for head in &mut heads {
            let (number, delay) = head.next().await?;
            let seen = arrivals.entry(number).or_insert((0.0, 0));
            *seen = (seen.0.max(delay), seen.1 + 1);
            if seen.1 == VALIDATORS {
                latencies.push(seen.0);
            }
        }
    }
    let hop = cluster.hop().await?;
    let sync = fdatasync_p50(&cluster.folder)?.as_secs_f64() * 1e3;
    cluster.stop().await?;
    latencies.sort_unstable_by(f64::total_cmp);
    Ok(Agreement {
        p50: percentile(&latencies, 0.5),
        p99: percentile(&latencies, 0.99),
        blocks: latencies.len(),
        hop,
        sync,
        floor: HOPS * hop + SYNCS * sync,
    })
}

impl Validators {
    /// Half of the median round trip from the first validator to the others, in milliseconds.
    async fn hop(&self) -> Result<f64> {
        let client = self.client(0);
        let peers = client.call("admin_peers", json!([])).await?;
        let mut trips = Vec::new();
        for peer in peers.as_array().into_iter().flatten() {
            let trip = client.call("admin_pingPeer", json!([peer["id"]])).await?;
            trips.extend(trip.as_f64());
        }
        trips.sort_unstable_by(f64::total_cmp);
        Ok(percentile(&trips, 0.5) / 2.0)
    }
}

/// New heads of one node with their delay.
struct Heads {
    subscription: Subscription<Value>,
    _client: jsonrpsee::ws_client::WsClient,
}

impl Heads {
    async fn follow(server: SocketAddr) -> Result<Self> {
        let client = WsClientBuilder::default().build(format!("ws://{server}")).await?;
        let subscription =
            client.subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe").await?;
        Ok(Self { subscription, _client: client })
    }

    /// The next block and the milliseconds since its proposer's timer, which is its header's time.
    async fn next(&mut self) -> Result<(u64, f64)> {
        let head = self.subscription.next().await.ok_or_eyre("the subscription ended")??;
        let now = unix_ms();
        let number = quantity("number", &head["number"])?;
        let time = quantity("timestamp", &head["timestamp"])?;
        Ok((number, now - time as f64 * 1e3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_counted_from_acceptance_in_order() {
        let blocks = Blocks { final_at: vec![(1_000.0, 1), (2_000.0, 1)], missed: 0 };
        let (p50, p99) = blocks.to_final(Duration::from_secs(1), 0.0);
        // The first waits from 0 to 1 s, the second from 0.5 to 2 s.
        assert_eq!((p50, p99), (1.5, 1.5));
    }
}
