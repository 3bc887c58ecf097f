//! The kinds that are pure functions: encodings, hashes, header rules, sizes, turns, votes, timers.

use std::time::Duration;

use alloy_consensus::{Header, crypto::secp256k1::sign_message};
use alloy_primitives::{Address, B256, keccak256};
use peruri_ibft2::{
    BlockPeriod, BlockVote, ExtraData, FeeMarket, ForkPoints, Form, HeaderContext, Ibft2Config,
    Ibft2Schedule, Mode, Seal, Transition, ValidatorSet, ValidatorState, Vote, block_hash,
    byzantine, prepare_quorum, proposer, quorum, recover_seals, round_timeout, seal_digest,
    sticky_proposer, validate_header, vote_majority,
};
use reth_primitives_traits::SealedHeader;
use serde_json::Value;

use super::read::{
    address, addresses, bytes, decode_header, hash, number, round, set, size, text, vote, vote_kind,
};

// One function per kind.

pub(super) fn extra_data(vector: &Value) {
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

pub(super) fn extra_data_invalid(vector: &Value) {
    assert_eq!(text(&vector["expect"]), "decode error");
    let error = ExtraData::decode(&bytes(&vector["encoded"])).unwrap_err();
    eprintln!("  refused: {error}");
}

pub(super) fn header(vector: &Value) {
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
pub(super) fn genesis_header(vector: &Value) {
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

pub(super) fn header_validation(vector: &Value) {
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
            eprintln!("  refused: {error}");
            assert_eq!(error.rule(), rule(text(&vector["rule"])));
        }
        other => panic!("unknown verdict {other}"),
    }
}

pub(super) fn quorum_sizes(vector: &Value) {
    let n = size(&vector["validators"]);
    assert_eq!(quorum(n), size(&vector["quorum"]));
    assert_eq!(prepare_quorum(n), size(&vector["prepare_quorum"]));
    assert_eq!(byzantine(n), size(&vector["byzantine_f"]));
    assert_eq!(byzantine(n) + 1, size(&vector["f_plus_1"]));
    assert_eq!(vote_majority(n), size(&vector["vote_majority"]));
}

pub(super) fn proposer_choice(vector: &Value) {
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

pub(super) fn vote_tally(vector: &Value) {
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

pub(super) fn validator_sequence(vector: &Value) {
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

pub(super) fn timeouts(vector: &Value) {
    let base = Duration::from_millis(number(&vector["base_ms"]));
    let expected = Duration::from_millis(number(&vector["timeout_ms"]));
    assert_eq!(round_timeout(base, round(&vector["round"])), expected);
}
