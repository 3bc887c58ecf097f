//! The node that is attacked.

use super::texts::Texts;
use crate::{
    Client, Connection, GenesisFile, Network, Node, NodeOptions, Result, TestnetError, Wallet,
    dev_wallet,
};
use hyper::{StatusCode, body::Bytes};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Connections that a server takes: a thousand attackers and some others.
pub(super) const CONNECTIONS: usize = 1_100;
/// How long the node may take to its first block.
const PATIENCE: Duration = Duration::from_secs(30);
/// Development accounts with coins, listed as senders.
const SENDERS: usize = 4;

/// An error's code and text.
pub(super) type Refusal = (i64, String);

/// A running validator, and everything an attacker may use.
#[derive(Debug)]
pub(super) struct Arena {
    node: Node,
    options: NodeOptions,
    pid: u32,
    network: Network,
    texts: Texts,
}

impl Arena {
    pub(super) async fn start(program: &Path, folder: &Path) -> Result<Self> {
        let mut genesis = GenesisFile { block_period_seconds: 1, ..GenesisFile::pilot() };
        let network = Network { chain_id: genesis.chain_id, max_fee_per_gas: 0 };
        for index in 0..SENDERS {
            genesis.funded.push(dev_wallet(index, network)?.address());
        }
        let senders = folder.join("senders");
        let list: String = genesis.funded.iter().map(|address| format!("{address}\n")).collect();
        fs::write(&senders, list).map_err(TestnetError::io("the list of senders"))?;
        let options = genesis.solo(program, folder).await?;
        let options = options.with_args([
            "--txpool.senders".into(),
            senders.into_os_string(),
            "--rpc.max-connections".into(),
            CONNECTIONS.to_string().into(),
        ]);
        let node = Node::start(&options).await?;
        node.client().wait_block(2, PATIENCE).await?;
        let pid = node.pid().unwrap_or_default();
        let texts = Texts::new(secrets(&options, folder)?);
        Ok(Self { node, options, pid, network, texts })
    }

    pub(super) const fn network(&self) -> Network {
        self.network
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) const fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The node's program, for another network.
    pub(super) fn program(&self) -> &Path {
        &self.options.program
    }

    /// A folder for another network.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.options.datadir.with_file_name(name)
    }

    pub(super) const fn http(&self) -> SocketAddr {
        self.node.client().address()
    }

    pub(super) fn ws(&self) -> SocketAddr {
        self.node.ws_address()
    }

    /// A client with a connection of its own.
    pub(super) const fn client(&self) -> Client {
        Client::new(self.http())
    }

    /// The development account `index` where it stands.
    pub(super) async fn wallet(&self, index: usize) -> Result<Wallet> {
        let mut wallet = dev_wallet(index % SENDERS, self.network)?;
        wallet.set_nonce(self.client().nonce(wallet.address()).await?);
        Ok(wallet)
    }

    /// Posts a body over a new connection: the status, and the answer if it is JSON.
    pub(super) async fn post(
        &self,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Value)> {
        self.post_over(&mut self.connect().await?, headers, body).await
    }

    async fn post_over(
        &self,
        connection: &mut Connection,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Value)> {
        let (status, answer) = connection.exchange(headers, body.into()).await?;
        let answer = serde_json::from_slice(&answer).unwrap_or_default();
        self.note(&answer);
        Ok((status, answer))
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.http()).await
    }

    /// Calls a method over a new connection: its result, or the error's code and text.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Result<Value, Refusal>> {
        self.ask_over(&mut self.connect().await?, method, params).await
    }

    /// As [`ask`](Self::ask), over a connection that is there.
    pub(super) async fn ask_over(
        &self,
        connection: &mut Connection,
        method: &str,
        params: Value,
    ) -> Result<Result<Value, Refusal>> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, mut answer) = self.post_over(connection, &[], request.to_string()).await?;
        Ok(match refusal(&answer) {
            Some(refusal) => Err(refusal),
            None => Ok(answer["result"].take()),
        })
    }

    /// Keeps the error texts of an answer for R13.
    pub(super) fn note(&self, answer: &Value) {
        let single = std::slice::from_ref(answer);
        for answer in answer.as_array().map_or(single, Vec::as_slice) {
            if let Some((_, text)) = refusal(answer) {
                self.texts.add(&text);
            }
        }
    }

    /// Stops the node, which must have lived until now and not have panicked.
    pub(super) async fn stop(arena: Arc<Self>) -> Result<()> {
        let log = arena.options.log.clone();
        let Some(Self { node, .. }) = Arc::into_inner(arena) else {
            let what = "the end of all attackers".to_owned();
            return Err(TestnetError::Timeout { what, limit: Duration::ZERO });
        };
        node.stop().await?;
        let text = fs::read_to_string(&log).map_err(TestnetError::io("the node's log"))?;
        match text.lines().find(|line| line.contains("panicked")) {
            Some(line) => Err(TestnetError::Answer {
                method: "the node's log".to_owned(),
                expected: "no panic",
                got: line.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Code and text of an answer that is an error.
pub(super) fn refusal(answer: &Value) -> Option<Refusal> {
    let error = answer.get("error")?;
    let data = error["data"].as_str().map(|data| format!(": {data}")).unwrap_or_default();
    let text = format!("{}{data}", error["message"].as_str().unwrap_or_default());
    Some((error["code"].as_i64().unwrap_or_default(), text))
}

/// Where the node's files lie, and its key.
fn secrets(options: &NodeOptions, folder: &Path) -> Result<Vec<String>> {
    let key = options.datadir.join("key");
    let key = fs::read_to_string(key).map_err(TestnetError::io("the node's key"))?;
    Ok(vec![folder.display().to_string(), key.trim().trim_start_matches("0x").to_owned()])
}
