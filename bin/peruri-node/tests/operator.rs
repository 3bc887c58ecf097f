//! The commands of an operator against a running node: a real process with one validator.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const STRANGER: &str = "0x627306090abab3a6e1400e9345bc60c78a8bef57";

/// A running development chain, stopped when it is dropped.
struct Node {
    dir: TempDir,
    process: Child,
    metrics: SocketAddr,
    http: SocketAddr,
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Node {
    /// Starts it and waits until it says that it is ready.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let [auth, http, ws, metrics] = [(); 4].map(|()| free_port());
        let config = format!(
            "[authrpc]\nport = {auth}\n[http]\nport = {http}\n[ws]\nport = {ws}\n[metrics]\naddr = \"127.0.0.1:{metrics}\"\n"
        );
        fs::write(data.join("peruri.toml"), config).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_peruri-node"))
            .args(["node", "--dev", "--http.api", "eth,ibft,admin", "--datadir"])
            .arg(&data)
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the node ended before it was ready");
        }
        // The rest must be read, or the node would wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { dir, process, metrics: local(metrics), http: local(http) }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_peruri-node"))
            .args(args)
            .arg("--datadir")
            .arg(self.data())
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    }

    /// Standard output of a command that succeeds.
    fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Status line and body of `GET path` on the metrics port.
    fn get(&self, path: &str) -> (String, String) {
        http(self.metrics, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    }

    fn call(&self, method: &str, params: &str) -> String {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let length = body.len();
        let host = self.http;
        let head = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json");
        let request =
            format!("{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        http(self.http, &request).1
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn http(server: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn an_operator_sees_validators_votes_rounds_and_the_sign_state() {
    let node = Node::start();
    let list = node.says(&["validator", "list"]);
    let validator = list.trim();
    assert!(validator.starts_with("0x") && validator.len() == 42, "{list}");
    let status = node.says(&["validator", "status"]);
    assert!(status.contains("quorum    1 of 1") && status.contains("this node"), "{status}");

    let outlook = node.says(&["validator", "propose", "--add", STRANGER, "--dry-run"]);
    assert!(outlook.contains("then 2 validators, of which 2 must agree"), "{outlook}");
    assert!(!node.says(&["validator", "status"]).contains("vote"), "a dry run votes for nothing");
    // Alone, the node would need the stranger to agree.
    let refused = node.run(&["validator", "propose", "--add", STRANGER]);
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{reason}");
    assert!(reason.contains("1 live of 2 validators, 2 are needed"), "{reason}");

    let explained = node.says(&["consensus", "explain", "0"]);
    assert!(explained.contains("NOT SEALED"), "{explained}");
    let shown = node.says(&["consensus", "sign-state", "show"]);
    assert!(shown.contains(validator) && shown.contains("position     height"), "{shown}");
    let identity = node.says(&["p2p", "identity", "--host", "node1.example.org"]);
    assert!(identity.contains("@node1.example.org:30303"), "{identity}");
    assert!(identity.contains(validator), "{identity}");
    assert_eq!(node.says(&["p2p", "peers"]), "");
}

#[test]
fn health_readiness_and_metrics_are_served() {
    let node = Node::start();
    assert_eq!(node.get("/health").1, "alive\n");
    // The genesis block is old: the node is ready with its first own one.
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut answer = node.get("/ready");
    while !answer.0.contains("200") {
        assert!(answer.1.contains("the head is") && Instant::now() < deadline, "{answer:?}");
        answer = node.get("/ready");
    }
    assert_eq!(answer.1, "ready\n");
    let (status, metrics) = node.get("/metrics");
    assert!(status.contains("200") && metrics.contains("peruri_consensus_height"), "{metrics}");
    assert!(node.get("/else").0.contains("404"));
}

#[test]
fn besus_methods_answer_and_refuse_in_besus_words() {
    let node = Node::start();
    for (method, params, expected) in [
        ("ibft_proposeValidatorVote", r#"["zz", true]"#, "Invalid address params"),
        ("ibft_proposeValidatorVote", r#"["ff", 7]"#, "Invalid vote type params"),
        ("ibft_discardValidatorVote", "[7]", "Invalid address params"),
        ("ibft_discardValidatorVote", r#"["ff"]"#, r#""result":true"#),
        ("ibft_getPendingVotes", "[]", r#""result":{}"#),
        ("ibft_getValidatorsByBlockNumber", r#"["0x0"]"#, r#""result":["0x"#),
        ("ibft_getValidatorsByBlockNumber", r#"["0xffffff"]"#, r#""result":null"#),
        ("ibft_getValidatorsByBlockNumber", r#"["today"]"#, "Invalid block param"),
        ("ibft_getValidatorsByBlockHash", r#"["0x12"]"#, "Invalid block hash params"),
        ("ibft_getSignerMetrics", r#"["0x5", "0x5"]"#, "Invalid block number params"),
        ("ibft_getRoundState", "[]", r#""inDoubt":false"#),
        ("ibft_getCommitCertificate", r#"["0x0"]"#, r#""seals":[]"#),
        ("admin_addPeer", r#"["http://x"]"#, "expected enode://"),
        ("admin_peers", "[]", r#""result":[]"#),
    ] {
        let answer = node.call(method, params);
        assert!(answer.contains(expected), "{method} {params}: {answer}");
        if expected.starts_with("Invalid") {
            assert!(answer.contains("-32602"), "{method} {params}: {answer}");
        }
    }
}

#[test]
fn a_command_for_a_node_that_does_not_run_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let program = env!("CARGO_BIN_EXE_peruri-node");
        Command::new(program).args(args).arg("--datadir").arg(dir.path()).output().unwrap()
    };
    let port = free_port().to_string();
    fs::write(dir.path().join("peruri.toml"), format!("[authrpc]\nport = {port}\n")).unwrap();
    let output = run(&["validator", "list"]);
    assert_eq!(output.status.code(), Some(2), "no secret, no node");
    fs::write(dir.path().join("jwt.hex"), "11".repeat(32)).unwrap();
    let output = run(&["validator", "list"]);
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{reason}");
    assert!(reason.contains(&port), "{reason}");
}

/// `config.plog` with a block that this database has long passed: it was made by other rules.
#[test]
fn a_transparency_log_cannot_begin_in_the_past() {
    let mut node = Node::start();
    while node.call("eth_blockNumber", "[]").contains("\"0x0\"") {
        std::thread::sleep(Duration::from_millis(50));
    }
    node.process.kill().unwrap();
    node.process.wait().unwrap();
    let plog = "\"plog\": {\"block\": 1, \
                \"governance\": \"0x00000000000000000000000000000000000000aa\"}, \"ibft2\"";
    let file = node.dir.path().join("genesis.json");
    fs::write(&file, peruri_chainspec::DEV_JSON.replacen("\"ibft2\"", plog, 1)).unwrap();
    let output = node.run(&["node", "--chain", file.to_str().unwrap()]);
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{reason}");
    assert!(reason.contains(": block ") && reason.contains("config.plog"), "{reason}");
}
