//! What the nodes of a chain must have in common beyond the genesis hash.
//!
//! Much of `config` does not enter the genesis block: two nodes can have one genesis hash and follow
//! different rules. Nodes therefore compare [`ChainRules`] when they meet. Rules that hold from the
//! first block on must be equal; scheduled ones only where both chains have reached them, so that a
//! network can be told of a fork node by node.

use alloy_hardforks::ForkCondition;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use peruri_ibft2::{BlockParams, Ibft2Config, TransitionKind, ValidatorSet};
use std::collections::BTreeMap;

use crate::ChainSpec;

/// The rules of a chain in a form that can be sent and compared.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ChainRules {
    /// Rules that hold from the first block on.
    fixed: Vec<FixedRule>,
    /// Rules with a beginning, ascending by name.
    scheduled: Vec<ScheduledRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct FixedRule {
    key: String,
    value: String,
}

/// A rule that begins somewhere.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ScheduledRule {
    /// Its name: a fork, `transition N`, `plog`.
    pub name: String,
    /// Where it begins.
    pub activation: Activation,
    /// Hash of what it says.
    pub content: B256,
}

/// Where a rule begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Activation {
    /// Whether `at` is a time in seconds; otherwise it is the number of a block.
    pub by_time: bool,
    /// The first block or second.
    pub at: u64,
}

impl Activation {
    /// Whether the rule is in force for a block with this number and time (seconds).
    pub const fn is_active(&self, number: u64, timestamp: u64) -> bool {
        self.at <= if self.by_time { timestamp } else { number }
    }

    const fn of(condition: ForkCondition) -> Option<Self> {
        match condition {
            ForkCondition::Block(at) | ForkCondition::TTD { activation_block_number: at, .. } => {
                Some(Self { by_time: false, at })
            }
            ForkCondition::Timestamp(at) => Some(Self { by_time: true, at }),
            ForkCondition::Never => None,
        }
    }
}

impl ChainRules {
    /// The rules of `spec`.
    pub fn new(spec: &ChainSpec) -> Self {
        let mut fixed = BTreeMap::from([
            ("zeroBaseFee".to_owned(), spec.zero_base_fee().to_string()),
            ("contractSizeLimit".to_owned(), format!("{:?}", spec.contract_size_limit())),
        ]);
        let mut scheduled: BTreeMap<String, ScheduledRule> = BTreeMap::new();
        let mut add = |name: String, activation: Activation, content: String| {
            let content = keccak256(content);
            scheduled.insert(name.clone(), ScheduledRule { name, activation, content });
        };
        for (fork, condition) in spec.forks().iter() {
            let Some(activation) = Activation::of(condition) else { continue };
            let blobs = activation.by_time.then(|| spec.blob_params_at_timestamp(activation.at));
            let blobs = blobs.flatten().map(|it| (it.target_blob_count, it.max_blob_count));
            add(fork.name().to_owned(), activation, format!("blobs {blobs:?}"));
        }
        if let Some(schedule) = spec.ibft2() {
            fixed.extend(ibft2_rules(schedule.config()));
            for (kind, at, params, validators) in schedule.milestones() {
                let activation = Activation { by_time: kind == TransitionKind::Time, at };
                add(format!("transition {at}"), activation, transition(params, validators));
            }
        }
        if let Some(plog) = spec.plog()
            && let Some(activation) = Activation::of(plog.activation)
        {
            let content = (plog.governance, &plog.logs, &plog.sources, &plog.writers);
            add("plog".to_owned(), activation, format!("{content:?}"));
        }
        let fixed = fixed.into_iter().map(|(key, value)| FixedRule { key, value }).collect();
        Self { fixed, scheduled: scheduled.into_values().collect() }
    }

    /// Hash of the rules that hold from the first block on.
    pub fn hash(&self) -> B256 {
        keccak256(alloy_rlp::encode(&self.fixed))
    }

