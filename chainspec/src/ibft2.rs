//! `config.ibft2` and `config.transitions.ibft2`.
//!
//! The keys are Besu's and this node's own; the values end in the configuration types of
//! `peruri-ibft2`, which know nothing of JSON. What that crate would refuse is refused here first,
//! so that the error can name the place in the file.

use crate::{
    config::IGNORED,
    error::{ChainSpecError, Notice},
    forks::Forks,
    json::{Node, Object},
};
use alloy_primitives::Address;
use peruri_ibft2::{
    BesuDialect, ForkPoints, Ibft2Config, Ibft2Schedule, Transition, config::MAX_PROPOSAL_BYTES,
};
use std::collections::BTreeMap;

type Result<T, E = ChainSpecError> = std::result::Result<T, E>;

/// Keys of a transition that Besu does not let change either.
const FIXED: [&str; 2] = ["requesttimeoutseconds", "epochlength"];

/// Reads both sections. Without `config.ibft2` there may be no transitions either.
pub(crate) fn parse_ibft2(
    ibft2: Option<&Node<'_>>,
    transitions: Option<&Node<'_>>,
    forks: &Forks,
    notices: &mut Vec<Notice>,
) -> Result<Option<Ibft2Schedule>> {
    let Some(ibft2) = ibft2 else {
        return match transitions {
            Some(node) => Err(node.conflict("transitions without config.ibft2")),
            None => Ok(None),
        };
    };
    let config = parse_config(ibft2, notices)?;
    let transitions = match transitions {
        Some(node) => parse_transitions(node)?,
        None => BTreeMap::new(),
    };
    let list = transitions.values().map(|(_, transition)| transition.clone()).collect();
    let schedule = Ibft2Schedule::new(config, list, &fork_points(forks))
        .map_err(|error| ibft2.conflict(error.to_string()))?;
    for value in schedule.read_as_time() {
        if let Some((block, transition)) = transitions.get(&value)
            && changes_protocol(transition)
        {
            notices.push(Notice::new(
                block.site(),
                format!(
                    "a fork by time stands at or below {value}, so period, reward and beneficiary \
                     change at second {value} of 1970, not at block {value} (as Besu reads it); \
                     validators do change at the block"
                ),
            ));
        }
    }
    Ok(Some(schedule))
}

const fn changes_protocol(transition: &Transition) -> bool {
    transition.block_period_seconds.is_some()
        || transition.block_reward.is_some()
        || transition.mining_beneficiary.is_some()
}

fn fork_points(forks: &Forks) -> ForkPoints {
    ForkPoints {
        blocks: forks.iter().filter_map(|(_, at)| at.block_number()).collect(),
        times: forks.iter().filter_map(|(_, at)| at.as_timestamp()).collect(),
    }
}

fn parse_config(node: &Node<'_>, notices: &mut Vec<Notice>) -> Result<Ibft2Config> {
    let mut object = node.object()?;
    let mut config = Ibft2Config::default();
    let c = &mut config;
    set(&mut object, "blockperiodseconds", Node::positive, &mut c.block_period_seconds)?;
    set(&mut object, "xblockperiodmilliseconds", Node::u64, &mut c.block_period_milliseconds)?;
    set(&mut object, "requesttimeoutseconds", Node::positive, &mut c.request_timeout_seconds)?;
    set(&mut object, "epochlength", Node::positive, &mut c.epoch_length)?;
    set(&mut object, "blockreward", Node::number, &mut c.block_reward)?;
    c.mining_beneficiary = beneficiary(&mut object)?.flatten();
    set(&mut object, "futuremessagesmaxdistance", Node::u64, &mut c.future_messages_max_distance)?;
    set(&mut object, "besuDialect", dialect, &mut c.besu_dialect)?;
    set(&mut object, "chainBoundSignatures", Node::boolean, &mut c.chain_bound_signatures)?;
    set(&mut object, "emptyblockperiodseconds", Node::u64, &mut c.empty_block_period_seconds)?;
    set(&mut object, "maxproposalbytes", proposal_bytes, &mut c.max_proposal_bytes)?;
    set(&mut object, "dropvotessurviveuntil", Node::u64, &mut c.drop_votes_survive_until)?;
    let cap = object.take("roundtimeoutcapseconds");
    if let Some(cap) = &cap {
        c.round_timeout_cap_seconds = Some(round_cap(cap, c.request_timeout_seconds)?);
    }
    if let Some(peers) = object.take("besuPeers") {
        c.besu_peers = peers.boolean()?;
        if c.besu_peers && c.chain_bound_signatures {
            return Err(peers.conflict("Besu does not know chainBoundSignatures"));
        }
        if c.besu_peers && cap.is_some() {
            return Err(peers.conflict("Besu does not know roundtimeoutcapseconds"));
        }
    }
    queue_limits(&mut object, c, notices)?;
    object.finish()?;
    Ok(config)
}

