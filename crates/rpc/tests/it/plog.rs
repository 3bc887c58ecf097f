//! The transparency log: look-ups, proofs, and receipts that the offline verifier accepts.

use crate::support::{Node, Servers, error_of};
use alloy_primitives::{Address, B256, TxKind, U256, b256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use jsonrpsee::core::client::Subscription;
use peruri_chainspec::{ChainSpec, PILOT_JSON};
use peruri_evm::{NextBlockEnvAttributes, plog::abi::IPlog};
use peruri_ibft2::{Seal, ValidatorSet, seal_digest, sealing};
use peruri_plog::{
    ConsistencyAnswer, Entry, EntryType, PLOG_ADDRESS, Policy, audit::check_consistency,
    proof::verify_inclusion, verify,
};
use peruri_primitives::RecoveredBlock;
use peruri_rpc_api::PlogPubSubApiClient as _;
use peruri_storage::{ExecutedBlock, HistoryWindows};
use serde_json::{Value, json, value::RawValue};
use std::{sync::Arc, time::Duration};

const LOG: B256 = b256!("6163746976697479000000000000000000000000000000000000000000000000");
const SUBJECT: B256 = B256::repeat_byte(7);
const NO_LOG: B256 = B256::repeat_byte(1);

/// A chain with a log whose blocks are sealed by validators of the test.
struct Lab {
    node: Node,
    keys: Vec<PrivateKeySigner>,
    next_seq: u64,
}

fn key(n: u64) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(n.to_be_bytes())).unwrap()
}

fn set(keys: &[PrivateKeySigner]) -> ValidatorSet {
    keys.iter().map(PrivateKeySigner::address).collect()
}

fn entry(seq: u64) -> Entry {
    Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: 1,
        source_seq: seq,
        occurred_at: 1_767_225_600_000,
        // Two entries for each activity, and every third one has a subject of its own.
        activity_id: u128::from(seq / 2).to_be_bytes(),
        subject: if seq.is_multiple_of(3) { B256::with_last_byte(9) } else { SUBJECT },
        commitment: B256::repeat_byte(8),
        effect: B256::ZERO,
    }
}

impl Lab {
    fn new() -> Self {
        Self::with_proofs(None)
    }

    /// Proofs of so many blocks before the head.
    fn with_proofs(proofs: Option<u64>) -> Self {
        let keys: Vec<_> = (0..3).map(key).collect();
        let mut genesis: Value = serde_json::from_str(PILOT_JSON).unwrap();
        genesis["extraData"] =
            json!(sealing::unsealed_extra_data(B256::ZERO, &set(&keys), None, 0));
        // The source; the transactions of these tests offer a fee.
        genesis["alloc"]["f39fd6e51aad88f6f4ce6ab8827279cfffb92266"] =
            json!({"balance": "1000000000000000000000"});
        let (spec, _) = ChainSpec::from_genesis_json(&genesis.to_string()).unwrap();
        let history = HistoryWindows { proofs, ..HistoryWindows::default() };
        Self { node: Node::with_history(spec, history), keys, next_seq: 1 }
    }

    /// A block with an append of `count` entries, sealed by so many of the validators.
    fn append(&mut self, count: u64, seals: usize) -> u64 {
        let (first, next) = (self.next_seq, self.next_seq + count);
        self.next_seq = next;
        let entries: Vec<_> = (first..next).map(|seq| entry(seq).encode()).collect();
        let call = IPlog::appendCall {
            logId: LOG,
            sourceId: 1,
            firstSeq: first,
            entries: entries.concat().into(),
        };
        let tx = self.node.sign(TxKind::Call(PLOG_ADDRESS), 0, call.abi_encode().into());
        let block = self.mine(vec![tx], seals);
        assert!(block.execution_output.receipts[0].success);
        block.number()
    }

    fn empty(&mut self, seals: usize) -> u64 {
        self.mine(Vec::new(), seals).number()
    }

    fn mine(
        &mut self,
        txs: Vec<peruri_primitives::TransactionSigned>,
        seals: usize,
    ) -> ExecutedBlock {
        let parent = self.node.factory.last_header().unwrap();
        let genesis = self.node.evm.chain_spec().genesis_hash();
        let attributes = NextBlockEnvAttributes {
            timestamp: parent.timestamp + 2,
            gas_limit: parent.gas_limit,
            extra_data: sealing::unsealed_extra_data(genesis, &set(&self.keys), None, 0),
            ..Default::default()
        };
        let block = self.node.build_with(attributes, txs);
        let block = seal(block, &self.keys[..seals]);
        self.node.factory.commit_block(&block).unwrap();
        block
    }

