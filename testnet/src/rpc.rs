//! A small JSON-RPC client over [`Connection`], with the calls that scenarios make.

use crate::{Connection, Result, TestnetError};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_engine::{Claims, JwtSecret};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long an answer may take; long enough for a slow machine and short enough for a hung node.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a scenario asks again for something that another process will do.
const POLL: Duration = Duration::from_millis(20);

/// A client of one server. Opens its connection when first used and again after it broke.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    /// Of an authenticated server.
    secret: Option<JwtSecret>,
    connection: Mutex<Option<Connection>>,
}

impl Client {
    /// A client of the server at `address`; nothing is sent yet.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, secret: None, connection: Mutex::const_new(None) }
    }

    /// A client of an authenticated server: each request carries a token of its own.
    pub const fn with_secret(address: SocketAddr, secret: JwtSecret) -> Self {
        Self { address, secret: Some(secret), connection: Mutex::const_new(None) }
    }

    /// The server's address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Posts `body` and returns the parsed answer.
    ///
    /// # Errors
    /// [`TestnetError::Http`], or [`TestnetError::Answer`] if the body is not JSON.
    pub async fn post(&self, method: &str, body: Vec<u8>) -> Result<Value> {
        let mut slot = self.connection.lock().await;
        let mut connection = match slot.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let token = self.token()?;
        let answer = connection.post_with(body.into(), token.as_deref());
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.map_err(|_| TestnetError::Http {
            address: self.address,
            reason: format!("no answer to {method} within {} s", PATIENCE.as_secs()),
        })??;
        *slot = Some(connection);
        serde_json::from_slice(&answer).map_err(|e| TestnetError::Answer {
            method: method.to_owned(),
            expected: "JSON",
            got: e.to_string(),
        })
    }

    /// A token for now.
    fn token(&self) -> Result<Option<String>> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let token = secret.encode(&Claims::with_current_timestamp());
        token.map(Some).map_err(|error| TestnetError::Http {
            address: self.address,
            reason: format!("token: {error}"),
        })
    }

    /// Calls `method` with an array of parameters and returns its result.
    ///
    /// # Errors
    /// [`TestnetError::Rpc`] with the node's code and message, or as [`Client::post`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post(method, request.to_string().into_bytes()).await?;
        if let Some(error) = answer.get("error") {
            return Err(TestnetError::Rpc {
                method: method.to_owned(),
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
    }

    /// `eth_chainId`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn chain_id(&self) -> Result<u64> {
        quantity("eth_chainId", &self.call("eth_chainId", json!([])).await?)
    }

    /// `eth_blockNumber`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn block_number(&self) -> Result<u64> {
        quantity("eth_blockNumber", &self.call("eth_blockNumber", json!([])).await?)
    }

    /// `eth_getBlockByNumber` with transaction hashes; `None` if there is no such block.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn block(&self, tag: impl Into<Value> + Send) -> Result<Option<Value>> {
        let block = self.call("eth_getBlockByNumber", json!([tag.into(), false])).await?;
        Ok((!block.is_null()).then_some(block))
    }

    /// `eth_getTransactionCount` at the latest block.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn nonce(&self, address: Address) -> Result<u64> {
        let method = "eth_getTransactionCount";
        quantity(method, &self.call(method, json!([address, "latest"])).await?)
    }

    /// `eth_getBalance` at the latest block, in wei.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn balance(&self, address: Address) -> Result<U256> {
        let answer = self.call("eth_getBalance", json!([address, "latest"])).await?;
        parse("eth_getBalance", "a quantity", &answer)
    }

    /// `eth_sendRawTransaction`: returns the hash.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256> {
        let answer = self.call("eth_sendRawTransaction", json!([raw])).await?;
        parse("eth_sendRawTransaction", "a hash", &answer)
    }

    /// `eth_getTransactionReceipt`; `None` while the transaction is in no block.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn receipt(&self, hash: B256) -> Result<Option<Value>> {
        let receipt = self.call("eth_getTransactionReceipt", json!([hash])).await?;
        Ok((!receipt.is_null()).then_some(receipt))
    }

    /// `eth_call` at the latest block.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn eth_call(&self, to: Address, data: &Bytes) -> Result<Bytes> {
        let answer = self.call("eth_call", json!([{ "to": to, "data": data }, "latest"])).await?;
        parse("eth_call", "bytes", &answer)
    }

    /// Waits until the transaction has a receipt.
    ///
    /// # Errors
    /// [`TestnetError::Timeout`] after `limit`, or as [`Client::call`].
    pub async fn wait_receipt(&self, hash: B256, limit: Duration) -> Result<Value> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(receipt) = self.receipt(hash).await? {
                return Ok(receipt);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(TestnetError::Timeout { what: format!("the receipt of {hash}"), limit })
    }

    /// Waits until the chain has block `number`; returns the height seen.
    ///
    /// # Errors
    /// [`TestnetError::Timeout`] after `limit`, or as [`Client::call`].
    pub async fn wait_block(&self, number: u64, limit: Duration) -> Result<u64> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            let head = self.block_number().await?;
            if head >= number {
                return Ok(head);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(TestnetError::Timeout { what: format!("block {number}"), limit })
    }
}

/// Reads a JSON-RPC quantity (`"0x1f"`).
///
/// # Errors
/// [`TestnetError::Answer`] if it is none.
pub fn quantity(method: &str, value: &Value) -> Result<u64> {
    value
        .as_str()
        .and_then(|s| s.strip_prefix("0x"))
        .and_then(|s| u64::from_str_radix(s, 16).ok())
        .ok_or_else(|| answer(method, "a quantity", value))
}

/// Reads a value of a type that serde knows.
pub(crate) fn parse<T: std::str::FromStr>(
    method: &str,
    expected: &'static str,
    value: &Value,
) -> Result<T> {
    value.as_str().and_then(|s| s.parse().ok()).ok_or_else(|| answer(method, expected, value))
}

fn answer(method: &str, expected: &'static str, got: &Value) -> TestnetError {
    let mut got = got.to_string();
    got.truncate(200);
    TestnetError::Answer { method: method.to_owned(), expected, got }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_hex_with_prefix() {
        assert_eq!(quantity("m", &json!("0x1c54")).expect("hex"), 7252);
        assert!(quantity("m", &json!("7252")).is_err());
        assert!(quantity("m", &json!(7252)).is_err());
    }

    #[test]
    fn a_wrong_answer_names_method_and_form() {
        let error = parse::<B256>("eth_sendRawTransaction", "a hash", &json!("0x12"))
            .expect_err("short")
            .to_string();
        assert_eq!(error, r#"eth_sendRawTransaction: expected a hash, got "0x12""#);
    }
}
