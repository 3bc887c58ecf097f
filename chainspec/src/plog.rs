//! `config.plog`: who may write the transparency log, and from when on it exists.
//!
//! ```json
//! "plog": { "time": 1767225600, "governance": "0x…",
//!   "logs":    [ { "id": "0x… (32 bytes)", "mode": 0 } ],
//!   "sources": [ { "id": 1, "signer": "0x…", "gateway": "0x…" } ],
//!   "writers": [ { "log": "0x…", "source": 1 } ] }
//! ```
//!
//! `block` or `time`, not both; neither means genesis. A log that exists from genesis on is part
//! of the genesis state, hence of the genesis hash.

use crate::{error::ChainSpecError, json::Node};
use alloy_genesis::GenesisAccount;
use alloy_hardforks::ForkCondition;
use alloy_primitives::{Address, B256, Bytes, U256};
use peruri_plog::{
    EMPTY_ROOT,
    layout::{
        GOVERNANCE_SLOT, LogHead, LogMode, LogSlots, MAY_WRITE, MODE_SUBJECT_CHAINS,
        SourceProgress, SourceSigner, SourceSlots, VERSION, VERSION_SLOT, address_word,
        writer_slot,
    },
};
use std::collections::BTreeMap;

/// Most logs, sources or writers that a configuration may list.
const MOST_ENTRIES: usize = 10_000;

/// The transparency log as the genesis file configures it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlogConfig {
    /// Where it begins: a block, a time in seconds, or block 0 if neither is given.
    pub activation: ForkCondition,
    /// The account that may change logs, sources and writers; not zero.
    pub governance: Address,
    /// The logs, in file order, ids distinct.
    pub logs: Vec<PlogLog>,
    /// The sources, in file order, ids distinct; each is active.
    pub sources: Vec<PlogSource>,
    /// Which source may write which log, in file order, distinct, both listed.
    pub writers: Vec<PlogWriter>,
}

/// One log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlogLog {
    /// Its name, 32 bytes.
    pub id: B256,
    /// Mode bits, see [`MODE_SUBJECT_CHAINS`].
    pub mode: u32,
}

/// One source of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlogSource {
    /// Its number, from 1.
    pub id: u32,
    /// The account whose transactions append its entries; not zero.
    pub signer: Address,
    /// A contract that may append for it too.
    pub gateway: Option<Address>,
}

/// Permission of one source to write one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlogWriter {
    /// The log's id.
    pub log: B256,
    /// The source's number.
    pub source: u32,
}

impl PlogConfig {
    /// True if the log exists in a block with this number and timestamp.
    pub const fn is_active(&self, number: u64, timestamp: u64) -> bool {
        self.activation.active_at_timestamp_or_number(timestamp, number)
    }

    /// The account as the block `number` creates it: nonce 1 and code `0xfe`, so that it is not
    /// empty (EIP-161) and does not run, and the words that the configuration describes. A balance
    /// that the address already has is not part of it.
    pub fn account(&self, number: u64) -> GenesisAccount {
        GenesisAccount {
            nonce: Some(1),
            code: Some(Bytes::from_static(&[0xfe])),
            storage: Some(self.storage(number)),
            ..Default::default()
        }
    }

    /// The non-zero words of the account at its creation in block `number`, by slot.
    fn storage(&self, number: u64) -> BTreeMap<B256, B256> {
        let mut words = Words::default();
        words.set(VERSION_SLOT, U256::from(VERSION));
        words.set(GOVERNANCE_SLOT, address_word(self.governance));
        for log in &self.logs {
            let slots = LogSlots::new(log.id);
            words.set(slots.head(), LogHead { size: 0, block: number }.pack());
            words.set(slots.root(), EMPTY_ROOT.into());
            words.set(slots.mode(), LogMode::existing(log.mode).pack());
        }
        for source in &self.sources {
            let slots = SourceSlots::new(source.id);
            let signer = SourceSigner { signer: source.signer, active: true };
            words.set(slots.signer(), signer.pack());
            words.set(slots.progress(), SourceProgress::NEW.pack());
            words.set(slots.gateway(), source.gateway.map_or(U256::ZERO, address_word));
        }
        for writer in &self.writers {
            words.set(writer_slot(writer.log, writer.source), MAY_WRITE);
        }
        words.0
    }
}

