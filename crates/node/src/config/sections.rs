//! The options of the node, section by section. Flag prefixes are Reth's where Reth has the option.

use super::macros::options;
use peruri_payload::DEFAULT_LANE_GAS_SHARE;
use std::{net::IpAddr, net::Ipv4Addr, net::SocketAddr, path::PathBuf};

options! {
    /// The public HTTP server.
    HttpArgs => HttpConfig, "RPC over HTTP"
    {
        enabled: bool = false, "http", "Serve JSON-RPC over HTTP";
        addr: IpAddr = Ipv4Addr::LOCALHOST, "http.addr", "Address to listen on";
        port: u16 = 8545_u16, "http.port", "Port to listen on";
        corsdomain: String = "", "http.corsdomain", "Origins that browsers may call from, separated by commas";
    }
    optional {
        api: String, "http.api", "Namespaces to offer, separated by commas [default: eth,net,web3, plog where the chain has a transparency log, activity where the node has the mirror]";
    }
}

options! {
    /// The public WebSocket server.
    WsArgs => WsConfig, "RPC over WebSocket"
    {
        enabled: bool = false, "ws", "Serve JSON-RPC over WebSocket";
        addr: IpAddr = Ipv4Addr::LOCALHOST, "ws.addr", "Address to listen on";
        port: u16 = 8546_u16, "ws.port", "Port to listen on";
        origins: String = "", "ws.origins", "Origins that browsers may call from, separated by commas";
    }
    optional {
        api: String, "ws.api", "Namespaces to offer, separated by commas [default: eth,net,web3, plog where the chain has a transparency log, activity where the node has the mirror]";
    }
}

options! {
    /// The authenticated server: all namespaces, JWT as in the Engine API.
    AuthRpcArgs => AuthRpcConfig, "Authenticated RPC"
    {
        behind_tls: bool = false, "authrpc.behind-tls", "TLS stands in front of it: user ids and payloads may be sent here although the address is not loopback";
        disable: bool = false, "authrpc.disable", "Do not serve the authenticated RPC";
        addr: IpAddr = Ipv4Addr::LOCALHOST, "authrpc.addr", "Address to listen on";
        port: u16 = 8551_u16, "authrpc.port", "Port to listen on";
    }
    optional {
        jwtsecret: PathBuf, "authrpc.jwtsecret", "File with the 256-bit secret in hex [default: DATADIR/jwt.hex, made when absent]";
    }
}

options! {
    /// Limits of all RPC servers.
    RpcArgs => RpcConfig, "RPC limits"
    {
        max_batch: u32 = 100_u32, "rpc.max-batch", "Calls in one batch";
        max_request_size: u32 = 2_u32, "rpc.max-request-size", "Size of a request body in MiB";
        max_response_size: u32 = 10_u32, "rpc.max-response-size", "Size of a response in MiB";
        max_connections: u32 = 200_u32, "rpc.max-connections", "Connections to one server";
        max_connections_per_ip: u32 = 20_u32, "rpc.max-connections-per-ip", "Connections to one server from one address other than loopback";
        max_subscriptions_per_connection: u32 = 16_u32, "rpc.max-subscriptions-per-connection", "Subscriptions on one connection";
        max_in_flight: u32 = 32_u32, "rpc.max-in-flight", "Requests under way on one WebSocket connection";
        max_blocks_per_filter: u64 = 2_000_u64, "rpc.max-blocks-per-filter", "Blocks that one eth_getLogs may span";
        max_logs_per_response: usize = 10_000_usize, "rpc.max-logs-per-response", "Logs in one answer";
        max_trace_filter_blocks: u64 = 100_u64, "rpc.max-trace-filter-blocks", "Blocks that one trace_filter may span";
        max_search_blocks: u64 = 1_000_u64, "rpc.max-search-blocks", "Blocks that one ots_searchTransactions may look at";
        gascap: u64 = 50_000_000_u64, "rpc.gascap", "Gas that eth_call and eth_estimateGas may use";
        call_timeout_ms: u64 = 5_000_u64, "rpc.call-timeout-ms", "Time that a call, an estimate or a trace may take, in milliseconds";
        sync_timeout_ms: u64 = 30_000_u64, "rpc.sync-timeout-ms", "Longest time that eth_sendRawTransactionSync waits, and the default, in milliseconds";
    }
    optional {}
}

