//! `p2p`: this node's identity and its peers.

use crate::{
    cli::client::ClientArgs,
    config::{Config, DataArgs, NodeArgs},
    environment,
};
use clap::{Args, Subcommand};
use jsonrpsee::http_client::HttpClient;
use peruri_network::{Enode, NodeIdentity};
use peruri_rpc_api::{AdminApiClient, PeerEntry};

/// See this node's identity and its peers.
#[derive(Debug, Args)]
pub struct P2pCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print address, peer id and enode URL of this node's key
    ///
    /// The enode URL is what the other organisations put into their node lists.
    Identity {
        /// Host under which other nodes reach this one: an IP address or a DNS name
        #[arg(long, value_name = "HOST", default_value = "HOST")]
        host: String,
    },
    /// List the connected peers, and those that were refused with the reason
    Peers,
    /// Measure the time to a connected peer and back
    Ping {
        /// Peer id, or enode URL
        peer: String,
    },
}

impl P2pCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the key cannot be read or the node cannot be asked.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        match self.action {
            Action::Identity { host } => identity(data, host),
            Action::Peers => self.client.run(data, peers),
            Action::Ping { peer } => self.client.run(data, |client| ping(client, peer)),
        }
    }
}

fn identity(data: DataArgs, host: String) -> eyre::Result<()> {
    let config = Config::load(data, NodeArgs::default())?;
    let key = environment::load_key(&config)?;
    let identity = NodeIdentity::from_secret(key.to_bytes().0)?;
    println!("address  {:#x}", identity.address());
    println!("peer id  {}", identity.peer_id());
    println!("enode    {}", Enode::new(&identity.peer_id(), host, config.network.port)?);
    Ok(())
}

async fn peers(client: HttpClient) -> eyre::Result<()> {
    for peer in client.peers().await? {
        print_peer(&peer);
    }
    Ok(())
}

fn print_peer(peer: &PeerEntry) {
    let address = peer.address.map(|address| format!("{address:#x}")).unwrap_or_default();
    let state = if peer.caps.is_empty() { "refused" } else { "connected" };
    let remote = &peer.network.remote_address;
    println!("{state:<10} {address:<42}  {}  {remote}  score {:.0}", peer.name, peer.score);
    for refusal in &peer.refusals {
        println!("           refused: {refusal}");
    }
}

async fn ping(client: HttpClient, peer: String) -> eyre::Result<()> {
    match client.ping_peer(peer).await? {
        Some(millis) => println!("{millis:.3} ms"),
        None => println!("not connected"),
    }
    Ok(())
}
