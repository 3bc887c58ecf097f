//! A node with accounts, tokens and a block of thousands of mints.

use super::{
    ask::{Asked, ask},
    questions::Question,
};
use crate::{
    load::{self, Effect, Kind, Plan, SENDERS},
    subject::{CHAIN_ID, Programs, Running, Subject},
};
use alloy_primitives::{Address, B256};
use eyre::{OptionExt, Result, ensure, eyre};
use peruri_testnet::{Client, Network, Token, stranger};
use serde_json::json;
use std::{net::SocketAddr, time::Duration};

/// Transactions of the large block, a multiple of the senders.
const BLOCK: usize = 63 * SENDERS;
/// Accounts with coins beside the senders.
const ACCOUNTS: u64 = 10_000;
/// Where their addresses begin among the strangers.
const FIRST_ACCOUNT: u64 = 1 << 60;

/// A node that is ready to be asked.
pub(super) struct Stage {
    node: Running,
    /// Number of the large block.
    pub(super) block: u64,
    /// Its transactions.
    pub(super) transactions: Vec<B256>,
    /// Accounts with coins.
    pub(super) accounts: Vec<Address>,
    /// Tokens, and a holder of each of the large block's mints.
    pub(super) holders: Vec<(Token, Address)>,
}

impl Stage {
    /// Starts a node and gives it accounts and the large block.
    pub(super) async fn start(subject: Subject, programs: &Programs) -> Result<Self> {
        let network = Network { chain_id: CHAIN_ID, max_fee_per_gas: 0 };
        let mints = Plan::sign(Kind::Mints, network, BLOCK, SENDERS, 1)?;
        let accounts: Vec<Address> =
            (FIRST_ACCOUNT..FIRST_ACCOUNT + ACCOUNTS).map(stranger).collect();
        let funded = [&mints.senders[..], &accounts].concat();
        let node = subject.start(programs, &funded).await?;
        let client = node.client();
        load::prepare(&client, &mints).await?;
        let block = mine_together(subject, &client, node.address(), &mints).await?;
        let answer = client.block(format!("{block:#x}")).await?.unwrap_or_default();
        let transactions: Vec<B256> = serde_json::from_value(answer["transactions"].clone())?;
        ensure!(
            transactions.len() == BLOCK,
            "{}: the large block has {} of {BLOCK} transactions",
            subject.name(),
            transactions.len()
        );
        ensure!(load::succeeded(&client, &mints).await? == BLOCK, "a mint failed");
        Ok(Self { node, block, transactions, accounts, holders: holders(&mints) })
    }

    pub(super) const fn block_transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Asks for a while.
    pub(super) async fn ask(
        &self,
        question: &Question,
        connections: usize,
        window: Duration,
    ) -> Result<Asked> {
        let node = &self.node;
        ask(node.address(), || node.cpu_time(), question.bodies(), connections, window).await
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.node.stop().await
    }
}

/// Gets all transactions of a plan into one block: every sender's first transaction comes last, and
/// with it the others become executable at one moment. Returns the block's number.
async fn mine_together(
    subject: Subject,
    client: &Client,
    server: SocketAddr,
    plan: &Plan,
) -> Result<u64> {
    // anvil takes the transactions of a batch one by one, and may begin a block in between.
    let interval = async |seconds: u64| match subject {
        Subject::Anvil => client.call("evm_setIntervalMining", json!([seconds])).await.map(drop),
        Subject::Peruri => Ok(()),
    };
    let [bodies] = &plan.bodies[..] else { return Err(eyre!("more than one connection")) };
    let (first, rest) = bodies.split_first().ok_or_eyre("no transactions")?;
    interval(0).await?;
    let from = client.block_number().await?;
    load::send(&[server], vec![[rest, std::slice::from_ref(first)].concat()]).await?;
    interval(1).await?;
    load::mined(client, from, plan.transactions).await
}

fn holders(plan: &Plan) -> Vec<(Token, Address)> {
    let tokens = plan.effects.iter().filter_map(|effect| match effect {
        Effect::Supply(token) => Some(*token),
        Effect::Wei(_) => None,
    });
    tokens
        .zip(0u64..)
        .flat_map(|(token, sender)| {
            (0..(BLOCK / SENDERS) as u64).map(move |n| (token, stranger((sender << 32) + n)))
        })
        .collect()
}
