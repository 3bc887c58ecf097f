//! One node of a network.

use super::{
    ClusterOptions, Disks,
    files::{Identity, P2P_PORT},
};
use crate::{Client, Node, NodeOptions, Ports, Result, TestnetError, Topology};
use alloy_primitives::Address;
use std::{net::SocketAddr, path::PathBuf};

/// RPC namespaces that scenarios use.
const API: &str = "eth,net,web3,txpool,debug,admin,ibft";
/// The flag that names them.
const HTTP_API: &str = "--http.api";

/// A node of a network, running or not.
#[derive(Debug)]
pub struct Member {
    /// Its name in the node list.
    pub name: String,
    /// Address of its key.
    pub address: Address,
    /// Whether it is a validator of the genesis block.
    pub validator: bool,
    /// Its key, logs and message logs.
    pub folder: PathBuf,
    /// How it is started; a fault may change this between two starts.
    pub options: NodeOptions,
    /// How often it was started.
    pub starts: u32,
    message_logs: bool,
    pub(super) node: Option<Node>,
}

impl Member {
    pub(super) fn new(
        index: usize,
        identity: &Identity,
        options: &ClusterOptions,
        topology: &Topology,
        disks: &Disks,
    ) -> Self {
        let folder = options.folder.join("nodes").join(&identity.name);
        let home = disks.home(index, &identity.name).unwrap_or_else(|| folder.clone());
        let config = options.folder.join(super::CONFIG);
        let ip = topology.ip(index);
        let mut node = NodeOptions::dev(&options.program, &folder).with_args([
            "--txpool.open",
            HTTP_API,
            API,
            "--addr",
            &ip.to_string(),
            "--node-list",
            &config.join("node-list.toml").to_string_lossy(),
        ]);
        node.args.extend(options.args.iter().cloned());
        node.datadir = home.join("data");
        node.sign_state = Some(home.join("sign"));
        node.key = Some(folder.join("key"));
        node.chain = Some(config.join("genesis.json"));
        node.ip = ip;
        node.ports = Ports::USUAL;
        node.namespace = topology.namespaces().map(|it| it.name(index).to_owned());
        let mut member = Self {
            name: identity.name.clone(),
            address: identity.address,
            validator: index < options.validators,
            folder,
            options: node,
            starts: 0,
            message_logs: options.message_logs,
            node: None,
        };
        if !options.plog_sources.is_empty() {
            member.add_namespace("plog");
        }
        member
    }

    /// Offers one more namespace over HTTP from the next start on.
    pub fn add_namespace(&mut self, name: &str) {
        let args = &mut self.options.args;
        let flag = args.iter().position(|argument| argument == HTTP_API);
        if let Some(namespaces) = flag.and_then(|at| args.get_mut(at + 1)) {
            namespaces.push(format!(",{name}"));
        }
    }

    /// Address of its JSON-RPC server.
    pub fn rpc(&self) -> SocketAddr {
        (self.options.ip, self.options.ports.http.unwrap_or_default()).into()
    }

    /// Address of its WebSocket server.
    pub fn ws(&self) -> SocketAddr {
        (self.options.ip, self.options.ports.ws.unwrap_or_default()).into()
    }

    /// Where it listens for other nodes, TCP and QUIC.
    pub fn p2p(&self) -> SocketAddr {
        (self.options.ip, P2P_PORT).into()
    }

    /// A new client of its JSON-RPC server.
    pub fn client(&self) -> Client {
        Client::new(self.rpc())
    }

    /// Process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.node.as_ref().and_then(Node::pid)
    }

    /// Sets the wall clock `seconds` ahead, or behind if negative.
    ///
    /// # Errors
    /// [`TestnetError::Io`]; [`TestnetError::Answer`] in a network without movable clocks.
    pub fn set_clock(&self, seconds: i64) -> Result<()> {
        let clock = self.options.clock.as_ref().ok_or_else(|| TestnetError::Answer {
            method: self.name.clone(),
            expected: "a clock of its own",
            got: "the machine's".to_owned(),
        })?;
        clock.set(seconds)
    }

    /// The logs of consensus messages of all its starts.
    pub fn message_logs(&self) -> Vec<PathBuf> {
        (1..=self.starts).map(|start| self.message_log(start)).filter(|it| it.exists()).collect()
    }

    /// A start gets a file of its own: a killed process may leave half a record at the end.
    fn message_log(&self, start: u32) -> PathBuf {
        self.folder.join(format!("messages-{start}.log"))
    }

    pub(super) fn spawn(&mut self) -> Result<()> {
        self.starts += 1;
        let mut options = self.options.clone();
        if self.message_logs {
            let log = self.message_log(self.starts);
            options = options.with_args(["--debug.message-log".into(), log]);
        }
        self.node = Some(Node::spawn(&options)?);
        Ok(())
    }
}