options! {
    /// The transaction pool.
    TxPoolArgs => TxPoolConfig, "Transaction pool"
    {
        open: bool = false, "txpool.open", "Take transactions from any sender although they cost nothing (zero base fee)";
        max_pending: usize = 131_072_usize, "txpool.max-pending", "Executable transactions to keep";
        max_queued: usize = 16_384_usize, "txpool.max-queued", "Transactions with a nonce gap to keep";
        max_account_slots: usize = 16_384_usize, "txpool.max-account-slots", "Transactions of one sender to keep";
    }
    optional {
        senders: PathBuf, "txpool.senders", "File with the addresses that may send, one a line; read again when it changes";
    }
}

options! {
    /// Block production.
    BuilderArgs => BuilderConfig, "Block production"
    {
        extradata: String = concat!("peruri ", env!("CARGO_PKG_VERSION")), "builder.extradata", "Text for the first 32 bytes of extraData, where the chain does not fix them";
        deadline_ms: u64 = 1_000_u64, "builder.deadline-ms", "Time to fill a block, in milliseconds";
    }
    optional {
        gaslimit: u64, "builder.gaslimit", "Gas limit to move towards [default: the parent's]";
    }
}

options! {
    /// The lane of the transparency log: appends that blocks take first.
    LaneArgs => LaneConfig, "Lane of the transparency log"
    {
        gas_share: u8 = DEFAULT_LANE_GAS_SHARE, "lane.gas-share", "Percent of a block's gas limit that appends of the log's sources may have before all others, 0 to 100";
    }
    optional {}
}

options! {
    /// The database.
    DbArgs => DbConfig, "Database"
    {
        min_free: u64 = 2_048_u64, "db.min-free", "Free MiB below which no blocks are produced";
        cache: usize = 128_usize, "db.cache", "Memory for reading in MiB, half for blocks of the database, half for trie nodes";
    }
    optional {}
}

options! {
    /// How much history is kept.
    HistoryArgs => HistoryConfig, "History"
    {
        proofs: u64 = 128_u64, "history.proofs", "Blocks for which eth_getProof is answered";
    }
    optional {
        state: u64, "history.state", "Blocks for which old state is kept [default: all]";
        receipts: u64, "history.receipts", "Blocks for which receipts are kept [default: all]";
    }
}

options! {
    /// The peer-to-peer network.
    NetworkArgs => NetworkConfig, "Networking"
    {
        disable: bool = false, "network.disable", "Run without peers";
        addr: IpAddr = Ipv4Addr::UNSPECIFIED, "addr", "Address to listen on for peers, TCP and QUIC";
        port: u16 = 30303_u16, "port", "Port to listen on for peers; 0 takes a free one";
        bootnodes: String = "", "bootnodes", "Further nodes to connect to, enode URLs separated by commas";
    }
    optional {
        node_list: PathBuf, "node-list", "File with the nodes that may connect and their addresses, read again when it changes [default: DATADIR/node-list.toml]";
    }
}

options! {
    /// Aids for tests.
    DebugArgs => DebugConfig, "Debugging"
    {}
    optional {
        message_log: PathBuf, "debug.message-log", "File to which all consensus messages are written";
    }
}

options! {
    /// Consensus.
    ConsensusArgs => ConsensusConfig, "Consensus"
    {}
    optional {
        sign_state: PathBuf, "consensus.sign-state", "Folder of what this validator has signed [default: DATADIR.sign]; never restore it from a backup";
        key: PathBuf, "consensus.key", "Key file of the node [default: DATADIR/key]";
        password_file: PathBuf, "consensus.password-file", "File with the password of an encrypted key";
    }
}

options! {
    /// Metrics.
    MetricsArgs => MetricsConfig, "Metrics"
    {}
    optional {
        addr: SocketAddr, "metrics", "Serve Prometheus metrics here, e.g. 127.0.0.1:9001";
    }
}
