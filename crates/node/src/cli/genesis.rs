//! `genesis`: make and check genesis files.

use crate::cli::{
    exit::{OrUsage, UsageError},
    keys::{public_key, write_key, write_private},
};
use alloy_primitives::{Address, Bytes, hex};
use alloy_signer::k256::ecdsa::VerifyingKey;
use alloy_signer_local::PrivateKeySigner;
use clap::{Args, Subcommand};
use eyre::WrapErr;
use peruri_chainspec::{ChainSpec, Notice, PILOT_JSON};
use peruri_ibft2::{ExtraData, Form, quorum};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Most validators of one network; the quorum makes larger ones slow long before.
const MOST_VALIDATORS: usize = 100;

/// Make or check a genesis file
#[derive(Debug, Args)]
pub struct GenesisCommand {
    #[command(subcommand)]
    command: GenesisSubcommand,
}

/// The verbs of [`GenesisCommand`].
#[derive(Debug, Subcommand)]
enum GenesisSubcommand {
    /// Make the genesis file of a new network
    ///
    /// Starts from the pilot's settings (forks to Prague, gas limit 100,000,000, no base fee, epoch
    /// of 30,000 blocks, signatures bound to this chain) and puts the given validators in. Writes
    /// DIR/genesis.json and, with --generate, DIR/keys/ADDRESS/{key,key.pub}; DIR must be empty or
    /// absent. Prints the genesis hash: all nodes must show the same.
    ///
    /// Four validators are the fewest of which one may fail while the others go on.
    ///
    /// Example: peruri-node genesis create --generate 4 --out network
    Create(CreateArgs),
    /// Check a genesis file and print what it means
    ///
    /// Reads files of Besu and geth. Prints chain id, hash, forks, consensus, validators, and every
    /// key that has no effect here. Exit code 2 with field, line and column if the file is wrong.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// A validator: its address, or its public key (0x and 128 hexadecimal digits); repeatable
    #[arg(long = "validator", value_name = "ADDRESS|PUBKEY", value_parser = parse_validator)]
    validators: Vec<Address>,
    /// Make this many new keys and their validators; for tests and single-machine networks
    #[arg(long, value_name = "N", default_value_t = 0)]
    generate: usize,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Chain id; give every network its own
    #[arg(long, value_name = "ID", default_value_t = 7251)]
    chain_id: u64,
    /// Seconds between blocks; the request timeout is twice as long
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    period: u64,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The genesis file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl GenesisCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`UsageError`] for wrong input, else what the file system says.
    pub fn run(self) -> eyre::Result<()> {
        self.run_to(&mut std::io::stdout().lock())
    }

    fn run_to(self, out: &mut dyn Write) -> eyre::Result<()> {
        match self.command {
            GenesisSubcommand::Create(args) => args.run(out),
            GenesisSubcommand::Verify(args) => {
                let (spec, notices) = read_genesis(&args.file)?;
                report(&spec, &notices, out)
            }
        }
    }
}

/// Reads and checks a genesis file.
///
/// # Errors
///
/// [`UsageError`] with path, field, line and column.
pub fn read_genesis(path: &Path) -> eyre::Result<(ChainSpec, Vec<Notice>)> {
    let name = path.display();
    let text = std::fs::read_to_string(path).or_usage(format!("genesis file {name}"))?;
    ChainSpec::from_genesis_json(&text).or_usage(format!("genesis file {name}"))
}

impl CreateArgs {
    fn run(self, out: &mut dyn Write) -> eyre::Result<()> {
        if self.validators.len().saturating_add(self.generate) > MOST_VALIDATORS {
            let message = format!("--validator, --generate: at most {MOST_VALIDATORS} validators");
            return Err(UsageError::new(message).into());
        }
        let keys: Vec<_> = (0..self.generate).map(|_| PrivateKeySigner::random()).collect();
        let validators = self.all_validators(&keys)?;
        let json = genesis_json(self.chain_id, self.period, validators)?;
        // What is written is what the node will read.
        let (spec, notices) = ChainSpec::from_genesis_json(&json).or_usage("genesis")?;
        empty_folder(&self.out)?;
        for key in &keys {
            let folder = self.out.join("keys").join(format!("{:#x}", key.address()));
            write_key(&folder.join("key"), key, None)?;
            let public = public_key(key) + "\n";
            let path = folder.join("key.pub");
            std::fs::write(&path, public).wrap_err_with(|| path.display().to_string())?;
        }
        // The genesis file comes last: where it stands, everything else does.
        let path = self.out.join("genesis.json");
        write_private(&path, json.as_bytes())?;
        make_readable(&path)?;
        writeln!(out, "file        {}", path.display())?;
        report(&spec, &notices, out)
    }