    fn policy(&self, keys: &[PrivateKeySigner], more: &str) -> String {
        let spec = self.node.evm.chain_spec();
        let list: Vec<_> = keys.iter().map(|key| format!("\"{:#x}\"", key.address())).collect();
        format!(
            "chain_id = {}\ngenesis_hash = \"{}\"\nvalidators = [{}]\n{more}",
            spec.chain_id(),
            spec.genesis_hash(),
            list.join(", ")
        )
    }

    async fn serve(&self) -> Servers {
        let mut config = self.node.config(Default::default());
        for endpoint in [&mut config.http, &mut config.ws] {
            endpoint.as_mut().unwrap().namespaces.push("plog".to_owned());
        }
        self.node.start(peruri_rpc::RpcServerBuilder::new(config, self.node.handles())).await
    }
}

fn seal(block: ExecutedBlock, keys: &[PrivateKeySigner]) -> ExecutedBlock {
    let digest = seal_digest(block.recovered_block.header()).unwrap();
    let seals = keys.iter().map(|key| Seal::try_from(key.sign_hash_sync(&digest.0).unwrap()));
    let seals = seals.map(Result::unwrap).collect();
    let (mut inner, senders) = Arc::unwrap_or_clone(block.recovered_block).split();
    inner.header = sealing::seal_header(&inner.header, 0, seals).unwrap();
    let recovered_block = Arc::new(RecoveredBlock::new_unhashed(inner, senders));
    ExecutedBlock { recovered_block, ..block }
}

impl Servers {
    async fn ok(&self, method: &str, params: Value) -> Value {
        let answer = self.request(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The receipt as a node would hand it to an auditor: the text itself.
    async fn receipt(&self, index: u64, options: Value) -> String {
        #[derive(serde::Deserialize)]
        struct Answer {
            result: Box<RawValue>,
        }
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "plog_getReceipt", "params": [LOG, index, options],
        });
        let (_, text) = self.post(&body.to_string()).await;
        let answer: Answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        answer.result.get().to_owned()
    }
}