#[derive(Default)]
struct Words(BTreeMap<B256, B256>);

impl Words {
    fn set(&mut self, slot: U256, value: U256) {
        if !value.is_zero() {
            self.0.insert(slot.into(), value.into());
        }
    }
}

/// Reads `config.plog`. Unknown keys, duplicates and dangling references are errors.
pub(crate) fn parse_plog(node: &Node<'_>) -> Result<PlogConfig, ChainSpecError> {
    let mut object = node.object()?;
    let block = object.take("block");
    let time = object.take("time");
    let activation = match (&block, &time) {
        (Some(_), Some(time)) => return Err(time.conflict("block and time, only one may be set")),
        (Some(block), None) => ForkCondition::Block(block.u64()?),
        (None, Some(time)) => ForkCondition::Timestamp(time.u64()?),
        (None, None) => ForkCondition::ZERO_BLOCK,
    };
    let governance = not_zero(&object.require("governance")?)?;
    let logs = list(object.take("logs"), log, |log| log.id)?;
    let sources = list(object.take("sources"), source, |source| source.id)?;
    let writers_node = object.take("writers");
    object.finish()?;
    let listed = |writer: &PlogWriter, node: &Node<'_>| {
        if !logs.iter().any(|log| log.id == writer.log) {
            return Err(node.conflict(format!("log {} is not among logs", writer.log)));
        }
        if !sources.iter().any(|source| source.id == writer.source) {
            return Err(node.conflict(format!("source {} is not among sources", writer.source)));
        }
        Ok(())
    };
    let writer = |node: &Node<'_>| {
        let writer = writer(node)?;
        listed(&writer, node).map(|()| writer)
    };
    let writers = list(writers_node, writer, |writer| *writer)?;
    Ok(PlogConfig { activation, governance, logs, sources, writers })
}

/// An array whose elements differ in `key`; absent means empty.
fn list<T, K: Ord>(
    node: Option<Node<'_>>,
    parse: impl Fn(&Node<'_>) -> Result<T, ChainSpecError>,
    key: impl Fn(&T) -> K,
) -> Result<Vec<T>, ChainSpecError> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let nodes = node.array()?;
    if nodes.len() > MOST_ENTRIES {
        return Err(node.conflict(format!("{} entries, at most {MOST_ENTRIES}", nodes.len())));
    }
    let mut places = BTreeMap::new();
    let mut items = Vec::with_capacity(nodes.len());
    for node in nodes {
        let item = parse(&node)?;
        if let Some(first) = places.insert(key(&item), node.position()) {
            return Err(ChainSpecError::DuplicateKey { site: node.site(), first });
        }
        items.push(item);
    }
    Ok(items)
}

fn log(node: &Node<'_>) -> Result<PlogLog, ChainSpecError> {
    let mut object = node.object()?;
    let id = object.require("id")?.b256()?;
    let mode = match object.take("mode") {
        Some(mode) => match mode.u32()? {
            bits if bits & !MODE_SUBJECT_CHAINS == 0 => bits,
            _ => return Err(mode.invalid("0, or 1 for subject chains")),
        },
        None => 0,
    };
    object.finish()?;
    Ok(PlogLog { id, mode })
}

fn source(node: &Node<'_>) -> Result<PlogSource, ChainSpecError> {
    let mut object = node.object()?;
    let id = source_id(&object.require("id")?)?;
    let signer = not_zero(&object.require("signer")?)?;
    let gateway = object.read("gateway", Node::address)?.filter(|gateway| !gateway.is_zero());
    object.finish()?;
    Ok(PlogSource { id, signer, gateway })
}

