//! JSON-RPC interface of the node, as traits.
//!
//! One definition per namespace yields both sides: `…Server` (implemented by `peruri-rpc`) and
//! `…Client` (usable over HTTP and WebSocket). Method names, parameters and answers follow the
//! Ethereum [execution API](https://github.com/ethereum/execution-apis) and, where that is silent,
//! geth.
//!
//! Large answers have the type [`Json`]: the server hands over text that is already JSON, so that
//! a block of thousands of transactions is written once and not built, cloned and walked again;
//! the client decodes it with [`Json::decode`].

mod activity;
mod admin;
mod arg;
mod debug;
mod eth;
mod exex;
mod filter;
mod ibft;
mod json;
mod net;
mod ots;
mod plog;
mod pubsub;
mod trace;
mod txpool;
mod types;

pub use activity::{
    ActivityAccepted, ActivityApiClient, ActivityBatchItem, ActivityCompletion,
    ActivityCompletions, ActivityDeadLetter, ActivityNumbers, ActivityPubSubApiClient,
    ActivityQueue, ActivityRefusal, ActivityStatus, ActivityWriteApiClient, OneOrMany,
};
pub use activity::{ActivityApiServer, ActivityPubSubApiServer, ActivityWriteApiServer};
pub use admin::AdminApiServer;
pub use admin::{AdminApiClient, PeerEntry, PeerNetwork};
pub use arg::{Arg, ParseArg};
pub use debug::{DebugApiClient, DebugTraceApiClient};
pub use debug::{DebugApiServer, DebugTraceApiServer};
pub use eth::EthApiClient;
pub use eth::EthApiServer;
pub use exex::ExExApiServer;
pub use exex::{ExExApiClient, ExExHeight};
pub use filter::EthFilterApiClient;
pub use filter::EthFilterApiServer;
pub use ibft::IbftApiServer;
pub use ibft::{
    CommitCertificate, CommitSeal, IbftApiClient, RoundChangeInfo, RoundRecordInfo, RoundStateInfo,
    SignerMetric,
};
pub use json::Json;
pub use net::{NetApiClient, RpcApiClient, Web3ApiClient};
pub use net::{NetApiServer, RpcApiServer, Web3ApiServer};
pub use ots::OtsApiClient;
pub use ots::OtsApiServer;
pub use plog::{PlogApiClient, PlogPubSubApiClient};
pub use plog::{PlogApiServer, PlogPubSubApiServer};
pub use plog::{
    PlogConsistencyProof, PlogEntry, PlogHead, PlogInclusionProof, PlogLogInfo, PlogSource,
    PlogSubjectHistory,
};
pub use pubsub::EthPubSubApiClient;
pub use pubsub::EthPubSubApiServer;
pub use trace::TraceApiClient;
pub use trace::TraceApiServer;
pub use txpool::TxPoolApiClient;
pub use txpool::TxPoolApiServer;
pub use types::{
    CallRequest, Capabilities, CapabilitiesHead, Capability, DeleteStrategy, EthProtocolInfo,
    NodeInfo, NodePorts, NodeProtocols, TxPoolByNonce, TxPoolContent, TxPoolInspect, TxPoolStatus,
};

/// The OpenRPC document of all methods, generated from the traits: `tests/openrpc` tells how.
pub const OPENRPC: &str = include_str!("../openrpc.json");