    /// The fixed rules in which `other` differs: key, the value here, the value there.
    pub fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let map = |rules: &Self| -> BTreeMap<String, String> {
            rules.fixed.iter().map(|rule| (rule.key.clone(), rule.value.clone())).collect()
        };
        let (ours, theirs) = (map(self), map(other));
        let keys: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        let value = |rules: &BTreeMap<String, String>, key: &String| {
            rules.get(key).cloned().unwrap_or_else(|| "absent".to_owned())
        };
        keys.into_iter()
            .filter(|key| ours.get(*key) != theirs.get(*key))
            .map(|key| (key.clone(), value(&ours, key), value(&theirs, key)))
            .collect()
    }

    /// The scheduled rules that only one side has, or that begin elsewhere or say something else there.
    pub fn scheduled_differences<'a>(&'a self, other: &'a Self) -> Vec<&'a ScheduledRule> {
        let lacks = |rules: &Self, rule: &ScheduledRule| !rules.scheduled.contains(rule);
        let ours = self.scheduled.iter().filter(|rule| lacks(other, rule));
        ours.chain(other.scheduled.iter().filter(|rule| lacks(self, rule))).collect()
    }
}

/// The keys of `config.ibft2`, as the genesis file spells them. What transitions may change and what has
/// no effect here is left out; the values at block 0 of the former follow below.
fn ibft2_rules(config: &Ibft2Config) -> Vec<(String, String)> {
    let rule = |key: &str, value: String| (format!("ibft2.{key}"), value);
    vec![
        rule("blockperiodseconds", config.block_period_seconds.to_string()),
        rule("xblockperiodmilliseconds", config.block_period_milliseconds.to_string()),
        rule("requesttimeoutseconds", config.request_timeout_seconds.to_string()),
        rule("roundtimeoutcapseconds", format!("{:?}", config.round_timeout_cap_seconds)),
        rule("epochlength", config.epoch_length.to_string()),
        rule("blockreward", config.block_reward.to_string()),
        rule("miningbeneficiary", format!("{:?}", config.mining_beneficiary)),
        rule("emptyblockperiodseconds", config.empty_block_period_seconds.to_string()),
        rule("maxproposalbytes", config.max_proposal_bytes.to_string()),
        rule("dropvotessurviveuntil", config.drop_votes_survive_until.to_string()),
        rule("chainBoundSignatures", config.chain_bound_signatures.to_string()),
        rule("besuPeers", config.besu_peers.to_string()),
    ]
}

fn transition(params: BlockParams, validators: Option<&ValidatorSet>) -> String {
    let BlockParams { period, reward, beneficiary } = params;
    let validators = validators.map(|validators| validators.to_vec());
    format!("{} {reward} {beneficiary:?} {validators:?}", period.as_millis())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::PILOT_JSON;

    fn rules(edit: impl FnOnce(&mut serde_json::Value)) -> ChainRules {
        let mut genesis: serde_json::Value = serde_json::from_str(PILOT_JSON).unwrap();
        edit(&mut genesis["config"]);
        ChainRules::new(&ChainSpec::from_genesis_json(&genesis.to_string()).unwrap().0)
    }

    #[test]
    fn one_file_has_one_hash_and_survives_the_wire() {
        let ours = rules(|_| {});
        assert_eq!(ours.hash(), rules(|_| {}).hash());
        let bytes = alloy_rlp::encode(&ours);
        assert_eq!(alloy_rlp::decode_exact::<ChainRules>(&bytes).unwrap(), ours);
    }

    #[test]
    fn a_differing_key_is_named_with_both_values() {
        let theirs = rules(|config| config["ibft2"]["requesttimeoutseconds"] = 9.into());
        let ours = rules(|_| {});
        assert_ne!(ours.hash(), theirs.hash());
        let expected = ("ibft2.requesttimeoutseconds".into(), "4".into(), "9".into());
        assert_eq!(ours.differences(&theirs), [expected]);
        assert!(ours.scheduled_differences(&theirs).is_empty());
    }

    #[test]
    fn a_fork_that_only_one_side_knows_is_scheduled() {
        let theirs = rules(|config| config["osakaTime"] = 4_000_000_000u64.into());
        let ours = rules(|_| {});
        assert_eq!(ours.hash(), theirs.hash());
        let differing = ours.scheduled_differences(&theirs);
        assert_eq!(differing.len(), 1);
        assert!(differing[0].name.eq_ignore_ascii_case("osaka"));
        assert!(!differing[0].activation.is_active(u64::MAX, 3_999_999_999));
        assert!(differing[0].activation.is_active(0, 4_000_000_000));
    }

    #[test]
    fn a_transition_with_another_period_differs() {
        let with = |seconds: u64| {
            rules(|config| {
                config["transitions"]["ibft2"] =
                    serde_json::json!([{ "block": 100, "blockperiodseconds": seconds }]);
            })
        };
        assert_eq!(with(3).scheduled_differences(&with(5)).len(), 2);
    }
}
