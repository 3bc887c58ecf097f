//! What is asked.

use super::stage::Stage;
use alloy_primitives::{Address, B256, U256};
use hyper::body::Bytes;
use peruri_testnet::Token;
use serde_json::{Value, json};
use std::sync::Arc;

/// Different requests of a question that wants more than one.
const REQUESTS: usize = 1_000;

/// A question of one node.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// What the table says.
    pub(super) what: &'static str,
    /// Ratio to reach.
    pub(super) aim: Option<f64>,
    bodies: Arc<[Bytes]>,
}

impl Question {
    fn new(
        what: &'static str,
        aim: Option<f64>,
        method: &str,
        params: impl IntoIterator<Item = Value>,
    ) -> Self {
        let body = |params: Value| {
            let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            Bytes::from(request.to_string())
        };
        Self { what, aim, bodies: params.into_iter().map(body).collect() }
    }

    pub(super) fn bodies(&self) -> Arc<[Bytes]> {
        self.bodies.clone()
    }
}

/// Up to [`REQUESTS`] of many, spread over all of them.
fn spread<T>(all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(REQUESTS).max(1))
}

/// T9.
pub(super) fn head_and_state(stage: &Stage) -> Vec<Question> {
    let aim = Some(1.0);
    let accounts = || spread(&stage.accounts);
    let balance = |account: &Address| json!([account, "latest"]);
    let proof = |account: &Address| json!([account, [], "latest"]);
    vec![
        Question::new("eth_chainId", aim, "eth_chainId", [json!([])]),
        Question::new("eth_blockNumber", aim, "eth_blockNumber", [json!([])]),
        Question::new("eth_getBalance", aim, "eth_getBalance", accounts().map(balance)),
        Question::new("eth_getProof", aim, "eth_getProof", accounts().map(proof)),
    ]
}

/// T10.
pub(super) fn executions(stage: &Stage) -> Vec<Question> {
    let aim = Some(1.3);
    let holders = || spread(&stage.holders);
    let balance = |(token, holder): &(Token, Address)| json!([{ "to": token.address(), "data": Token::balance_of_input(*holder) }, "latest"]);
    let transfer = |(token, holder): &(Token, Address)| {
        let data = Token::transfer_input(Address::repeat_byte(0x77), U256::from(1));
        json!([{ "from": holder, "to": token.address(), "data": data }, "latest"])
    };
    vec![
        Question::new("eth_call of balanceOf", aim, "eth_call", holders().map(balance)),
        Question::new(
            "eth_estimateGas of a transfer",
            aim,
            "eth_estimateGas",
            holders().map(transfer),
        ),
    ]
}

/// T11.
pub(super) fn large_block(stage: &Stage) -> Vec<Question> {
    let number = format!("{:#x}", stage.block);
    let by_hash = || spread(&stage.transactions).map(|hash: &B256| json!([hash]));
    let traced = spread(&stage.transactions).map(|hash| json!([hash, { "tracer": "callTracer" }]));
    let block = |full: bool| [json!([number, full])];
    let logs = [json!([{ "fromBlock": number, "toBlock": number }])];
    vec![
        Question::new("receipt", Some(20.0), "eth_getTransactionReceipt", by_hash()),
        Question::new("transaction", Some(15.0), "eth_getTransactionByHash", by_hash()),
        Question::new("block with hashes", Some(10.0), "eth_getBlockByNumber", block(false)),
        Question::new("full block", Some(50.0), "eth_getBlockByNumber", block(true)),
        Question::new("callTracer", Some(5.0), "debug_traceTransaction", traced),
        // Last: a peer that does not answer in time goes on working at it.
        Question::new("logs of the block", None, "eth_getLogs", logs),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spread_over_all() {
        let all: Vec<usize> = (0..4_032).collect();
        let some: Vec<usize> = spread(&all).copied().collect();
        assert!(some.len() <= REQUESTS && some.last() > Some(&4_000), "{}", some.len());
        assert_eq!(spread(&all[..3]).count(), 3);
    }
}
