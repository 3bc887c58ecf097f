//! What happens to the network while activities go in.

use crate::{
    network::{GATEWAY, MirrorNetwork, VALIDATORS},
    queue,
};
use peruri_test_utils::RabbitMq;
use peruri_testnet::Result;
use rand::{Rng, rngs::StdRng};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// Longer than a round of a chain with 1 s blocks: another validator proposes.
const ROUND: Duration = Duration::from_secs(3);

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9` of the node that mirrors.
    KillMirror,
    /// The same twice, the second time while it starts.
    KillWhileStarting,
    /// `kill -9` of the validator whose turn it is.
    KillProposer,
    /// That validator stands still for longer than a round.
    PauseProposer,
    /// `kill -9` of the broker.
    KillBroker,
    /// No block is made for some time.
    Stall,
}

/// How often each fault was played.
pub(crate) type Counts = BTreeMap<Fault, usize>;

/// A plan of `count` faults: the stall once, in the middle. The broker is killed only if there is one.
pub(crate) fn plan(count: usize, broker: bool, random: &mut StdRng) -> Vec<Fault> {
    let mut plan: Vec<Fault> = (0..count)
        .map(|_| match random.random_range(0..10) {
            0 if broker => Fault::KillBroker,
            0..5 => Fault::KillMirror,
            5 => Fault::KillWhileStarting,
            6..8 => Fault::KillProposer,
            _ => Fault::PauseProposer,
        })
        .collect();
    if let Some(middle) = plan.get_mut(count / 2) {
        *middle = Fault::Stall;
    }
    plan
}

/// Plays one fault to its end: all nodes run afterwards.
pub(crate) async fn play(
    network: &mut MirrorNetwork,
    broker: Option<&mut RabbitMq>,
    fault: Fault,
    stall: Duration,
    random: &mut StdRng,
) -> Result<()> {
    let cluster = &mut network.cluster;
    match fault {
        Fault::KillMirror => {
            cluster.kill(GATEWAY).await?;
            cluster.start(GATEWAY).await
        }
        Fault::KillWhileStarting => {
            cluster.kill(GATEWAY).await?;
            cluster.spawn(GATEWAY)?;
            tokio::time::sleep(Duration::from_millis(random.random_range(1..400))).await;
            cluster.kill(GATEWAY).await?;
            cluster.start(GATEWAY).await
        }
        Fault::KillProposer => {
            let proposer = proposer(network).await?;
            network.cluster.kill(proposer).await?;
            network.cluster.start(proposer).await
        }
        Fault::PauseProposer => {
            let proposer = proposer(network).await?;
            network.cluster.running(proposer)?.pause()?;
            tokio::time::sleep(ROUND).await;
            network.cluster.running(proposer)?.resume()
        }
        Fault::KillBroker => broker.map_or(Ok(()), queue::crash),
        Fault::Stall => {
            network.stall().await?;
            tokio::time::sleep(stall).await;
            network.go_on().await
        }
    }
}

/// The validator that proposes now, as another one sees it.
async fn proposer(network: &MirrorNetwork) -> Result<usize> {
    let state = network.cluster.member(0).client().call("ibft_getRoundState", json!([])).await?;
    let address = state["proposer"].as_str().and_then(|it| it.parse().ok());
    let member = address.and_then(|address| network.cluster.by_address(address));
    Ok(member.filter(|member| *member < VALIDATORS).unwrap_or_default())
}
