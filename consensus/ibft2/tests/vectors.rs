//! Runs the published IBFT 2.0 vectors of every kind that this crate implements.
//!
//! `PERURI_VECTORS` names the folder that holds `ibft2.json`; without it the test is skipped. Each
//! kind prints how many vectors ran, so that a kind that silently disappears is noticed.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use alloy_consensus::{Header, crypto::secp256k1::sign_message};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use peruri_ibft2::{
    BlockPeriod, BlockVote, ExtraData, FeeMarket, ForkPoints, Form, HeaderContext, Ibft2Config,
    Ibft2Schedule, IbftHeader, Mode, Seal, Transition, ValidatorSet, ValidatorState, Vote,
    VoteType, block_hash, byzantine, prepare_quorum, proposer, quorum, recover_seals,
    round_timeout, seal_digest, sticky_proposer, validate_header, vote_majority,
};
use reth_primitives_traits::SealedHeader;
use serde_json::Value;

/// Name of a kind, least number of its vectors, and what runs one of them.
type Kind = (&'static str, usize, fn(&Value));

/// Kinds that this crate runs, with the number of vectors that the file must at least hold.
const KINDS: [Kind; 10] = [
    ("extra_data", 5, extra_data),
    ("extra_data_invalid", 8, extra_data_invalid),
    ("header", 8, header),
    ("genesis", 3, genesis_header),
    ("header_validation", 13, header_validation),
    ("quorum", 11, quorum_sizes),
    ("proposer", 11, proposer_choice),
    ("vote_tally", 10, vote_tally),
    ("validator_sequence", 2, validator_sequence),
    ("round_timeout", 4, timeouts),
];

#[test]
fn published_vectors() {
    let Some(folder) = std::env::var_os("PERURI_VECTORS") else {
        println!("skipped: PERURI_VECTORS is not set");
        return;
    };
    let path = PathBuf::from(folder).join("ibft2.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut ran: BTreeMap<&str, usize> = BTreeMap::new();
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for vector in file["vectors"].as_array().unwrap() {
        let kind = text(&vector["kind"]);
        match KINDS.iter().find(|(name, ..)| *name == kind) {
            Some((_, _, run)) => {
                println!("{kind}: {}", text(&vector["name"]));
                run(vector);
                *ran.entry(kind).or_default() += 1;
            }
            None => *left.entry(kind).or_default() += 1,
        }
    }
    for (kind, at_least, _) in KINDS {
        let count = ran.get(kind).copied().unwrap_or_default();
        println!("{kind}: {count} passed");
        assert!(count >= at_least, "{kind}: {count} vectors ran, expected at least {at_least}");
    }
    println!("left to other crates: {left:?}");
    println!("{} passed, 0 failed, {} skipped", sum(&ran), sum(&left));
}

fn sum(counts: &BTreeMap<&str, usize>) -> usize {
    counts.values().sum()
}

// Reading values.

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn size(value: &Value) -> usize {
    usize::try_from(number(value)).unwrap()
}

fn round(value: &Value) -> u32 {
    u32::try_from(number(value)).unwrap()
}

fn bytes(value: &Value) -> Bytes {
    text(value).parse().unwrap()
}

fn hash(value: &Value) -> B256 {
    text(value).parse().unwrap()
}

fn address(value: &Value) -> Address {
    text(value).parse().unwrap()
}

fn addresses(value: &Value) -> Vec<Address> {
    value.as_array().unwrap().iter().map(address).collect()
}

fn set(value: &Value) -> ValidatorSet {
    addresses(value).into_iter().collect()
}

fn vote_kind(value: &Value) -> VoteType {
    match text(value) {
        "ADD" => VoteType::Add,
        "DROP" => VoteType::Drop,
        other => panic!("unknown vote {other}"),
    }
}

fn vote(value: &Value) -> Option<Vote> {
    (!value.is_null())
        .then(|| Vote { recipient: address(&value["recipient"]), kind: vote_kind(&value["type"]) })
}

fn decode_header(value: &Value) -> IbftHeader {
    let rlp = bytes(value);
    let header = IbftHeader::decode(&mut rlp.as_ref()).unwrap();
    assert_eq!(alloy_rlp::encode(&header), rlp);
    header
}

// One function per kind.

fn extra_data(vector: &Value) {
    let fields = &vector["fields"];
    let seals = fields["seals"].as_array().unwrap();
    let expected = ExtraData {
        vanity: bytes(&fields["vanity"]),
        validators: addresses(&fields["validators"]),
        vote: vote(&fields["vote"]),
        round: round(&fields["round"]),
        seals: seals.iter().map(|seal| Seal::try_from(bytes(seal).as_ref()).unwrap()).collect(),
    };
    let all = bytes(&vector["encoded_all"]);
    assert_eq!(ExtraData::decode(&all), Ok(expected.clone()));
    assert_eq!(expected.encode(Form::All), all);
    assert_eq!(expected.encode(Form::WithoutSeals), bytes(&vector["encoded_without_seals"]));
    assert_eq!(expected.encode(Form::OnChain), bytes(&vector["encoded_onchain"]));
}

fn extra_data_invalid(vector: &Value) {
    assert_eq!(text(&vector["expect"]), "decode error");
    let error = ExtraData::decode(&bytes(&vector["encoded"])).unwrap_err();
    println!("  refused: {error}");
}

fn header(vector: &Value) {
    let header = decode_header(&vector["header_rlp"]);
    let digest = seal_digest(&header).unwrap();
    let extra = ExtraData::decode(&header.extra_data).unwrap();
    assert_eq!(header.number, number(&vector["number"]));
    assert_eq!(block_hash(&header).0, hash(&vector["block_hash"]));
    assert_eq!(header.hash_slow(), hash(&vector["block_hash"]));
    assert_eq!(digest.0, hash(&vector["seal_digest"]));
    assert_eq!(keccak256(alloy_rlp::encode(&header)), hash(&vector["plain_keccak_of_header"]));
    assert_eq!(extra.round, round(&vector["round"]));
    assert_eq!(extra.validators, addresses(&vector["validators"]));
    let signers = recover_seals(digest, &extra.seals).unwrap();
    assert_eq!(signers, addresses(&vector["seal_signers"]));
    reproduce_seals(vector, &extra.seals, digest.0);
}

/// The header only: building it from the genesis file needs the state root.
fn genesis_header(vector: &Value) {
    let header = decode_header(&vector["header_rlp"]);
    assert_eq!(header.hash_slow(), hash(&vector["block_hash"]));
    let extra = ExtraData::decode(&header.extra_data).unwrap();
    let genesis = ExtraData::genesis(extra.vanity.clone(), extra.validators.clone());
    assert_eq!(extra, genesis);
    let validators: ValidatorSet = extra.validators.into_iter().collect();
    assert_eq!(validators.as_slice(), addresses(&vector["validators_sorted"]));
}

/// Signing with the published test keys gives the seals byte for byte (RFC 6979, low s).
fn reproduce_seals(vector: &Value, seals: &[Seal], digest: B256) {
    let Some(keys) = vector["keys"].as_array() else { return };
    let made: Vec<Seal> = keys
        .iter()
        .map(|key| sign_message(hash(key), digest).unwrap())
        .map(|signature| Seal::try_from(signature).unwrap())
        .collect();
    assert!(seals.iter().all(|seal| made.contains(seal)), "{seals:?} not in {made:?}");
}

/// Number of the rule that a header must break, by the name of the rule in Besu.
fn rule(name: &str) -> u8 {
    match name {
        "Ancestry" => 1,
        "GasUsage" => 2,
        "GasLimitRangeAndDelta" => 3,
        "TimestampBoundedByFuture" => 4,
        "MixHash" => 5,
        "OmmersHash" => 6,
        "Difficulty" => 7,
        "Nonce" => 8,
        "BftValidators" => 9,
        "BftCoinbase" => 10,
        "BftCommitSeals" => 11,
        "TimestampMoreRecentThanParent" => 12,
        other => panic!("unknown rule {other}"),
    }
}

fn header_validation(vector: &Value) {
    let header = decode_header(&vector["header_rlp"]);
    let parent = SealedHeader::seal_slow(decode_header(&vector["parent_rlp"]));
    let ctx = HeaderContext {
        validators: &set(&vector["validators_after_parent"]),
        period: BlockPeriod::Seconds(number(&vector["block_period_seconds"])),
        now: number(&vector["local_time"]),
        fee_market: match vector["base_fee_market"].as_bool() {
            Some(active) => FeeMarket::from_activity(active, active),
            None => panic!("base_fee_market"),
        },
    };
    let mode = match text(&vector["mode"]) {
        "FULL" => Mode::Full,
        "LIGHT" => Mode::Light,
        other => panic!("unknown mode {other}"),
    };
    let result = validate_header(&header, &parent, &ctx, mode);
    match text(&vector["expect"]) {
        "accept" => assert_eq!(result, Ok(())),
        "reject" => {
            let error = result.unwrap_err();
            println!("  refused: {error}");
            assert_eq!(error.rule(), rule(text(&vector["rule"])));
        }
        other => panic!("unknown verdict {other}"),
    }
}

fn quorum_sizes(vector: &Value) {
    let n = size(&vector["validators"]);
    assert_eq!(quorum(n), size(&vector["quorum"]));
    assert_eq!(prepare_quorum(n), size(&vector["prepare_quorum"]));
    assert_eq!(byzantine(n), size(&vector["byzantine_f"]));
    assert_eq!(byzantine(n) + 1, size(&vector["f_plus_1"]));
    assert_eq!(vote_majority(n), size(&vector["vote_majority"]));
}

fn proposer_choice(vector: &Value) {
    let select = match vector["change_each_block"].as_bool() {
        Some(true) => proposer,
        Some(false) => sticky_proposer,
        None => panic!("change_each_block"),
    };
    let chosen = select(
        address(&vector["previous_block_coinbase"]),
        &set(&vector["validators"]),
        round(&vector["round"]),
    );
    assert_eq!(chosen, Some(address(&vector["proposer"])));
}

fn vote_tally(vector: &Value) {
    let mut state = ValidatorState::new(set(&vector["initial"]));
    for operation in vector["operations"].as_array().unwrap() {
        match text(&operation["op"]) {
            "reset" => state.clear_votes(),
            _ => state.count(
                address(&operation["proposer"]),
                Vote {
                    recipient: address(&operation["subject"]),
                    kind: vote_kind(&operation["op"]),
                },
            ),
        }
        if let Some(after) = operation.get("validators_after") {
            assert_eq!(state.validators(), &set(after));
        }
    }
    assert_eq!(state.validators().as_slice(), addresses(&vector["final"]));
}

fn validator_sequence(vector: &Value) {
    let schedule = sequence_schedule(vector);
    let mut state =
        ValidatorState::restart(&schedule, 0, &addresses(&vector["genesis_validators"]))
            .unwrap()
            .apply(&schedule, &BlockVote { number: 0, coinbase: Address::ZERO, vote: None });
    for block in vector["blocks"].as_array().unwrap() {
        let listed = addresses(&block["validators_in_header"]);
        assert_eq!(state.validators().as_slice(), listed);
        let extra =
            ExtraData { validators: listed, vote: vote(&block["vote"]), ..ExtraData::default() };
        let header = Header {
            number: number(&block["number"]),
            beneficiary: address(&block["coinbase"]),
            extra_data: extra.encode(Form::All),
            ..Header::default()
        };
        state = ValidatorState::after_block(Some(&state), &header, &schedule).unwrap();
        assert_eq!(state.validators(), &set(&block["validators_after_block"]));
    }
}

fn sequence_schedule(vector: &Value) -> Ibft2Schedule {
    let config =
        Ibft2Config { epoch_length: number(&vector["epoch_length"]), ..Ibft2Config::default() };
    let overrides = vector["overrides"].as_object();
    let transitions = overrides.into_iter().flatten().map(|(block, validators)| Transition {
        block: block.parse().unwrap(),
        validators: Some(addresses(validators)),
        ..Transition::default()
    });
    Ibft2Schedule::new(config, transitions.collect(), &ForkPoints::default()).unwrap()
}

fn timeouts(vector: &Value) {
    let base = Duration::from_millis(number(&vector["base_ms"]));
    let expected = Duration::from_millis(number(&vector["timeout_ms"]));
    assert_eq!(round_timeout(base, round(&vector["round"])), expected);
}