    fn all_validators(&self, keys: &[PrivateKeySigner]) -> eyre::Result<Vec<Address>> {
        let generated = keys.iter().map(PrivateKeySigner::address);
        let mut validators: Vec<_> = self.validators.iter().copied().chain(generated).collect();
        validators.sort_unstable();
        if let Some([twice, _]) = validators.array_windows().find(|[one, next]| one == next) {
            return Err(UsageError::new(format!("--validator: {twice} is given twice")).into());
        }
        if validators.is_empty() {
            let message = "no validators: give --validator for each, or --generate N";
            return Err(UsageError::new(message).into());
        }
        Ok(validators)
    }
}

/// An address, or a public key of 64 or (with the leading 04 of SEC 1) 65 bytes.
fn parse_validator(text: &str) -> Result<Address, String> {
    let expected = "expected an address (40 hexadecimal digits) or a public key (128)";
    let bytes = hex::decode(text).map_err(|_| expected.to_owned())?;
    if bytes.len() == 20 {
        return Ok(Address::from_slice(&bytes));
    }
    let point = match bytes.len() {
        64 => [&[4], bytes.as_slice()].concat(),
        65 => bytes,
        _ => return Err(expected.to_owned()),
    };
    VerifyingKey::from_sec1_bytes(&point)
        .map(|key| Address::from_public_key(&key))
        .map_err(|_| "the public key is no point of secp256k1".to_owned())
}

/// The pilot's genesis with another chain id, period and validators.
fn genesis_json(chain_id: u64, period: u64, validators: Vec<Address>) -> eyre::Result<String> {
    let mut genesis: Value = serde_json::from_str(PILOT_JSON).wrap_err("embedded genesis")?;
    let extra_data = ExtraData::genesis(Bytes::from_static(&[0; 32]), validators).encode(Form::All);
    genesis["config"]["chainId"] = json!(chain_id);
    genesis["config"]["ibft2"]["blockperiodseconds"] = json!(period);
    genesis["config"]["ibft2"]["requesttimeoutseconds"] = json!(period.saturating_mul(2));
    genesis["config"]["ibft2"]["chainBoundSignatures"] = json!(true);
    genesis["extraData"] = json!(extra_data);
    Ok(serde_json::to_string_pretty(&genesis)? + "\n")
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

/// A genesis file holds no secret.
fn make_readable(path: &Path) -> eyre::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
        .wrap_err_with(|| path.display().to_string())
}

fn report(spec: &ChainSpec, notices: &[Notice], out: &mut dyn Write) -> eyre::Result<()> {
    writeln!(out, "chain id    {}", spec.chain_id())?;
    writeln!(out, "hash        {}", spec.genesis_hash())?;
    writeln!(out, "state root  {}", spec.genesis_header().state_root)?;
    writeln!(out, "forks")?;
    for (fork, at) in spec.forks().iter() {
        writeln!(out, "  {:<16}{}", fork.name(), peruri_chainspec::describe_condition(at))?;
    }
    match spec.ibft2() {
        None => writeln!(out, "consensus   none: this chain can be imported and served only")?,
        Some(ibft2) => {
            let config = ibft2.config();
            writeln!(
                out,
                "consensus   IBFT 2.0, a block every {} s, request timeout {} s, epoch {} blocks, {}",
                config.block_period_seconds,
                config.request_timeout_seconds,
                config.epoch_length,
                if config.chain_bound_signatures {
                    "signatures bound to the chain"
                } else {
                    "signatures as Besu's (not bound to the chain)"
                }
            )?;
        }
    }
    let base_fee = if spec.zero_base_fee() { "zero" } else { "EIP-1559" };
    writeln!(out, "base fee    {base_fee}")?;
    let validators = spec.genesis_validators()?;
    if let count @ 1.. = validators.len() {
        writeln!(out, "validators  {count}, quorum {}, {} may fail", quorum(count), faulty(count))?;
        for validator in validators {
            writeln!(out, "  {validator:#x}")?;
        }
    }
    for notice in notices {
        writeln!(out, "notice      {notice}")?;
    }
    Ok(())
}

