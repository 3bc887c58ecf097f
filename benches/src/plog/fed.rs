//! Proofs over JSON-RPC in a log of ten million entries. Its index is fed, as no chain that is made for
//! a measurement has so many; the state says what the log would hold, and the server is the node's.

use super::{
    entries::{LOG, entry},
    proofs,
};
use crate::server::serve;
use alloy_primitives::{Address, Bytes, keccak256};
use eyre::{OptionExt, Result, ensure};
use peruri_chainspec::{ChainSpec, PLOG_ADDRESS};
use peruri_evm::PeruriEvmConfig;
use peruri_plog::{
    ENTRY_LEN,
    layout::{LogHead, LogSlots},
    proof::root_at,
};
use peruri_primitives::{Block, Header, RecoveredBlock};
use peruri_storage::{BlockExecutionOutput, DbOptions, ExecutedBlock, PlogAppend, ProviderFactory};
use peruri_testnet::GenesisFile;
use peruri_trie::HashedPostState;
use rayon::prelude::*;
use serde_json::json;
use std::{path::Path, sync::Arc};

/// Entries that are added at a time.
const BATCH: u64 = 1_000;

/// Milliseconds of a proof: median and 99th percentile.
pub(super) async fn measure(folder: &Path, leaves: u64) -> Result<[f64; 2]> {
    eprintln!("PLOG: feeding an index of {leaves} entries");
    let genesis = GenesisFile {
        validators: vec![Address::repeat_byte(1)],
        plog: Some(json!({
            "governance": Address::repeat_byte(0x60),
            "logs": [{ "id": LOG, "mode": 0 }],
            "sources": [{ "id": 1, "signer": Address::repeat_byte(2) }],
            "writers": [{ "log": LOG, "source": 1 }],
        })),
        ..GenesisFile::pilot()
    };
    let spec = Arc::new(ChainSpec::from_genesis_json(&genesis.to_json().to_string())?.0);
    let factory = ProviderFactory::open(folder, spec.clone(), DbOptions::default())?;
    factory.init_genesis()?;
    feed(&factory, leaves)?;
    commit_head(&factory, leaves)?;
    // A chain takes days for so many entries; what it merges meanwhile is not to be measured here.
    factory.wait_for_compactions()?;
    let (server, address) = serve(&factory, PeruriEvmConfig::new(spec), "plog").await?;
    let times = proofs::latency(address, leaves).await?;
    eprintln!("PLOG: a proof at {leaves} entries: p50 {:.3} ms, p99 {:.3} ms", times[0], times[1]);
    server.stop().await;
    Ok(times)
}

/// Puts `leaves` entries into the index.
fn feed(factory: &ProviderFactory, leaves: u64) -> Result<()> {
    let mut index = factory.rebuild_plog()?;
    let mut first = 0;
    while first < leaves {
        let next = (first + BATCH).min(leaves);
        let entries: Vec<[u8; ENTRY_LEN]> =
            (first..next).into_par_iter().map(|seq| entry(1, seq + 1).encode()).collect();
        let entries = Bytes::from(entries.concat());
        let (source, first_seq) = (1, first + 1);
        let append =
            PlogAppend { log: LOG, source, first_seq, first_index: first, tx_index: 0, entries };
        index.add(1, &[append])?;
        first = next;
    }
    ensure!(index.finish()? == leaves, "not all entries were added");
    Ok(())
}

/// A block after which the state says that the log has `leaves` entries.
fn commit_head(factory: &ProviderFactory, leaves: u64) -> Result<()> {
    let tree = factory.plog()?.tree(LOG).ok_or_eyre("no entries")?;
    let root = root_at(&tree, leaves)?;
    let slots = LogSlots::new(LOG);
    let mut changes = HashedPostState::default();
    let storage = changes.storages.entry(keccak256(PLOG_ADDRESS)).or_default();
    let head = LogHead { size: leaves, block: 1 }.pack();
    for (slot, word) in [(slots.head(), head), (slots.root(), root.into())] {
        storage.storage.insert(keccak256(slot.to_be_bytes::<32>()), word);
    }
    let (state, parent) = (factory.latest()?, factory.last_header()?);
    let account = state.account(&PLOG_ADDRESS)?;
    changes.accounts.insert(keccak256(PLOG_ADDRESS), account);
    let trie = state.state_root_with_updates(&changes)?;
    let header = alloy_consensus::Header {
        parent_hash: parent.hash(),
        number: 1,
        state_root: trie.root,
        timestamp: 1,
        extra_data: parent.extra_data.clone(),
        ..Default::default()
    };
    let block = Block { header: Header::from(header), body: Default::default() };
    factory.commit_block(&ExecutedBlock {
        recovered_block: Arc::new(RecoveredBlock::new_unhashed(block, Vec::new())),
        execution_output: Arc::new(BlockExecutionOutput::default()),
        hashed_state: Arc::new(changes),
        trie: Arc::new(trie),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fed_index_serves_proofs() {
        let folder = tempfile::tempdir().expect("folder");
        let [p50, p99] = measure(&folder.path().join("db"), 3_000).await.expect("measured");
        assert!(0.0 < p50 && p50 <= p99);
    }
}
