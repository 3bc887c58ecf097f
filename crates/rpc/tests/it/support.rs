//! A chain, its servers, and clients for them.

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction, Transaction as _, TxEip1559, TxLegacy,
    transaction::Recovered,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, b256};
use alloy_rpc_types_engine::JwtSecret;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use jsonrpsee::{
    http_client::{HttpClient, HttpClientBuilder},
    ws_client::{WsClient, WsClientBuilder},
};
use parking_lot::Mutex;
use peruri_chainspec::ChainSpec;
use peruri_evm::{BlockAssembler, NextBlockEnvAttributes, PeruriEvmConfig};
use peruri_primitives::TransactionSigned;
use peruri_rpc::{
    AuthConfig, EndpointConfig, PendingBlockSource, RpcHandles, RpcLimits, RpcServerBuilder,
    RpcServerConfig, RpcServerHandle, Standalone,
};
use peruri_storage::{DbOptions, ExecutedBlock, HistoryWindows, ProviderFactory};
use peruri_txpool::{
    BlockInfo, CanonicalStateUpdate, Pool, PoolConfig, SenderPermissions, TransactionPool,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// First key of the mnemonic that funds development chains.
const KEY: B256 = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

/// All namespaces that the crate provides.
pub const ALL: [&str; 8] = ["eth", "net", "web3", "txpool", "debug", "trace", "ots", "admin"];

/// `SSTORE(0, calldata[0..32]); LOG1(calldata[0..32])`.
pub const LOGGER: &str = "5f355f555f355f5fa100";
/// `SSTORE(0, 0)`.
pub const CLEARER: &str = "5f5f5500";
/// A loop without end.
pub const LOOP: &str = "5b5f56";
/// `REVERT` with the data of `Error("no")`.
pub const REVERTER: &str = "7f08c379a0000000000000000000000000000000000000000000000000000000005f52\
    6020600452600260245261\
    6e6f60f01b60445260645ffd";

#[derive(Default)]
pub struct Pending(pub Mutex<Option<Arc<ExecutedBlock>>>);

impl PendingBlockSource for Pending {
    fn pending(&self) -> Option<Arc<ExecutedBlock>> {
        self.0.lock().clone()
    }
}

pub struct Node {
    pub factory: ProviderFactory,
    pub pool: Pool,
    pub evm: PeruriEvmConfig,
    pub pending: Arc<Pending>,
    pub signer: PrivateKeySigner,
    pub secret: JwtSecret,
    pub nonce: u64,
    _dir: tempfile::TempDir,
}

impl Node {
    pub fn new() -> Self {
        Self::of(ChainSpec::dev())
    }

    pub fn of(spec: ChainSpec) -> Self {
        Self::with_history(spec, HistoryWindows { proofs: None, ..Default::default() })
    }

    pub fn with_history(spec: ChainSpec, history: HistoryWindows) -> Self {
        let spec = Arc::new(spec);
        let dir = tempfile::tempdir().unwrap();
        let options = DbOptions { history, ..DbOptions::default() };
        let factory = ProviderFactory::open(dir.path(), spec.clone(), options).unwrap();
        factory.init_genesis().unwrap();
        let head = factory.last_header().unwrap();
        let info = BlockInfo {
            number: head.number,
            timestamp: head.timestamp,
            gas_limit: head.gas_limit,
            next_base_fee: spec.next_base_fee(head.header(), head.timestamp + 1).unwrap_or(0),
            next_blob_fee: 0,
        };
        let pool = Pool::new(
            PoolConfig::default(),
            spec.clone(),
            Arc::new(factory.clone()),
            Arc::new(SenderPermissions::open()),
            info,
        );
        Self {
            evm: PeruriEvmConfig::new(spec),
            factory,
            pool,
            pending: Arc::default(),
            signer: PrivateKeySigner::from_bytes(&KEY).unwrap(),
            secret: JwtSecret::random(),
            nonce: 0,
            _dir: dir,
        }
    }

    pub fn handles(&self) -> RpcHandles {
        RpcHandles {
            factory: self.factory.clone(),
            pool: Arc::new(self.pool.clone()),
            evm_config: self.evm.clone(),
            pending: self.pending.clone(),
            status: Arc::new(Standalone),
            engine: None,
            network: None,
            activity: None,
            client_version: "peruri/test".to_owned(),
        }
    }

    pub fn config(&self, limits: RpcLimits) -> RpcServerConfig {
        let local: SocketAddr = ([127, 0, 0, 1], 0).into();
        RpcServerConfig {
            http: Some(EndpointConfig::new(local, &ALL)),
            ws: Some(EndpointConfig::new(local, &ALL)),
            auth: Some(AuthConfig {
                addr: local,
                secret: self.secret,
                hosts: Vec::new(),
                behind_tls: false,
            }),
            limits,
        }
    }

    pub async fn serve(&self) -> Servers {
        self.serve_with(RpcLimits::default()).await
    }

    pub async fn serve_with(&self, limits: RpcLimits) -> Servers {
        self.start(RpcServerBuilder::new(self.config(limits), self.handles())).await
    }

    pub async fn start(&self, builder: RpcServerBuilder) -> Servers {
        Servers { handle: builder.start().await.unwrap() }
    }

    /// Signs with the next nonce.
    pub fn sign(&mut self, to: TxKind, value: u64, input: Bytes) -> TransactionSigned {
        let tx = TxEip1559 {
            chain_id: self.evm.chain_spec().chain_id(),
            nonce: self.nonce,
            gas_limit: 500_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to,
            value: U256::from(value),
            input,
            ..Default::default()
        };
        self.nonce += 1;
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        EthereumTxEnvelope::Eip1559(tx.into_signed(signature))
    }

    pub fn sign_legacy(&mut self, to: Address) -> TransactionSigned {
        let tx = TxLegacy {
            chain_id: Some(self.evm.chain_spec().chain_id()),
            nonce: self.nonce,
            gas_limit: 21_000,
            gas_price: 10_000_000_000,
            to: TxKind::Call(to),
            value: U256::from(5),
            ..Default::default()
        };
        self.nonce += 1;
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        EthereumTxEnvelope::Legacy(tx.into_signed(signature))
    }

    /// Executes a next block and does not commit it.
    pub fn build(&self, txs: Vec<TransactionSigned>) -> ExecutedBlock {
        let parent = self.factory.last_header().unwrap();
        let attributes = NextBlockEnvAttributes {
            timestamp: parent.timestamp + 1,
            gas_limit: parent.gas_limit,
            ..Default::default()
        };
        self.build_with(attributes, txs)
    }

    /// The same with these choices of its proposer.
    pub fn build_with(
        &self,
        attributes: NextBlockEnvAttributes,
        txs: Vec<TransactionSigned>,
    ) -> ExecutedBlock {
        let parent = self.factory.last_header().unwrap();
        let state = self.factory.latest().unwrap();
        let header = self.evm.next_header(&parent, &attributes);
        let from = self.signer.address();
        let ctx = self.evm.block_context(&header);
        let mut session = self.evm.begin(&header, ctx, &state).unwrap();
        for tx in &txs {
            session.execute_transaction(Recovered::new_unchecked(tx, from)).unwrap();
        }
        let outcome = session.finish().unwrap();
        let senders = vec![from; txs.len()];
        BlockAssembler::new(self.evm.clone())
            .assemble_block(header, txs, senders, Default::default(), outcome, &state)
            .unwrap()
            .executed
    }

    /// Builds and commits a next block.
    pub fn mine(&mut self, txs: Vec<TransactionSigned>) -> ExecutedBlock {
        let built = self.build(txs);
        self.factory.commit_block(&built).unwrap();
        let header = built.recovered_block.header();
        let next = self.evm.chain_spec().next_base_fee(header, header.timestamp + 1).unwrap_or(0);
        self.pool.on_canonical_state_change(CanonicalStateUpdate::new(
            &built.recovered_block,
            built.hashed_state.clone(),
            next,
            0,
        ));
        built
    }

    /// Deploys code given as hex in a block of its own.
    pub fn deploy(&mut self, runtime: &str) -> Address {
        let runtime = runtime.split_whitespace().collect::<String>();
        let length = runtime.len() / 2;
        assert!(length < 256);
        let init = format!("60{length:02x}600c60003960{length:02x}6000f3{runtime}");
        let address = self.signer.address().create(self.nonce);
        let tx = self.sign(TxKind::Create, 0, init.parse().unwrap());
        let block = self.mine(vec![tx]);
        assert!(block.execution_output.receipts[0].success);
        address
    }

    /// Calls a contract in a block of its own.
    pub fn invoke(&mut self, to: Address, word: u64) -> ExecutedBlock {
        let tx = self.sign(TxKind::Call(to), 0, word_of(word));
        let block = self.mine(vec![tx]);
        assert!(block.execution_output.receipts[0].success);
        block
    }
}

pub fn word_of(word: u64) -> Bytes {
    U256::from(word).to_be_bytes::<32>().into()
}

pub fn raw(tx: &TransactionSigned) -> Bytes {
    assert!(tx.blob_versioned_hashes().is_none());
    tx.encoded_2718().into()
}

pub struct Servers {
    pub handle: RpcServerHandle,
}

impl Servers {
    pub fn http(&self) -> SocketAddr {
        self.handle.http_addr().unwrap()
    }

    pub fn ws(&self) -> SocketAddr {
        self.handle.ws_addr().unwrap()
    }

    pub fn auth(&self) -> SocketAddr {
        self.handle.auth_addr().unwrap()
    }

    pub fn client(&self) -> HttpClient {
        HttpClientBuilder::default().build(format!("http://{}", self.http())).unwrap()
    }

    pub async fn ws_client(&self) -> WsClient {
        WsClientBuilder::default().build(format!("ws://{}", self.ws())).await.unwrap()
    }

    pub async fn post(&self, body: &str) -> (u16, String) {
        post(self.http(), &[], body).await
    }

    /// Posts and decodes the answer.
    pub async fn json(&self, body: &str) -> serde_json::Value {
        let (_, text) = self.post(body).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Calls a method and decodes the answer.
    pub async fn request(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        let body =
            serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.json(&body.to_string()).await
    }

    /// The error's code and message.
    pub async fn error(&self, method: &str, params: serde_json::Value) -> (i64, String) {
        error_of(&self.request(method, params).await)
    }
}

/// Code and message (with data where there is some) of an error answer.
pub fn error_of(answer: &serde_json::Value) -> (i64, String) {
    let error = &answer["error"];
    let message = error["message"].as_str().unwrap_or_else(|| panic!("no error: {answer}"));
    let data = error["data"].as_str().map(|data| format!(": {data}")).unwrap_or_default();
    (error["code"].as_i64().unwrap(), format!("{message}{data}"))
}

type Io = Compat<TcpStream>;

/// A WebSocket session that sends and shows what it is told to, well-formed or not.
pub async fn raw_session(addr: SocketAddr) -> (soketto::Sender<Io>, soketto::Receiver<Io>) {
    let socket = TcpStream::connect(addr).await.unwrap().compat();
    let mut client = soketto::handshake::Client::new(socket, "localhost", "/");
    let answer = client.handshake().await.unwrap();
    assert!(matches!(answer, soketto::handshake::ServerResponse::Accepted { .. }), "{answer:?}");
    client.into_builder().finish()
}

/// The next message of a session.
pub async fn recv(receiver: &mut soketto::Receiver<Io>) -> serde_json::Value {
    let mut message = Vec::new();
    let received = receiver.receive_data(&mut message);
    tokio::time::timeout(Duration::from_secs(30), received).await.unwrap().unwrap();
    serde_json::from_slice(&message).unwrap()
}

/// Posts over a connection of its own; answers status and body.
pub async fn post(addr: SocketAddr, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut head =
        format!("POST / HTTP/1.1\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    let defaults = [("host", "localhost"), ("content-type", "application/json")];
    let extra = |name: &str| headers.iter().any(|(given, _)| given == &name);
    let defaults = defaults.iter().filter(|(name, _)| !extra(name));
    for (name, value) in headers.iter().chain(defaults) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
