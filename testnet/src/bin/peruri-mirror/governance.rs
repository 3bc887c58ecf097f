//! The source is switched off and on by the organisations, and its key is used on two nodes.

use crate::{
    network::{GATEWAY, LIMIT, MirrorNetwork, VALIDATORS},
    told::Told,
};
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};
use peruri_plog::PLOG_ADDRESS;
use peruri_testnet::{
    Client, Judge, MirrorClient, MirrorSetup, Network, Result, TestnetError, Wallet, activities,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

sol! {
    function setSource(uint32 sourceId, address signer, bool active);
    function propose(address target, bytes data, uint64 deadline) returns (uint256 id);
    function digestOf(uint256 id) returns (bytes32);
    function approve(uint256 id, bytes32 digest);
    function execute(uint256 id) returns (bytes result);
}

/// The governance contract that `genesis create` places.
const GOVERNANCE: Address = address!("0x000000000000000000000000504c4f47474f5631");
/// Gas of a call of it.
const GAS: u64 = 500_000;
/// A proposal may be decided on for this long, s.
const OPEN: u64 = 3_600;

pub(crate) async fn play(program: &Path, judge: &mut Judge) -> Result<()> {
    let mut network = MirrorNetwork::start(program, 2, MirrorSetup::new(1)).await?;
    switched_off(&network, judge).await?;
    used_twice(&mut network, judge).await?;
    network.stop().await
}

/// Off: the sealer stops by name and keeps its rows. On: everything goes through.
async fn switched_off(network: &MirrorNetwork, judge: &mut Judge) -> Result<()> {
    let (caller, made) = (network.caller()?, activities(11, 60));
    let mut told = Told::default();
    told.submit_all(&caller, &made[..20]).await?;
    caller.through(21, LIMIT).await?;
    let mut council = Council::new(network).await?;
    council.set_source(network, false).await?;
    // What is accepted before the source has seen it stays.
    let params: Vec<Value> = made[20..40].iter().map(|it| it.track()).collect();
    told.submit(&caller, &params).await?;
    let stopped = wait_for_stop(&caller, "not a source").await;
    judge.check("a source that is switched off stops by name", stopped);
    let refused = caller.call("activity_track", json!([made[40].track()])).await;
    let refused = matches!(refused, Err(TestnetError::Rpc { code: -32013, .. }));
    judge.expect("and callers are told", refused, "");
    council.set_source(network, true).await?;
    caller.accepting(LIMIT).await?;
    told.submit_all(&caller, &made).await?;
    caller.through(told.highest() + 1, LIMIT).await?;
    let findings = told.compare(&network.gateway(), network).await?;
    let whole = findings.is_clean() && findings.entries == made.len() && told.wrong.is_empty();
    judge.expect("switched on again it has lost nothing", whole, format!("{findings:?}"));
    Ok(())
}

/// A second node with the same source and key: one of them notices and stops.
async fn used_twice(network: &mut MirrorNetwork, judge: &mut Judge) -> Result<()> {
    let other = GATEWAY + 1;
    network.cluster.stop(other).await?;
    network.setup.install(network.cluster.member_mut(other))?;
    network.cluster.start(other).await?;
    let (first, second) = (network.caller()?, MirrorClient::new(network.cluster.member(other))?);
    second.accepting(LIMIT).await?;
    let made = activities(12, 40);
    second.track(&made[..20]).await?;
    let stopped = wait_for_stop(&first, "source key in use elsewhere").await;
    judge.check("the same source key on two nodes stops one by name", stopped);
    let refused = first.call("activity_track", json!([made[20].track()])).await;
    let refused = matches!(refused, Err(TestnetError::Rpc { code: -32013, .. }));
    judge.expect("which accepts nothing more", refused, "");
    let queue = second.queue().await?;
    judge.expect("the other one goes on", queue.stopped.is_none(), format!("{queue:?}"));
    Ok(())
}

async fn wait_for_stop(caller: &MirrorClient, name: &str) -> Result<()> {
    let end = Instant::now() + LIMIT;
    let mut last = None;
    while Instant::now() < end {
        last = caller.queue().await?.stopped;
        if last.as_deref() == Some(name) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(TestnetError::Timeout { what: format!("the stop {name:?} (last: {last:?})"), limit: LIMIT })
}

/// The organisations, which are the validators: two of three decide.
struct Council {
    client: Client,
    members: Vec<Wallet>,
}

impl Council {
    async fn new(network: &MirrorNetwork) -> Result<Self> {
        let client = network.gateway();
        let chain = Network::of(&client).await?;
        let mut members = Vec::new();
        for validator in &network.cluster.members()[..VALIDATORS - 1] {
            let path = validator.folder.join("key");
            let io = || TestnetError::io(path.display().to_string());
            let text = std::fs::read_to_string(&path).map_err(io())?;
            let key: B256 =
                text.trim().parse().map_err(|_| io()(std::io::Error::other("no key")))?;
            members.push(Wallet::new(&key, chain)?);
        }
        Ok(Self { client, members })
    }

    /// Proposes, approves and executes.
    async fn set_source(&mut self, network: &MirrorNetwork, active: bool) -> Result<()> {
        let call = setSourceCall {
            sourceId: network.setup.source,
            signer: network.setup.signer()?,
            active,
        };
        let data = call.abi_encode().into();
        let head = self.client.block("latest").await?.unwrap_or_default();
        let deadline = peruri_testnet::quantity("timestamp", &head["timestamp"])? + OPEN;
        let propose = proposeCall { target: PLOG_ADDRESS, data, deadline };
        let receipt = self.send(0, propose.abi_encode()).await?;
        let topic = receipt["logs"][0]["topics"][1].as_str().unwrap_or_default();
        let id: U256 = topic.parse().map_err(|_| TestnetError::Answer {
            method: "propose".to_owned(),
            expected: "an event with the proposal's number",
            got: receipt.to_string(),
        })?;
        let asked = Bytes::from(digestOfCall { id }.abi_encode());
        let digest = self.client.eth_call(GOVERNANCE, &asked).await?;
        let digest = B256::try_from(digest.as_ref()).unwrap_or_default();
        // Who proposes approves with that.
        for member in 1..self.members.len() {
            self.send(member, approveCall { id, digest }.abi_encode()).await?;
        }
        self.send(0, executeCall { id }.abi_encode()).await.map(drop)
    }

    async fn send(&mut self, member: usize, data: Vec<u8>) -> Result<Value> {
        let transaction = self.members[member].call(GOVERNANCE, data.into(), GAS)?;
        self.client.send_raw(&transaction.raw).await?;
        let receipt = self.client.wait_receipt(transaction.hash, LIMIT).await?;
        if receipt["status"] == "0x1" {
            return Ok(receipt);
        }
        Err(TestnetError::Answer {
            method: "governance".to_owned(),
            expected: "status 1",
            got: receipt.to_string(),
        })
    }
}
