//! Wrong input on the command line: exit code 2, an error that names file and field, nothing written.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

struct Folder {
    dir: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs `peruri-node ARGS --datadir DATA`.
    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_peruri-node"))
            .args(args)
            .arg("--datadir")
            .arg(self.data())
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    }

    fn init_dev(&self) {
        let output = self.run(&["init", "--chain", "dev"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The command was refused as wrong input, and says `words`.
fn assert_refused(output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_malformed_genesis_is_named_by_field_and_position_and_writes_nothing() {
    let dev = peruri_chainspec::DEV_JSON;
    let cases = [
        ("not json", "{".to_owned(), vec!["genesis"]),
        (
            "unknown ibft2 key",
            dev.replace("\"epochlength\"", "\"epochlenght\""),
            vec!["epochlenght"],
        ),
        ("bad gas limit", dev.replace("\"gasLimit\": \"", "\"gasLimit\": \"zz"), vec!["gasLimit"]),
    ];
    for (name, json, words) in cases {
        assert_ne!(json, dev, "{name}: the case changes nothing");
        let folder = Folder::new();
        let file = folder.file("genesis.json", &json);
        let output = folder.run(&["init", "--chain", path_text(&file)]);
        assert_refused(&output, &words);
        assert!(!folder.data().exists(), "{name}: something was written");
    }
}

#[test]
fn a_missing_genesis_file_lists_the_presets() {
    let folder = Folder::new();
    assert_refused(&folder.run(&["init", "--chain", "/nonexistent.json"]), &["pilot", "dev"]);
}

#[test]
fn a_node_without_init_is_told_to_run_it() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    assert_refused(&folder.run(&["node", "--chain", "dev"]), &["peruri-node init"]);
}

#[test]
fn a_data_folder_of_another_chain_is_refused_with_both_hashes() {
    let folder = Folder::new();
    folder.init_dev();
    let output = folder.run(&["db", "stats", "--chain", "pilot"]);
    assert_refused(&output, &["genesis hash"]);
    assert!(stderr(&output).matches("0x").count() >= 2);
}

#[test]
fn a_bad_key_file_is_named_and_its_content_is_not_shown() {
    let folder = Folder::new();
    let key = folder.file("bad.key", "0123456789abcdef-not-a-key");
    let output = folder.run(&["init", "--chain", "dev", "--consensus.key", path_text(&key)]);
    assert_refused(&output, &["bad.key"]);
    assert!(!stderr(&output).contains("0123456789abcdef"));
}

#[test]
fn an_unknown_configuration_key_is_named() {
    let folder = Folder::new();
    let file = folder.file("peruri.toml", "[http]\nprot = 8545\n");
    let output = folder.run(&["config", "show", "--config", path_text(&file)]);
    assert_refused(&output, &["peruri.toml", "prot"]);
}

#[test]
fn an_unknown_flag_is_refused_with_usage() {
    let folder = Folder::new();
    assert_refused(&folder.run(&["node", "--htpp"]), &["--htpp", "Usage"]);
}

#[test]
fn malformed_block_files_name_block_and_offset_and_change_nothing() {
    let folder = Folder::new();
    folder.init_dev();
    for (name, bytes) in [
        ("text", b"hello".to_vec()),
        ("truncated list", vec![0xf9, 0xff]),
        ("list of nothing", vec![0xc0]),
        ("monstrous length", vec![0xff; 16]),
    ] {
        let file = folder.file("blocks.rlp", bytes);
        let output = folder.run(&["import", path_text(&file)]);
        assert_refused(&output, &["blocks.rlp", "block 0"]);
        let verified = folder.run(&["db", "verify-state"]);
        assert!(verified.status.success(), "{name}: {}", stderr(&verified));
        assert!(String::from_utf8_lossy(&verified.stdout).contains("block         0"), "{name}");
    }
}

#[test]
fn init_is_idempotent_and_a_lost_sign_state_is_noticed() {
    let folder = Folder::new();
    folder.init_dev();
    folder.init_dev();
    let sign_state = folder.dir.path().join("data.sign");
    assert!(sign_state.exists());
    fs::remove_dir_all(&sign_state).unwrap();
    folder.init_dev();
    assert!(!sign_state.exists(), "init must not replace a sign state that was lost");
    assert_refused(&folder.run(&["node"]), &["sign state"]);
}

#[test]
fn an_interrupted_init_can_be_finished() {
    let folder = Folder::new();
    folder.init_dev();
    // As after a kill between the sign state and the genesis block.
    fs::remove_dir_all(folder.data().join("db")).unwrap();
    folder.init_dev();
    let verified = folder.run(&["db", "verify-state"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

#[test]
fn the_genesis_key_and_jwt_verbs_refuse_bad_input() {
    let folder = Folder::new();
    let file = folder.file("x.json", "[]");
    assert_refused(&folder.run(&["genesis", "verify", path_text(&file)]), &["x.json"]);
    let key = folder.file("x.key", "zz");
    assert_refused(&folder.run(&["keys", "show", path_text(&key)]), &["x.key"]);
    let secret = folder.file("jwt.hex", "12");
    assert_refused(&folder.run(&["jwt", "create", "--secret", path_text(&secret)]), &["jwt.hex"]);
}
