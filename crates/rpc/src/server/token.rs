//! Tokens of the authenticated server: HS256 with the claim `iat`, as in the
//! [Engine API](https://github.com/ethereum/execution-apis/blob/main/src/engine/authentication.md).

use alloy_rpc_types_engine::JwtSecret;

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("missing token")]
    Missing,
    #[error("authorization is not a bearer token")]
    Scheme,
    #[error("{0}")]
    Refused(String),
}

/// Checks the value of an `Authorization` header.
pub(crate) fn check_header(secret: &JwtSecret, header: Option<&str>) -> Result<(), TokenError> {
    let header = header.ok_or(TokenError::Missing)?;
    let (scheme, token) = header.split_once(' ').ok_or(TokenError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Scheme);
    }
    secret.validate(token.trim()).map_err(|error| TokenError::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_rpc_types_engine::Claims;

    const SECRET: [u8; 32] = [7; 32];

    fn secret() -> JwtSecret {
        JwtSecret::from_hex(alloy_primitives::hex::encode(SECRET)).expect("32 bytes")
    }

    /// What a token issued `seconds` from now gets.
    fn issued_at(signer: &JwtSecret, seconds: i64) -> Result<(), TokenError> {
        let now = Claims::with_current_timestamp().iat;
        let claims = Claims { iat: now.saturating_add_signed(seconds), exp: None };
        let token = signer.encode(&claims).expect("token");
        check_header(&secret(), Some(&format!("Bearer {token}")))
    }

    fn refused(result: &Result<(), TokenError>) -> bool {
        matches!(result, Err(TokenError::Refused(_)))
    }

    #[test]
    fn tokens_are_taken_for_about_a_minute() {
        assert_eq!(issued_at(&secret(), 0), Ok(()));
        assert_eq!(issued_at(&secret(), -50), Ok(()));
        assert!(refused(&issued_at(&secret(), -70)));
        assert!(refused(&issued_at(&secret(), 70)));
    }

    #[test]
    fn another_secret_and_another_algorithm_are_refused() {
        assert!(refused(&issued_at(&JwtSecret::random(), 0)));
        // {"alg":"none"}.{"iat":0}. and {"alg":"HS512"}.{"iat":0}.AA
        for token in ["eyJhbGciOiJub25lIn0.eyJpYXQiOjB9.", "eyJhbGciOiJIUzUxMiJ9.eyJpYXQiOjB9.AA"] {
            assert!(refused(&check_header(&secret(), Some(&format!("Bearer {token}")))), "{token}");
        }
    }

    #[test]
    fn junk_is_refused_without_a_panic() {
        for junk in ["", ".", "..", "a.b", "a.b.c", "é.é.é", "e30.e30.e30"] {
            assert!(refused(&check_header(&secret(), Some(&format!("Bearer {junk}")))), "{junk}");
        }
        assert_eq!(check_header(&secret(), None), Err(TokenError::Missing));
        assert_eq!(check_header(&secret(), Some("Basic abc")), Err(TokenError::Scheme));
        assert_eq!(check_header(&secret(), Some("Bearer")), Err(TokenError::Scheme));
    }
}
