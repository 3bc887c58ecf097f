//! A transfer and an ERC-20 through the transaction node, each checked by what the chain says afterwards.

use crate::{LIMIT, network::Pilot, steps::Steps};
use alloy_primitives::{Address, U256};
use eyre::{Result, ensure};
use peruri_testnet::{
    Client, GenesisFile, Network, SignedTransaction, Token, dev_wallet, quantity, stranger,
};
use serde_json::Value;

/// What is printed at the end.
pub(crate) struct Shown {
    pub(crate) token: Address,
    pub(crate) block: Value,
    pub(crate) receipt: Value,
}

impl Shown {
    pub(crate) fn block_line(&self) -> String {
        brief(&self.block, &["number", "hash", "stateRoot", "gasUsed"])
    }

    pub(crate) fn receipt_line(&self) -> String {
        brief(&self.receipt, &["transactionHash", "status", "blockNumber", "gasUsed"])
    }
}

/// Deploys a token, moves coins and tokens.
pub(crate) async fn show(pilot: &Pilot, steps: &mut Steps) -> Result<Shown> {
    let client = &pilot.gateway();
    let network = Network::of(client).await?;
    ensure!(network.chain_id == GenesisFile::pilot().chain_id, "chain id {}", network.chain_id);
    let mut wallet = dev_wallet(0, network)?;
    let receiver = stranger(0);

    let coin = U256::from(10).pow(U256::from(18));
    let transfer = succeed(client, &wallet.transfer(receiver, coin)?).await?;
    ensure!(client.balance(receiver).await? == coin, "the receiver's balance");
    let number = block_number(&transfer)?;
    steps.done(&format!("transfer: 1 coin to {receiver} in block {number}"));

    let (token, _) = Token::deploy(client, &mut wallet, U256::from(1_000_000)).await?;
    steps.done(&format!("deploy: an OpenZeppelin ERC-20 at {}", token.address()));

    let sent = token.transfer(&mut wallet, receiver, U256::from(250))?;
    let receipt = succeed(client, &sent).await?;
    ensure!(receipt["logs"].as_array().map_or(0, Vec::len) == 1, "one Transfer event");
    let balance = token.balance_of(client, receiver).await?;
    ensure!(balance == U256::from(250), "the receiver's tokens: {balance}");
    ensure!(token.total_supply(client).await? == U256::from(1_000_000), "the supply");
    steps.done(&format!("call: 250 tokens moved, balanceOf = {balance}"));

    let block = client.block(receipt["blockNumber"].clone()).await?.unwrap_or_default();
    Ok(Shown { token: token.address(), block, receipt })
}

/// Sends a coin to a fresh account; returns the block that has it.
pub(crate) async fn transfer(pilot: &Pilot) -> Result<u64> {
    let client = &pilot.gateway();
    let mut wallet = dev_wallet(1, Network::of(client).await?)?;
    let receipt = succeed(client, &wallet.transfer(stranger(1), U256::ONE)?).await?;
    block_number(&receipt)
}

async fn succeed(client: &Client, transaction: &SignedTransaction) -> Result<Value> {
    client.send_raw(&transaction.raw).await?;
    let receipt = client.wait_receipt(transaction.hash, LIMIT).await?;
    ensure!(receipt["status"] == "0x1", "a transaction failed: {receipt}");
    Ok(receipt)
}

fn block_number(receipt: &Value) -> Result<u64> {
    Ok(quantity("eth_getTransactionReceipt", &receipt["blockNumber"])?)
}

fn brief(object: &Value, fields: &[&str]) -> String {
    let shown =
        fields.iter().map(|field| format!("{field} {}", object[*field].as_str().unwrap_or("?")));
    shown.collect::<Vec<_>>().join(", ")
}
