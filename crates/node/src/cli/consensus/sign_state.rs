//! `consensus sign-state`.

use crate::{
    cli::exit::{OrUsage, UsageError},
    config::{Config, DataArgs, NodeArgs},
    environment,
};
use clap::{Args, Subcommand};
use eyre::WrapErr;
use peruri_engine::{SignStateError, SignStore};
use peruri_ibft2::{RoundId, SignRecord};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// See, release or move what this validator has signed.
///
/// The sign state keeps a validator from signing two things that contradict each other. It lies beside
/// the data folder and is never restored from a backup.
#[derive(Debug, Args)]
pub(crate) struct SignStateCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the newest record; the node may run
    Show,
    /// Put a fresh record in the place of a lost one
    ///
    /// The way out of doubt for a validator whose sign state is lost, when the others cannot resolve it.
    /// It signs again above block HEIGHT; only if this key has signed nothing above HEIGHT, anywhere, is
    /// that safe. Choose a height that the key cannot have reached.
    Release {
        /// Nothing up to this height is signed any more
        #[arg(long)]
        height: u64,
        /// Nor anything of lower rounds than this at the height after it
        #[arg(long, default_value_t = 0)]
        round: u32,
    },
    /// Move the sign state of a stopped validator into a new folder, for another machine
    ///
    /// What is left here is closed: a node with this key does not start on it any more. One key has one
    /// sign state.
    Export {
        /// New folder
        to: PathBuf,
    },
    /// Take over an exported sign state
    Import {
        /// Folder that `export` wrote
        from: PathBuf,
    },
}

impl SignStateCommand {
    pub(super) fn run(self, data: DataArgs) -> eyre::Result<()> {
        let config = Config::load(data, NodeArgs::default())?;
        let path = config.sign_state();
        match self.action {
            Action::Show => {
                show(&SignStore::peek(&path).or_usage("sign state")?);
                Ok(())
            }
            Action::Release { height, round } => release(&config, &path, height, round),
            Action::Export { to } => export(&config, &path, &to),
            Action::Import { from } => import(&config, &from, &path),
        }
    }
}

fn show(record: &SignRecord) {
    let position = record.position();
    println!("validator    {:#x}", record.validator);
    println!("genesis      {:#x}", record.genesis_hash);
    println!("sequence     {}", record.sequence);
    println!("position     height {} round {}", position.height, position.round);
    for message in record.messages() {
        println!("signed       {:?}", message.kind());
    }
    if let Some(certificate) = record.certificate() {
        println!(
            "certificate  round {} block {}",
            certificate.certificate.id().round,
            certificate.block.0
        );
    }
    for (validator, mark) in record.marks() {
        let id = mark.id();
        println!("mark         {validator:#x} height {} round {}", id.height, id.round);
    }
}

fn release(config: &Config, path: &Path, height: u64, round: u32) -> eyre::Result<()> {
    let _lock = environment::lock(&config.data_dir())?;
    let chain = environment::load_chain(&config.chain)?;
    let provider = environment::open_database(config, chain.spec.clone())?;
    let key = environment::load_key(config)?;
    let genesis_hash = chain.spec.genesis_hash();
    let head = provider.best_block_number()?;
    if height < head {
        let message =
            format!("--height {height}: block {head} is final here, take that or a higher one");
        return Err(UsageError::new(message).into());
    }
    let mut found = SignStore::open(path, genesis_hash, key.address()).or_usage("sign state")?;
    let known = match SignStore::peek(path) {
        Ok(record) => record.sequence,
        Err(SignStateError::Missing { .. } | SignStateError::Damaged { .. }) => 0,
        Err(error) => return Err(error.into()),
    };
    let sequence = provider.sign_record_seq()?.unwrap_or(0).max(known).saturating_add(1);
    let position = RoundId::new(height, round);
    let record = SignRecord::released(genesis_hash, key.address(), position, sequence);
    found.store.replace(&record)?;
    show(&record);
    Ok(())
}

fn export(config: &Config, path: &Path, to: &Path) -> eyre::Result<()> {
    let chain = environment::load_chain(&config.chain)?;
    let key = environment::load_key(config)?;
    // Locked until the end: the validator must not run.
    let found =
        SignStore::open(path, chain.spec.genesis_hash(), key.address()).or_usage("sign state")?;
    found.store.export(to).or_usage("export")?;
    println!("written  {}", to.display());
    println!("closed   {}", path.display());
    Ok(())
}

fn import(config: &Config, from: &Path, path: &Path) -> eyre::Result<()> {
    match SignStore::peek(path) {
        Err(SignStateError::Missing { .. }) => {}
        Ok(record) if record.is_first() => fs::remove_dir_all(path)?,
        _ => {
            let path = path.to_owned();
            return Err(SignStateError::Exists { path }).or_usage("import");
        }
    }
    let chain = environment::load_chain(&config.chain)?;
    let key = environment::load_key(config)?;
    let record = SignStore::peek(from).or_usage(from.display().to_string())?;
    if (record.genesis_hash, record.validator) != (chain.spec.genesis_hash(), key.address()) {
        let message = format!(
            "{}: it belongs to {:#x} on {:#x}, this node is {:#x} on {:#x}",
            from.display(),
            record.validator,
            record.genesis_hash,
            key.address(),
            chain.spec.genesis_hash()
        );
        return Err(UsageError::new(message).into());
    }
    if path.exists() {
        fs::remove_dir_all(path).wrap_err_with(|| path.display().to_string())?;
    }
    copy_folder(from, path)?;
    SignStore::open(path, record.genesis_hash, record.validator).or_usage("sign state")?;
    println!("taken over  {}", path.display());
    Ok(())
}

/// Copies the files of a folder into a new one and syncs them.
fn copy_folder(from: &Path, to: &Path) -> eyre::Result<()> {
    fs::create_dir(to).wrap_err_with(|| format!("new folder {}", to.display()))?;
    for entry in fs::read_dir(from).wrap_err_with(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target).wrap_err_with(|| target.display().to_string())?;
        fs::File::open(&target)?.sync_all()?;
    }
    fs::File::open(to)?.sync_all()?;
    Ok(())
}
