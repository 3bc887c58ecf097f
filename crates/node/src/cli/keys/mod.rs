//! `keys`: make, show and convert validator keys.

mod file;

pub(crate) use file::write_private;
pub use file::{KeyFile, KeyFormat, parse_key, public_key, write_key};

use crate::cli::exit::{OrUsage, UsageError};
use alloy_signer_local::PrivateKeySigner;
use clap::{Args, Subcommand};
use eyre::WrapErr;
use std::{io::Write, path::PathBuf};

/// Make, show or convert the private key of a validator
///
/// The key of a validator signs blocks and names the node to its peers; its address is what the
/// genesis file lists. Keep one key per node: two nodes that run with the same key can sign two
/// blocks of one height.
#[derive(Debug, Args)]
pub struct KeysCommand {
    #[command(subcommand)]
    command: KeysSubcommand,
}

/// The verbs of [`KeysCommand`].
#[derive(Debug, Subcommand)]
enum KeysSubcommand {
    /// Make a new random key
    ///
    /// Writes the key to FILE (mode 0600, an existing file is never overwritten) and prints address
    /// and public key. Without --keystore the file is plain text, 0x and 64 hexadecimal digits, as
    /// Besu reads and writes it.
    ///
    /// Example: peruri-node keys generate --out data/key
    Generate(GenerateArgs),
    /// Print address and public key of a key file
    ///
    /// The public key is what `genesis create --validator` and enode URLs take. The private key is
    /// never printed.
    Show(ShowArgs),
    /// Copy a key from another file, changing its form if wanted
    ///
    /// Reads plain hexadecimal or an encrypted keystore (version 3, as geth, Foundry and wallets
    /// write it) and writes the other or the same form. Use `-` to read a plain key from standard
    /// input; a key is never taken from the command line, where other users could see it.
    ///
    /// Example: peruri-node keys import besu/key --out data/key --keystore
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct GenerateArgs {
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The key file, plain or encrypted
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File whose first line is the password of an encrypted key; asked for if left out
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The key file to read, plain or encrypted; `-` reads a plain key from standard input
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// File whose first line is the password of SOURCE; asked for if left out
    #[arg(long, value_name = "FILE")]
    source_password_file: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

/// Where a key goes and in which form.
#[derive(Debug, Args)]
struct TargetArgs {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Encrypt the key with a password (keystore version 3)
    #[arg(long)]
    keystore: bool,
    /// File whose first line is the password of the new keystore; asked for twice if left out
    #[arg(long, value_name = "FILE", requires = "keystore")]
    password_file: Option<PathBuf>,
}

impl KeysCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`UsageError`] for a wrong file or password, else what the file system says.
    pub fn run(self) -> eyre::Result<()> {
        self.run_to(&mut std::io::stdout().lock())
    }

    fn run_to(self, out: &mut dyn Write) -> eyre::Result<()> {
        match self.command {
            KeysSubcommand::Generate(args) => args.target.write(&PrivateKeySigner::random(), out),
            KeysSubcommand::Show(args) => {
                let signer = KeyFile::read(&args.file)?
                    .open(|| password(args.password_file.as_deref(), "Password: "))?;
                describe(&signer, out)
            }
            KeysSubcommand::Import(args) => {
                let signer = args.read()?;
                args.target.write(&signer, out)
            }
        }
    }
}

impl ImportArgs {
    fn read(&self) -> eyre::Result<PrivateKeySigner> {
        if self.source.as_os_str() == "-" {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).wrap_err("standard input")?;
            return parse_key(&line).ok_or_else(|| {
                UsageError::new("standard input: expected a private key of 64 hexadecimal digits")
                    .into()
            });
        }
        KeyFile::read(&self.source)?
            .open(|| password(self.source_password_file.as_deref(), "Password of the source: "))
    }
}

impl TargetArgs {
    fn write(&self, signer: &PrivateKeySigner, out: &mut dyn Write) -> eyre::Result<()> {
        let password = self.keystore.then(|| self.new_password()).transpose()?;
        write_key(&self.out, signer, password.as_deref())?;
        describe(signer, out)?;
        let form = if self.keystore { "encrypted keystore" } else { "plain" };
        writeln!(out, "file        {} ({form}, mode 0600)", self.out.display())?;
        Ok(())
    }

    fn new_password(&self) -> eyre::Result<String> {
        if self.password_file.is_some() {
            return password(self.password_file.as_deref(), "");
        }
        let first = password(None, "New password: ")?;
        if first != password(None, "The same again: ")? {
            return Err(UsageError::new("the two passwords differ; nothing was written").into());
        }
        Ok(first)
    }
}

fn describe(signer: &PrivateKeySigner, out: &mut dyn Write) -> eyre::Result<()> {
    writeln!(out, "address     {:#x}", signer.address())?;
    writeln!(out, "public key  {}", public_key(signer))?;
    Ok(())
}

/// The first line of `file`, or what is typed at the prompt on the terminal; never empty.
///
/// # Errors
///
/// [`UsageError`] if the file cannot be read, there is no terminal, or the password is empty.
pub fn password(file: Option<&std::path::Path>, prompt: &str) -> eyre::Result<String> {
    let password = match file {
        Some(file) => {
            let name = file.display();
            let text = std::fs::read_to_string(file).or_usage(format!("password file {name}"))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => rpassword::prompt_password(prompt)
            .or_usage("no terminal to ask for the password; use a password file")?,
    };
    if password.is_empty() {
        return Err(UsageError::new("the password is empty").into());
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        keys: KeysCommand,
    }

    fn run(args: &[&str]) -> eyre::Result<String> {
        let cli = Cli::try_parse_from(std::iter::once(&"keys").chain(args))?;
        let mut out = Vec::new();
        cli.keys.run_to(&mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn a_generated_key_is_shown_and_imported() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("word"), "open sesame\r\nsecond line\n").unwrap();
        let made = run(&["generate", "--out", &path("key")]).unwrap();
        let shown = run(&["show", &path("key")]).unwrap();
        assert!(made.starts_with(&shown) && shown.starts_with("address     0x"), "{made}");
        let imported = run(&[
            "import",
            &path("key"),
            "--out",
            &path("store"),
            "--keystore",
            "--password-file",
            &path("word"),
        ])
        .unwrap();
        assert!(imported.starts_with(&shown), "{imported}");
        let again = run(&["show", &path("store"), "--password-file", &path("word")]).unwrap();
        assert_eq!(again, shown);
        let back = run(&[
            "import",
            &path("store"),
            "--source-password-file",
            &path("word"),
            "--out",
            &path("plain"),
        ]);
        assert!(back.unwrap().starts_with(&shown));
        let text = |name| std::fs::read_to_string(path(name)).unwrap();
        assert_eq!(text("key"), text("plain"));
    }

    #[test]
    fn wrong_input_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("empty"), "\n").unwrap();
        let error = run(&[
            "generate",
            "--out",
            &path("key"),
            "--keystore",
            "--password-file",
            &path("empty"),
        ])
        .unwrap_err();
        assert!(error.to_string().contains("password is empty"), "{error}");
        assert!(!folder.path().join("key").exists());
        assert!(run(&["generate", "--out", &path("key"), "--password-file", "x"]).is_err());
        assert!(run(&["show", &path("absent")]).is_err());
    }
}
