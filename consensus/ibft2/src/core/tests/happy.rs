//! Heights without faults.

use super::net::{NO_REQUEST, Net};
use crate::{
    config::Ibft2Config,
    core::{Effect, Input, Now, Report},
    messages::MessageKind,
};

#[test]
fn networks_of_all_sizes_make_a_block_each_period() {
    for n in [1, 2, 3, 4, 5, 6, 7, 10] {
        let mut net = Net::new(n);
        net.start_all();
        net.run(20_000);
        let heads = net.heads();
        assert!(heads.iter().all(|head| (18..=21).contains(head)), "{n}: {heads:?}");
        let rounds = net.nodes[0].chain.iter().map(|block| block.extra_data().unwrap().round);
        assert!(rounds.max() == Some(0), "{n}");
    }
}

#[test]
fn proposers_take_turns() {
    let mut net = Net::new(4);
    net.start_all();
    net.run(10_000);
    let creators: Vec<_> =
        net.nodes[0].chain.iter().skip(1).map(|block| block.header.beneficiary).collect();
    assert_eq!(&creators[..4], net.members.as_slice());
}

#[test]
fn header_has_distinct_seals_of_a_quorum() {
    let mut net = Net::new(4);
    net.start_all();
    net.run(5_000);
    for node in &net.nodes {
        for block in node.chain.iter().skip(1) {
            assert!(block.extra_data().unwrap().seals.len() >= 3);
        }
    }
}

#[test]
fn lone_validator_signs_proposal_and_commit_once_per_height() {
    let mut net = Net::new(1);
    net.start_all();
    net.run(3_500);
    let kinds: Vec<_> = net.own_sends(0).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(&kinds[..2], [MessageKind::Proposal, MessageKind::Commit]);
    assert!(net.heads()[0] >= 3);
}

#[test]
fn nobody_reports_anything() {
    let mut net = Net::new(7);
    net.start_all();
    net.run(10_000);
    for node in &net.nodes {
        assert_eq!(node.reports, Vec::<Report>::new());
    }
}

#[test]
fn up_to_three_validators_are_told_that_they_tolerate_nobody() {
    for n in 1..5 {
        let mut net = Net::new(n);
        net.start_all();
        let warning = Report::NoFaultTolerance { validators: n };
        for node in &net.nodes {
            assert_eq!(node.reports.contains(&warning), n < 4, "{n}");
        }
    }
}

#[test]
fn header_times_keep_the_period_whatever_the_clock_says() {
    let mut net = Net::new(1);
    net.now.unix_ms = 0;
    net.start_all();
    net.run(20_000);
    let times: Vec<_> = net.nodes[0].chain.iter().map(|block| block.header.timestamp).collect();
    assert!(times.len() > 5 && times.windows(2).all(|pair| pair[1] > pair[0]), "{times:?}");
}

#[test]
fn empty_period_delays_blocks_until_there_is_work() {
    let config = Ibft2Config {
        request_timeout_seconds: 2,
        empty_block_period_seconds: 30,
        ..Ibft2Config::default()
    };
    let mut net = Net::with_config(4, config);
    net.start_all();
    net.run(25_000);
    assert_eq!(net.heads(), [0; 4]);
    net.run(6_000);
    assert_eq!(net.heads(), [1; 4]);
    // Work at any node, even one that does not propose, ends the wait: round 0 times out and the
    // messages of the round change are work for all.
    net.step(3, Input::WorkPending);
    net.run(8_000);
    assert_eq!(net.heads(), [2; 4]);
}

#[test]
fn work_at_the_proposer_ends_the_wait_at_once() {
    let config = Ibft2Config {
        request_timeout_seconds: 2,
        empty_block_period_seconds: 30,
        ..Ibft2Config::default()
    };
    let mut net = Net::with_config(4, config);
    net.start_all();
    net.run(5_000);
    net.step(0, Input::WorkPending);
    net.deliver();
    assert_eq!(net.heads(), [1; 4]);
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut net = Net::new(4);
    net.start_all();
    net.run(2_500);
    let mut core = net.core(1).clone();
    let before = core.state_digest();
    let block = net.nodes[1].chain[1].clone();
    let now = Now { mono_ms: net.now.mono_ms, ..net.now };
    let effects: Vec<Effect> = [
        Input::BlockBuilt { request: NO_REQUEST, block },
        Input::BlockChecked { request: NO_REQUEST, verdict: crate::core::Verdict::Valid },
        Input::Signed {
            request: NO_REQUEST,
            signature: super::net::sign(net.members[1], &[1; 32].into()),
        },
        Input::Durable { token: crate::core::PersistToken(u64::MAX) },
        Input::Stored { height: 99 },
    ]
    .into_iter()
    .flat_map(|input| core.step(now, input))
    .collect();
    assert_eq!(effects, vec![]);
    assert_eq!(core.state_digest(), before);
}
