//! `activity export` and `activity adopt`: the source of a stopped node, to and from a file.

use crate::{
    activity::{NAME, make_folder, settings},
    cli::exit::UsageError,
    config::{Config, DataArgs, NodeArgs},
    environment,
    progress::ProgressLine,
};
use alloy_primitives::Bytes;
use clap::Args;
use eyre::{OptionExt, WrapErr};
use peruri_activity::{
    chain::{BlockFacts, Lane, Offered, ProviderChain},
    core::{Core, Settings},
    handover::{Adopted, Handover, HandoverError, LeftOut},
    mark::MarkFile,
};
use peruri_exex::ExExProvider;
use peruri_storage::ProviderFactory;
use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// File to write, which must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// File that `activity export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Give new numbers to rows that cannot keep theirs, and print old and new ones
    ///
    /// For rows of another source, or such as do not continue the chain. Promises for the old numbers are
    /// broken by that. What may still be included under its old number is left out and listed.
    #[arg(long)]
    renumber: bool,
}

/// A stopped node offers nothing.
struct NoLane;

impl Lane for NoLane {
    fn offer(&self, _: &Bytes) -> Offered {
        Offered::Full
    }

    fn pending(&self) -> Vec<Bytes> {
        Vec::new()
    }
}

pub(super) fn export(args: ExportArgs, data: DataArgs) -> eyre::Result<()> {
    let path = args.file;
    let name = path.display().to_string();
    // Before anything becomes final.
    if path.symlink_metadata().is_ok() {
        return Err(UsageError::new(format!("{name} exists")).into());
    }
    with_core(data, |core| {
        let handover = core.export()?;
        let mut progress = ProgressLine::new("export", "rows");
        handover.save(&path, |done, total| progress.report(done, total)).wrap_err(name.clone())?;
        drop(progress);
        println!(
            "exported      {} numbers, {} signed transactions",
            handover.rows.len(),
            handover.sealed.len()
        );
        println!("stopped       source {} signs no more on this node", handover.header.source);
        println!("next          peruri-node activity adopt {name}, on the node that takes over");
        Ok(())
    })
}

pub(super) fn adopt(args: &AdoptArgs, data: DataArgs) -> eyre::Result<()> {
    let name = args.file.display().to_string();
    let handover = read(&args.file).map_err(|error| report(error, &name))?;
    with_core(data, |core| {
        let adopted = core.take_over_handover(&handover, args.renumber, now_ms());
        let adopted = adopted.map_err(|error| report(error, &name))?;
        // After new numbers were given, the mark is exact as after a clean stop.
        core.close()?;
        tell(&adopted).wrap_err("standard output")
    })
}

fn read(path: &Path) -> Result<Handover, HandoverError> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut progress = ProgressLine::new("adopt", "bytes");
    Handover::read(&mut BufReader::new(file), |done| progress.report(done, size))
}

fn report(error: HandoverError, name: &str) -> eyre::Report {
    match error {
        HandoverError::Store(error) => error.into(),
        error => UsageError::with_source(name, error).into(),
    }
}

/// Opens the source of a stopped node and reads the blocks that it has not read.
fn with_core(data: DataArgs, act: impl FnOnce(&mut Core) -> eyre::Result<()>) -> eyre::Result<()> {
    let config = Config::load(data, NodeArgs::default())?;
    let Some(activity) = &config.activity else {
        return Err(UsageError::new("the configuration has no [activity]").into());
    };
    let chain = environment::load_chain(&config.chain)?;
    let settings = settings(activity, &chain.spec)?;
    let _lock = environment::lock(&config.data_dir())?;
    let provider = environment::open_database(&config, chain.spec)?;
    let mut core = open(&config, settings.clone(), &provider)?;
    catch_up(&mut core, &settings, &provider)?;
    act(&mut core)
}

fn open(config: &Config, settings: Settings, provider: &ProviderFactory) -> eyre::Result<Core> {
    let folder = config.sign_state();
    make_folder(&folder)?;
    let mark = MarkFile::open(&folder, settings.source)?;
    let chain = ProviderChain::new(
        ExExProvider::new(provider.clone()),
        settings.log,
        settings.source,
        settings.key.address(),
        config.lane.gas_share.into(),
    );
    let rows = Arc::new(provider.extension(NAME)?);
    Ok(Core::open(settings, rows, Box::new(mark), Arc::new(chain), Arc::new(NoLane))?)
}