fn writer(node: &Node<'_>) -> Result<PlogWriter, ChainSpecError> {
    let mut object = node.object()?;
    let log = object.require("log")?.b256()?;
    let source = source_id(&object.require("source")?)?;
    object.finish()?;
    Ok(PlogWriter { log, source })
}

fn source_id(node: &Node<'_>) -> Result<u32, ChainSpecError> {
    match node.u32()? {
        0 => Err(node.invalid("a source number from 1 up")),
        id => Ok(id),
    }
}

fn not_zero(node: &Node<'_>) -> Result<Address, ChainSpecError> {
    match node.address()? {
        address if address.is_zero() => Err(node.invalid("an address that is not zero")),
        address => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LOG: &str = "0x6163746976697479000000000000000000000000000000000000000000000000";

    fn example(extra: &str) -> String {
        format!(
            r#"{{"Governance":"0x{g}","logs":[{{"id":"{LOG}","mode":0}}],
                "sources":[{{"id":1,"signer":"0x{s}"}}],
                "writers":[{{"log":"{LOG}","source":1}}]{extra}}}"#,
            g = "11".repeat(20),
            s = "22".repeat(20),
        )
    }

    fn parse(text: &str) -> Result<PlogConfig, ChainSpecError> {
        parse_plog(&Node::parse(text).unwrap())
    }

    #[test]
    fn without_block_and_time_it_begins_at_genesis() {
        let plog = parse(&example("")).unwrap();
        assert_eq!(plog.activation, ForkCondition::Block(0));
        assert!(plog.is_active(0, 0));
        assert_eq!(plog.logs[0].id.as_slice()[..8], *b"activity");
        let later = parse(&example(r#","TIME":"0x64""#)).unwrap();
        assert!(!later.is_active(9, 99) && later.is_active(1, 100));
    }

    #[test]
    fn wrong_configurations_name_their_field() {
        let twice = example("").replace("}],", &format!("}},{{\"id\":\"{LOG}\"}}],"));
        let table = [
            (example(r#","block":1,"time":1"#), "time"),
            (example(r#","blok":1"#), "blok"),
            (example(r#","LOGS":[]"#), "LOGS"),
            (example("").replace("Governance", "governanse"), "governance"),
            (example("").replace(&"11".repeat(20), &"00".repeat(20)), "Governance"),
            (example("").replace(&"22".repeat(20), &"00".repeat(20)), "sources[0].signer"),
            (example("").replace("\"mode\":0", "\"mode\":2"), "logs[0].mode"),
            (example("").replace("\"id\":1", "\"id\":0"), "sources[0].id"),
            (example("").replace("\"source\":1", "\"source\":2"), "writers[0]"),
            (example("").replace("\"mode\":0", "\"mood\":0"), "logs[0].mood"),
            (twice, "logs[1]"),
        ];
        for (text, field) in table {
            assert_eq!(parse(&text).unwrap_err().field(), Some(field), "{text}");
        }
    }

    #[test]
    fn the_account_holds_the_configured_words() {
        let plog = parse(&example("")).unwrap();
        let account = plog.account(7);
        assert_eq!(account.nonce, Some(1));
        let storage = account.storage.unwrap();
        // version, governance, 3 words of the log, 2 of the source, 1 of the writer
        assert_eq!(storage.len(), 8);
        assert_eq!(storage[&B256::ZERO], B256::with_last_byte(1));
        let slots = LogSlots::new(LOG.parse().unwrap());
        assert_eq!(storage[&B256::from(slots.head())], B256::from(U256::from(7) << 64));
        assert_eq!(storage[&B256::from(slots.root())], EMPTY_ROOT);
        let mode = U256::from_be_bytes(storage[&B256::from(slots.mode())].0);
        assert_eq!(mode, U256::from(1) << 255);
        // At genesis the word `size | block << 64` is zero and not stored.
        assert_eq!(plog.account(0).storage.unwrap().len(), 7);
    }
}
