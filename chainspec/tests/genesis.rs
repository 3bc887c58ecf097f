//! What a genesis file may and may not say.
#![allow(clippy::unwrap_used, missing_docs)]

use alloy_consensus::Header;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::{B256, U256, address};
use peruri_chainspec::{
    ChainSpec, ChainSpecBuilder, ChainSpecError, DEV_JSON, Notice, PILOT_JSON, PLOG_ADDRESS,
};
use revm::primitives::hardfork::SpecId;

fn parse(json: &str) -> Result<(ChainSpec, Vec<Notice>), ChainSpecError> {
    ChainSpec::from_genesis_json(json)
}

/// The pilot's file with one piece of text replaced.
fn pilot_with(from: &str, to: &str) -> String {
    assert!(PILOT_JSON.contains(from), "{from}");
    PILOT_JSON.replacen(from, to, 1)
}

/// The pilot's file with something added to `config`.
fn with_config(members: &str) -> String {
    pilot_with("\"chainId\": 7251,", &format!("\"chainId\": 7251, {members},"))
}

/// A plain Ethereum chain with these members of `config`.
fn plain(config: &str) -> String {
    format!(r#"{{"config":{{"chainId":5{config}}},"gasLimit":1,"difficulty":2,"alloc":{{}}}}"#)
}

/// A plain Ethereum chain with this allocation.
fn with_alloc(alloc: &str) -> String {
    plain("").replacen("\"alloc\":{}", &format!("\"alloc\":{alloc}"), 1)
}

#[test]
fn the_pilot_is_as_agreed() {
    let pilot = ChainSpec::pilot();
    assert_eq!(pilot.chain_id(), 7251);
    assert_eq!(pilot.genesis_header().gas_limit, 100_000_000);
    assert_eq!(pilot.spec_id(0, pilot.genesis().timestamp), SpecId::PRAGUE);
    assert_eq!(pilot.fork(EthereumHardfork::Osaka), ForkCondition::Never);
    assert!(pilot.zero_base_fee());
    // Block 0 keeps a base fee, its child has none.
    assert_eq!(pilot.genesis_header().base_fee_per_gas, Some(1_000_000_000));
    assert_eq!(pilot.next_base_fee(pilot.genesis_header(), 1), Some(0));
    assert_eq!(pilot.genesis_validators().unwrap().len(), 3);
    assert!(pilot.ibft2().is_some());
    let plog = pilot.plog().unwrap();
    assert_eq!(plog.activation, ForkCondition::Block(0));
    assert_eq!(plog.logs.len(), 1);
    assert_eq!((plog.logs[0].id, plog.logs[0].mode), (B256::right_padding_from(b"activity"), 0));
    assert_eq!((plog.sources.len(), plog.sources[0].id), (1, 1));
    let governance = &pilot.genesis().alloc[&plog.governance];
    assert!(governance.code.as_ref().is_some_and(|code| !code.is_empty()));
    let (_, notices) = parse(PILOT_JSON).unwrap();
    assert_eq!(notices, []);
}

#[test]
fn the_development_chain_is_as_agreed() {
    let dev = ChainSpec::dev();
    assert_eq!(dev.chain_id(), 7252);
    let validator = address!("0xfe3b557e8fb62b89f4916b721be55ceb828dbd73");
    assert_eq!(dev.genesis_validators().unwrap(), [validator]);
    assert_eq!(dev.genesis().alloc.len(), 10);
    let funded = address!("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    let ether = U256::from(10).pow(U256::from(18));
    assert_eq!(dev.genesis().alloc[&funded].balance, ether * U256::from(1_000_000));
    assert_eq!(parse(DEV_JSON).unwrap().1, []);
}

/// A change here means that nodes of two versions no longer share a chain.
#[test]
fn the_presets_keep_their_hash() {
    let hashes = [ChainSpec::pilot(), ChainSpec::dev()].map(|spec| spec.genesis_hash().to_string());
    let pilot = "0xcaa527f1edd6cc1facfd3897d4dc1f954fd27d12e11224d2336d87b39d379ede";
    let dev = "0x29d6fec6d0c372a4b5b4f62c88034e72122cdc53df11c382997102ceb79e2119";
    assert_eq!(hashes, [pilot, dev]);
}

#[test]
fn malformed_files_name_the_field() {
    let table = [
        // required, types, forms
        (pilot_with("\"gasLimit\"", "\"gasLimits\""), "gasLimit"),
        (pilot_with("\"difficulty\"", "\"difficult\""), "difficulty"),
        (pilot_with("\"alloc\"", "\"allocs\""), "alloc"),
        (pilot_with("\"config\"", "\"konfig\""), "config"),
        ("[]".to_owned(), "genesis"),
        (pilot_with("\"0x1\"", "\"0xg\""), "difficulty"),
        (pilot_with("\"0x1\"", "-1"), "difficulty"),
        (pilot_with("\"nonce\": \"0x0\"", "\"nonce\": \"42\""), "nonce"),
        (pilot_with("\"0x5f5e100\"", "\"0x10000000000000000\""), "gasLimit"),
        (pilot_with("\"0x6374", "\"0x74"), "mixHash"),
        (pilot_with("\"coinbase\": \"0x00", "\"coinbase\": \"0x"), "coinbase"),
        (pilot_with("\"0xf869", "\"0xf868"), "extraData"),
        (pilot_with("\"0xf869", "\"0xf86"), "extraData"),
        (pilot_with("\"zeroBaseFee\": true", "\"zeroBaseFee\": 1"), "config.zeroBaseFee"),
        // allocation
        (with_alloc("{\"0x1\":{}}"), "alloc.0x1"),
        (with_alloc("[]"), "alloc"),
        (
            with_alloc(&format!("{{\"{0}\":{{}}, \"0x{0}\":{{}}}}", "aA".repeat(20))),
            &format!("alloc.0x{}", "aA".repeat(20)),
        ),
        (
            with_alloc(&format!("{{\"{}\":{{\"balance\":\"1.5\"}}}}", "aa".repeat(20))),
            &format!("alloc.{}.balance", "aa".repeat(20)),
        ),
        (
            with_alloc(&format!(
                "{{\"{}\":{{\"storage\":{{\"0x1\":\"1\",\"0x01\":\"2\"}}}}}}",
                "aa".repeat(20)
            )),
            &format!("alloc.{}.storage.0x01", "aa".repeat(20)),
        ),
        (
            with_alloc(&format!("{{\"{}\":{{\"code\":\"0x123\"}}}}", "aa".repeat(20))),
            &format!("alloc.{}.code", "aa".repeat(20)),
        ),
        // chain id
        (pilot_with("7251", "18446744073709551616"), "config.chainId"),
        (pilot_with("7251", "\"seven\""), "config.chainId"),
        // unknown and repeated keys
        (with_config("\"zeroBaseFe\": true"), "config.zeroBaseFe"),
        (with_config("\"CHAINID\": 7251"), "config.CHAINID"),
        (pilot_with("\"epochlength\"", "\"epochlenght\""), "config.ibft2.epochlenght"),
        (
            pilot_with("\"epochlength\"", "\"BlockPeriodSeconds\""),
            "config.ibft2.BlockPeriodSeconds",
        ),
        // values of config.ibft2
        (pilot_with("30000", "0"), "config.ibft2.epochlength"),
        (
            pilot_with("\"blockperiodseconds\": 2", "\"blockperiodseconds\": 0"),
            "config.ibft2.blockperiodseconds",
        ),
        (pilot_with("\"epochlength\": 30000", "\"besuPeers\": true"), "config.ibft2.besuPeers"),
        (
            pilot_with("\"epochlength\": 30000", "\"besuDialect\": \"24\""),
            "config.ibft2.besuDialect",
        ),
        (
            pilot_with("\"epochlength\": 30000", "\"roundtimeoutcapseconds\": 3"),
            "config.ibft2.roundtimeoutcapseconds",
        ),
        (
            pilot_with("\"epochlength\": 30000", "\"maxproposalbytes\": 15728641"),
            "config.ibft2.maxproposalbytes",
        ),
        (
            pilot_with("\"epochlength\": 30000", "\"blockreward\": \"-5\""),
            "config.ibft2.blockreward",
        ),
        (
            pilot_with("\"epochlength\": 30000", "\"miningbeneficiary\": \"0x1\""),
            "config.ibft2.miningbeneficiary",
        ),
        // transitions
        (with_config("\"transitions\": {\"qbft\": []}"), "config.transitions.qbft"),
        (with_config("\"transitions\": {\"ibft\": []}"), "config.transitions.ibft"),
        (with_config("\"transitions\": {\"ibft2\": [{}]}"), "config.transitions.ibft2[0].block"),
        (
            with_config("\"transitions\": {\"ibft2\": [{\"block\":0}]}"),
            "config.transitions.ibft2[0].block",
        ),
        (
            with_config("\"transitions\": {\"ibft2\": [{\"block\":5},{\"block\":5}]}"),
            "config.transitions.ibft2[1].block",
        ),
        (
            with_config("\"transitions\": {\"ibft2\": [{\"block\":5,\"epochlength\":7}]}"),
            "config.transitions.ibft2[0].epochlength",
        ),
        (
            with_config("\"transitions\": {\"ibft2\": [{\"block\":5,\"period\":7}]}"),
            "config.transitions.ibft2[0].period",
        ),
        (
            with_config("\"transitions\": {\"ibft2\": [{\"block\":5,\"validators\":[\"0x1\"]}]}"),
            "config.transitions.ibft2[0].validators[0]",
        ),
        // what is not implemented
        (with_config("\"qbft\": {}"), "config.qbft"),
        (with_config("\"clique\": {}"), "config.clique"),
        (with_config("\"evmStackSize\": 1024"), "config.evmStackSize"),
        (with_config("\"ecCurve\": \"secp256r1\""), "config.ecCurve"),
        (with_config("\"fixedBaseFee\": true"), "config.fixedBaseFee"),
        (with_config("\"amsterdamTime\": 0"), "config.amsterdamTime"),
        (with_config("\"contractSizeLimit\": 0"), "config.contractSizeLimit"),
        (with_config("\"contractSizeLimit\": 4294967296"), "config.contractSizeLimit"),
        // forks
        (pilot_with("\"cancunTime\": 0", "\"cancunTime\": 1767225601"), "config.pragueTime"),
        (pilot_with("\"londonBlock\": 0", "\"londonBlock\": 3"), "config.shanghaiTime"),
        (
            with_config("\"petersburgBlock\": 0, \"constantinopleFixBlock\": 0"),
            "config.constantinopleFixBlock",
        ),
        (with_config("\"eip155Block\": 0, \"eip158Block\": 1"), "config.eip158Block"),
        (with_config("\"bpo1Time\": 1"), "config.bpo1Time"),
        (with_config("\"osakaTime\": 0, \"bpo3Time\": 1"), "config.blobSchedule.bpo3"),
        (with_config("\"blobSchedule\": {\"prag\": {}}"), "config.blobSchedule.prag"),
        (
            with_config(
                "\"blobSchedule\": {\"prague\": {\"target\":9,\"max\":6,\"baseFeeUpdateFraction\":1}}",
            ),
            "config.blobSchedule.prague.target",
        ),
        (
            with_config(
                "\"blobSchedule\": {\"prague\": {\"target\":3,\"max\":6,\"baseFeeUpdateFraction\":0}}",
            ),
            "config.blobSchedule.prague.baseFeeUpdateFraction",
        ),
        (plain(",\"londonBlock\":0,\"shanghaiTime\":9"), "config.shanghaiTime"),
        (plain(",\"transitions\":{\"ibft2\":[]}"), "config.transitions"),
        // the transparency log
        (plain(",\"plog\": {}"), "config.plog.governance"),
    ];
    let mut wrong = Vec::new();
    for (json, field) in &table {
        match parse(json) {
            Err(error) if error.field() == Some(field) && error.position().is_some() => {}
            Err(error) => wrong.push(format!("{field}: got {:?}: {error}", error.field())),
            Ok(_) => wrong.push(format!("{field}: accepted")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_unknown_key_is_shown_with_line_and_column() {
    let error = parse(&pilot_with("\"epochlength\"", "\"epochlenght\"")).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("config.ibft2.epochlenght (13:7): unknown key"), "{text}");
    assert!(text.ends_with("did you mean epochlength?"), "{text}");
    let error = parse(&with_config("\"gasPriceOracle\": 1")).unwrap_err().to_string();
    assert!(error.contains("known here are chainId, "), "{error}");
}

#[test]
fn a_missing_chain_id_is_one_with_a_notice() {
    let (spec, notices) = parse(&pilot_with("\"chainId\": 7251,", "")).unwrap();
    assert_eq!(spec.chain_id(), 1);
    assert_eq!(notices[0].site.field, "config.chainId");
}

#[test]
fn keys_of_other_clients_are_named() {
    let json = with_config(
        "\"discovery\": {}, \"ethash\": {}, \"fixedBaseFee\": false, \"mergeNetsplitBlock\": 3, \
         \"terminalTotalDifficulty\": \"0x0\"",
    )
    .replacen("\"nonce\"", "\"number\": \"0x0\", \"remark\": 1, \"nonce\"", 1);
    let fields: Vec<_> =
        parse(&json).unwrap().1.into_iter().map(|notice| notice.site.field).collect();
    for field in
        ["config.discovery", "config.ethash", "config.mergeNetsplitBlock", "number", "remark"]
    {
        assert!(fields.iter().any(|found| found == field), "{field}: {fields:?}");
    }
    assert_eq!(parse(&json).unwrap().0.genesis_hash(), ChainSpec::pilot().genesis_hash());
}

#[test]
fn a_transition_below_a_fork_by_time_is_named() {
    let json =
        with_config("\"transitions\": {\"ibft2\": [{\"block\":500,\"blockperiodseconds\":7}]}");
    let (_, notices) = parse(&json).unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].site.field, "config.transitions.ibft2[0].block");
}

#[test]
fn number_forms_do_not_change_the_hash() {
    let json = PILOT_JSON
        .replace("\"0x5f5e100\"", "100000000")
        .replace("\"0x6955b900\"", "\"1767225600\"")
        .replace("\"chainId\": 7251", "\"chainId\": \"0x1c53\"")
        .replace("\"difficulty\": \"0x1\"", "\"difficulty\": 1");
    let (spec, _) = parse(&json).unwrap();
    assert_eq!(spec.genesis_hash(), ChainSpec::pilot().genesis_hash());
    assert_eq!(spec.chain_id(), 7251);
}

#[test]
fn a_log_from_genesis_on_is_in_the_state() {
    let plog = |more: &str| {
        plain(&format!(",\"plog\": {{\"governance\":\"0x{}\"{more}}}", "11".repeat(20)))
    };
    let (without, _) = parse(&plain("")).unwrap();
    let (now, _) = parse(&plog("")).unwrap();
    assert_ne!(now.genesis_hash(), without.genesis_hash());
    assert_eq!(now.genesis().alloc[&PLOG_ADDRESS].nonce, Some(1));
    let (later, _) = parse(&plog(",\"block\":5")).unwrap();
    assert_eq!(later.genesis_hash(), without.genesis_hash());
    assert!(later.plog().is_some());
    let named =
        plog("").replace("\"alloc\":{}", &format!("\"alloc\":{{\"{PLOG_ADDRESS:#x}\":{{}}}}"));
    let field = parse(&named).unwrap_err().field().map(str::to_owned);
    assert_eq!(field, Some(format!("alloc.{PLOG_ADDRESS:#x}")));
}

#[test]
fn the_base_fee_follows_eip_1559_or_is_zero() {
    let json = plain(",\"londonBlock\":5,\"mergeNetsplitBlock\":9");
    let (spec, _) = parse(&json).unwrap();
    assert_eq!(spec.genesis_header().base_fee_per_gas, None);
    let parent = |number, base_fee_per_gas| Header {
        number,
        base_fee_per_gas,
        gas_limit: 1_000,
        gas_used: 1_000,
        ..Default::default()
    };
    assert_eq!(spec.next_base_fee(&parent(3, None), 0), None);
    assert_eq!(spec.next_base_fee(&parent(4, None), 0), Some(1_000_000_000));
    assert_eq!(spec.next_base_fee(&parent(5, Some(800)), 0), Some(900));
    // Besu takes the genesis file's fee where London starts later; geth does not.
    let besu = |json: &str| pilot_with("\"nonce\"", json);
    let json = besu("\"baseFeePerGas\": \"0x7\", \"nonce\"");
    let (spec, _) = parse(&json).unwrap();
    assert_eq!((spec.genesis_header().base_fee_per_gas, spec.initial_base_fee()), (Some(7), 7));
}

#[test]
fn header_fields_appear_with_their_forks() {
    let at = |forks: &[(EthereumHardfork, u64)]| {
        let forks = forks.iter().map(|(fork, time)| (*fork, ForkCondition::Timestamp(*time)));
        let spec = ChainSpecBuilder { forks: forks.collect(), ..Default::default() }.build();
        spec.unwrap().genesis_header().clone().into_inner()
    };
    let shanghai = at(&[(EthereumHardfork::Shanghai, 0), (EthereumHardfork::Cancun, 1)]);
    assert!(shanghai.withdrawals_root.is_some() && shanghai.blob_gas_used.is_none());
    let cancun = at(&[(EthereumHardfork::Cancun, 0), (EthereumHardfork::Prague, 1)]);
    assert!(cancun.blob_gas_used.is_some() && cancun.requests_hash.is_none());
    assert!(cancun.parent_beacon_block_root.is_some_and(|root| root.is_zero()));
    assert!(at(&[(EthereumHardfork::Osaka, 0)]).requests_hash.is_some());
}

#[test]
fn evm_rules_change_with_each_fork() {
    let json = plain(
        ",\"homesteadBlock\":1,\"constantinopleBlock\":2,\"petersburgBlock\":3,\
         \"londonBlock\":4,\"mergeNetsplitBlock\":5,\"shanghaiTime\":60,\"osakaTime\":90",
    );
    let (spec, notices) = parse(&json).unwrap();
    let seen: Vec<_> = (0..6).map(|number| spec.spec_id(number, 0)).collect();
    use SpecId::{FRONTIER, HOMESTEAD, LONDON, MERGE, PETERSBURG};
    assert_eq!(seen, [FRONTIER, HOMESTEAD, PETERSBURG, PETERSBURG, LONDON, MERGE]);
    assert_eq!(spec.spec_id(9, 60), SpecId::SHANGHAI);
    assert_eq!(spec.spec_id(9, 90), SpecId::OSAKA);
    assert!(notices.iter().any(|notice| notice.site.field == "config.constantinopleBlock"));
    assert!(spec.deposit_contract_address().is_some());
}

#[test]
fn a_merge_at_total_difficulty_zero_is_at_genesis() {
    let (spec, _) =
        parse(&plain(",\"londonBlock\":0,\"terminalTotalDifficulty\":0,\"shanghaiTime\":9"))
            .unwrap();
    assert_eq!(spec.fork(EthereumHardfork::Paris), ForkCondition::Block(0));
}

#[test]
fn a_fork_by_block_and_its_aliases_are_one() {
    let (spec, _) = parse(&plain(",\"eip158Block\":4,\"istanbulBlock\":9")).unwrap();
    assert_eq!(spec.fork(EthereumHardfork::SpuriousDragon), ForkCondition::Block(4));
    assert_eq!(spec.fork(EthereumHardfork::Petersburg), ForkCondition::Block(9));
    let (spec, notices) = parse(&plain(",\"daoForkBlock\":4,\"daoForkSupport\":false")).unwrap();
    assert_eq!(spec.fork(EthereumHardfork::Dao), ForkCondition::Never);
    assert_eq!(notices.len(), 1);
}

#[test]
fn consensus_keys_reach_the_schedule() {
    let keys = "\"epochlength\": \"0x64\", \"blockreward\": \"5\", \"miningbeneficiary\": \"\", \
                \"dropvotessurviveuntil\": 9, \"futuremessagesmaxdistance\": 3, \
                \"messagequeuelimit\": 7, \"emptyblockperiodseconds\": 60";
    let json = pilot_with("\"epochlength\": 30000", keys);
    let (spec, notices) = parse(&json).unwrap();
    let config = spec.ibft2().unwrap().config();
    assert_eq!((config.epoch_length, config.block_reward), (100, U256::from(5)));
    assert_eq!((config.mining_beneficiary, config.drop_votes_survive_until), (None, 9));
    assert_eq!((config.future_messages_max_distance, config.empty_block_period_seconds), (3, 60));
    assert!(config.chain_bound_signatures && !config.besu_peers);
    assert_eq!((config.block_period_seconds, config.request_timeout_seconds), (2, 4));
    assert_eq!(notices.len(), 1, "{notices:?}");
}

#[test]
fn a_large_allocation_is_read_in_linear_time() {
    let accounts: Vec<_> = (0..20_000)
        .map(|index| format!("\"{index:040x}\": {{\"balance\": \"{index}\", \"note\": 0}}"))
        .collect();
    let json = with_alloc(&format!("{{{}}}", accounts.join(",\n")));
    let start = std::time::Instant::now();
    let (spec, notices) = parse(&json).unwrap();
    // A fraction of a second; reading the file from its start for every key would take minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    println!("20,000 accounts: {:?}", start.elapsed());
    assert_eq!((spec.genesis().alloc.len(), notices.len()), (20_000, 1));
}
