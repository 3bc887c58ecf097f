//! The commands about the transparency log, against a real process with one validator.

#![allow(clippy::unwrap_used)]

use peruri_chainspec::{ChainSpec, DEV_JSON, DEV_VALIDATOR_KEY};
use peruri_plog::{Policy, audit::ExportAudit, verify};
use peruri_storage::{DbOptions, ProviderFactory};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

/// The first key of the mnemonic that funds development chains, and its address.
const SOURCE_KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SOURCE: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const VALIDATOR: &str = "0xfe3b557e8fb62b89f4916b721be55ceb828dbd73";
const ACTIVITY: &str = "6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01";

/// A folder with a development chain that has a log, and its node when it runs.
struct Lab {
    dir: TempDir,
    process: Option<Child>,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = format!("0x{:0<64}", hex(b"activity"));
        let mut genesis: Value = serde_json::from_str(DEV_JSON).unwrap();
        genesis["config"]["plog"] = json!({
            "governance": SOURCE,
            "logs": [{"id": log, "mode": 0}],
            "sources": [{"id": 1, "signer": SOURCE}],
            "writers": [{"log": log, "source": 1}],
        });
        let this = Self { dir, process: None };
        fs::write(this.path("genesis.json"), genesis.to_string()).unwrap();
        fs::create_dir(this.path("data")).unwrap();
        fs::write(this.path("data/key"), hex(DEV_VALIDATOR_KEY.as_slice())).unwrap();
        fs::write(this.path("source-key"), SOURCE_KEY).unwrap();
        let [auth, http, ws] = [(); 3].map(|()| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
        });
        let config =
            format!("[authrpc]\nport = {auth}\n[http]\nport = {http}\n[ws]\nport = {ws}\n");
        fs::write(this.path("data/peruri.toml"), config).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peruri-node"));
        command.args(args).arg("--datadir").arg("data").current_dir(self.dir.path());
        command.env_remove("RUST_LOG");
        command
    }

    /// Starts the node and waits until it says that it is ready; gives back what it says if it ends.
    fn start(&mut self) -> Result<(), String> {
        let mut command = self.command(&["node", "--dev", "--chain", "genesis.json"]);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let (mut said, mut line) = (String::new(), String::new());
        while !line.contains("ready") {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                process.wait().unwrap();
                return Err(said);
            }
            said.push_str(&line);
        }
        // The rest must be read, or the node would wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        self.process = Some(process);
        Ok(())
    }

    fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        let pid = process.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert!(process.wait().unwrap().success());
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and error output of a command that fails.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn append(&self, more: &[&str]) -> String {
        let command = ["plog", "append", "activity", "--source-key", "source-key"];
        self.says(&[&command, more].concat())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value behind a word at the start of a line.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).trim()
}

