//! `jwt`: tokens for the authenticated RPC, as the Engine API defines them (HS256, claim `iat`).

use crate::{
    cli::exit::OrUsage,
    config::{Config, DataArgs, NodeArgs},
};
use alloy_rpc_types_engine::{Claims, JwtSecret};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Make tokens for the authenticated RPC
#[derive(Debug, Args)]
pub struct JwtCommand {
    #[command(subcommand)]
    command: JwtSubcommand,
}

/// The verbs of [`JwtCommand`].
#[derive(Debug, Subcommand)]
enum JwtSubcommand {
    /// Print a token made now from the node's secret
    ///
    /// The node takes a token for 60 seconds after it was made, so make one for each session. Whoever
    /// can read the secret file can make tokens; a token alone is of no use later.
    ///
    /// Example: curl -H "Authorization: Bearer $(peruri-node jwt create)" http://127.0.0.1:8551
    Create(CreateArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// File with the secret, 64 hexadecimal digits [default: what the node uses, DATADIR/jwt.hex]
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
}

impl JwtCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`UsageError`](crate::cli::exit::UsageError) if the secret cannot be read or is none.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let JwtSubcommand::Create(args) = self.command;
        let path = match args.secret {
            Some(path) => path,
            None => {
                let config = Config::load(data, NodeArgs::default())?;
                let default = || config.data_dir().jwt_secret();
                config.authrpc.jwtsecret.clone().unwrap_or_else(default)
            }
        };
        println!("{}", read_secret(&path)?.encode(&Claims::with_current_timestamp())?);
        Ok(())
    }
}

/// Reads a secret of 32 bytes in hexadecimal, `0x` optional.
///
/// # Errors
///
/// [`UsageError`](crate::cli::exit::UsageError) with the path.
pub fn read_secret(path: &std::path::Path) -> eyre::Result<JwtSecret> {
    let name = path.display();
    let text = std::fs::read_to_string(path).or_usage(format!("JWT secret {name}"))?;
    JwtSecret::from_hex(text).or_usage(format!("JWT secret {name}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_one_that_the_server_takes() {
        let secret = JwtSecret::random();
        let token = secret.encode(&Claims::with_current_timestamp()).unwrap();
        assert!(secret.validate(&token).is_ok());
        assert!(JwtSecret::random().validate(&token).is_err());
    }

    #[test]
    fn a_wrong_secret_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.hex");
        for text in ["", "12", &"g".repeat(64), &"1".repeat(66)] {
            std::fs::write(&path, text).unwrap();
            let error = read_secret(&path).unwrap_err();
            assert!(error.to_string().contains("jwt.hex"), "{error}");
            assert_eq!(crate::cli::exit::code(&Err(error)), 2);
        }
        std::fs::write(&path, format!("0x{}\n", "1".repeat(64))).unwrap();
        assert!(read_secret(&path).is_ok());
        assert!(read_secret(&folder.path().join("absent")).is_err());
    }
}
