//! The node under test, in this process: initialised, filled and launched as the program does it.

use eyre::{OptionExt, WrapErr};
use peruri_engine::chain_file::BlockReader;
use peruri_node_builder::{
    Node, NodeBuilder,
    cli::init::init,
    config::{Config, DataArgs, NodeArgs},
    environment, importer,
};
use peruri_testnet::Connection;
use serde_json::Value;
use std::{fs::File, path::Path};
use tempfile::TempDir;

/// Namespaces of the vectors.
const NAMESPACES: &str = "eth,net,web3,txpool,debug,trace";

/// A running node in a data folder of its own.
pub(crate) struct TestNode {
    node: Node,
    connection: Connection,
    folder: TempDir,
}

impl TestNode {
    /// Imports the chain of `vectors` and launches a node on it.
    ///
    /// # Errors
    /// If the chain is not valid or the node does not start.
    pub(crate) async fn start(vectors: &Path) -> eyre::Result<Self> {
        let folder = tempfile::tempdir().wrap_err("temporary folder")?;
        let config = config(vectors, folder.path())?;
        import(&config, &vectors.join("chain.rlp"))?;
        let node = NodeBuilder::new(config)?.launch().await?;
        let address = node.rpc.http.ok_or_eyre("the node serves no HTTP")?;
        Ok(Self { node, connection: Connection::open(address).await?, folder })
    }

    /// Sends a request as it is and reads the answer.
    ///
    /// # Errors
    /// If the connection breaks or the answer is not JSON.
    pub(crate) async fn ask(&mut self, request: &str) -> eyre::Result<Value> {
        let answer = self.connection.post(request.to_owned().into()).await?;
        serde_json::from_slice(&answer).wrap_err("the answer is not JSON")
    }

    /// Stops the node and removes its folder.
    ///
    /// # Errors
    /// If a task of the node failed, or the folder cannot be removed.
    pub(crate) async fn stop(self) -> eyre::Result<()> {
        drop(self.connection);
        self.node.tasks.run_until(std::future::ready(())).await?;
        self.folder.close().wrap_err("temporary folder")
    }
}

fn config(vectors: &Path, folder: &Path) -> eyre::Result<Config> {
    let genesis = vectors.join("genesis.json").display().to_string();
    let data = DataArgs {
        chain: Some(genesis),
        datadir: Some(folder.join("data")),
        ..DataArgs::default()
    };
    let mut config = Config::load(data, NodeArgs::default())?;
    config.http.enabled = true;
    config.http.port = 0;
    config.http.api = Some(NAMESPACES.to_owned());
    config.authrpc.disable = true;
    config.network.disable = true;
    Ok(config)
}

fn import(config: &Config, file: &Path) -> eyre::Result<()> {
    let chain = environment::load_chain(&config.chain)?;
    init(config, &chain)?;
    let provider = environment::open_database(config, chain.spec.clone())?;
    let blocks = File::open(file).wrap_err_with(|| file.display().to_string())?;
    let summary = importer(&chain.spec, &provider)
        .import(BlockReader::new(blocks), |_| {})
        .wrap_err_with(|| file.display().to_string())?;
    eprintln!("imported {} blocks", summary.imported);
    Ok(())
}
