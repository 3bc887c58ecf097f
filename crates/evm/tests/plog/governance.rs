//! The governance contract of the genesis allocation, at work.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{SolCall, SolError};
use peruri_evm::plog::{
    GOVERNANCE_ADDRESS,
    abi::{IPlog, PlogGovernance},
    governance_account,
};
use peruri_plog::{Entry, EntryType, PLOG_ADDRESS};

use crate::lab::{
    ANYBODY, Lab, PLAIN, Ran, SIGNER, UNKNOWN, append_call, entry, plog_accounts, plog_config,
};

const MEMBERS: [Address; 3] =
    [Address::repeat_byte(0x31), Address::repeat_byte(0x32), Address::repeat_byte(0x33)];

fn lab() -> Lab {
    let mut accounts = plog_accounts();
    accounts.push((GOVERNANCE_ADDRESS, governance_account(&MEMBERS, 2).unwrap()));
    accounts.extend(MEMBERS.map(|member| (member, crate::common::funded(1))));
    Lab::of(
        peruri_chainspec::PlogConfig { governance: GOVERNANCE_ADDRESS, ..plog_config() },
        accounts,
    )
}

fn as_member(lab: &mut Lab, member: Address, call: &impl SolCall) -> Ran {
    lab.send(member, GOVERNANCE_ADDRESS, call.abi_encode())
}

fn propose(lab: &mut Lab, member: Address, data: Vec<u8>) -> alloy_primitives::U256 {
    let deadline = lab.header.timestamp + 3_600;
    let call = PlogGovernance::proposeCall { target: PLOG_ADDRESS, data: data.into(), deadline };
    let ran = as_member(lab, member, &call);
    PlogGovernance::proposeCall::abi_decode_returns(ran.output()).unwrap()
}

fn approve(lab: &mut Lab, member: Address, id: alloy_primitives::U256) {
    let digest =
        lab.send(ANYBODY, GOVERNANCE_ADDRESS, PlogGovernance::digestOfCall { id }.abi_encode());
    let digest = PlogGovernance::digestOfCall::abi_decode_returns(digest.output()).unwrap();
    let ran = as_member(lab, member, &PlogGovernance::approveCall { id, digest });
    assert!(ran.result.is_success());
}

/// Two of three make the call; what the log says comes back.
fn decide(lab: &mut Lab, data: Vec<u8>) -> Ran {
    let id = propose(lab, MEMBERS[0], data);
    approve(lab, MEMBERS[2], id);
    as_member(lab, MEMBERS[1], &PlogGovernance::executeCall { id })
}

#[test]
fn the_contract_of_the_allocation_knows_its_members() {
    let mut lab = lab();
    let ran = lab.send(ANYBODY, GOVERNANCE_ADDRESS, PlogGovernance::membersCall {}.abi_encode());
    let members = PlogGovernance::membersCall::abi_decode_returns(ran.output()).unwrap();
    assert_eq!(members, MEMBERS);
}

#[test]
fn two_of_three_create_a_log_and_one_cannot() {
    let mut lab = lab();
    let create = IPlog::createLogCall { logId: UNKNOWN, mode: 0 }.abi_encode();
    // A member by itself is not the governance.
    lab.send(MEMBERS[0], PLOG_ADDRESS, create.clone()).refused(&IPlog::NotGovernance {});
    let id = propose(&mut lab, MEMBERS[0], create);
    let alone = as_member(&mut lab, MEMBERS[0], &PlogGovernance::executeCall { id });
    let few = PlogGovernance::TooFewApprovals {
        have: alloy_primitives::U256::from(1),
        need: alloy_primitives::U256::from(2),
    };
    assert_eq!(*alone.error(), Bytes::from(few.abi_encode()));
    approve(&mut lab, MEMBERS[1], id);
    let ran = as_member(&mut lab, MEMBERS[0], &PlogGovernance::executeCall { id });
    assert!(ran.result.is_success() && ran.logs()[0].address == PLOG_ADDRESS);
    assert_eq!(lab.ask(&IPlog::headCall { logId: UNKNOWN }).size, 0);
}

#[test]
fn every_function_can_be_decided() {
    let mut lab = lab();
    for data in [
        IPlog::createLogCall { logId: UNKNOWN, mode: 1 }.abi_encode(),
        IPlog::setSourceCall { sourceId: 9, signer: SIGNER, active: true }.abi_encode(),
        IPlog::setGatewayCall { sourceId: 9, gateway: GOVERNANCE_ADDRESS }.abi_encode(),
        IPlog::setWriterCall { logId: UNKNOWN, sourceId: 9, allowed: true }.abi_encode(),
    ] {
        assert!(decide(&mut lab, data).result.is_success());
    }
    // Its own entries, as the gateway of a source.
    let entry = Entry { kind: EntryType::Governance, ..entry(9, 1) };
    assert!(decide(&mut lab, append_call(UNKNOWN, &[entry])).result.is_success());
    assert_eq!(lab.ask(&IPlog::headCall { logId: UNKNOWN }).root, entry.leaf());
    let moved = IPlog::setGovernanceCall { governance: ANYBODY }.abi_encode();
    assert!(decide(&mut lab, moved.clone()).result.is_success());
    decide(&mut lab, moved).refused(&IPlog::NotGovernance {});
}

#[test]
fn what_the_log_refuses_is_passed_on_and_stays_open() {
    let mut lab = lab();
    let id = propose(&mut lab, MEMBERS[0], {
        IPlog::createLogCall { logId: PLAIN, mode: 0 }.abi_encode()
    });
    approve(&mut lab, MEMBERS[1], id);
    let ran = as_member(&mut lab, MEMBERS[1], &PlogGovernance::executeCall { id });
    ran.refused(&IPlog::LogExists {});
    let ran =
        lab.send(ANYBODY, GOVERNANCE_ADDRESS, PlogGovernance::proposalCall { id }.abi_encode());
    let proposal = PlogGovernance::proposalCall::abi_decode_returns(ran.output()).unwrap();
    assert!(!proposal.executed);
}
