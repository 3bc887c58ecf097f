//! User ids, payloads and salts of a thousand activities are found nowhere: not in files, not in blocks,
//! not in logs at their most talkative, not in metrics.

use crate::network::{GATEWAY, LIMIT, MirrorNetwork};
use peruri_testnet::{Judge, MirrorSetup, Result, TestnetError, activities};
use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

/// Activities with a canary each.
const COUNT: usize = 1_000;
/// What no user id, payload or salt is without.
const CANARY: &str = "kenari-7f3a91";
/// Bytes of a salt that is all canary.
const SALT: u8 = 0xc7;

pub(crate) async fn play(program: &Path, judge: &mut Judge) -> Result<()> {
    let mut network = MirrorNetwork::start(program, 1, MirrorSetup::new(1)).await?;
    network.cluster.stop(GATEWAY).await?;
    network
        .cluster
        .member_mut(GATEWAY)
        .options
        .args
        .extend(["--log.filter".into(), "trace".into()]);
    network.cluster.start(GATEWAY).await?;
    let caller = network.caller()?;
    caller.accepting(LIMIT).await?;
    let mut made = activities(7, COUNT);
    for (number, activity) in made.iter_mut().enumerate() {
        activity.user = format!("{CANARY}-user-{number}");
        activity.payload = format!("{{\"rahasia\":\"{CANARY}-payload-{number}\"}}");
        activity.salt.0[..28].fill(SALT);
    }
    let mut highest = 0;
    for batch in made.chunks(100) {
        for answer in caller.track(batch).await? {
            if let peruri_rpc_api::ActivityBatchItem::Accepted(told) = answer {
                highest = highest.max(told.source_seq);
            }
        }
    }
    judge.expect("all canaries were accepted", highest == COUNT as u64, highest);
    // Refused ones must not be told either.
    let mut refused = made[0].track();
    refused["type"] = format!("{CANARY}-type").into();
    caller.submit_batch(&[refused]).await?;
    caller.through(highest + 1, LIMIT).await?;
    let metrics = metrics(&network).await?;
    judge.expect("metrics are told", metrics.contains("peruri_activity_accepted_total"), &metrics);
    judge.expect("metrics hold no canary", !metrics.contains(CANARY), "one was found");
    let folder = network.folder().to_owned();
    network.cluster.stop_all().await?;
    let marks = marks();
    let (mut files, mut found, mut kept) = (0, Vec::new(), 0);
    // What is kept of an activity is found by the same search, so that nothing hides a canary from it.
    let subject = vec![made[0].subject(&network.setup.subject_key.0).to_vec()];
    for file in all_files(&folder)? {
        files += 1;
        kept += usize::from(contains(&file, &subject)?);
        if contains(&file, &marks)? {
            found.push(file);
        }
    }
    judge.expect("its pseudonym is found in files of all four nodes", kept >= 4, kept);
    judge.expect(
        &format!("{files} files of database, journal, sign state and logs hold no canary"),
        files > 20 && found.is_empty(),
        format!("{found:?}"),
    );
    let log = fs::read_to_string(&network.cluster.member(GATEWAY).options.log).unwrap_or_default();
    let talkative = log.contains("TRACE");
    judge.expect("the log was at its most talkative", talkative, log.lines().count());
    Ok(())
}

/// The canary as text, as base64 at each of its three places, and of salts bytes and digits.
fn marks() -> Vec<Vec<u8>> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut marks = vec![CANARY.as_bytes().to_vec(), vec![SALT; 16], b"c7".repeat(16)];
    for shift in 0..3 {
        let padded = [&vec![b' '; shift], CANARY.as_bytes()].concat();
        let text = STANDARD.encode(padded).into_bytes();
        // Digits at both ends depend on what stands around.
        marks.push(text[4..text.len() - 4].to_vec());
    }
    marks
}

async fn metrics(network: &MirrorNetwork) -> Result<String> {
    let options = &network.cluster.member(GATEWAY).options;
    let address = (options.ip, options.ports.metrics.unwrap_or_default());
    let mut client = peruri_testnet::Connection::open(address.into()).await?;
    client.get("/metrics").await
}

fn all_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = || TestnetError::io(folder.display().to_string());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io())? {
        let path = entry.map_err(io())?.path();
        if path.is_dir() {
            files.extend(all_files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn contains(file: &Path, marks: &[Vec<u8>]) -> Result<bool> {
    let io = || TestnetError::io(file.display().to_string());
    let mut bytes = Vec::new();
    BufReader::new(File::open(file).map_err(io())?).read_to_end(&mut bytes).map_err(io())?;
    Ok(marks.iter().any(|mark| memchr::memmem::find(&bytes, mark).is_some()))
}
