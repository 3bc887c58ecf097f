//! Nodes that stop, come back, come late, or have forgotten what they signed.

use super::assert_agreement;
use crate::support::{Cluster, Genesis, Live, eventually, messages_of};
use peruri_engine::{SignStateError, SignStore};
use serde_json::json;
use std::{collections::BTreeSet, fs};

async fn all_reach(nodes: &mut [Live], number: u64) {
    for node in nodes {
        node.reaches(number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_go_on_and_who_comes_back_catches_up_and_seals_again() {
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..4).await;
    // Who has come late may be in doubt at first; it has to have a record of its own.
    nodes[0].sees_a_seal_of(cluster.address(3), 0).await;
    nodes.pop().unwrap().stop().await;
    for node in &mut nodes {
        node.goes_on(8).await;
    }
    let head = nodes[0].node.head().0;
    let mut back = cluster.start(3).await;
    back.reaches(head).await;
    assert!(!back.running.round_state().await.in_doubt);
    nodes[0].sees_a_seal_of(cluster.address(3), head).await;
    nodes.push(back);
    assert_agreement(&nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_again_and_again_never_contradicts_itself() {
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..4).await;
    all_reach(&mut nodes, 2).await;
    for _ in 0..4 {
        nodes.pop().unwrap().crash().await;
        let mut back = cluster.start(3).await;
        back.goes_on(3).await;
        nodes.push(back);
    }
    assert_agreement(&nodes);
    let mut signed = BTreeSet::new();
    let mut content = BTreeSet::new();
    for message in messages_of(&cluster.dir(3).join("messages"), cluster.address(3)) {
        let payload = message.signed_payload();
        let (id, kind) = (payload.id(), payload.kind().code());
        signed.insert((id, kind));
        content.insert((id, kind, payload.digest().map(|digest| digest.0)));
    }
    assert!(signed.len() > 10, "it took part");
    assert_eq!(signed.len(), content.len(), "one content for each round and kind");
    // Nobody has found evidence against anybody.
    for seat in 0..4 {
        assert!(!cluster.dir(seat).join("evidence").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_with_an_empty_database_syncs_while_the_others_go_on() {
    let mut cluster = Cluster::new(4, 1);
    cluster.genesis = cluster.genesis.clone().with(json!({"xblockperiodmilliseconds": 20}));
    let mut nodes = cluster.start_all(0..4).await;
    // More than one request for blocks fetches.
    all_reach(&mut nodes, 150).await;
    // A validator that has lost its database, and one that was never there.
    let emptied = nodes.pop().unwrap();
    let database = emptied.node.path("db");
    emptied.stop().await;
    fs::remove_dir_all(database).unwrap();
    let mut joining = cluster.start_all([3, 4]).await;
    let head = nodes[0].node.head().0;
    all_reach(&mut joining, head).await;
    // The one knows from its sign state what it has signed, and goes on.
    assert!(!joining[0].running.round_state().await.in_doubt);
    let number = nodes[0].sees_a_seal_of(cluster.address(3), head).await;
    nodes.extend(joining);
    all_reach(&mut nodes, number).await;
    assert_agreement(&nodes);
    for node in &nodes {
        let progress = async || node.running.sync.progress().is_none().then_some(());
        eventually("nobody is behind", progress).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_comes_for_the_first_time_when_the_chain_has_begun_takes_part() {
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..3).await;
    all_reach(&mut nodes, 6).await;
    let mut late = cluster.start(3).await;
    let head = nodes[0].node.head().0;
    late.reaches(head).await;
    // It cannot know that it has signed nothing before, until others are ahead.
    nodes[0].sees_a_seal_of(cluster.address(3), head).await;
    nodes.push(late);
    assert_agreement(&nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_stop_and_start_again() {
    let cluster = Cluster::new(4, 1);
    let (mut head, mut began) = (3, 0);
    for crash in [false, true, false] {
        let mut nodes = cluster.start_all(0..5).await;
        all_reach(&mut nodes, head).await;
        assert_agreement(&nodes);
        for seat in 0..4 {
            nodes[0].sees_a_seal_of(cluster.address(seat), began).await;
            assert!(!nodes[seat].running.round_state().await.in_doubt);
        }
        began = nodes.iter().map(|node| node.node.head().0).max().unwrap();
        head = began + 3;
        for node in nodes {
            if crash { node.crash().await } else { node.stop().await }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_lost_its_sign_state_signs_nothing_until_others_are_ahead() {
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..4).await;
    all_reach(&mut nodes, 4).await;
    let lost = nodes.pop().unwrap();
    let sign = lost.node.path("sign");
    lost.crash().await;
    fs::remove_dir_all(&sign).unwrap();
    fs::remove_file(cluster.dir(3).join("messages")).unwrap();
    let known = nodes.iter().map(|node| node.node.head().0).min().unwrap();

    let mut back = cluster.start(3).await;
    assert!(back.running.round_state().await.in_doubt);
    loop {
        let record = SignStore::peek(&sign);
        if !back.running.round_state().await.in_doubt {
            break;
        }
        let is_missing = matches!(record, Err(SignStateError::Missing { .. }));
        assert!(is_missing, "in doubt nothing is signed: {record:?}");
        back.running.next().await;
    }
    // Others have finalised at least the height that was open when it came back.
    assert!(back.node.head().0 > known);
    nodes[0].sees_a_seal_of(cluster.address(3), back.node.head().0).await;
    let signed = messages_of(&cluster.dir(3).join("messages"), cluster.address(3));
    assert!(!signed.is_empty());
    assert!(signed.iter().all(|message| message.id().height > known + 1), "{signed:?}");
    assert!(SignStore::peek(&sign).unwrap().position().height > known + 1);
    nodes.push(back);
    assert_agreement(&nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_sign_state_among_few_keeps_the_chain_waiting_instead_of_risking_it() {
    // Three of four are up, one of them has lost its memory: two may sign, three are needed.
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..4).await;
    nodes[0].sees_a_seal_of(cluster.address(3), 0).await;
    nodes.pop().unwrap().stop().await;
    let lost = nodes.pop().unwrap();
    let sign = lost.node.path("sign");
    lost.crash().await;
    fs::remove_dir_all(&sign).unwrap();
    let back = cluster.start(2).await;
    nodes.push(back);
    // Its silence costs the round; whoever else is there asks for the next one.
    for node in &nodes[..2] {
        eventually("the round is left", async || {
            (node.running.round_state().await.id.round > 0).then_some(())
        })
        .await;
    }
    assert!(nodes[2].running.round_state().await.in_doubt);
    assert!(matches!(SignStore::peek(&sign), Err(SignStateError::Missing { .. })));
    let head = nodes[0].node.head().0;
    // The fourth ends it.
    nodes.push(cluster.start(3).await);
    assert!(!nodes[3].running.round_state().await.in_doubt);
    for node in &mut nodes {
        node.reaches(head + 3).await;
    }
    eventually("the doubt ends", async || {
        (!nodes[2].running.round_state().await.in_doubt).then_some(())
    })
    .await;
    assert_agreement(&nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_work_ends_for_all_when_one_has_a_transaction() {
    let mut cluster = Cluster::new(4, 0);
    let on_demand = Genesis::on_demand();
    cluster.genesis.timestamp = on_demand.timestamp;
    cluster.genesis = cluster.genesis.with(json!({"emptyblockperiodseconds": 3_600}));
    let mut nodes = cluster.start_all(0..4).await;
    for node in &nodes {
        eventually("all are connected", async || {
            (node.running.round_state().await.connected.len() == 3).then_some(())
        })
        .await;
    }
    // Only one of them holds it; whoever's turn it is proposes, until its holder does.
    let sent = nodes[0].node.add(vec![crate::support::transfer(0, 0)]);
    let mut mined = Vec::new();
    while mined.is_empty() {
        mined = crate::support::hashes(&*nodes[3].running.next().await);
    }
    assert_eq!(mined, sent);
    for node in &mut nodes {
        assert!(node.node.head().0 <= 5, "no more empty blocks than it takes");
    }
}
