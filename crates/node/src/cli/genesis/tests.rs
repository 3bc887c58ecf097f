//! The command as people give it.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::cli::{
    exit::code,
    keys::{KeyFile, public_key},
};
use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use clap::Parser;
use member::Member;
use peruri_chainspec::PILOT_JSON;
use peruri_evm::plog::{GOVERNANCE_ADDRESS, governance_account};

const ONE: &str = "0xfe3b557e8fb62b89f4916b721be55ceb828dbd73";
const TWO: &str = "0x627306090abab3a6e1400e9345bc60c78a8bef57";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    genesis: GenesisCommand,
}

fn run(args: &[&str]) -> eyre::Result<String> {
    let cli = Cli::try_parse_from(std::iter::once(&"genesis").chain(args))?;
    let mut out = Vec::new();
    cli.genesis.run_to(&mut out)?;
    Ok(String::from_utf8(out)?)
}

/// The line of a report that begins with this word.
fn line<'a>(report: &'a str, word: &str) -> &'a str {
    report.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn what_is_created_is_verified_with_the_same_hash() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("network").display().to_string();
    let made = run(&[
        "create",
        "--validator",
        ONE,
        "--validator",
        TWO,
        "--out",
        &network,
        "--chain-id",
        "99",
        "--period",
        "5",
    ])
    .unwrap();
    let file = format!("{network}/genesis.json");
    let verified = run(&["verify", &file]).unwrap();
    assert!(made.ends_with(&verified), "{made}\n{verified}");
    assert!(line(&made, "chain id").ends_with(" 99"));
    assert!(line(&made, "consensus").contains("every 5 s, request timeout 10 s"), "{made}");
    assert!(line(&made, "consensus").ends_with("signatures bound to the chain"));
    assert!(line(&made, "base fee").ends_with("zero"));
    assert!(!made.contains("notice"), "{made}");
    let (spec, _) = read_genesis(Path::new(&file)).unwrap();
    let mut expected = [ONE, TWO].map(|text| text.parse::<Address>().unwrap());
    expected.sort();
    assert_eq!(spec.genesis_validators().unwrap(), expected);
    assert!(line(&made, "hash").contains(&spec.genesis_hash().to_string()));
}

#[test]
fn generated_keys_are_those_of_the_validators() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    run(&["create", "--generate", "4", "--out", out.to_str().unwrap()]).unwrap();
    let (spec, _) = read_genesis(&out.join("genesis.json")).unwrap();
    let validators = spec.genesis_validators().unwrap();
    assert_eq!(validators.len(), 4);
    for validator in validators {
        let keys = out.join("keys").join(format!("{validator:#x}"));
        let key = KeyFile::read(&keys.join("key")).unwrap();
        let key = key.open(|| Err(eyre::eyre!("plain"))).unwrap();
        assert_eq!(key.address(), validator);
        let public = std::fs::read_to_string(keys.join("key.pub")).unwrap();
        assert_eq!(public.trim().parse::<Member>().unwrap().address, validator);
    }
}

#[test]
fn a_folder_with_contents_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let out = folder.path().to_str().unwrap();
    let error = run(&["create", "--validator", ONE, "--out", out]).unwrap_err();
    assert!(error.to_string().starts_with("--out: "), "{error}");
    assert_eq!(code(&Err(error)), 2);
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 1);
}

#[test]
fn wrong_validators_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    let out_text = out.to_str().unwrap();
    let bad_point = "11".repeat(64);
    for args in [
        vec![],
        vec!["--validator", "0x12"],
        vec!["--validator", "pilot"],
        vec!["--validator", &bad_point],
        vec!["--validator", ONE, "--validator", ONE],
        vec!["--generate", "101"],
        vec!["--validator", ONE, "--period", "0"],
    ] {
        let args: Vec<_> = ["create", "--out", out_text].into_iter().chain(args).collect();
        assert!(run(&args).is_err(), "{args:?}");
    }
    assert!(!out.exists());
}

#[test]
fn a_wrong_file_is_named_with_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genesis.json");
    std::fs::write(&path, PILOT_JSON.replace("epochlength", "epochlenght")).unwrap();
    let error = run(&["verify", path.to_str().unwrap()]).unwrap_err();
    let text = crate::cli::exit::describe(&error);
    assert!(text.contains("genesis.json: config.ibft2.epochlenght (13:7): "), "{text}");
    assert_eq!(code(&Err(error)), 2);
    assert_eq!(code(&run(&["verify", "/nonexistent"]).map(drop)), 2);
}
#[test]
fn organisations_get_a_node_list_and_a_folder_each() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    let keys: Vec<_> = (0..4).map(|_| PrivateKeySigner::random()).collect();
    let key = |i: usize| public_key(&keys[i]);
    let made = run(&[
        "create",
        "--validator",
        &format!("Peruri={}@node1.peruri.co.id", key(0)),
        "--validator",
        &format!("PDS={}@10.0.0.2:30304", key(1)),
        "--validator",
        &format!("NOTA={}", key(2)),
        "--validator",
        ONE,
        "--node",
        &format!("Gateway={}@10.0.0.4", key(3)),
        "--out",
        out.to_str().unwrap(),
    ])
    .unwrap();
    let (spec, _) = read_genesis(&out.join("genesis.json")).unwrap();
    let validators = spec.genesis_validators().unwrap();
    assert_eq!(validators.len(), 4);
    assert!(!validators.contains(&keys[3].address()));
    let list: toml::Table =
        toml::from_str(&std::fs::read_to_string(out.join("node-list.toml")).unwrap()).unwrap();
    let nodes = list["node"].as_array().unwrap();
    let names: Vec<_> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Peruri", "PDS", "Gateway"]);
    let expected = format!("enode://{}@10.0.0.2:30304", key(1).trim_start_matches("0x"));
    assert_eq!(nodes[1]["enode"].as_str(), Some(expected.as_str()));
    for name in ["NOTA", ONE] {
        let notice = made.lines().find(|line| line.starts_with("notice") && line.ends_with(name));
        assert!(notice.is_some(), "{name}: {made}");
    }
    for name in ["Peruri", "PDS", "NOTA", "Gateway"] {
        for file in ["peruri.toml", "peruri-node.service", "compose.yaml"] {
            assert!(out.join("nodes").join(name).join(file).is_file(), "{name}/{file}");
        }
    }
    let unit = std::fs::read_to_string(out.join("nodes/PDS/peruri-node.service")).unwrap();
    assert!(unit.contains("--port 30304"), "{unit}");
}

