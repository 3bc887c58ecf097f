//! What is checked before a request is looked at: host, origin, token.

use super::{
    listen::ConnectionPermit,
    token::{self, TokenError},
};
use alloy_rpc_types_engine::JwtSecret;
use jsonrpsee::{
    core::BoxError,
    server::{HttpBody, HttpRequest, HttpResponse},
};
use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::Service;

/// Error code of a request without a valid token.
const UNAUTHORISED: i32 = -32001;

/// Who may call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// Host names without port, in lower case; `None` accepts any.
    pub(crate) hosts: Option<Vec<String>>,
    /// Origins of web pages.
    pub(crate) origins: Vec<String>,
    /// Secret of the tokens, on the authenticated server.
    pub(crate) secret: Option<JwtSecret>,
}

/// Why a request is not looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Host,
    Origin,
    Token(TokenError),
}

impl Policy {
    /// Host names for a server: the configured ones; without any, loopback names and its own address
    /// on a loopback address (all of 127.0.0.0/8 is), every name elsewhere. A page that re-binds its name to 127.0.0.1 still sends its
    /// own name as host.
    pub(crate) fn hosts_for(ip: IpAddr, configured: &[String]) -> Option<Vec<String>> {
        if configured.is_empty() {
            let own = ip.to_string();
            let names = ["localhost", "127.0.0.1", "[::1]", &own];
            return ip.is_loopback().then(|| names.map(str::to_owned).to_vec());
        }
        let mut hosts: Vec<String> =
            configured.iter().map(|host| host.to_ascii_lowercase()).collect();
        if hosts.iter().any(|host| host == "*") {
            return None;
        }
        hosts.push(ip.to_string());
        Some(hosts)
    }

    /// Checks the headers of a request.
    pub(crate) fn check<B>(&self, request: &HttpRequest<B>) -> Result<(), Refusal> {
        let header = |name: &str| {
            request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
        };
        if let Some(hosts) = &self.hosts {
            let host = request.uri().authority().map(|authority| authority.as_str());
            let host = host.or_else(|| header("host")).map(without_port).unwrap_or_default();
            if !hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
                return Err(Refusal::Host);
            }
        }
        if let Some(origin) = header("origin")
            && !self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
        {
            return Err(Refusal::Origin);
        }
        match &self.secret {
            Some(secret) => {
                token::check_header(secret, header("authorization")).map_err(Refusal::Token)
            }
            None => Ok(()),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The last colon of `[::1]` belongs to the address.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

impl Refusal {
    fn response(self) -> HttpResponse {
        match self {
            Self::Host => text_response(403, "host not allowed"),
            Self::Origin => text_response(403, "origin not allowed"),
            Self::Token(reason) => {
                let body = error_body(UNAUTHORISED, &format!("unauthorised: {reason}"));
                json_response(401, body)
            }
        }
    }
}

/// A JSON-RPC error without id as text.
pub(crate) fn error_body(code: i32, message: &str) -> String {
    serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}})
        .to_string()
}

pub(super) fn json_response(status: u16, body: String) -> HttpResponse {
    response(status, "application/json", body)
}

fn text_response(status: u16, body: &str) -> HttpResponse {
    response(status, "text/plain", body.to_owned())
}

fn response(status: u16, content_type: &'static str, body: String) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(body));
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    let value = jsonrpsee::http_client::HeaderValue::from_static(content_type);
    response.headers_mut().insert("content-type", value);
    response
}

/// One connection's service behind the checks.
#[derive(Clone)]
pub(crate) struct Guard<S> {
    pub(crate) inner: S,
    pub(crate) policy: Arc<Policy>,
    pub(crate) permit: Arc<ConnectionPermit>,
}

impl<S, B> Service<HttpRequest<B>> for Guard<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: HttpRequest<B>) -> Self::Future {
        match self.policy.check(&request) {
            Ok(()) => {
                if request.headers().contains_key("upgrade") {
                    // The WebSocket session keeps the request's extensions, and with them the
                    // connection's place, after the HTTP connection is given up.
                    request.extensions_mut().insert(self.permit.clone());
                }
                Box::pin(self.inner.call(request))
            }
            Err(refusal) => {
                let response = refusal.response();
                Box::pin(async move { Ok(response) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn request(headers: &[(&'static str, &str)]) -> HttpRequest<()> {
        let mut request = HttpRequest::new(());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("value"));
        }
        request
    }

    fn local() -> Policy {
        let hosts = Policy::hosts_for(Ipv4Addr::LOCALHOST.into(), &[]);
        Policy { hosts, ..Policy::default() }
    }

    #[test]
    fn loopback_servers_accept_loopback_names_only() {
        for host in ["localhost:8545", "127.0.0.1", "[::1]:8545", "LOCALHOST"] {
            assert_eq!(local().check(&request(&[("host", host)])), Ok(()), "{host}");
        }
        for host in ["evil.example", "evil.example:8545", "localhost.evil.example"] {
            assert_eq!(local().check(&request(&[("host", host)])), Err(Refusal::Host), "{host}");
        }
        assert_eq!(local().check(&request(&[])), Err(Refusal::Host));
        let own = Policy::hosts_for(IpAddr::from([127, 1, 2, 3]), &[]);
        let own = Policy { hosts: own, ..Policy::default() };
        assert_eq!(own.check(&request(&[("host", "127.1.2.3:8545")])), Ok(()));
        assert_eq!(local().check(&request(&[("host", "127.1.2.3")])), Err(Refusal::Host));
    }

    #[test]
    fn other_servers_accept_what_is_configured() {
        let ip = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(Policy::hosts_for(ip, &[]), None);
        let hosts = Policy::hosts_for(ip, &["Node.example".to_owned()]);
        let policy = Policy { hosts, ..Policy::default() };
        assert_eq!(policy.check(&request(&[("host", "node.example:8545")])), Ok(()));
        assert_eq!(policy.check(&request(&[("host", "10.0.0.1:8545")])), Ok(()));
        assert_eq!(policy.check(&request(&[("host", "evil.example")])), Err(Refusal::Host));
    }

    #[test]
    fn tokens_are_asked_for_where_there_is_a_secret() {
        let policy = Policy { secret: Some(JwtSecret::random()), ..local() };
        let refusal = policy.check(&request(&[("host", "localhost")]));
        assert_eq!(refusal, Err(Refusal::Token(TokenError::Missing)));
    }

    #[test]
    fn foreign_origins_are_refused() {
        let mut policy = local();
        let from = |origin| request(&[("host", "localhost"), ("origin", origin)]);
        assert_eq!(policy.check(&from("https://evil.example")), Err(Refusal::Origin));
        policy.origins.push("https://app.example".to_owned());
        assert_eq!(policy.check(&from("https://app.example")), Ok(()));
        assert_eq!(policy.check(&from("null")), Err(Refusal::Origin));
    }
}
