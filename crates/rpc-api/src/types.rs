//! Types of answers that no published crate carries.

use alloy_primitives::{Address, B256, U64};
use alloy_rpc_types_eth::{Transaction, TransactionRequest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The parameters of a call, an estimate or an access list.
pub type CallRequest = TransactionRequest;

/// Answer of `txpool_status`: numbers of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxPoolStatus {
    /// Executable in the next block.
    pub pending: U64,
    /// Waiting for an earlier nonce or for funds.
    pub queued: U64,
}

/// Answer of `txpool_content` and, for one sender, the shape of its halves: sender → nonce →
/// transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: serde::de::DeserializeOwned"))]
pub struct TxPoolContent<T = Transaction> {
    /// Executable in the next block.
    pub pending: BTreeMap<Address, BTreeMap<String, T>>,
    /// Waiting for an earlier nonce or for funds.
    pub queued: BTreeMap<Address, BTreeMap<String, T>>,
}

impl<T> Default for TxPoolContent<T> {
    fn default() -> Self {
        Self { pending: BTreeMap::new(), queued: BTreeMap::new() }
    }
}

/// Half of the answer of `txpool_contentFrom`: nonce in decimal → transaction.
pub type TxPoolByNonce = BTreeMap<String, Transaction>;

/// Answer of `txpool_inspect`: as [`TxPoolContent`] with a one-line summary per transaction.
pub type TxPoolInspect = TxPoolContent<String>;

/// Answer of `eth_capabilities`: what can be asked of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The newest block.
    pub head: CapabilitiesHead,
    /// Accounts, slots, code, calls.
    pub state: Capability,
    /// Transactions by hash.
    pub tx: Capability,
    /// Logs.
    pub logs: Capability,
    /// Receipts.
    pub receipts: Capability,
    /// Blocks.
    pub blocks: Capability,
    /// Merkle proofs.
    pub stateproofs: Capability,
}

/// The newest block of [`Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitiesHead {
    /// Its number.
    pub number: U64,
    /// Its hash.
    pub hash: B256,
}

/// A line of [`Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// Whether it is switched off.
    pub disabled: bool,
    /// Oldest block for which there is an answer.
    pub oldest_block: U64,
    /// How history is deleted; absent if all of it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_strategy: Option<DeleteStrategy>,
}

/// How history of a [`Capability`] is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DeleteStrategy {
    /// All but the newest blocks.
    Window {
        /// Blocks that are kept.
        retention_blocks: U64,
    },
}

impl DeleteStrategy {
    /// All but the newest `blocks` blocks.
    pub fn window(blocks: u64) -> Self {
        Self::Window { retention_blocks: U64::from(blocks) }
    }
}

/// Answer of `admin_nodeInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Identity in the peer-to-peer network; empty without one.
    pub id: String,
    /// Client name and version, as `web3_clientVersion`.
    pub name: String,
    /// Address by which peers reach the node; empty without a network.
    pub enode: String,
    /// Host address announced to peers.
    pub ip: String,
    /// Listening ports.
    pub ports: NodePorts,
    /// Listening address.
    pub listen_addr: String,
    /// What the node speaks.
    pub protocols: NodeProtocols,
}

/// Ports of [`NodeInfo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePorts {
    /// Discovery port, 0 without discovery.
    pub discovery: u16,
    /// Listening port, 0 without a listener.
    pub listener: u16,
}

/// Chain data of [`NodeInfo`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeProtocols {
    /// The chain.
    pub eth: EthProtocolInfo,
}

/// The chain a node is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EthProtocolInfo {
    /// Network id: the chain id.
    pub network: u64,
    /// Hash of block 0.
    pub genesis: B256,
    /// Hash of the last committed block.
    pub head: B256,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_hex() -> serde_json::Result<()> {
        let status = TxPoolStatus { pending: U64::from(6), queued: U64::ZERO };
        assert_eq!(serde_json::to_string(&status)?, r#"{"pending":"0x6","queued":"0x0"}"#);
        Ok(())
    }
}
