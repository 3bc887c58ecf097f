//! A node as its organisation names it: `NAME=PUBKEY@HOST:PORT`, or less than that.

use alloy_primitives::{Address, hex};
use alloy_signer::k256::ecdsa::VerifyingKey;
use std::{fmt, net::IpAddr, str::FromStr};

/// The usual port, TCP and QUIC.
pub(super) const DEFAULT_PORT: u16 = 30_303;
/// Longest name of a node, in bytes.
const LONGEST_NAME: usize = 32;

const FORMS: &str = "expected ADDRESS (40 hexadecimal digits), PUBKEY (128), or \
    NAME=PUBKEY[@HOST[:PORT]]";

/// A node of a new network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Name of the organisation or machine; also the name of its folder.
    pub(super) name: Option<String>,
    /// Address of its key.
    pub(super) address: Address,
    /// Its public key without the leading 04 of SEC 1; absent where only the address was given.
    pub(super) public_key: Option<[u8; 64]>,
    /// Where its peers reach it.
    pub(super) host: Option<HostPort>,
}

/// A host name or IP address with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPort {
    host: String,
    pub(super) port: u16,
}

impl Member {
    /// How peers name and reach it; `None` where public key or host are unknown.
    pub(super) fn enode(&self) -> Option<String> {
        let (key, host) = (self.public_key.as_ref()?, self.host.as_ref()?);
        Some(format!("enode://{}@{host}", hex::encode(key)))
    }

    /// The form of `--node`: name, public key and host are all given.
    pub(super) fn parse_listed(text: &str) -> Result<Self, String> {
        let member = text.parse::<Self>()?;
        if member.enode().is_none() {
            return Err("expected NAME=PUBKEY@HOST[:PORT]".to_owned());
        }
        Ok(member)
    }
}

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) => (Some(parse_name(name)?), rest),
            None => (None, text),
        };
        let (key, host) = match rest.split_once('@') {
            Some((key, host)) => (key, Some(host.parse()?)),
            None => (rest, None),
        };
        let (address, public_key) = parse_key(key)?;
        if host.is_some() && (name.is_none() || public_key.is_none()) {
            return Err(format!("a node with a host needs name and public key; {FORMS}"));
        }
        Ok(Self { name, address, public_key, host })
    }
}

/// Names become folders, so they keep to letters, digits, `-`, `_` and `.`.
fn parse_name(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || name.starts_with(['.', '-'])
        || !name.chars().all(plain)
    {
        return Err(format!(
            "name {name:?}: 1 to {LONGEST_NAME} letters, digits, '-', '_' or '.', the first a letter \
             or digit"
        ));
    }
    Ok(name.to_owned())
}

/// An address, or a public key of 64 or (with the leading 04 of SEC 1) 65 bytes.
fn parse_key(text: &str) -> Result<(Address, Option<[u8; 64]>), String> {
    let bytes = hex::decode(text).map_err(|_| FORMS.to_owned())?;
    if bytes.len() == 20 {
        return Ok((Address::from_slice(&bytes), None));
    }
    let point = match bytes.len() {
        64 => [&[4], bytes.as_slice()].concat(),
        65 => bytes,
        _ => return Err(FORMS.to_owned()),
    };
    let key = VerifyingKey::from_sec1_bytes(&point)
        .map_err(|_| "the public key is no point of secp256k1".to_owned())?;
    let encoded = key.to_encoded_point(false);
    let raw = encoded.as_bytes().get(1..).and_then(|raw| raw.try_into().ok());
    Ok((Address::from_public_key(&key), raw))
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("host {text:?}: expected a name or IP address, and maybe :PORT");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
            None if text.parse::<IpAddr>().is_ok() => (text, ""),
            None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?,
            None if port.is_empty() => DEFAULT_PORT,
            None => return Err(wrong()),
        };
        let is_name = !host.is_empty()
            && !host.starts_with('-')
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        if !is_name && host.parse::<IpAddr>().is_err() {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::keys::public_key;
    use alloy_signer_local::PrivateKeySigner;

    #[test]
    fn every_form_is_read() {
        let key = PrivateKeySigner::random();
        let public = public_key(&key);
        let digits = public.trim_start_matches("0x");
        for text in [
            format!("{:#x}", key.address()),
            public.clone(),
            format!("0x04{digits}"),
            format!("A={public}"),
            format!("A-1={}", key.address()),
        ] {
            let member: Member = text.parse().unwrap();
            assert_eq!((member.address, member.enode()), (key.address(), None), "{text}");
        }
        for (host, shown) in [
            ("node1.peruri.co.id", "node1.peruri.co.id:30303"),
            ("10.0.0.1:7", "10.0.0.1:7"),
            ("fd00::1", "[fd00::1]:30303"),
            ("[fd00::1]:7", "[fd00::1]:7"),
        ] {
            let member: Member = format!("A={public}@{host}").parse().unwrap();
            assert_eq!(member.enode().unwrap(), format!("enode://{digits}@{shown}"));
        }
    }

    #[test]
    fn what_cannot_be_a_node_is_refused() {
        let public = public_key(&PrivateKeySigner::random());
        let address = "0xfe3b557e8fb62b89f4916b721be55ceb828dbd73";
        for text in [
            "A=pilot".to_owned(),
            format!("={public}"),
            format!("../x={public}"),
            format!(".={public}"),
            format!("{}={public}", "a".repeat(33)),
            format!("{public}@host"),
            format!("A={address}@host"),
            format!("A={public}@"),
            format!("A={public}@host:0"),
            format!("A={public}@host:65536"),
            format!("A={public}@host:"),
            format!("A={public}@ho st"),
            format!("A={public}@\"\nkey = 1"),
            format!("A={public}@[fd00::1]7"),
        ] {
            assert!(text.parse::<Member>().is_err(), "{text}");
        }
        assert!(Member::parse_listed(&format!("A={public}")).is_err());
        assert!(Member::parse_listed(&format!("A={public}@host")).is_ok());
    }
}
