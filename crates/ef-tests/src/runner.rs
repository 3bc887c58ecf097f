//! One test, from its JSON to a verdict.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::constants::KECCAK_EMPTY;
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{Address, B256};
use alloy_trie::root::state_root_ref_unhashed;
use eyre::{WrapErr, bail, ensure};
use peruri_chainspec::{ChainSpec, ChainSpecBuilder, Forks};
use peruri_primitives::Block;
use peruri_storage::{DbOptions, HistoryWindows, NoProgress, ProviderFactory, StateProvider};
use peruri_validation::decode_block;

use crate::{
    exceptions,
    files::Case,
    model::{BlockchainTest, TestAccount, TestBlock},
    network::Network,
    tree::{BlockTree, Refusal},
};

/// What became of a test.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs one test.
pub(crate) fn run(case: &Case) -> Outcome {
    let test = match &case.content {
        Ok(json) => match serde_json::from_str::<BlockchainTest>(json.get()) {
            Ok(test) => test,
            Err(error) => return Outcome::Failed(format!("not a blockchain test: {error}")),
        },
        Err(error) => return Outcome::Failed(error.clone()),
    };
    let network = match Network::parse(&test.network) {
        Ok(network) => network,
        Err(error) => return Outcome::Skipped(error.to_string()),
    };
    match run_test(&test, &network) {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn run_test(test: &BlockchainTest, network: &Network) -> eyre::Result<()> {
    let genesis = decode_block(&test.genesis_rlp).wrap_err("genesis")?;
    let chain_spec = chain_spec(test, network.forks.clone(), &genesis)?;
    let expected = test.genesis_block_header.hash;
    let got = chain_spec.genesis_hash();
    ensure!(got == expected, "genesis hash: expected {expected}, got {got}");
    let merged = match network.terminal_total_difficulty {
        Some(difficulty) => {
            let mut forks = network.forks.clone();
            forks.set(EthereumHardfork::Paris, ForkCondition::ZERO_BLOCK);
            Some((difficulty, self::chain_spec(test, forks, &genesis)?))
        }
        None => None,
    };

    let dir = tempfile::tempdir().wrap_err("temporary folder")?;
    let factory = ProviderFactory::open(dir.path(), chain_spec.clone(), db_options())?;
    factory.init_genesis().wrap_err("genesis state")?;
    let tree = BlockTree::new(factory, chain_spec, merged, genesis);
    for (index, block) in test.blocks.iter().enumerate() {
        import(&tree, block).wrap_err_with(|| format!("block {index} of the test"))?;
    }

    let head = test.last_block_hash;
    ensure!(tree.contains(&head), "lastblockhash {head} is not a valid block");
    let factory = tree.commit(head).wrap_err("commit")?;
    check_head(&factory, head)?;
    check_state(&factory, test)
}

/// The chain of a test.
fn chain_spec(
    test: &BlockchainTest,
    forks: Forks,
    genesis: &Block,
) -> eyre::Result<Arc<ChainSpec>> {
    let times = [
        EthereumHardfork::Bpo1,
        EthereumHardfork::Bpo2,
        EthereumHardfork::Bpo3,
        EthereumHardfork::Bpo4,
        EthereumHardfork::Bpo5,
    ]
    .map(|fork| forks.get(fork).as_timestamp());
    let spec = ChainSpecBuilder {
        chain_id: test.config.chain_id.map_or(1, |id| id.to()),
        forks,
        genesis: test.genesis(),
        genesis_header: Some(genesis.header.0.clone()),
        blob_schedule: test.config.blob_schedule(times),
        ..ChainSpecBuilder::default()
    };
    Ok(Arc::new(spec.build()?))
}

/// A small database: most tests have one block.
fn db_options() -> DbOptions {
    DbOptions {
        block_cache_bytes: 4 << 20,
        node_cache_bytes: 1 << 20,
        write_buffer_bytes: 4 << 20,
        max_open_files: 64,
        background_jobs: 1,
        history: HistoryWindows { state: None, proofs: None, receipts: None },
        ..DbOptions::default()
    }
}

/// Imports a block and compares the verdict with the test's.
fn import(tree: &BlockTree, block: &TestBlock) -> eyre::Result<()> {
    let expected = block.expect_exception.as_deref();
    let valid = block.block_header.as_ref().filter(|_| expected.is_none());
    match (tree.import(&block.rlp), valid) {
        (Ok(got), Some(header)) => {
            ensure!(got == header.hash, "block hash: expected {}, got {got}", header.hash);
            Ok(())
        }
        (Ok(hash), None) => {
            bail!("{hash} is accepted and must be refused: {}", expected.unwrap_or("unnamed"))
        }
        (Err(refusal), Some(header)) => bail!("{} is valid, refused: {refusal}", header.hash),
        (Err(refusal), None) => check_refusal(&refusal, expected),
    }
}

/// The reasons of a refusal must be of the class that the test names.
fn check_refusal(refusal: &Refusal, expected: Option<&str>) -> eyre::Result<()> {
    let Some(got) = refusal.classes() else { bail!("the node failed: {refusal}") };
    let Some(expected) = expected else { return Ok(()) };
    let allowed = exceptions::classes(expected);
    ensure!(
        got.iter().any(|class| allowed.contains(class)),
        "refused for another class of reason ({refusal}), expected {expected}"
    );
    Ok(())
}

/// The database names the head, and its header has the root that the state has when it is computed
/// again from nothing.
fn check_head(factory: &ProviderFactory, head: B256) -> eyre::Result<()> {
    let best = factory.best_block_hash()?;
    ensure!(best == head, "committed head: expected {head}, got {best}");
    let report = factory.verify_state(&mut NoProgress)?;
    ensure!(report.is_clean(), "the stored state does not verify: {report:?}");
    Ok(())
}

/// Compares every account and slot, and the root, which tells of accounts that must not be there.
fn check_state(factory: &ProviderFactory, test: &BlockchainTest) -> eyre::Result<()> {
    let root = factory.last_header()?.state_root;
    let expected = match (&test.post_state, test.post_state_hash) {
        (Some(post), _) => {
            let state = factory.latest()?;
            for (address, account) in post {
                check_account(&state, *address, account)
                    .wrap_err_with(|| format!("account {address}"))?;
            }
            post_state_root(post)
        }
        (None, Some(hash)) => hash,
        (None, None) => bail!("the test has neither postState nor postStateHash"),
    };
    ensure!(root == expected, "state root: expected {expected}, got {root}");
    Ok(())
}

fn check_account(
    state: &dyn StateProvider,
    address: Address,
    expected: &TestAccount,
) -> eyre::Result<()> {
    let Some(got) = state.account(&address)? else { bail!("is absent") };
    ensure!(
        got.balance == expected.balance,
        "balance: expected {}, got {}",
        expected.balance,
        got.balance
    );
    ensure!(
        got.nonce == expected.nonce.to::<u64>(),
        "nonce: expected {}, got {}",
        expected.nonce,
        got.nonce
    );
    let code = match got.bytecode_hash {
        Some(hash) if hash != KECCAK_EMPTY => match state.bytecode_by_hash(&hash)? {
            Some(code) => code.original_bytes(),
            None => bail!("code {hash} is absent"),
        },
        _ => Default::default(),
    };
    ensure!(code == expected.code, "code: expected {}, got {code}", expected.code);
    for (slot, value) in &expected.storage {
        let got = state.storage(address, (*slot).into())?;
        ensure!(got == *value, "slot {slot:#x}: expected {value:#x}, got {got:#x}");
    }
    Ok(())
}

fn post_state_root(post: &BTreeMap<Address, TestAccount>) -> B256 {
    let alloc = post
        .iter()
        .map(|(address, account)| (*address, alloy_genesis::GenesisAccount::from(account.clone())))
        .collect::<BTreeMap<_, _>>();
    state_root_ref_unhashed(&alloc)
}
