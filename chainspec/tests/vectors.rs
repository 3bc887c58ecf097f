//! Genesis files whose hash is known: real IBFT 2.0 chains and a chain of Ethereum's RPC tests.
#![allow(clippy::unwrap_used, missing_docs)]

use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{B256, hex};
use peruri_chainspec::ChainSpec;
use serde_json::Value;
use std::path::PathBuf;

/// The folder of test vectors, or `None` with a line that says so.
fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("PERURI_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: PERURI_VECTORS is not set");
    }
    folder
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key}")).to_owned()
}

#[test]
fn besu_genesis_files_have_their_published_hash() {
    let Some(folder) = vectors() else { return };
    let file = std::fs::read_to_string(folder.join("ibft2.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let cases = file["vectors"].as_array().unwrap().iter();
    let mut count = 0;
    for case in cases.filter(|case| case["kind"] == "genesis") {
        let name = text(case, "name");
        let (spec, notices) = ChainSpec::from_genesis_json(&case["genesis"].to_string())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let header = spec.genesis_header();
        assert_eq!(header.state_root.to_string(), text(case, "state_root"), "{name}");
        let rlp = hex::encode_prefixed(alloy_rlp::encode(header));
        assert_eq!(rlp, text(case, "header_rlp"), "{name}");
        assert_eq!(spec.genesis_hash().to_string(), text(case, "block_hash"), "{name}");
        let mut validators: Vec<_> = spec
            .genesis_validators()
            .unwrap()
            .iter()
            .map(|address| format!("{address:#x}"))
            .collect();
        validators.sort();
        let expected = case["validators_sorted"].as_array().unwrap();
        assert_eq!(&validators, expected, "{name}");
        println!("{name}: {} notice(s)", notices.len());
        count += 1;
    }
    assert!(count >= 3, "{count} genesis vectors");
}

#[test]
fn a_geth_genesis_is_the_parent_of_its_first_block() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("rpc-compat");
    let genesis = std::fs::read_to_string(folder.join("genesis.json")).unwrap();
    let (spec, notices) = ChainSpec::from_genesis_json(&genesis).unwrap();
    for notice in &notices {
        println!("{notice}");
    }
    // A block is a list that begins with the header, a list that begins with the parent hash.
    let chain = std::fs::read(folder.join("chain.rlp")).unwrap();
    let mut bytes = chain.as_slice();
    for _ in 0..2 {
        assert!(alloy_rlp::Header::decode(&mut bytes).unwrap().list);
    }
    let parent: B256 = alloy_rlp::Decodable::decode(&mut bytes).unwrap();
    assert_eq!(spec.genesis_hash(), parent);
    assert!(spec.ibft2().is_none());
    assert_eq!(spec.fork(EthereumHardfork::Paris), ForkCondition::Block(36));
    assert_eq!(spec.fork(EthereumHardfork::SpuriousDragon), ForkCondition::Block(6));
    let blobs = |time| spec.blob_params_at_timestamp(time).map(|params| params.max_blob_count);
    let seen = [419, 420, 450, 480, 510, 540].map(blobs);
    assert_eq!(seen, [None, Some(6), Some(9), Some(9), Some(15), Some(21)]);
}

#[test]
fn ethereum_tests_have_the_genesis_hash_of_their_file() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("ef-blockchain/ValidBlocks");
    let mut count = 0;
    for case in json_files(&folder).iter().flat_map(|file| cases(file)) {
        let time = match text(&case, "network").as_str() {
            "Shanghai" => "\"shanghaiTime\":0",
            "Cancun" => "\"cancunTime\":0",
            _ => continue,
        };
        // The file's header says the same as a genesis file; a few names differ.
        let mut genesis = case["genesisBlockHeader"].clone();
        genesis["alloc"] = case["pre"].clone();
        genesis["config"] = serde_json::from_str(&format!("{{\"chainId\":1,{time}}}")).unwrap();
        let (spec, _) = ChainSpec::from_genesis_json(&genesis.to_string()).unwrap();
        let expected = text(&case["genesisBlockHeader"], "hash");
        assert_eq!(spec.genesis_hash().to_string(), expected);
        count += 1;
    }
    println!("{count} genesis headers");
    assert!(count > 10, "{count}");
}

fn json_files(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { json_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect()
}

fn cases(file: &std::path::Path) -> Vec<Value> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    file.as_object().unwrap().values().cloned().collect()
}
