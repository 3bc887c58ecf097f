//! `jwt`: tokens for the authenticated RPC, as the Engine API defines them (HS256, claim `iat`).

use crate::{
    cli::exit::OrUsage,
    config::{Config, DataArgs, NodeArgs},
};
use alloy_rpc_types_engine::JwtSecret;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use eyre::WrapErr;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{path::PathBuf, time::SystemTime};

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
        let now = SystemTime::UNIX_EPOCH.elapsed().wrap_err("the clock stands before 1970")?;
        println!("{}", token(&read_secret(&path)?, now.as_secs())?);
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

/// A token that says it was issued at `iat` (Unix seconds).
fn token(secret: &JwtSecret, iat: u64) -> eyre::Result<String> {
    sign(r#"{"typ":"JWT","alg":"HS256"}"#, &format!(r#"{{"iat":{iat}}}"#), secret.as_bytes())
}

/// Compact form of a signed token: header, claims, HMAC-SHA256 of both (RFC 7515, section 3.1).
fn sign(header: &str, claims: &str, key: &[u8]) -> eyre::Result<String> {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(signed.as_bytes());
    let signature = encode(&mac.finalize().into_bytes());
    Ok(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_are_signed_as_in_rfc_7515() {
        // RFC 7515, appendix A.1
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = BASE64_URL_SAFE_NO_PAD.decode(key).unwrap();
        let header = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}";
        let claims =
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
        assert_eq!(
            sign(header, claims, &key).unwrap(),
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
             eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
             dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
    }

    #[test]
    fn a_token_has_the_time_it_was_made() {
        let token = token(&JwtSecret::random(), 7).unwrap();
        let claims = token.split('.').nth(1).unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap(), br#"{"iat":7}"#);
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