fn check(receipt: &str, policy: &str) -> peruri_plog::Verified {
    let report = verify(receipt.as_bytes(), &Policy::parse(policy).unwrap(), None);
    let report_text = serde_json::to_string(&report).unwrap();
    report.verified().unwrap_or_else(|| panic!("{report_text}\n{receipt}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_logs_and_sources() {
    let mut lab = Lab::new();
    let servers = lab.serve().await;
    let empty = servers.ok("plog_getLog", json!([LOG])).await;
    let hash = lab.node.evm.chain_spec().genesis_hash();
    assert_eq!(
        empty,
        json!({
            "logId": LOG, "size": 0, "root": peruri_plog::EMPTY_ROOT, "blockNumber": 0,
            "blockHash": hash, "mode": 0,
        })
    );
    lab.append(3, 2);
    let block = lab.append(2, 2);
    let leaves: Vec<_> = (1..=5).map(|seq| entry(seq).leaf()).collect();
    let log = servers.ok("plog_getLog", json!([LOG])).await;
    assert_eq!(log["size"], 5);
    assert_eq!(log["root"], json!(peruri_plog::batch_root(&leaves)));
    assert_eq!((&log["blockNumber"], &log["mode"]), (&json!(block), &json!(0)));
    assert_eq!(servers.ok("plog_listLogs", json!([])).await, json!([log]));
    assert_eq!(
        servers.ok("plog_getSource", json!([1])).await,
        json!({
            "sourceId": 1, "signer": lab.node.signer.address().to_string().to_lowercase(),
            "gateway": null, "active": true, "nextSeq": 6, "lastBlock": block, "logs": [LOG],
        })
    );
    let unknown = servers.error("plog_getLog", json!([NO_LOG])).await;
    assert_eq!(unknown, (-32014, format!("logId: there is no log {NO_LOG}")));
    let unknown = servers.error("plog_getSource", json!([2])).await;
    assert_eq!(unknown, (-32014, "sourceId: there is no source 2".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_found_by_place_and_content() {
    let mut lab = Lab::new();
    lab.append(3, 2);
    let block = lab.append(7, 2);
    let servers = lab.serve().await;
    let number = format!("{block:#x}");
    let mined = servers.ok("eth_getBlockByNumber", json!([number, false])).await;
    let fifth = servers.ok("plog_getEntry", json!([LOG, 4])).await;
    assert_eq!(
        fifth,
        json!({
            "logId": LOG, "index": 4, "entry": hex::encode_prefixed(entry(5).encode()),
            "leaf": entry(5).leaf(), "txHash": mined["transactions"][0], "blockNumber": block,
        })
    );
    let page = servers.ok("plog_getEntries", json!([LOG, 2, 4])).await;
    let indices: Vec<_> = page.as_array().unwrap().iter().map(|it| it["index"].clone()).collect();
    assert_eq!(indices, [2, 3, 4, 5]);
    assert_eq!(page[2], fifth);
    assert_eq!(servers.ok("plog_getEntries", json!([LOG, 10, 1000])).await, json!([]));
    let by_leaf = servers.ok("plog_findEntry", json!([{"leafHash": entry(5).leaf()}])).await;
    let by_seq = servers.ok("plog_findEntry", json!([{"sourceId": 1, "seq": 5}])).await;
    assert_eq!((by_leaf, by_seq), (json!([fifth]), json!([fifth])));
    // Entries 4 and 5 carry the same activity.
    let id = "00000000-0000-0000-0000-000000000002";
    let by_activity = servers.ok("plog_findEntry", json!([{"activityId": id}])).await;
    let found: Vec<_> = by_activity.as_array().unwrap().iter().map(|it| &it["index"]).collect();
    assert_eq!(found, [3, 4]);
    for nothing in [
        json!({"sourceId": 1, "seq": 11}),
        json!({"sourceId": 2, "seq": 1}),
        json!({"leafHash": NO_LOG}),
        json!({"activityId": "ffffffff-0000-0000-0000-000000000002"}),
    ] {
        assert_eq!(servers.ok("plog_findEntry", json!([nothing])).await, json!([]), "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subjects_history_has_its_entries_only() {
    let mut lab = Lab::new();
    lab.append(9, 2);
    let servers = lab.serve().await;
    let history = servers.ok("plog_getSubjectHistory", json!([LOG, SUBJECT])).await;
    let of = |history: &Value| -> Vec<u64> {
        let entries = history["entries"].as_array().unwrap();
        entries.iter().map(|it| it["index"].as_u64().unwrap()).collect()
    };
    assert_eq!(of(&history), [0, 1, 3, 4, 6, 7]);
    // A log without subject chains counts nothing.
    assert_eq!((&history["next"], &history["count"]), (&Value::Null, &json!(0)));
    assert_eq!(history["head"]["size"], 9);
    let rest = servers.ok("plog_getSubjectHistory", json!([LOG, SUBJECT, 4])).await;
    assert_eq!(of(&rest), [4, 6, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_at_any_size_lead_to_its_root() {
    let mut lab = Lab::new();
    for count in [1, 4, 8] {
        lab.append(count, 2);
    }
    let servers = lab.serve().await;
    let leaves: Vec<_> = (1..=13).map(|seq| entry(seq).leaf()).collect();
    for size in 1..=13_u64 {
        let root = peruri_plog::batch_root(&leaves[..size as usize]);
        for index in 0..size {
            let proof = servers.ok("plog_getInclusionProof", json!([LOG, index, size])).await;
            let path: Vec<B256> = serde_json::from_value(proof["path"].clone()).unwrap();
            let leaf: B256 = serde_json::from_value(proof["leaf"].clone()).unwrap();
            assert_eq!(leaf, leaves[index as usize]);
            verify_inclusion(&leaf, index, size, &root, &path).unwrap();
            assert_eq!(proof["head"]["size"], 13);
        }
        let proof = servers.ok("plog_getConsistencyProof", json!([LOG, size, 13])).await;
        assert_eq!(proof["firstRoot"], json!(root));
        assert_eq!(proof["secondRoot"], proof["head"]["root"]);
    }
    let newest = servers.ok("plog_getInclusionProof", json!([LOG, 0])).await;
    assert_eq!(newest["size"], 13);
    let zero = servers.ok("plog_getConsistencyProof", json!([LOG, 0, 13])).await;
    assert_eq!((&zero["firstRoot"], &zero["path"]), (&json!(peruri_plog::EMPTY_ROOT), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_verify_offline_and_survive_later_appends() {
    let mut lab = Lab::new();
    lab.append(5, 2);
    let servers = lab.serve().await;
    let policy = lab.policy(&lab.keys, "");
    let early = servers.receipt(2, Value::Null).await;
    let old = check(&early, &policy);
    assert_eq!((old.index, old.size, old.seals, old.changes), (2, 5, 2, 0));
    assert_eq!(old.entry, entry(3));
    let block = lab.append(20, 2);
    let late = servers.receipt(2, json!({})).await;
    let new = check(&late, &policy);
    assert_eq!((new.size, new.block_number), (25, block));
    assert_eq!(check(&early, &policy), old);
    let proof = servers.ok("plog_getConsistencyProof", json!([LOG, 5, 25])).await;
    let proof = ConsistencyAnswer::parse(proof.to_string().as_bytes()).unwrap();
    check_consistency(&old, &new, &proof).unwrap();
    for index in 0..25 {
        let verified = check(&servers.receipt(index, json!({"block": block})).await, &policy);
        assert_eq!((verified.index, verified.entry), (index, entry(index + 1)));
    }
    // The node's own opinion, of the document and of its text.
    let document: Value = serde_json::from_str(&late).unwrap();
    for receipt in [document, json!(late)] {
        let report = servers.ok("plog_verifyReceipt", json!([receipt, policy])).await;
        assert_eq!(report["ok"], true, "{report}");
    }
    let others = lab.policy(&[key(7), key(8), key(9)], "");
    let report = servers.ok("plog_verifyReceipt", json!([late, others])).await;
    let last = report["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(report["ok"], false);
    assert!(last["code"].as_str().unwrap().starts_with("E10_TRUST"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_with_more_seals_uses_the_newest_header_that_has_them() {
    let mut lab = Lab::new();
    lab.append(1, 3);
    lab.append(1, 2);
    let full = lab.append(1, 3);
    lab.empty(2);
    let servers = lab.serve().await;
    let policy = lab.policy(&lab.keys, "seals = 3\n");
    for index in 0..3 {
        let receipt = servers.receipt(index, json!({"seals": 3})).await;
        let verified = check(&receipt, &policy);
        assert_eq!((verified.block_number, verified.seals), (full, 3));
    }
    let last = lab.append(1, 2);
    let method = "plog_getReceipt";
    for options in [json!({"seals": 3}), json!({"seals": 3, "block": last})] {
        let answer = servers.request(method, json!([LOG, 3, options])).await;
        assert_eq!(answer["error"]["code"], -32010, "{answer}");
        assert_eq!(answer["error"]["data"], json!({"have": 2, "wanted": 3}));
        assert!(error_of(&answer).1.starts_with("not enough seals yet"));
    }
    // A header after the entry with all seals will do.
    let full = lab.empty(3);
    let verified = check(&servers.receipt(3, json!({"seals": 3})).await, &policy);
    assert_eq!(verified.block_number, full);
    let answer = servers.request(method, json!([LOG, 3, {"seals": 4}])).await;
    assert_eq!(answer["error"]["data"], json!({"have": 3, "wanted": 4}));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_outside_the_proof_window_are_refused_with_the_window() {
    let mut lab = Lab::with_proofs(Some(3));
    let block = lab.append(2, 2);
    for _ in 0..5 {
        lab.empty(2);
    }
    let head = lab.empty(2);
    let servers = lab.serve().await;
    let (from, to) = (head - 3, head);
    for outside in [0, block, from - 1, head + 1] {
        let params = json!([LOG, 0, {"block": outside}]);
        let answer = servers.request("plog_getReceipt", params).await;
        assert_eq!(answer["error"]["code"], -32012, "{outside}: {answer}");
        assert_eq!(answer["error"]["data"], json!({"from": from, "to": to}));
    }
    let policy = lab.policy(&lab.keys, "");
    for inside in from..=to {
        let verified = check(&servers.receipt(0, json!({"block": inside})).await, &policy);
        assert_eq!(verified.block_number, inside);
    }
    // Inside the window, but the entry is younger.
    let late = lab.append(1, 2);
    let (code, message) =
        servers.error("plog_getReceipt", json!([LOG, 2, {"block": late - 1}])).await;
    assert_eq!(code, -32014, "{message}");
    assert!(message.starts_with("index: "), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_lead_through_changes_of_validators() {
    let mut lab = Lab::new();
    let first = lab.keys.clone();
    let before = lab.append(3, 2);
    lab.keys.push(key(3));
    let joined = lab.empty(3);
    let second = lab.keys.clone();
    // The first validator leaves; all that stay have sealed.
    lab.keys.remove(0);
    let left = lab.empty(3);
    let third = lab.keys.clone();
    lab.append(1, 2);
    let head = lab.empty(3);
    let servers = lab.serve().await;
    let genesis = lab.policy(&first, "");
    let verified = check(&servers.receipt(1, Value::Null).await, &genesis);
    assert_eq!((verified.block_number, verified.changes), (head, 2));
    // Before the change none is needed.
    let verified = check(&servers.receipt(1, json!({"block": before})).await, &genesis);
    assert_eq!(verified.changes, 0);
    assert!(joined < left);
    // Who trusts a later set says so.
    for (keys, changes) in [(&second, 1), (&third, 0)] {
        let validators: Vec<Address> = keys.iter().map(PrivateKeySigner::address).collect();
        let receipt = servers.receipt(1, json!({"validators": validators})).await;
        assert_eq!(check(&receipt, &lab.policy(keys, "")).changes, changes);
        // Without any change the policy of the genesis block does not lead to the header's set.
        let old = verify(receipt.as_bytes(), &Policy::parse(&genesis).unwrap(), None);
        assert_eq!(old.ok(), changes > 0);
    }
    let strangers = json!({"validators": [Address::repeat_byte(1)]});
    let (code, message) = servers.error("plog_getReceipt", json!([LOG, 1, strangers])).await;
    assert_eq!(code, -32014);
    assert!(message.starts_with("validators: "), "{message}");
}

/// Later starts do not read all headers again: what an earlier one found is in the database.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_validators_are_remembered() {
    let mut lab = Lab::new();
    let genesis = lab.policy(&lab.keys, "");
    lab.append(1, 2);
    lab.keys.push(key(3));
    for _ in 0..1_030 {
        lab.empty(3);
    }
    let receipt = lab.serve().await.receipt(0, Value::Null).await;
    assert_eq!(check(&receipt, &genesis).changes, 1);
    let row = lab.node.factory.meta_get("rpc/plog-terms").unwrap().expect("written");
    let found: Value = serde_json::from_slice(&row).unwrap();
    assert_eq!((&found["next"], &found["terms"][1]["first"]), (&json!(1_032), &json!(2)));
    // Another start goes on from there, over a further change.
    lab.keys.remove(0);
    lab.empty(3);
    let head = lab.empty(3);
    let verified = check(&lab.serve().await.receipt(0, Value::Null).await, &genesis);
    assert_eq!((verified.block_number, verified.changes), (head, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_named() {
    let mut lab = Lab::new();
    lab.append(3, 2);
    let servers = lab.serve().await;
    let too_much = 1_u64 << 53;
    for (method, params, name) in [
        ("plog_getLog", json!(["0x12"]), "logId"),
        ("plog_getEntry", json!([LOG, "0x1"]), "index"),
        ("plog_getEntry", json!([LOG, too_much]), "index"),
        ("plog_getEntries", json!([LOG, -1, 1]), "from"),
        ("plog_getEntries", json!([LOG, 0, 1.5]), "limit"),
        ("plog_findEntry", json!([7]), "filter"),
        ("plog_findEntry", json!([{}]), "filter"),
        ("plog_findEntry", json!([{"seq": 1}]), "filter"),
        ("plog_findEntry", json!([{"activityId": "x", "seq": 1}]), "filter"),
        ("plog_findEntry", json!([{"colour": 1}]), "filter"),
        ("plog_findEntry", json!([{"activityId": "6F"}]), "activityId"),
        ("plog_findEntry", json!([{"leafHash": "0x"}]), "leafHash"),
        ("plog_findEntry", json!([{"sourceId": 0, "seq": 1}]), "sourceId"),
        ("plog_findEntry", json!([{"sourceId": 1, "seq": null}]), "seq"),
        ("plog_getInclusionProof", json!([LOG, 0, "1"]), "size"),
        ("plog_getConsistencyProof", json!([LOG, [], 1]), "first"),
        ("plog_getConsistencyProof", json!([LOG, 2, 1]), "first"),
        ("plog_getConsistencyProof", json!([LOG, 1, true]), "second"),
        ("plog_getSubjectHistory", json!([LOG, "me"]), "subject"),
        ("plog_getSubjectHistory", json!([LOG, SUBJECT, "0"]), "from"),
        ("plog_getSource", json!([too_much]), "sourceId"),
        ("plog_getReceipt", json!([LOG, 0, []]), "options"),
        ("plog_getReceipt", json!([LOG, 0, {"seal": 3}]), "options"),
        ("plog_getReceipt", json!([LOG, 0, {"seals": "3"}]), "seals"),
        ("plog_getReceipt", json!([LOG, 0, {"block": "latest"}]), "block"),
        ("plog_getReceipt", json!([LOG, 0, {"validators": ["0x1"]}]), "validators"),
        ("plog_verifyReceipt", json!([{}, "chain_id = 1"]), "policy"),
    ] {
        let (code, message) = servers.error(method, params.clone()).await;
        assert_eq!(code, -32602, "{method} {params}: {message}");
        assert!(message.starts_with(&format!("{name}: ")), "{method} {params}: {message}");
    }
    for (method, params, name) in [
        ("plog_getEntry", json!([LOG, 3]), "index"),
        ("plog_getEntry", json!([NO_LOG, 0]), "logId"),
        ("plog_getEntries", json!([LOG, 4, 1]), "from"),
        ("plog_getInclusionProof", json!([LOG, 3]), "index"),
        ("plog_getInclusionProof", json!([LOG, 2, 2]), "index"),
        ("plog_getInclusionProof", json!([LOG, 0, 4]), "size"),
        ("plog_getConsistencyProof", json!([LOG, 1, 4]), "second"),
        ("plog_getSubjectHistory", json!([NO_LOG, SUBJECT]), "logId"),
        ("plog_getReceipt", json!([LOG, 3]), "index"),
        ("plog_getReceipt", json!([NO_LOG, 0]), "logId"),
    ] {
        let (code, message) = servers.error(method, params.clone()).await;
        assert_eq!(code, -32014, "{method} {params}: {message}");
        assert!(message.starts_with(&format!("{name}: ")), "{method} {params}: {message}");
    }
    let (code, message) = servers.error("plog_getEntries", json!([LOG, 0, 1_001])).await;
    assert_eq!(code, -32005);
    assert!(message.contains("1001 > 1000"), "{message}");
    // A document that is no receipt is the verifier's to refuse, not the server's.
    let report = servers.ok("plog_verifyReceipt", json!([{}, lab.policy(&lab.keys, "")])).await;
    assert_eq!(report["steps"][0]["ok"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_without_a_log_has_no_namespace_for_it() {
    let servers = Node::new().serve().await;
    let (code, _) = servers.error("plog_listLogs", json!([])).await;
    assert_eq!(code, -32601);
}

async fn next(subscription: &mut Subscription<Box<RawValue>>) -> Value {
    let item = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await;
    let item = item.expect("in time").expect("open").expect("item");
    serde_json::from_str(item.get()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_see_entries_and_heads_in_order() {
    let mut lab = Lab::new();
    let servers = lab.serve().await;
    let client = servers.ws_client().await;
    let mut entries = client.subscribe_log("entries".to_owned()).await.unwrap();
    let mut heads = client.subscribe_log("heads".to_owned()).await.unwrap();
    lab.append(2, 2);
    // Without an append there is nothing to tell.
    lab.empty(2);
    let block = lab.append(1, 2);
    for index in 0..3 {
        let told = next(&mut entries).await;
        assert_eq!(told, servers.ok("plog_getEntry", json!([LOG, index])).await);
    }
    assert_eq!(next(&mut heads).await["size"], 2);
    let head = next(&mut heads).await;
    assert_eq!((&head["size"], &head["blockNumber"]), (&json!(3), &json!(block)));
    let refused = client.subscribe_log("logs".to_owned()).await.unwrap_err().to_string();
    assert!(refused.contains("neither entries nor heads"), "{refused}");
}

/// The log's words in the state, proven as any other contract's, and its events found by topic.
#[tokio::test(flavor = "multi_thread")]
async fn ethereums_own_methods_see_the_log() {
    let mut lab = Lab::new();
    let block = lab.append(3, 2);
    let servers = lab.serve().await;
    let topic = b256!("e58d285967d127547cc48ae1a80c2826b9350d412b3085a128732cf887dc6d5c");
    let logs =
        servers.ok("eth_getLogs", json!([{"fromBlock": "0x0", "topics": [topic, LOG]}])).await;
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");
    assert_eq!(logs[0]["blockNumber"], format!("{block:#x}"));
    let head = b256!("aff547a1fb089d2187fc6f747f1d602a7c0fb05e28562d3c46ad45b7e876fa46");
    let proof = servers.ok("eth_getProof", json!([PLOG_ADDRESS, [head], "latest"])).await;
    let value: U256 = serde_json::from_value(proof["storageProof"][0]["value"].clone()).unwrap();
    assert_eq!(value, U256::from(3) | (U256::from(block) << 64));
}
