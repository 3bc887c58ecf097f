//! The chain of the execution API's conformance vectors, which `peruri-rpc-compat` replays.

use crate::support::Node;
use alloy_rlp::Decodable;
use peruri_chainspec::ChainSpec;
use peruri_primitives::Block;
use reth_primitives_traits::Block as _;
use std::{fs, path::PathBuf};

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
