//! Namespace `admin`.

use crate::{RpcError, context::Context};
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_network::{
    Direction, Enode, NetworkHandle, PeerId, PeerIdentity, PeerInfo, RefusalRecord,
};
use peruri_rpc_api::{
    AdminApiServer, EthProtocolInfo, NodeInfo, NodePorts, NodeProtocols, PeerEntry, PeerNetwork,
};
use std::{collections::BTreeMap, net::IpAddr};

/// What is spoken with a connected peer.
const CAPABILITY: &str = "peruri/1";

/// Answers of [`AdminApiServer`].
#[derive(Clone)]
pub(crate) struct Admin {
    ctx: Context,
}

impl Admin {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }

    fn network(&self) -> Result<&NetworkHandle, RpcError> {
        let off = || RpcError::Unavailable("the network is switched off".to_owned());
        self.ctx.handles.network.as_ref().ok_or_else(off)
    }
}

#[async_trait]
impl AdminApiServer for Admin {
    fn node_info(&self) -> RpcResult<NodeInfo> {
        let chain = self.ctx.chain_spec();
        let status = &self.ctx.handles.status;
        let eth = EthProtocolInfo {
            network: chain.chain_id(),
            genesis: chain.genesis_hash(),
            head: self.ctx.factory().best_block_hash().map_err(RpcError::from)?,
        };
        let network = self.ctx.handles.network.as_ref();
        let listener = network.and_then(NetworkHandle::listen_address);
        let enode = network.zip(listener).and_then(|(network, at)| {
            Enode::new(&network.peer_id(), host(at.ip()), at.port()).ok()
        });
        Ok(NodeInfo {
            id: status.node_id().unwrap_or_default(),
            name: self.ctx.handles.client_version.clone(),
            enode: enode.map(|enode| enode.to_string()).unwrap_or_default(),
            ip: listener.map(|at| at.ip().to_string()).unwrap_or_default(),
            ports: NodePorts { discovery: 0, listener: status.listen_port().unwrap_or_default() },
            listen_addr: listener.map(|at| at.to_string()).unwrap_or_default(),
            protocols: NodeProtocols { eth },
        })
    }

    async fn peers(&self) -> RpcResult<Vec<PeerEntry>> {
        let Some(network) = &self.ctx.handles.network else { return Ok(Vec::new()) };
        let unavailable =
            |error: peruri_network::NetworkError| RpcError::Unavailable(error.to_string());
        let connected = network.peers().await.map_err(unavailable)?;
        let refused = network.refusals().await.map_err(unavailable)?;
        Ok(connected.into_iter().map(peer_entry).chain(refused_entries(&refused)).collect())
    }

    async fn ping_peer(&self, peer: String) -> RpcResult<Option<f64>> {
        let peer = match peer.parse::<Enode>() {
            Ok(enode) => enode.identity().map(|it| it.peer_id).map_err(|e| e.to_string()),
            Err(_) => peer.parse::<PeerId>().map_err(|_| "neither peer id nor enode".to_owned()),
        };
        let peer = peer.map_err(RpcError::invalid)?;
        let unavailable =
            |error: peruri_network::NetworkError| RpcError::Unavailable(error.to_string());
        let time = self.network()?.ping(peer).await.map_err(unavailable)?;
        Ok(time.map(|time| time.as_secs_f64() * 1_000.0))
    }

    fn add_peer(&self, url: String) -> RpcResult<bool> {
        let enode: Enode = url.parse().map_err(|error| RpcError::invalid(format!("{error}")))?;
        let network = self.network()?;
        for address in enode.addresses() {
            network.add_peer(address).map_err(|error| RpcError::Unavailable(error.to_string()))?;
        }
        Ok(true)
    }

    fn remove_peer(&self, url: String) -> RpcResult<bool> {
        let enode: Enode = url.parse().map_err(|error| RpcError::invalid(format!("{error}")))?;
        let peer = enode.identity().map_err(|error| RpcError::invalid(error.to_string()))?;
        self.network()?
            .remove_peer(peer.peer_id)
            .map_err(|error| RpcError::Unavailable(error.to_string()))?;
        Ok(true)
    }
}

/// An address as it stands in a URL.
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn peer_entry(info: PeerInfo) -> PeerEntry {
    let is_static = info.name.is_some();
    PeerEntry {
        id: info.peer.peer_id.to_string(),
        name: info.name.unwrap_or_else(|| info.version.clone()),
        enode: Enode::at(&info.peer.peer_id, &info.remote).unwrap_or_default(),
        caps: vec![CAPABILITY.to_owned()],
        network: PeerNetwork {
            local_address: info.local.map(|local| local.to_string()).unwrap_or_default(),
            remote_address: info.remote.to_string(),
            inbound: info.direction == Direction::Inbound,
            trusted: true,
            is_static,
        },
        address: Some(info.peer.address),
        version: info.version,
        score: info.score,
        refusals: info.refusals.iter().map(line).collect(),
    }
}

/// Nodes that are not connected, one entry each, with what they were told.
fn refused_entries(refusals: &[RefusalRecord]) -> Vec<PeerEntry> {
    let mut entries: BTreeMap<String, PeerEntry> = BTreeMap::new();
    for refusal in refusals {
        let id = refusal.peer.map(|peer| peer.to_string()).unwrap_or_default();
        let entry = entries.entry(id.clone()).or_insert_with(|| PeerEntry {
            id,
            address: refusal.peer.and_then(PeerIdentity::new).map(|peer| peer.address),
            ..PeerEntry::default()
        });
        if let Some(address) = &refusal.address {
            entry.network.remote_address = address.to_string();
        }
        entry.refusals.push(line(refusal));
    }
    entries.into_values().collect()
}

fn line(refusal: &RefusalRecord) -> String {
    format!("{} ms: {}", refusal.at_ms, refusal.reason)
}