/// Validators that may be down without stopping the chain.
fn faulty(count: usize) -> usize {
    count.saturating_sub(quorum(count))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::{exit::code, keys::KeyFile};
    use clap::Parser;

    const ONE: &str = "0xfe3b557e8fb62b89f4916b721be55ceb828dbd73";
    const TWO: &str = "0x627306090abab3a6e1400e9345bc60c78a8bef57";

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        genesis: GenesisCommand,
    }

    fn run(args: &[&str]) -> eyre::Result<String> {
        let cli = Cli::try_parse_from(std::iter::once(&"genesis").chain(args))?;
        let mut out = Vec::new();
        cli.genesis.run_to(&mut out)?;
        Ok(String::from_utf8(out)?)
    }

    /// The line of a report that begins with this word.
    fn line<'a>(report: &'a str, word: &str) -> &'a str {
        report.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{report}"))
    }

    #[test]
    fn what_is_created_is_verified_with_the_same_hash() {
        let folder = tempfile::tempdir().unwrap();
        let network = folder.path().join("network").display().to_string();
        let made = run(&[
            "create",
            "--validator",
            ONE,
            "--validator",
            TWO,
            "--out",
            &network,
            "--chain-id",
            "99",
            "--period",
            "5",
        ])
        .unwrap();
        let file = format!("{network}/genesis.json");
        let verified = run(&["verify", &file]).unwrap();
        assert!(made.ends_with(&verified), "{made}\n{verified}");
        assert!(line(&made, "chain id").ends_with(" 99"));
        assert!(line(&made, "consensus").contains("every 5 s, request timeout 10 s"), "{made}");
        assert!(line(&made, "consensus").ends_with("signatures bound to the chain"));
        assert!(line(&made, "base fee").ends_with("zero"));
        assert!(!made.contains("notice"), "{made}");
        let (spec, _) = read_genesis(Path::new(&file)).unwrap();
        let mut expected = [ONE, TWO].map(|text| text.parse::<Address>().unwrap());
        expected.sort();
        assert_eq!(spec.genesis_validators().unwrap(), expected);
        assert!(line(&made, "hash").contains(&spec.genesis_hash().to_string()));
    }

    #[test]
    fn generated_keys_are_those_of_the_validators() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("network");
        run(&["create", "--generate", "4", "--out", out.to_str().unwrap()]).unwrap();
        let (spec, _) = read_genesis(&out.join("genesis.json")).unwrap();
        let validators = spec.genesis_validators().unwrap();
        assert_eq!(validators.len(), 4);
        for validator in validators {
            let keys = out.join("keys").join(format!("{validator:#x}"));
            let key = KeyFile::read(&keys.join("key")).unwrap();
            let key = key.open(|| Err(eyre::eyre!("plain"))).unwrap();
            assert_eq!(key.address(), validator);
            let public = std::fs::read_to_string(keys.join("key.pub")).unwrap();
            assert_eq!(parse_validator(public.trim()), Ok(validator));
        }
    }

    #[test]
    fn a_folder_with_contents_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine"), "").unwrap();
        let out = folder.path().to_str().unwrap();
        let error = run(&["create", "--validator", ONE, "--out", out]).unwrap_err();
        assert!(error.to_string().starts_with("--out: "), "{error}");
        assert_eq!(code(&Err(error)), 2);
        assert_eq!(std::fs::read_dir(out).unwrap().count(), 1);
    }

    #[test]
    fn wrong_validators_are_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("network");
        let out_text = out.to_str().unwrap();
        let bad_point = "11".repeat(64);
        for args in [
            vec![],
            vec!["--validator", "0x12"],
            vec!["--validator", "pilot"],
            vec!["--validator", &bad_point],
            vec!["--validator", ONE, "--validator", ONE],
            vec!["--generate", "101"],
            vec!["--validator", ONE, "--period", "0"],
        ] {
            let args: Vec<_> = ["create", "--out", out_text].into_iter().chain(args).collect();
            assert!(run(&args).is_err(), "{args:?}");
        }
        assert!(!out.exists());
    }

    #[test]
    fn a_wrong_file_is_named_with_its_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genesis.json");
        std::fs::write(&path, PILOT_JSON.replace("epochlength", "epochlenght")).unwrap();
        let error = run(&["verify", path.to_str().unwrap()]).unwrap_err();
        let text = crate::cli::exit::describe(&error);
        assert!(text.contains("genesis.json: config.ibft2.epochlenght (13:7): "), "{text}");
        assert_eq!(code(&Err(error)), 2);
        assert_eq!(code(&run(&["verify", "/nonexistent"]).map(drop)), 2);
    }
}
