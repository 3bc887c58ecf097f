//! What most commands begin with: the chain specification, the database, the node's key.

use crate::{
    cli::exit::{OrUsage, UsageError},
    config::{Config, DbConfig, HistoryConfig},
};
use alloy_signer_local::PrivateKeySigner;
use eyre::WrapErr;
use peruri_chainspec::{ChainSpec, DEV_JSON, DEV_VALIDATOR_KEY, PILOT_JSON};
use peruri_evm::plog::check_plog_account;
use peruri_storage::{DbOptions, HistoryWindows, ProviderError, ProviderFactory};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tracing::info;

/// Name of the genesis file that `init` leaves in the data folder.
pub const GENESIS_FILE: &str = "genesis.json";

/// Names of the chains that ship with the node.
pub const PRESETS: [&str; 2] = ["pilot", "dev"];

/// The files of a data folder.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The data folder at `path`.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn db(&self) -> PathBuf {
        self.0.join("db")
    }

    /// The node's key, unless another file is configured.
    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }

    /// The genesis file that `init` left.
    pub fn genesis(&self) -> PathBuf {
        self.0.join(GENESIS_FILE)
    }

    /// The nodes that may connect, unless another file is configured.
    pub fn node_list(&self) -> PathBuf {
        self.0.join("node-list.toml")
    }

    /// The pool's journal of local transactions.
    pub fn pool_journal(&self) -> PathBuf {
        self.0.join("pool.journal")
    }

    /// The secret of the authenticated RPC, unless another file is configured.
    pub fn jwt_secret(&self) -> PathBuf {
        self.0.join("jwt.hex")
    }

    /// The lock that keeps a second process out.
    pub fn lock(&self) -> PathBuf {
        self.0.join("LOCK")
    }

    /// The sign state, unless another folder is configured. It lies beside the data folder, so that
    /// a restored data folder does not bring back an old one.
    pub fn sign_state(&self) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(".sign");
        name.into()
    }
}

impl Config {
    /// The data folder.
    pub fn data_dir(&self) -> DataDir {
        DataDir::new(self.datadir.clone())
    }

    /// Where the sign state lies.
    pub fn sign_state(&self) -> PathBuf {
        self.consensus.sign_state.clone().unwrap_or_else(|| self.data_dir().sign_state())
    }

    /// Where the node list lies.
    pub fn node_list(&self) -> PathBuf {
        self.network.node_list.clone().unwrap_or_else(|| self.data_dir().node_list())
    }

    /// Where the node's key lies.
    pub fn key_file(&self) -> PathBuf {
        self.consensus.key.clone().unwrap_or_else(|| self.data_dir().key())
    }
}

/// A chain specification and the text it was read from.
#[derive(Debug, Clone)]
pub struct LoadedChain {
    /// The specification.
    pub spec: Arc<ChainSpec>,
    /// The genesis file.
    pub json: String,
}

/// Reads the genesis file or preset `chain` and logs what an operator should know about it.
///
/// # Errors
/// [`UsageError`] with file, field, line and column.
pub fn load_chain(chain: &str) -> eyre::Result<LoadedChain> {
    let json = match chain {
        "pilot" => PILOT_JSON.to_owned(),
        "dev" => DEV_JSON.to_owned(),
        path => std::fs::read_to_string(path).or_usage(format!(
            "--chain {path}: neither a preset ({}) nor a readable genesis file",
            PRESETS.join(", ")
        ))?,
    };
    let (spec, notices) =
        ChainSpec::from_genesis_json(&json).or_usage(format!("genesis {chain}"))?;
    for notice in notices {
        info!(target: "node::chain", %notice, "genesis");
    }
    Ok(LoadedChain { spec: Arc::new(spec), json })
}

/// Opens the database of an initialised data folder.
///
/// # Errors
/// If the folder was never initialised (names the command), holds another chain or another schema,
/// or is in use.
pub fn open_database(config: &Config, spec: Arc<ChainSpec>) -> eyre::Result<ProviderFactory> {
    let path = config.data_dir().db();
    let options = DbOptions { must_exist: true, ..db_options(&config.db, &config.history) };
    let not_initialised = || {
        UsageError::new(format!(
            "{} holds no chain: run `peruri-node init --chain {} --datadir {}` first",
            path.display(),
            config.chain,
            config.datadir.display()
        ))
    };
    if !path.exists() {
        return Err(not_initialised().into());
    }
    let provider = ProviderFactory::open(&path, spec, options).map_err(database_error)?;
    if provider.is_initialised() { Ok(provider) } else { Err(not_initialised().into()) }
}

/// Checks that the newest state is one of the chain's rules, before anything is built on it: the
/// account of the transparency log is there from its activation on, and the index of each log has as
/// many entries as the state says.
///
/// # Errors
/// [`UsageError`] with the block, if `config.plog` was added or moved to the past of this database;
/// [`ProviderError::PlogIndex`], which names the repair.
pub fn check_state(provider: &ProviderFactory) -> eyre::Result<()> {
    let head = provider.last_header()?;
    check_plog_account(provider.chain_spec(), head.header(), &*provider.latest()?)
        .or_usage("database")?;
    provider.check_plog_sizes().wrap_err("database")
}

/// Wrong inputs (another chain, another schema) are the caller's mistake, the rest is the machine's.
pub fn database_error(error: ProviderError) -> eyre::Report {
    match error {
        ProviderError::GenesisMismatch { .. }
        | ProviderError::SchemaVersion { .. }
        | ProviderError::ForeignDatabase { .. } => {
            UsageError::with_source("database", error).into()
        }
        error => eyre::Report::new(error).wrap_err("database"),
    }
}

/// The store's options.
pub fn db_options(db: &DbConfig, history: &HistoryConfig) -> DbOptions {
    // Half for blocks of the database, half for trie nodes.
    let cache = db.cache.saturating_mul(1 << 20) / 2;
    DbOptions {
        block_cache_bytes: cache,
        node_cache_bytes: cache,
        history: HistoryWindows {
            state: history.state,
            proofs: Some(history.proofs),
            receipts: history.receipts,
        },
        ..DbOptions::default()
    }
}

/// Reads the node's key; asks for the password of an encrypted one.
///
/// # Errors
/// [`UsageError`] if the file is missing, holds no key, or the password is wrong.
pub fn load_key(config: &Config) -> eyre::Result<PrivateKeySigner> {
    let password_file = config.consensus.password_file.as_deref();
    crate::cli::keys::KeyFile::read(&config.key_file())?
        .open(|| crate::cli::keys::password(password_file, "Password of the node's key: "))
}

/// The published key of the development chain's validator.
///
/// # Errors
/// Never in practice: the key is part of the program.
pub fn dev_key() -> eyre::Result<PrivateKeySigner> {
    PrivateKeySigner::from_bytes(&DEV_VALIDATOR_KEY).wrap_err("key of the dev preset")
}

/// Takes the data folder for this process.
///
/// # Errors
/// If another process has it.
pub fn lock(data_dir: &DataDir) -> eyre::Result<std::fs::File> {
    let path = data_dir.lock();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .wrap_err_with(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(UsageError::new(format!(
            "{} is in use by another process",
            data_dir.path().display()
        ))
        .into()),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(eyre::Report::new(error).wrap_err(path.display().to_string()))
        }
    }
}
