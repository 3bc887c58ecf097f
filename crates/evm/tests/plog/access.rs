//! Who may call what, and in which way: every function, caller and kind of call.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolError};
use peruri_evm::plog::abi::IPlog;
use peruri_plog::PLOG_ADDRESS;

use crate::lab::{
    ANYBODY, CHAINED, DELEGATED, GATEWAY, GOVERNANCE, Lab, OTHER_SIGNER, PLAIN, PlogCaller, SIGNER,
    STRANGER, UNKNOWN, append_call, entries,
};

/// What a function asks of its caller.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Append,
    Govern,
    Read,
}

/// A good call of every function, of source 1 where it has a source.
fn functions() -> Vec<(&'static str, Kind, Vec<u8>)> {
    let hash = B256::repeat_byte(1);
    let root =
        IPlog::appendRootCall { logId: PLAIN, sourceId: 1, firstSeq: 1, root: hash, count: 9 };
    let source = IPlog::setSourceCall { sourceId: 9, signer: ANYBODY, active: true };
    let inclusion =
        IPlog::verifyInclusionCall { leaf: hash, index: 0, size: 1, root: hash, path: vec![] };
    let consistency = IPlog::verifyConsistencyCall {
        first: 1,
        firstRoot: hash,
        second: 1,
        secondRoot: hash,
        path: vec![],
    };
    vec![
        ("append", Kind::Append, append_call(PLAIN, &entries(1, 1, 3))),
        ("appendRoot", Kind::Append, root.abi_encode()),
        ("createLog", Kind::Govern, IPlog::createLogCall { logId: UNKNOWN, mode: 1 }.abi_encode()),
        ("setSource", Kind::Govern, source.abi_encode()),
        (
            "setGateway",
            Kind::Govern,
            IPlog::setGatewayCall { sourceId: 2, gateway: STRANGER }.abi_encode(),
        ),
        (
            "setWriter",
            Kind::Govern,
            IPlog::setWriterCall { logId: PLAIN, sourceId: 2, allowed: true }.abi_encode(),
        ),
        (
            "setGovernance",
            Kind::Govern,
            IPlog::setGovernanceCall { governance: ANYBODY }.abi_encode(),
        ),
        ("head", Kind::Read, IPlog::headCall { logId: PLAIN }.abi_encode()),
        ("rootAt", Kind::Read, IPlog::rootAtCall { logId: PLAIN, size: 0 }.abi_encode()),
        ("frontier", Kind::Read, IPlog::frontierCall { logId: PLAIN }.abi_encode()),
        ("sourceState", Kind::Read, IPlog::sourceStateCall { sourceId: 1 }.abi_encode()),
        (
            "subjectHead",
            Kind::Read,
            IPlog::subjectHeadCall { logId: CHAINED, subject: hash }.abi_encode(),
        ),
        ("verifyInclusion", Kind::Read, inclusion.abi_encode()),
        ("verifyConsistency", Kind::Read, consistency.abi_encode()),
    ]
}

/// How a call comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Call,
    Value,
    Static,
    Delegate,
    CallCode,
}

/// The transaction that makes `caller` call the log with `data`: its sender, target, data, value.
fn transaction(caller: Address, way: Way, data: &[u8]) -> (Address, Address, Bytes, u64) {
    let value = u64::from(way == Way::Value);
    let is_contract = [GATEWAY, GOVERNANCE, STRANGER].contains(&caller);
    // Code that its account is delegated to can call in every way too.
    if !is_contract && (caller != DELEGATED || matches!(way, Way::Call | Way::Value)) {
        return (caller, PLOG_ADDRESS, data.to_vec().into(), value);
    }
    let (target, data) = (PLOG_ADDRESS, Bytes::copy_from_slice(data));
    let data = match way {
        Way::Call | Way::Value => PlogCaller::doCallCall { target, data }.abi_encode(),
        Way::Static => PlogCaller::doStaticCallCall { target, data }.abi_encode(),
        Way::Delegate => PlogCaller::doDelegateCallCall { target, data }.abi_encode(),
        Way::CallCode => PlogCaller::doCallCodeCall { target, data }.abi_encode(),
    };
    (ANYBODY, caller, data.into(), value)
}

/// What the specification says; `None` for success.
fn expected(kind: Kind, caller: Address, way: Way) -> Option<[u8; 4]> {
    match way {
        Way::Delegate | Way::CallCode => return Some(IPlog::DirectCallOnly::SELECTOR),
        Way::Value => return Some(IPlog::BadCall::SELECTOR),
        Way::Static if kind != Kind::Read => return Some(IPlog::ReadOnly::SELECTOR),
        _ => {}
    }
    match kind {
        Kind::Read => None,
        Kind::Append if [SIGNER, GATEWAY].contains(&caller) => None,
        Kind::Append => Some(IPlog::NotSource::SELECTOR),
        Kind::Govern if caller == GOVERNANCE => None,
        Kind::Govern => Some(IPlog::NotGovernance::SELECTOR),
    }
}