#[test]
fn a_node_is_listed_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    let [one, two] = [(); 2].map(|()| public_key(&PrivateKeySigner::random()));
    for (validator, node) in [
        (format!("A={one}"), format!("a={two}@host")),
        (format!("A={one}"), format!("B={one}@host")),
        (format!("A={one}"), format!("B={two}")),
        (format!("A={one}"), two.clone()),
    ] {
        let out = out.to_str().unwrap();
        let args = ["create", "--validator", &validator, "--node", &node, "--out", out];
        assert!(run(&args).is_err(), "{args:?}");
    }
    assert!(!out.exists());
}

#[test]
fn a_network_can_begin_with_a_transparency_log() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    let create = |more: &[&str]| {
        let args = ["create", "--generate", "3", "--out", out.to_str().unwrap()];
        run(&[&args, more].concat())
    };
    let made = create(&["--plog-source", ONE, "--plog-source", TWO]).unwrap();
    assert!(line(&made, "plog").ends_with("0x000000000000000000000000504c4f47474f5631, 1 logs"));
    let (spec, _) = read_genesis(&out.join("genesis.json")).unwrap();
    let plog = spec.plog().unwrap();
    assert_eq!(plog.governance, GOVERNANCE_ADDRESS);
    assert_eq!(plog.logs[0].id, alloy_primitives::B256::right_padding_from(b"activity"));
    let sources: Vec<_> = plog.sources.iter().map(|it| (it.id, it.signer)).collect();
    assert_eq!(sources, [(1, ONE.parse().unwrap()), (2, TWO.parse().unwrap())]);
    assert_eq!(plog.writers.len(), 2);
    // Two of the three validators decide.
    let expected = governance_account(&spec.genesis_validators().unwrap(), 2).unwrap();
    let got = &spec.genesis().alloc[&GOVERNANCE_ADDRESS];
    assert_eq!((&got.code, &got.storage), (&expected.code, &expected.storage));
}

/// The preset's log is what `genesis create` would write, with the contract as it is checked in.
#[test]
fn the_pilot_has_the_log_that_is_created() {
    let pilot = peruri_chainspec::ChainSpec::pilot();
    let plog = pilot.plog().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    let mut args = vec!["create".to_owned(), "--out".to_owned(), out.display().to_string()];
    for validator in pilot.genesis_validators().unwrap() {
        args.extend(["--validator".to_owned(), validator.to_string()]);
    }
    args.extend(["--plog-source".to_owned(), plog.sources[0].signer.to_string()]);
    run(&args.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let (created, _) = read_genesis(&out.join("genesis.json")).unwrap();
    assert_eq!(created.plog(), Some(plog));
    assert_eq!(created.genesis_hash(), pilot.genesis_hash());
}

#[test]
fn a_log_needs_members_that_can_agree() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    for args in [
        vec!["--validator", ONE, "--plog-source", TWO],
        vec!["--generate", "3", "--plog-member", ONE],
        vec!["--generate", "3", "--plog-source", ONE, "--plog-member", TWO],
        vec!["--generate", "3", "--plog-source", ONE, "--plog-source", ONE],
        vec!["--generate", "3", "--plog-source", "0x0000000000000000000000000000000000000000"],
    ] {
        let args: Vec<_> =
            ["create", "--out", out.to_str().unwrap()].into_iter().chain(args).collect();
        assert!(run(&args).is_err(), "{args:?}");
    }
    assert!(!out.exists());
}

#[test]
fn diff_tells_two_chains_from_two_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pilot = write("a.json", PILOT_JSON);
    let spaced = write("b.json", &PILOT_JSON.replace(": ", ":   "));
    let slower = write(
        "c.json",
        &PILOT_JSON.replace("\"requesttimeoutseconds\": 4", "\"requesttimeoutseconds\": 8"),
    );
    let later = write("d.json", &PILOT_JSON.replace("0x6955b900", "0x6955b901"));
    assert!(run(&["diff", &pilot, &spaced]).unwrap().starts_with("The files mean the same"));
    let diff = |other: &str| {
        let cli = Cli::try_parse_from(["genesis", "diff", &pilot, other]).unwrap();
        let mut out = Vec::new();
        let outcome = cli.genesis.run_to(&mut out);
        (String::from_utf8(out).unwrap(), code(&outcome))
    };
    let (said, exit) = diff(&slower);
    assert!(said.starts_with("config.ibft2.requesttimeoutseconds: 4, 8\n"), "{said}");
    assert!(said.contains("only the configuration differs"), "{said}");
    assert_eq!(exit, 1);
    let (said, exit) = diff(&later);
    assert!(said.starts_with("timestamp: \"0x6955b900\", \"0x6955b901\"\n"), "{said}");
    assert!(said.contains("The genesis hash differs"), "{said}");
    assert_eq!(exit, 1);
    assert_eq!(diff("/nonexistent").1, 2);
}
