//! `genesis create`: the files of a new network.

use super::{
    deploy::{node_list, write_node},
    member::Member,
    plog::PlogArgs,
    report::report,
};
use crate::cli::{
    exit::{OrUsage, UsageError},
    keys::{public_key, write_key, write_private},
};
use alloy_primitives::{Address, Bytes};
use alloy_signer_local::PrivateKeySigner;
use clap::Args;
use eyre::WrapErr;
use peruri_chainspec::{ChainSpec, PILOT_JSON};
use peruri_ibft2::{ExtraData, Form};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
};

/// Most validators of one network; the quorum makes larger ones slow long before.
const MOST_VALIDATORS: usize = 100;

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// A validator; PUBKEY is what `keys generate` prints; repeatable
    #[arg(long = "validator", value_name = "NAME=PUBKEY[@HOST[:PORT]]|PUBKEY|ADDRESS")]
    validators: Vec<Member>,
    /// A node without a vote for the node list, such as one that only serves RPC; repeatable
    #[arg(
        long = "node",
        value_name = "NAME=PUBKEY@HOST[:PORT]",
        value_parser = Member::parse_listed
    )]
    nodes: Vec<Member>,
    /// Make this many new keys and their validators, in DIR/keys/ADDRESS/{key,key.pub}; for tests and
    /// single-machine networks
    #[arg(long, value_name = "N", default_value_t = 0)]
    generate: usize,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Chain id; give every network its own
    #[arg(long, value_name = "ID", default_value_t = 7251)]
    chain_id: u64,
    #[command(flatten)]
    plog: PlogArgs,
    /// Seconds between blocks; the request timeout is twice as long
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    period: u64,
}

impl CreateArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> eyre::Result<()> {
        if self.validators.len().saturating_add(self.generate) > MOST_VALIDATORS {
            let message = format!("--validator, --generate: at most {MOST_VALIDATORS} validators");
            return Err(UsageError::new(message).into());
        }
        let keys: Vec<_> = (0..self.generate).map(|_| PrivateKeySigner::random()).collect();
        let validators = self.all_validators(&keys)?;
        self.check_names()?;
        let mut genesis = genesis(self.chain_id, self.period, &validators)?;
        self.plog.add_to(&mut genesis, &validators)?;
        let json = serde_json::to_string_pretty(&genesis)? + "\n";
        // What is written is what the node will read.
        let (spec, notices) = ChainSpec::from_genesis_json(&json).or_usage("genesis")?;
        empty_folder(&self.out)?;
        self.write_keys(&keys)?;
        self.write_nodes(out)?;
        // The genesis file comes last: where it stands, everything else does.
        let path = self.out.join("genesis.json");
        write_readable(&path, &json)?;
        writeln!(out, "file        {}", path.display())?;
        report(&spec, &notices, out)
    }

    fn write_keys(&self, keys: &[PrivateKeySigner]) -> eyre::Result<()> {
        if !keys.is_empty() {
            eprintln!(
                "warning: {} keys were made on this one machine: whoever had it can sign for all of \
                 them. For tests only; in a real network each organisation makes its own",
                keys.len()
            );
        }
        for key in keys {
            let folder = self.out.join("keys").join(format!("{:#x}", key.address()));
            write_key(&folder.join("key"), key, None)?;
            write_readable(&folder.join("key.pub"), &(public_key(key) + "\n"))?;
        }
        Ok(())
    }

    /// The node list, and the folder of each node with a name.
    fn write_nodes(&self, out: &mut dyn Write) -> eyre::Result<()> {
        let members = || self.validators.iter().chain(&self.nodes);
        if let Some(list) = node_list(members())? {
            let path = self.out.join("node-list.toml");
            write_readable(&path, &list)?;
            writeln!(out, "file        {}", path.display())?;
            for member in members().filter(|member| member.enode().is_none()) {
                writeln!(
                    out,
                    "notice      not in the node list, as host or public key are unknown: {}",
                    member.name.clone().unwrap_or_else(|| format!("{:#x}", member.address))
                )?;
            }
        }
        for member in members() {
            if let Some(name) = &member.name {
                let folder = self.out.join("nodes").join(name);
                write_node(&folder, name, member.host.as_ref())?;
                writeln!(out, "folder      {}", folder.display())?;
            }
        }
        Ok(())
    }

    fn all_validators(&self, keys: &[PrivateKeySigner]) -> eyre::Result<Vec<Address>> {
        let given = self.validators.iter().map(|member| member.address);
        let generated = keys.iter().map(PrivateKeySigner::address);
        let validators: Vec<_> = given.chain(generated).collect();
        if validators.is_empty() {
            let message = "no validators: give --validator for each, or --generate N";
            return Err(UsageError::new(message).into());
        }
        let mut seen = BTreeSet::new();
        let everyone = validators.iter().copied().chain(self.nodes.iter().map(|it| it.address));
        for address in everyone {
            if !seen.insert(address) {
                let message = format!("--validator, --node: {address} is given twice");
                return Err(UsageError::new(message).into());
            }
        }
        Ok(validators.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Two names that differ in case only would be one folder on some machines.
    fn check_names(&self) -> eyre::Result<()> {
        let mut seen = BTreeSet::new();
        let names = self.validators.iter().chain(&self.nodes).filter_map(|it| it.name.as_ref());
        for name in names {
            if !seen.insert(name.to_ascii_lowercase()) {
                let message = format!("--validator, --node: the name {name} is given twice");
                return Err(UsageError::new(message).into());
            }
        }
        Ok(())
    }
}

/// The pilot's genesis with another chain id, period and validators, and without its log.
fn genesis(chain_id: u64, period: u64, validators: &[Address]) -> eyre::Result<Value> {
    let mut genesis: Value = serde_json::from_str(PILOT_JSON).wrap_err("embedded genesis")?;
    let extra_data =
        ExtraData::genesis(Bytes::from_static(&[0; 32]), validators.to_vec()).encode(Form::All);
    let config = &mut genesis["config"];
    config["chainId"] = json!(chain_id);
    config["ibft2"]["blockperiodseconds"] = json!(period);
    config["ibft2"]["requesttimeoutseconds"] = json!(period.saturating_mul(2));
    config["ibft2"]["chainBoundSignatures"] = json!(true);
    if let Some(config) = config.as_object_mut() {
        config.remove("plog");
    }
    genesis["extraData"] = json!(extra_data);
    genesis["alloc"] = json!({});
    Ok(genesis)
}

/// Makes sure that `folder` is an empty folder.
fn empty_folder(folder: &Path) -> eyre::Result<()> {
    let name = folder.display();
    std::fs::create_dir_all(folder).wrap_err_with(|| name.to_string())?;
    let mut entries = std::fs::read_dir(folder).wrap_err_with(|| name.to_string())?;
    if entries.next().is_some() {
        let message = format!("--out: {name} is not empty; nothing was written");
        return Err(UsageError::new(message).into());
    }
    Ok(())
}

/// Writes a new file that holds no secret.
pub(super) fn write_readable(path: &Path, text: &str) -> eyre::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    write_private(path, text.as_bytes())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
        .wrap_err_with(|| path.display().to_string())
}