#[test]
fn every_function_from_every_caller_in_every_way() {
    let fresh = Lab::new();
    let before = fresh.words();
    let plain = [SIGNER, OTHER_SIGNER, ANYBODY];
    let ways = [Way::Call, Way::Value, Way::Static, Way::Delegate, Way::CallCode];
    let contracts = [GATEWAY, GOVERNANCE, STRANGER, DELEGATED];
    let of_contracts = contracts.into_iter().flat_map(|it| ways.map(|way| (it, way)));
    let cells: Vec<_> = plain
        .into_iter()
        .flat_map(|caller| [(caller, Way::Call), (caller, Way::Value)])
        .chain(of_contracts)
        .collect();
    for (name, kind, data) in functions() {
        for (caller, way) in &cells {
            let at = format!("{name} by {caller} {way:?}");
            let mut lab = fresh.clone();
            let (from, to, data, value) = transaction(*caller, *way, &data);
            let ran = lab.send_with(from, to, data, value, 10_000_000);
            match expected(kind, *caller, *way) {
                Some(selector) => {
                    assert_eq!(ran.error()[..], selector, "{at}");
                    assert_eq!(lab.words(), before, "{at}");
                    assert!(ran.logs().is_empty() && ran.changed.is_empty(), "{at}");
                }
                None => {
                    assert!(ran.result.is_success(), "{at}: {:?}", ran.result);
                    assert_eq!(lab.words() == before, kind == Kind::Read, "{at}");
                    assert_eq!(ran.logs().len(), usize::from(kind != Kind::Read), "{at}");
                    assert!(ran.logs().iter().all(|log| log.address == PLOG_ADDRESS), "{at}");
                }
            }
        }
    }
}

/// The signer of an active source with a permission: its delegated account may not, without the
/// delegation it may.
#[test]
fn a_delegated_signer_is_refused_until_the_delegation_is_gone() {
    let call = append_call(PLAIN, &entries(3, 1, 1));
    let mut lab = Lab::new();
    lab.send(DELEGATED, PLOG_ADDRESS, call.clone()).refused(&IPlog::NotSource {});
    let data = PlogCaller::doCallCall { target: PLOG_ADDRESS, data: call.clone().into() };
    lab.send(ANYBODY, DELEGATED, data.abi_encode()).refused(&IPlog::NotSource {});
    let account = lab.db.cache.accounts.get_mut(&DELEGATED).unwrap();
    account.info.code_hash = revm::primitives::KECCAK_EMPTY;
    account.info.code = None;
    assert!(lab.send(DELEGATED, PLOG_ADDRESS, call).result.is_success());
}

/// A delegated account may be a gateway: governance chose it.
#[test]
fn a_delegated_gateway_may_append() {
    let mut lab = Lab::new();
    let call = IPlog::setGatewayCall { sourceId: 2, gateway: DELEGATED }.abi_encode();
    let call = PlogCaller::doCallCall { target: PLOG_ADDRESS, data: call.into() }.abi_encode();
    assert!(lab.send(ANYBODY, GOVERNANCE, call).result.is_success());
    let call = append_call(CHAINED, &entries(2, 1, 1));
    assert!(lab.send(DELEGATED, PLOG_ADDRESS, call).result.is_success());
}

/// EIP-7702: a delegation to a precompiled contract does not make an account one.
#[test]
fn an_account_delegated_to_the_log_is_not_the_log() {
    let mut lab = Lab::new();
    let code = [&[0xef, 0x01, 0x00], PLOG_ADDRESS.as_slice()].concat();
    let code = revm::bytecode::Bytecode::new_raw(code.into());
    let account = lab.db.cache.accounts.get_mut(&DELEGATED).unwrap();
    account.info.code_hash = code.hash_slow();
    account.info.code = Some(code);
    let before = lab.words();
    let ran = lab.send(SIGNER, DELEGATED, append_call(PLAIN, &entries(1, 1, 1)));
    assert!(!ran.result.is_success() && ran.plog_gas.is_none() && ran.logs().is_empty());
    assert_eq!(lab.words(), before);
}

#[test]
fn a_frame_that_reverts_undoes_everything() {
    let mut lab = Lab::new();
    let before = lab.words();
    let append = append_call(CHAINED, &entries(1, 1, 5));
    let undo = PlogCaller::callAndUndoCall { target: PLOG_ADDRESS, data: append.clone().into() };
    let ran = lab.send(ANYBODY, GATEWAY, undo.abi_encode());
    let error = PlogCaller::callAndUndoCall::abi_decode_returns(ran.output()).unwrap();
    // The append itself had succeeded.
    let PlogCaller::Undone { result } = PlogCaller::Undone::abi_decode(&error).unwrap();
    assert_eq!(IPlog::appendCall::abi_decode_returns(&result).unwrap().newSize, 5);
    assert!(ran.logs().is_empty() && ran.changed.is_empty());
    assert_eq!(lab.words(), before);
    // And can be made again.
    let again = PlogCaller::doCallCall { target: PLOG_ADDRESS, data: append.into() };
    assert!(lab.send(ANYBODY, GATEWAY, again.abi_encode()).result.is_success());
}

/// Value that is sent with a refused call stays with its sender.
#[test]
fn value_is_handed_back() {
    let mut lab = Lab::new();
    let ran = lab.send_with(SIGNER, PLOG_ADDRESS, functions()[7].2.clone().into(), 5, 100_000);
    ran.refused(&IPlog::BadCall {});
    let balance = lab.db.cache.accounts[&PLOG_ADDRESS].info.balance;
    assert_eq!(balance, U256::ZERO);
}
