//! A chain with a transparency log, and contracts that do what tracers have to tell apart.

use crate::support::{CLEARER, LOGGER, LOOP, Node, REVERTER, Servers};
use alloy_primitives::{Address, B256, Bytes, TxKind, address, b256, hex};
use alloy_sol_types::SolCall;
use peruri_chainspec::{ChainSpec, PILOT_JSON};
use peruri_evm::{NextBlockEnvAttributes, plog::abi::IPlog};
use peruri_plog::{Entry, EntryType, PLOG_ADDRESS};
use peruri_primitives::TransactionSigned;
use peruri_storage::ExecutedBlock;
use serde_json::{Value, json};

pub const LOG: B256 = b256!("6163746976697479000000000000000000000000000000000000000000000000");
/// Price of the append of one entry: each call, each append, two slots, each entry
/// (`crates/evm/src/plog/gas.rs`).
pub const APPEND_GAS: u64 = 200 + 75_000 + 2 * 22_100 + 400;

pub const STORES: Address = address!("00000000000000000000000000000000000c0001");
pub const CLEARS: Address = address!("00000000000000000000000000000000000c0002");
pub const REVERTS: Address = address!("00000000000000000000000000000000000c0003");
pub const LOOPS: Address = address!("00000000000000000000000000000000000c0004");
/// Calls SHA-256, the storer, the reverter and the looper with little gas.
pub const NESTS: Address = address!("00000000000000000000000000000000000c0005");
/// Creates a contract and destroys itself in favour of the caller.
pub const CREATES: Address = address!("00000000000000000000000000000000000c0006");
/// Calls the transparency log with what it is called with; a gateway of the source.
pub const FORWARDS: Address = address!("00000000000000000000000000000000000c0007");

fn call(to: Address, gas: u16) -> String {
    format!("5f5f5f5f5f73{}61{gas:04x}f150", hex::encode(to))
}

fn contracts() -> [(Address, String); 7] {
    let sha256 = Address::with_last_byte(2);
    let nests = [(sha256, 1_000), (STORES, 60_000), (REVERTS, 5_000), (LOOPS, 3_000)]
        .map(|(to, gas)| call(to, gas))
        .concat();
    let forwards = format!(
        "365f5f37 5f5f365f5f73{}5af1 3d5f5f3e 602a57 3d5ffd 5b3d5ff3",
        hex::encode(PLOG_ADDRESS)
    );
    [
        (STORES, LOGGER.to_owned()),
        (CLEARS, CLEARER.to_owned()),
        (REVERTS, REVERTER.to_owned()),
        (LOOPS, LOOP.to_owned()),
        (NESTS, nests),
        (CREATES, "5f5f5ff05033ff".to_owned()),
        (FORWARDS, forwards),
    ]
}

pub struct Chain {
    pub node: Node,
    next_seq: u64,
}

impl Chain {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The chain of a genesis file that `change` has changed.
    pub fn with(change: impl FnOnce(&mut Value)) -> Self {
        let mut genesis: Value = serde_json::from_str(PILOT_JSON).unwrap();
        genesis["alloc"]["f39fd6e51aad88f6f4ce6ab8827279cfffb92266"] =
            json!({"balance": "1000000000000000000000"});
        for (address, code) in contracts() {
            let code: String = code.split_whitespace().collect();
            genesis["alloc"][hex::encode(address)] =
                json!({"balance": "0x64", "code": format!("0x{code}")});
        }
        genesis["config"]["plog"]["sources"][0]["gateway"] = json!(FORWARDS);
        change(&mut genesis);
        let (spec, _) = ChainSpec::from_genesis_json(&genesis.to_string()).unwrap();
        Self { node: Node::of(spec), next_seq: 1 }
    }

    /// The call that appends the next entry.
    pub fn append_call(&mut self) -> Bytes {
        let seq = self.next_seq;
        self.next_seq += 1;
        let entry = Entry {
            kind: EntryType::Activity,
            flags: 0,
            schema: 1,
            source_id: 1,
            source_seq: seq,
            occurred_at: 1_767_225_600_000,
            activity_id: u128::from(seq).to_be_bytes(),
            subject: B256::with_last_byte(7),
            commitment: B256::with_last_byte(8),
            effect: B256::ZERO,
        };
        let entries = entry.encode().into();
        let call = IPlog::appendCall { logId: LOG, sourceId: 1, firstSeq: seq, entries };
        call.abi_encode().into()
    }

    pub fn send(&mut self, to: Address, input: impl Into<Bytes>) -> TransactionSigned {
        self.node.sign(TxKind::Call(to), 0, input.into())
    }

    pub fn mine(&mut self, txs: Vec<TransactionSigned>) -> ExecutedBlock {
        let parent = self.node.factory.last_header().unwrap();
        let attributes = NextBlockEnvAttributes {
            timestamp: parent.timestamp + 2,
            gas_limit: parent.gas_limit,
            coinbase: Address::repeat_byte(0xcb),
            extra_data: parent.extra_data.clone(),
            ..Default::default()
        };
        let block = self.node.build_with(attributes, txs);
        self.node.factory.commit_block(&block).unwrap();
        block
    }
}

/// The answer's result; panics with the answer if it is an error.
pub async fn ask(servers: &Servers, method: &str, params: Value) -> Value {
    let mut answer = servers.request(method, params).await;
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].take()
}

/// The address as traces give it.
pub fn lower(address: Address) -> String {
    format!("{address:#x}")
}

/// Options of a tracer by name.
pub fn by(tracer: &str) -> Value {
    json!({ "tracer": tracer })
}

pub fn number(quantity: &Value) -> u64 {
    let text = quantity.as_str().unwrap_or_else(|| panic!("no quantity: {quantity}"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}
