//! `init`: genesis block, key and first sign record.

use super::{exit::UsageError, keys::write_key};
use crate::{
    config::{Config, DataArgs, NodeArgs},
    environment::{self, LoadedChain},
};
use alloy_signer_local::PrivateKeySigner;
use clap::Args;
use eyre::WrapErr;
use peruri_engine::{SignStateError, SignStore};
use peruri_ibft2::core::StoredRecord;
use peruri_storage::ProviderFactory;
use std::{fs::File, io::Write, path::Path};

/// Write the genesis block into a new data folder.
///
/// Makes the database, a node key if there is none (file `key`, readable by its owner only), a copy of
/// the genesis file, and, where the key is one of the chain's validators, the first record of the sign
/// state beside the data folder. Running it again on the same folder changes nothing. A validator that
/// lost its data folder keeps its sign state: `init` makes a new data folder beside it.
#[derive(Debug, Args)]
pub struct InitCommand {
    #[command(flatten)]
    node: NodeArgs,
}

impl InitCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`UsageError`] for a bad genesis file or a folder of another chain; else what the machine says.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let config = Config::load(data, self.node)?;
        let chain = environment::load_chain(&config.chain)?;
        let outcome = init(&config, &chain)?;
        println!("genesis hash  {:#x}", chain.spec.genesis_hash());
        println!("data folder   {}", config.datadir.display());
        println!("node address  {:#x}", outcome.address);
        println!("validator     {}", if outcome.is_validator { "yes" } else { "no" });
        Ok(())
    }
}

/// What [`init`] found or made.
#[derive(Debug, Clone, Copy)]
pub struct Initialised {
    /// Address of the node's key.
    pub address: alloy_primitives::Address,
    /// Whether it is a validator of the genesis block.
    pub is_validator: bool,
}

/// Makes a data folder ready; idempotent.
///
/// # Errors
/// As [`InitCommand::run`].
pub fn init(config: &Config, chain: &LoadedChain) -> eyre::Result<Initialised> {
    let data_dir = config.data_dir();
    std::fs::create_dir_all(data_dir.path())
        .wrap_err_with(|| data_dir.path().display().to_string())?;
    let _lock = environment::lock(&data_dir)?;
    let options = environment::db_options(&config.db, &config.history);
    let provider = ProviderFactory::open(data_dir.db(), chain.spec.clone(), options)
        .map_err(environment::database_error)?;
    let key = load_or_create_key(config, chain)?;
    if !provider.is_initialised() && chain.spec.ibft2().is_some() {
        create_sign_state(config, chain, &key)?;
    }
    provider.init_genesis().map_err(environment::database_error)?;
    let genesis_validators = match chain.spec.ibft2() {
        Some(_) => chain.spec.genesis_validators()?,
        None => Vec::new(),
    };
    let is_validator = genesis_validators.contains(&key.address());
    let genesis = data_dir.genesis();
    write_durably(&genesis, chain.json.as_bytes())
        .wrap_err_with(|| genesis.display().to_string())?;
    Ok(Initialised { address: key.address(), is_validator })
}

/// Replaces a file so that after a power cut it is the old one or the new one, never an empty one.
fn write_durably(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The key in the data folder; a new one, or the published one of the dev preset, if there is none.
fn load_or_create_key(config: &Config, chain: &LoadedChain) -> eyre::Result<PrivateKeySigner> {
    let path = config.key_file();
    if path.exists() {
        return environment::load_key(config);
    }
    let key = if chain.json == peruri_chainspec::DEV_JSON {
        environment::dev_key()?
    } else {
        PrivateKeySigner::random()
    };
    write_key(&path, &key, None)?;
    Ok(key)
}

/// The first record is written before the genesis block and never after it: a sign state that is lost
/// later must be noticed. One in which nothing is signed yet is that of an interrupted `init`; one that
/// belongs to this key and chain is kept where other validators have the chain.
fn create_sign_state(
    config: &Config,
    chain: &LoadedChain,
    key: &PrivateKeySigner,
) -> eyre::Result<()> {
    let path = config.sign_state();
    let genesis_hash = chain.spec.genesis_hash();
    match SignStore::create(&path, genesis_hash, key.address()) {
        Ok(_) => Ok(()),
        Err(error @ SignStateError::Exists { .. }) => {
            let kept = SignStore::open(&path, genesis_hash, key.address());
            let is_first = |record: &StoredRecord| matches!(record, StoredRecord::Present(it) if it.is_first());
            let others = chain.spec.genesis_validators()?.len() > 1;
            // A validator that lost its data folder gets the chain from the others and keeps to what it
            // has signed. A lone one would find nobody who still has the chain.
            if kept.is_ok_and(|found| others || is_first(&found.record)) {
                return Ok(());
            }
            Err(UsageError::with_source(
                "a new data folder beside an old sign state: if this validator really starts anew, \
                 move the sign state away",
                error,
            )
            .into())
        }
        Err(error) => Err(eyre::Report::new(error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::Address;
    use peruri_ibft2::{RoundId, SignRecord};

    /// A configuration whose key is a validator beside these others.
    fn network(folder: &Path, others: &[Address]) -> Config {
        let key = PrivateKeySigner::random();
        write_key(&folder.join("key"), &key, None).unwrap();
        let mut genesis: serde_json::Value =
            serde_json::from_str(peruri_chainspec::PILOT_JSON).unwrap();
        let mut validators: Vec<_> = others.iter().copied().chain([key.address()]).collect();
        validators.sort_unstable();
        let vanity = alloy_primitives::Bytes::from_static(&[0; 32]);
        let extra_data = peruri_ibft2::ExtraData::genesis(vanity, validators);
        genesis["extraData"] = serde_json::json!(extra_data.encode(peruri_ibft2::Form::All));
        let file = folder.join("genesis.json");
        std::fs::write(&file, genesis.to_string()).unwrap();
        let data = DataArgs {
            chain: Some(file.display().to_string()),
            datadir: Some(folder.join("data")),
            ..DataArgs::default()
        };
        let mut config = Config::load(data, NodeArgs::default()).unwrap();
        config.consensus.key = Some(folder.join("key"));
        config
    }

    /// `init`, a signature at height 5, the data folder gone, `init` again.
    fn lose_the_data_folder(others: &[Address]) -> eyre::Result<Initialised> {
        let folder = tempfile::tempdir().unwrap();
        let config = network(folder.path(), others);
        let chain = environment::load_chain(&config.chain).unwrap();
        let address = init(&config, &chain).unwrap().address;
        let genesis_hash = chain.spec.genesis_hash();
        let mut found = SignStore::open(&config.sign_state(), genesis_hash, address).unwrap();
        let record = SignRecord::released(genesis_hash, address, RoundId::new(5, 0), 2);
        found.store.persist(&record, None).unwrap();
        drop(found);
        std::fs::remove_dir_all(&config.datadir).unwrap();
        let outcome = init(&config, &chain);
        let record = SignStore::peek(&config.sign_state()).unwrap();
        assert_eq!(record.position().height, 5, "what was signed is never forgotten");
        outcome
    }

    #[test]
    fn a_lost_data_folder_is_made_anew_beside_the_sign_state_where_others_have_the_chain() {
        assert!(lose_the_data_folder(&[Address::repeat_byte(1)]).unwrap().is_validator);
        let error = lose_the_data_folder(&[]).unwrap_err();
        assert!(error.to_string().contains("beside an old sign state"), "{error}");
    }
}