/// Besu's keys without effect here: sizes of its queues, and the empty-block key of QBFT.
fn queue_limits(
    object: &mut Object<'_>,
    config: &mut Ibft2Config,
    notices: &mut Vec<Notice>,
) -> Result<()> {
    let mut unused = 0;
    for (key, target) in [
        ("messagequeuelimit", &mut config.message_queue_limit),
        ("duplicatemessagelimit", &mut config.duplicate_message_limit),
        ("futuremessageslimit", &mut config.future_messages_limit),
        ("gossipedhistorylimit", &mut config.gossiped_history_limit),
        ("xemptyblockperiodseconds", &mut unused),
    ] {
        if let Some(node) = object.take(key) {
            *target = node.u64()?;
            notices.push(Notice::new(node.site(), IGNORED));
        }
    }
    Ok(())
}

fn parse_transitions<'a>(node: &Node<'a>) -> Result<BTreeMap<u64, (Node<'a>, Transition)>> {
    let mut object = node.object()?;
    if let Some(node) = object.take_hidden("qbft") {
        return Err(node.unsupported("QBFT; this node runs IBFT 2.0 (config.transitions.ibft2)"));
    }
    let list = object.read("ibft2", Node::array)?.unwrap_or_default();
    object.finish()?;
    let mut transitions: BTreeMap<u64, (Node<'a>, Transition)> = BTreeMap::new();
    for node in list {
        let (block, transition) = parse_transition(&node)?;
        let number = transition.block;
        if let Some((first, _)) = transitions.get(&number) {
            let first = first.position();
            return Err(block.conflict(format!("block {number} has a transition at {first}")));
        }
        transitions.insert(number, (block, transition));
    }
    Ok(transitions)
}

fn parse_transition<'a>(node: &Node<'a>) -> Result<(Node<'a>, Transition)> {
    let mut object = node.object()?;
    let block = object.require("block")?;
    for key in FIXED {
        if let Some(node) = object.take_hidden(key) {
            return Err(node.unsupported("this value holds for the whole life of the chain"));
        }
    }
    let transition = Transition {
        block: block.positive()?,
        block_period_seconds: object.read("blockperiodseconds", Node::positive)?,
        block_reward: object.read("blockreward", Node::number)?,
        mining_beneficiary: beneficiary(&mut object)?,
        validators: object.read("validators", validators)?,
    };
    object.finish()?;
    Ok((block, transition))
}

fn validators(node: &Node<'_>) -> Result<Vec<Address>> {
    let mut places = BTreeMap::new();
    let mut validators = Vec::new();
    for node in node.array()? {
        let validator = node.address()?;
        if let Some(first) = places.insert(validator, node.position()) {
            return Err(ChainSpecError::DuplicateKey { site: node.site(), first });
        }
        validators.push(validator);
    }
    if validators.is_empty() {
        return Err(node.invalid("at least one validator, or the chain stops there"));
    }
    Ok(validators)
}

/// `Some(None)` for an empty text: nothing is overridden. The zero address is a real beneficiary.
fn beneficiary(object: &mut Object<'_>) -> Result<Option<Option<Address>>> {
    match object.take("miningbeneficiary") {
        Some(node) if node.text()?.is_empty() => Ok(Some(None)),
        Some(node) => node.address().map(|address| Some(Some(address))),
        None => Ok(None),
    }
}

fn dialect(node: &Node<'_>) -> Result<BesuDialect> {
    match node.u64() {
        Ok(25) => Ok(BesuDialect::V25),
        Ok(26) => Ok(BesuDialect::V26),
        _ => Err(node.invalid("\"25\" or \"26\"")),
    }
}

fn proposal_bytes(node: &Node<'_>) -> Result<u64> {
    match node.positive()? {
        bytes if bytes > MAX_PROPOSAL_BYTES => {
            Err(node.invalid(format!("at most {MAX_PROPOSAL_BYTES} bytes")))
        }
        bytes => Ok(bytes),
    }
}

fn round_cap(node: &Node<'_>, request_timeout: u64) -> Result<u64> {
    match node.u64()? {
        cap if cap < request_timeout => {
            Err(node.invalid(format!("at least requesttimeoutseconds ({request_timeout})")))
        }
        cap => Ok(cap),
    }
}

fn set<'a, T>(
    object: &mut Object<'a>,
    key: &'static str,
    parse: impl FnOnce(&Node<'a>) -> Result<T>,
    target: &mut T,
) -> Result<()> {
    if let Some(value) = object.read(key, parse)? {
        *target = value;
    }
    Ok(())
}