fn catch_up(core: &mut Core, settings: &Settings, provider: &ProviderFactory) -> eyre::Result<()> {
    // A source without an inbox has none to read.
    let Some(read) = core.finished_height() else { return Ok(()) };
    let head = provider.best_block_number()?;
    let mut progress = ProgressLine::new("activity", "blocks");
    for number in read + 1..=head {
        let missing = || format!("block {number} is not in the database");
        let block = provider.recovered_block(number)?.ok_or_eyre(missing())?;
        let receipts = provider.receipts_by_block(number)?.ok_or_eyre(missing())?;
        let signer = settings.key.address();
        core.block(&BlockFacts::decode(&block, &receipts, settings.source, signer))?;
        progress.report(number - read, head - read);
    }
    Ok(())
}

fn tell(adopted: &Adopted) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if adopted.renumbered.is_empty() && adopted.left_out.is_empty() {
        let Adopted { rows, sealed, included, doubt, .. } = adopted;
        writeln!(out, "adopted       {rows} numbers, {sealed} signed transactions")?;
        writeln!(out, "on chain      {included} more, meanwhile")?;
        return match doubt {
            None => writeln!(out, "next          start the node: the source goes on"),
            Some(lost) if lost.is_empty() => {
                writeln!(out, "in doubt      a signed transaction that is not in the file")
            }
            Some(lost) => writeln!(out, "in doubt      numbers {} to {}", lost.start(), lost.end()),
        };
    }
    for (old, new) in &adopted.renumbered {
        writeln!(out, "{old} -> {new}")?;
    }
    for (old, why) in &adopted.left_out {
        let why = match why {
            LeftOut::Sealed => "signed, and may still be included under its old number",
            LeftOut::Closed => "closed",
        };
        writeln!(out, "{old} left out: {why}")?;
    }
    Ok(())
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::{
        exit::{code, describe},
        init::init,
    };
    use std::{fs, os::unix::fs::PermissionsExt};

    /// An initialised node with a source.
    fn node(folder: &Path, name: &str) -> DataArgs {
        let key = folder.join("source-1");
        fs::write(&key, format!("0x{}", "11".repeat(32))).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let file = folder.join(format!("{name}.toml"));
        let log = format!("0x6163746976697479{}", "00".repeat(24));
        let text = format!(
            "chain = \"pilot\"\n[activity]\nlog = \"{log}\"\nsource = 1\nsource_key = {key:?}\n\
             [[activity.schema]]\ntype = \"a\"\nentry = 1\nschema = 1\n"
        );
        fs::write(&file, text).unwrap();
        let data = DataArgs {
            datadir: Some(folder.join(name)),
            config: Some(file),
            ..DataArgs::default()
        };
        let config = Config::load(data.clone(), NodeArgs::default()).unwrap();
        init(&config, &environment::load_chain(&config.chain).unwrap()).unwrap();
        data
    }

    fn says(result: &eyre::Result<()>, what: &str) {
        assert_eq!(code(result), 2);
        let text = describe(result.as_ref().unwrap_err());
        assert!(text.contains(what), "{text}");
    }

    #[test]
    fn a_source_moves_from_one_stopped_node_to_another() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (node(folder.path(), "old"), node(folder.path(), "new"));
        let file = folder.path().join("handover");
        let export_to = |file: &Path| export(ExportArgs { file: file.to_owned() }, old.clone());
        let adopt_on = |data: &DataArgs| {
            adopt(&AdoptArgs { file: file.clone(), renumber: false }, data.clone())
        };
        says(&adopt_on(&new), "No such file");
        let config = Config::load(old.clone(), NodeArgs::default()).unwrap();
        let running = environment::lock(&config.data_dir()).unwrap();
        says(&export_to(&file), "in use by another process");
        drop(running);
        export_to(&file).unwrap();
        says(&export_to(&file), "exists");
        says(&adopt_on(&old), "exported the source itself");
        adopt_on(&new).unwrap();
        adopt_on(&new).unwrap();
        let mut damaged = fs::read(&file).unwrap();
        damaged.pop();
        damaged.pop();
        fs::write(&file, damaged).unwrap();
        says(&adopt_on(&new), "line 2");
    }

    #[test]
    fn a_node_without_a_source_has_none_to_hand_over() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataArgs { datadir: Some(folder.path().to_owned()), ..DataArgs::default() };
        says(&export(ExportArgs { file: folder.path().join("x") }, data), "no [activity]");
    }
}
