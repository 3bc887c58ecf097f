//! The node's JSON-RPC server over a store of this process, with an empty pool.

use eyre::{OptionExt, Result};
use peruri_evm::PeruriEvmConfig;
use peruri_rpc::{
    EndpointConfig, NoPendingBlock, RpcHandles, RpcLimits, RpcServerBuilder, RpcServerConfig,
    RpcServerHandle, Standalone,
};
use peruri_storage::ProviderFactory;
use peruri_txpool::{BlockInfo, Pool, PoolConfig, SenderPermissions};
use std::{net::SocketAddr, sync::Arc};

/// Serves one namespace over HTTP on a free port of loopback.
///
/// # Errors
/// If the store cannot be read, or nothing can listen.
pub async fn serve(
    factory: &ProviderFactory,
    evm_config: PeruriEvmConfig,
    namespace: &str,
) -> Result<(RpcServerHandle, SocketAddr)> {
    let head = factory.last_header()?;
    let head = BlockInfo { number: head.number, timestamp: head.timestamp, ..Default::default() };
    let permissions = Arc::new(SenderPermissions::open());
    let (spec, accounts) = (factory.chain_spec().clone(), Arc::new(factory.clone()));
    let pool = Pool::new(PoolConfig::default(), spec, accounts, permissions, head);
    let handles = RpcHandles {
        factory: factory.clone(),
        pool: Arc::new(pool),
        evm_config,
        pending: Arc::new(NoPendingBlock),
        status: Arc::new(Standalone),
        engine: None,
        network: None,
        activity: None,
        client_version: "peruri/bench".to_owned(),
    };
    let local: SocketAddr = ([127, 0, 0, 1], 0).into();
    let http = Some(EndpointConfig::new(local, &[namespace]));
    let config = RpcServerConfig { http, ws: None, auth: None, limits: RpcLimits::default() };
    let server = RpcServerBuilder::new(config, handles).start().await?;
    let address = server.http_addr().ok_or_eyre("no server")?;
    Ok((server, address))
}
