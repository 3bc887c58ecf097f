//! Tokens of the authenticated server: HS256 with the claim `iat`, as in the
//! [Engine API](https://github.com/ethereum/execution-apis/blob/main/src/engine/authentication.md).
//!
//! Checked here and not through a JWT library, because one algorithm and two claims are all there
//! is: no algorithm can be talked into.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds that `iat` may be off, in both directions.
const MAX_DRIFT: u64 = 60;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("missing token")]
    Missing,
    #[error("authorization is not a bearer token")]
    Scheme,
    #[error("token is not a JWT of three parts")]
    Form,
    #[error("token algorithm is not HS256")]
    Algorithm,
    #[error("token signature is invalid")]
    Signature,
    #[error("token claims do not decode")]
    Claims,
    #[error("token has no claim iat")]
    NoIssueTime,
    #[error("token was issued more than {MAX_DRIFT} s ago or ahead of time")]
    Stale,
    #[error("token has expired")]
    Expired,
}

#[derive(Deserialize)]
struct Header<'a> {
    alg: &'a str,
}

#[derive(Deserialize)]
struct Claims {
    iat: Option<u64>,
    exp: Option<u64>,
}

/// Checks the value of an `Authorization` header.
pub(crate) fn check_header(secret: &[u8], header: Option<&str>) -> Result<(), TokenError> {
    let header = header.ok_or(TokenError::Missing)?;
    let (scheme, token) = header.split_once(' ').ok_or(TokenError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Scheme);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    check(secret, token.trim(), now)
}

/// Checks a token in its compact form (RFC 7515, section 3.1) at `now`, Unix seconds.
fn check(secret: &[u8], token: &str, now: u64) -> Result<(), TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form);
    let header_bytes = decode(header)?;
    let header: Header<'_> =
        serde_json::from_slice(&header_bytes).map_err(|_| TokenError::Algorithm)?;
    if header.alg != "HS256" {
        return Err(TokenError::Algorithm);
    }
    let signature = decode(signature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| TokenError::Signature)?;
    mac.update(signed.as_bytes());
    // Compares in constant time.
    mac.verify_slice(&signature).map_err(|_| TokenError::Signature)?;
    let claims: Claims =
        serde_json::from_slice(&decode(claims)?).map_err(|_| TokenError::Claims)?;
    let issued = claims.iat.ok_or(TokenError::NoIssueTime)?;
    if issued.abs_diff(now) > MAX_DRIFT {
        return Err(TokenError::Stale);
    }
    if claims.exp.is_some_and(|expiry| expiry < now) {
        return Err(TokenError::Expired);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];
    const NOW: u64 = 1_000_000;
    const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    fn token(header: &str, claims: &str, secret: &[u8]) -> String {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", encode(&mac.finalize().into_bytes()))
    }

    fn at(iat: u64) -> String {
        token(HS256, &format!(r#"{{"iat":{iat}}}"#), &SECRET)
    }

    #[test]
    fn the_window_is_sixty_seconds_both_ways() {
        for (iat, expected) in [
            (NOW, Ok(())),
            (NOW - 60, Ok(())),
            (NOW + 60, Ok(())),
            (NOW - 61, Err(TokenError::Stale)),
            (NOW + 61, Err(TokenError::Stale)),
        ] {
            assert_eq!(check(&SECRET, &at(iat), NOW), expected, "{iat}");
        }
    }

    #[test]
    fn only_hs256_with_the_secret() {
        let claims = format!(r#"{{"iat":{NOW}}}"#);
        for alg in ["none", "HS512", "RS256", "hs256"] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let token = token(&header, &claims, &SECRET);
            assert_eq!(check(&SECRET, &token, NOW), Err(TokenError::Algorithm), "{alg}");
        }
        let other = token(HS256, &claims, &[8; 32]);
        assert_eq!(check(&SECRET, &other, NOW), Err(TokenError::Signature));
        let unsigned = at(NOW).rsplit_once('.').map(|(signed, _)| format!("{signed}.")).expect("3");
        assert_eq!(check(&SECRET, &unsigned, NOW), Err(TokenError::Signature));
    }

    #[test]
    fn claims_are_checked() {
        let with = |claims: &str| check(&SECRET, &token(HS256, claims, &SECRET), NOW);
        assert_eq!(with("{}"), Err(TokenError::NoIssueTime));
        assert_eq!(with("[]"), Err(TokenError::Claims));
        assert_eq!(with(r#"{"iat":"1000000"}"#), Err(TokenError::Claims));
        let expired = format!(r#"{{"iat":{NOW},"exp":{}}}"#, NOW - 1);
        assert_eq!(with(&expired), Err(TokenError::Expired));
        let id = format!(r#"{{"iat":{NOW},"exp":{NOW},"id":"x"}}"#);
        assert_eq!(with(&id), Ok(()));
    }

    #[test]
    fn junk() {
        for junk in ["", ".", "..", "a.b", "a.b.c", "é.é.é", "e30.e30.e30"] {
            assert!(check(&SECRET, junk, NOW).is_err(), "{junk}");
        }
        assert_eq!(check_header(&SECRET, None), Err(TokenError::Missing));
        assert_eq!(check_header(&SECRET, Some("Basic abc")), Err(TokenError::Scheme));
        assert_eq!(check_header(&SECRET, Some("Bearer")), Err(TokenError::Scheme));
    }
}
