//! The running node, as the commands of an operator reach it: its authenticated RPC, with the secret
//! from the data folder.

use crate::{
    cli::{exit::UsageError, jwt::read_secret},
    config::{Config, DataArgs, NodeArgs},
};
use alloy_rpc_types_engine::Claims;
use clap::Args;
use eyre::WrapErr;
use jsonrpsee::http_client::{HeaderMap, HttpClient, HttpClientBuilder};
use std::{future::Future, time::Duration};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which node is asked.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClientArgs {
    /// Ask the node at this URL instead of the one of this data folder; its public server must offer
    /// the namespaces that the command needs (ibft and admin; eth and plog; activity)
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
}

impl ClientArgs {
    /// Asks for another URL.
    pub(crate) const fn at(url: String) -> Self {
        Self { rpc: Some(url) }
    }

    /// Runs `ask` with a client of the node.
    ///
    /// # Errors
    /// If the node cannot be addressed, or what `ask` returns.
    pub(crate) fn run<F, T>(
        self,
        data: DataArgs,
        ask: impl FnOnce(HttpClient) -> F,
    ) -> eyre::Result<T>
    where
        F: Future<Output = eyre::Result<T>>,
    {
        let (url, client) = self.connect(data)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(ask(client)).wrap_err_with(|| format!("node at {url}"))
    }

    /// The node's URL and a client of it.
    ///
    /// # Errors
    /// If the configuration or the secret cannot be read.
    pub(crate) fn connect(&self, data: DataArgs) -> eyre::Result<(String, HttpClient)> {
        let builder = HttpClientBuilder::default().request_timeout(TIMEOUT);
        if let Some(url) = &self.rpc {
            let client = builder.build(url).wrap_err_with(|| format!("--rpc {url}"))?;
            return Ok((url.clone(), client));
        }
        let config = Config::load(data, NodeArgs::default())?;
        let auth = &config.authrpc;
        if auth.disable {
            let message = "the authenticated RPC is switched off: give --rpc URL";
            return Err(UsageError::new(message).into());
        }
        let path = auth.jwtsecret.clone().unwrap_or_else(|| config.data_dir().jwt_secret());
        let token = read_secret(&path)?.encode(&Claims::with_current_timestamp())?;
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse()?);
        let url = format!("http://{}", std::net::SocketAddr::new(auth.addr, auth.port));
        let client = builder.set_headers(headers).build(&url)?;
        Ok((url, client))
    }
}