#[test]
fn an_operator_appends_takes_receipts_and_exports() {
    let mut lab = Lab::new();
    lab.start().unwrap();
    fs::write(lab.path("payload"), r#"{"hadir":true}"#).unwrap();
    let made = ["--type", "activity", "--activity-id", ACTIVITY, "--payload", "payload"];
    let first = lab.append(&made);
    assert_eq!((value(&first, "index"), value(&first, "entries")), ("0", "1"));
    // Two entries in hex that follow.
    let raw = |seq: u64| format!("504c473101000001{:08x}{seq:016x}{:0240}", 1, 0);
    let (second, third) = (raw(2), raw(3));
    assert_eq!(value(&lab.append(&[&second, &third]), "index"), "1");
    let again = ["plog", "append", "activity", "--source-key", "source-key", &second];
    let (code, said) = lab.fails(&again);
    assert_eq!(code, 2);
    assert!(said.contains("entry 1: ") && said.contains("expected 4"), "{said}");
    let (code, said) = lab.fails(&[&again[..4], &["data/key", &second]].concat());
    assert_eq!(code, 2);
    assert!(said.contains("--source-key is the key of"), "{said}");

    let head: Value = serde_json::from_str(&lab.says(&["plog", "head", "activity"])).unwrap();
    assert_eq!(head["size"], 3);
    let proof = lab.says(&["plog", "prove", "activity", "0", "--size", "2"]);
    let proof: Value = serde_json::from_str(&proof).unwrap();
    assert_eq!(proof["path"].as_array().unwrap().len(), 1);

    lab.says(&["plog", "receipt", "activity", "0", "--out", "receipt.json"]);
    let receipt: Value =
        serde_json::from_slice(&fs::read(lab.path("receipt.json")).unwrap()).unwrap();
    let policy = format!(
        "chain_id = 7252\ngenesis_hash = {}\nvalidators = [\"{VALIDATOR}\"]\n",
        receipt["genesisHash"]
    );
    fs::write(lab.path("policy.toml"), &policy).unwrap();
    let check = ["plog", "verify", "receipt.json", "--policy", "policy.toml"];
    let opened = [&check[..], &["--payload", "payload", "--salt", value(&first, "salt")]].concat();
    assert!(lab.says(&opened).contains("opened by salt and payload"));
    let mut other = receipt.clone();
    other["log"]["index"] = json!(1);
    fs::write(lab.path("receipt.json"), other.to_string()).unwrap();
    // What plog-verify exits with: the inclusion path is step 4.
    assert_eq!(lab.fails(&check).0, 14);
    let (code, said) = lab.fails(&["plog", "receipt", "activity", "0", "--seals", "2"]);
    assert_eq!(code, 1);
    assert!(said.contains("not enough seals yet: 1 of 2"), "{said}");

    lab.says(&["plog", "export", "activity", "--out", "export.txt"]);
    let export = fs::read_to_string(lab.path("export.txt")).unwrap();
    let mut lines = export.lines();
    let policy = Policy::parse(&policy).unwrap();
    let report = verify(lines.next().unwrap().as_bytes(), &policy, None);
    let mut audit = ExportAudit::new(report.verified().unwrap()).unwrap();
    lines.for_each(|line| audit.line(line.as_bytes()).unwrap());
    let summary = audit.finish().unwrap();
    assert_eq!((summary.sources[&1], summary.gaps.len()), (3, 0));
    lab.stop();
}

#[test]
fn a_lost_index_is_noticed_and_made_anew() {
    let mut lab = Lab::new();
    lab.start().unwrap();
    for seq in 1..=3_u64 {
        lab.append(&[
            "--type",
            "activity",
            "--activity-id",
            ACTIVITY,
            "--schema",
            &seq.to_string(),
        ]);
    }
    lab.stop();
    assert!(lab.says(&["db", "verify-plog"]).ends_with("ok\n"));
    // What an interrupted rebuild leaves.
    let genesis = fs::read_to_string(lab.path("genesis.json")).unwrap();
    let (spec, _) = ChainSpec::from_genesis_json(&genesis).unwrap();
    let factory =
        ProviderFactory::open(lab.path("data/db"), Arc::new(spec), DbOptions::default()).unwrap();
    drop(factory.rebuild_plog().unwrap());
    drop(factory);
    let (code, said) = lab.fails(&["db", "verify-plog"]);
    assert_eq!(code, 1);
    assert!(said.contains("1 discrepancies"), "{said}");
    let refused = lab.start().unwrap_err();
    assert!(refused.contains("has 0 entries, the chain 3"), "{refused}");
    assert!(refused.contains("db rebuild-plog"), "{refused}");
    let rebuilt = lab.says(&["db", "rebuild-plog"]);
    assert_eq!((value(&rebuilt, "blocks"), value(&rebuilt, "entries")), ("3", "3"));
    assert!(lab.says(&["db", "verify-plog"]).ends_with("ok\n"));
    lab.start().unwrap();
    lab.append(&["--type", "activity", "--activity-id", ACTIVITY]);
    lab.stop();
}
