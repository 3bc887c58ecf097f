//! EIP-7610: no contract is created over an account that has storage.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use alloy_genesis::GenesisAccount;
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, TxKind, U256, bytes};
use common::{CONTRACT, SENDER, Setup, call, funded, tx};

fn with_storage(ether: u64) -> GenesisAccount {
    let storage = BTreeMap::from([(B256::ZERO, B256::with_last_byte(1))]);
    GenesisAccount { storage: Some(storage), ..funded(ether) }
}

/// A contract of the sender's next nonce would stand at this address.
fn setup(ether: u64) -> Setup {
    let mut setup = Setup::ibft2();
    setup.accounts.push((SENDER.create(0), with_storage(ether)));
    setup
}

#[test]
fn creation_over_storage_fails_and_costs_all_gas() {
    for ether in [0, 1] {
        let mut chain = setup(ether).start();
        let outcome =
            chain.execute(&[tx(0, TxKind::Create, 100_000, Bytes::new())], &chain.state()).unwrap();
        assert!(!outcome.receipts[0].success);
        assert_eq!(outcome.gas_used, 100_000);
        chain.advance(vec![tx(0, TxKind::Create, 100_000, Bytes::new())]);
        assert_eq!(chain.slot(SENDER.create(0), 0), U256::from(1));
    }
}

#[test]
fn creation_elsewhere_succeeds() {
    let chain = Setup::ibft2().start();
    let create = tx(0, TxKind::Create, 100_000, Bytes::new());
    assert!(chain.execute(&[create], &chain.state()).unwrap().receipts[0].success);
}

#[test]
fn extcodehash_of_such_an_account_is_that_of_no_code() {
    // SSTORE(0, EXTCODEHASH(CALLDATALOAD(0)))
    let code = bytes!("5f353f5f55");
    for (ether, expected) in [(1, KECCAK256_EMPTY.into()), (0, U256::ZERO)] {
        let mut chain = setup(ether).code(CONTRACT, code.clone()).start();
        let input = SENDER.create(0).into_word().to_vec();
        chain.advance(vec![tx(0, TxKind::Call(CONTRACT), 100_000, input.into())]);
        assert_eq!(chain.slot(CONTRACT, 0), expected);
    }
}

#[test]
fn money_sent_there_leaves_an_ordinary_account() {
    let mut chain = setup(1).start();
    // The transfer changes the balance; root and account are those of an account without code.
    let target = SENDER.create(0);
    let mut transfer = call(0, target);
    if let alloy_consensus::EthereumTxEnvelope::Eip1559(tx) = &mut transfer {
        tx.tx_mut().value = U256::from(5);
    }
    chain.advance(vec![transfer]);
    let account = chain.state().account(&target).unwrap().unwrap();
    assert_eq!(account.bytecode_hash, None);
    assert_eq!(account.balance, U256::from(common::ETHER) + U256::from(5));
    assert_eq!(chain.slot(target, 0), U256::from(1));
    let report = chain.factory.verify_state(&mut peruri_storage::NoProgress).unwrap();
    assert!(report.is_clean(), "{report:?}");
}
