use super::support::*;
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, U256};
use peruri_chainspec::ChainSpec;
use peruri_storage::{DbOptions, ProviderFactory};
use peruri_txpool::{
    AccountCode, AccountReader, Pool, PoolAccount, PoolConfig, PoolErrorKind, SenderPermissions,
    TransactionOrigin, TransactionPool,
};
use std::sync::Arc;

fn genesis() -> ChainSpec {
    let (rich, contract) = (signer(0).address(), signer(1).address());
    let (delegated, poor) = (signer(2).address(), signer(3).address());
    let target = "11".repeat(20);
    let json = format!(
        r#"{{
            "config": {{
                "chainId": {CHAIN}, "berlinBlock": 0, "londonBlock": 0, "shanghaiTime": 0,
                "cancunTime": 0, "pragueTime": 0, "terminalTotalDifficulty": 0,
                "blobSchedule": {{
                    "cancun": {{"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477}},
                    "prague": {{"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716}}
                }}
            }},
            "difficulty": "0x0", "gasLimit": "0x1c9c380", "timestamp": "0x0",
            "alloc": {{
                "{rich}": {{"balance": "1000000000000000000", "nonce": "0x2"}},
                "{contract}": {{"balance": "1000000000000000000", "code": "0x6001"}},
                "{delegated}": {{"balance": "1000000000000000000", "code": "0xef0100{target}"}},
                "{poor}": {{"balance": "1"}}
            }}
        }}"#
    );
    ChainSpec::from_genesis_json(&json).unwrap().0
}

#[test]
fn accounts_come_from_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Arc::new(genesis());
    let factory = ProviderFactory::open(dir.path(), chain.clone(), DbOptions::default()).unwrap();
    factory.init_genesis().unwrap();

    let senders: Vec<Address> = (0..5).map(|n| signer(n).address()).collect();
    let accounts = factory.accounts(&senders).unwrap();
    let ether = U256::from(1_000_000_000_000_000_000u64);
    let account = |nonce, balance, code| PoolAccount { nonce, balance, code };
    assert_eq!(
        accounts,
        [
            account(2, ether, AccountCode::None),
            account(0, ether, AccountCode::Contract),
            account(0, ether, AccountCode::Delegation),
            account(0, U256::ONE, AccountCode::None),
            PoolAccount::default(),
        ]
    );

    let head = head(&chain);
    let permissions = Arc::new(SenderPermissions::open());
    let pool = Pool::new(PoolConfig::default(), chain, Arc::new(factory), permissions, head);
    let fee = u128::from(head.next_base_fee);
    let tx = |n, nonce| eip1559(n, TxEip1559 { nonce, max_fee_per_gas: fee, ..call() });
    let results = pool.add_transactions(
        TransactionOrigin::Local,
        vec![tx(0, 1), tx(0, 2), tx(1, 0), tx(2, 0), tx(2, 1), tx(3, 0)],
    );
    let kinds: Vec<_> = results.into_iter().map(|result| result.map_err(|e| e.kind)).collect();
    assert_eq!(kinds[0], Err(PoolErrorKind::NonceTooLow { expected: 2, got: 1 }));
    assert!(kinds[1].is_ok());
    assert_eq!(kinds[2], Err(PoolErrorKind::SenderNotEoa(signer(1).address())));
    assert!(kinds[3].is_ok());
    assert_eq!(kinds[4], Err(PoolErrorKind::InflightTxLimitReached));
    assert!(matches!(kinds[5], Err(PoolErrorKind::InsufficientFunds { .. })));
}
