//! The node's configuration: command line over `peruri.toml` over defaults. `config show` prints what
//! results.

mod macros;
mod sections;

pub use sections::*;

use crate::{cli::exit::OrUsage, environment::GENESIS_FILE};
use clap::Args;
use peruri_activity::ActivityConfig;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the configuration file in the data folder.
pub const CONFIG_FILE: &str = "peruri.toml";

/// Where the data lies and which chain it is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Chain and data")]
pub struct DataArgs {
    /// Genesis file (Besu's or geth's form), or the name of a preset: pilot, dev
    #[arg(long, value_name = "FILE|PRESET", global = true)]
    pub chain: Option<String>,

    /// Folder of database, key, node list and journal
    #[arg(long, value_name = "DIR", global = true, env = "PERURI_DATADIR")]
    pub datadir: Option<PathBuf>,

    /// Configuration file [default: DATADIR/peruri.toml, if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// All options of the node as given on the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct NodeArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    ws: WsArgs,
    #[command(flatten)]
    authrpc: AuthRpcArgs,
    #[command(flatten)]
    rpc: RpcArgs,
    #[command(flatten)]
    txpool: TxPoolArgs,
    #[command(flatten)]
    builder: BuilderArgs,
    #[command(flatten)]
    lane: LaneArgs,
    #[command(flatten)]
    db: DbArgs,
    #[command(flatten)]
    history: HistoryArgs,
    #[command(flatten)]
    consensus: ConsensusArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    debug: DebugArgs,
}

/// The configuration file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    chain: Option<String>,
    network: NetworkArgs,
    http: HttpArgs,
    ws: WsArgs,
    authrpc: AuthRpcArgs,
    rpc: RpcArgs,
    txpool: TxPoolArgs,
    builder: BuilderArgs,
    lane: LaneArgs,
    db: DbArgs,
    history: HistoryArgs,
    consensus: ConsensusArgs,
    metrics: MetricsArgs,
    debug: DebugArgs,
    activity: Option<ActivityConfig>,
}

/// The decided configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Genesis file or preset.
    pub chain: String,
    /// Folder of database, key, node list and journal. Not a key of the file that lies in it.
    #[serde(skip)]
    pub datadir: PathBuf,
    /// Whether `--dev` was given: all methods on loopback.
    #[serde(skip)]
    pub dev: bool,
    /// The peer-to-peer network.
    pub network: NetworkConfig,
    /// The public HTTP server.
    pub http: HttpConfig,
    /// The public WebSocket server.
    pub ws: WsConfig,
    /// The authenticated server.
    pub authrpc: AuthRpcConfig,
    /// Limits of all RPC servers.
    pub rpc: RpcConfig,
    /// The transaction pool.
    pub txpool: TxPoolConfig,
    /// Block production.
    pub builder: BuilderConfig,
    /// The lane of the transparency log.
    pub lane: LaneConfig,
    /// The database.
    pub db: DbConfig,
    /// How much history is kept.
    pub history: HistoryConfig,
    /// Consensus.
    pub consensus: ConsensusConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// Aids for tests.
    pub debug: DebugConfig,
    /// The activity mirror, in the file only; a node without the section has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<ActivityConfig>,
}

/// Name of the chain whose preset a node runs without `--chain`.
const DEFAULT_CHAIN: &str = "pilot";

impl Config {
    /// Decides every option: `data` and `node` over the configuration file over the defaults.
    ///
    /// # Errors
    /// If the file cannot be read or has an unknown key or a value of the wrong type; the message
    /// names file, line and key.
    pub fn load(data: DataArgs, node: NodeArgs) -> eyre::Result<Self> {
        let datadir = data.datadir.unwrap_or_else(default_datadir);
        let file = read_file(data.config.as_deref(), &datadir)?;
        let chain = data.chain.or(file.chain).unwrap_or_else(|| initialised_chain(&datadir));
        Ok(Self {
            chain,
            datadir,
            dev: false,
            network: node.network.over(file.network),
            http: node.http.over(file.http),
            ws: node.ws.over(file.ws),
            authrpc: node.authrpc.over(file.authrpc),
            rpc: node.rpc.over(file.rpc),
            txpool: node.txpool.over(file.txpool),
            builder: node.builder.over(file.builder),
            lane: node.lane.over(file.lane),
            db: node.db.over(file.db),
            history: node.history.over(file.history),
            consensus: node.consensus.over(file.consensus),
            metrics: node.metrics.over(file.metrics),
            debug: node.debug.over(file.debug),
            activity: file.activity,
        })
    }

    /// The configuration as TOML, every option with its value: a valid `peruri.toml`.
    ///
    /// # Errors
    /// If a path is not UTF-8.
    pub fn to_toml(&self) -> eyre::Result<String> {
        let options = toml::to_string_pretty(self)?;
        Ok(format!("# data folder: {}\n{options}", self.datadir.display()))
    }
}

/// The genesis file that `init` left in the data folder, or the default preset.
fn initialised_chain(datadir: &Path) -> String {
    let path = datadir.join(GENESIS_FILE);
    match path.to_str() {
        Some(path) if Path::new(path).exists() => path.to_owned(),
        _ => DEFAULT_CHAIN.to_owned(),
    }
}

/// `$XDG_DATA_HOME/peruri`, `$HOME/.local/share/peruri`, or `peruri` in the working folder.
fn default_datadir() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_default()
        .join("peruri")
}

/// Reads the file that was named, or the one in the data folder if there is one.
fn read_file(named: Option<&Path>, datadir: &Path) -> eyre::Result<File> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => datadir.join(CONFIG_FILE),
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(File::default());
        }
        Err(error) => return Err(error).or_usage(path.display().to_string()),
    };
    toml::from_str(&text).or_usage(path.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        node: NodeArgs,
    }

    fn load(file: &str, flags: &[&str]) -> eyre::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CONFIG_FILE), file).unwrap();
        let cli = Cli::try_parse_from(["peruri-node"].iter().chain(flags)).unwrap();
        Config::load(DataArgs { datadir: Some(dir.path().to_owned()), ..cli.data }, cli.node)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = "chain = \"dev\"\n[http]\nport = 1\nenabled = true\n[rpc]\nmax-batch = 7\n";
        let config = load(file, &["--http.port", "2"]).unwrap();
        assert_eq!((config.http.port, config.http.enabled), (2, true));
        assert_eq!((config.rpc.max_batch, config.chain.as_str()), (7, "dev"));
        assert_eq!(config.ws, WsConfig::default());
    }

    #[test]
    fn switches_take_no_value() {
        let config = load("", &["--http", "--ws", "--txpool.open"]).unwrap();
        assert!(config.http.enabled && config.ws.enabled && config.txpool.open);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file() {
        let error = format!("{:#}", load("[http]\nprot = 1\n", &[]).unwrap_err());
        assert!(error.contains("prot") && error.contains(CONFIG_FILE), "{error}");
    }

    #[test]
    fn a_named_file_must_exist() {
        let data = DataArgs { config: Some("/nonexistent/x.toml".into()), ..DataArgs::default() };
        assert!(Config::load(data, NodeArgs::default()).is_err());
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let shown = load("[db]\ncache = 8\n", &[]).unwrap().to_toml().unwrap();
        assert_eq!(load(&shown, &[]).unwrap().db.cache, 8);
    }
}
