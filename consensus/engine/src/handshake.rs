//! What two nodes of a chain tell each other when they meet, and whether they stay connected.
//!
//! | told | on a difference |
//! |---|---|
//! | chain id, genesis hash | refused |
//! | rules that hold from the first block on ([`ChainRules`]) | refused, with the keys |
//! | scheduled rules | refused if in force at the lower of both heads, else an alarm |
//! | block and validator set of the last epoch | alarm, if both tell the same epoch |
//! | head, and the highest thing seen signed by the receiver (its mark) | – |

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Encodable, RlpDecodable, RlpEncodable};
use parking_lot::RwLock;
use peruri_chainspec::{ChainRules, ChainSpec};
use peruri_ibft2::{DecodeLimits, Mark, SignedPayload};
use peruri_network::{Handshake, PeerIdentity, Refusal};
use peruri_primitives::SealedHeader;
use std::collections::BTreeMap;
use tracing::{error, warn};

/// What this node knows of itself, kept up to date by consensus and told to those who connect.
#[derive(Debug)]
pub struct LocalStatus {
    chain_id: u64,
    genesis_hash: B256,
    rules: ChainRules,
    changing: RwLock<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    head: u64,
    head_time: u64,
    epoch: Epoch,
    marks: BTreeMap<Address, Mark>,
}

/// The newest epoch block and the validators after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, RlpEncodable, RlpDecodable)]
pub(crate) struct Epoch {
    pub(crate) number: u64,
    pub(crate) block: B256,
    pub(crate) validators: B256,
}

/// What travels.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Hello {
    chain_id: u64,
    genesis_hash: B256,
    rules: ChainRules,
    pub(crate) head: u64,
    head_time: u64,
    epoch: Epoch,
    /// Empty, or the encoding of a signed payload.
    mark: Bytes,
}

impl Hello {
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn decode_whole(bytes: &[u8]) -> Result<Self, String> {
        alloy_rlp::decode_exact(bytes).map_err(|error| error.to_string())
    }

    /// The highest thing that the sender has seen the receiver sign. One that cannot be read is none: it
    /// proves nothing.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let message = SignedPayload::decode(&self.mark, &DecodeLimits::DEFAULT).ok()?;
        Some(Mark::new(message))
    }
}

impl LocalStatus {
    /// The status of a node of this chain.
    pub fn new(spec: &ChainSpec) -> Self {
        Self {
            chain_id: spec.chain_id(),
            genesis_hash: spec.genesis_hash(),
            rules: ChainRules::new(spec),
            changing: RwLock::default(),
        }
    }

    pub(crate) fn set_head(&self, head: &SealedHeader) {
        let mut changing = self.changing.write();
        changing.head = head.number;
        changing.head_time = head.timestamp;
    }

    pub(crate) fn set_epoch(&self, epoch: Epoch) {
        self.changing.write().epoch = epoch;
    }

    /// Takes over the marks that are higher than those known.
    pub(crate) fn note_marks(&self, marks: &BTreeMap<Address, Mark>) {
        let unchanged = {
            let known = &self.changing.read().marks;
            known.len() == marks.len()
                && known
                    .iter()
                    .zip(marks)
                    .all(|(a, b)| a.0 == b.0 && a.1.position() == b.1.position())
        };
        if !unchanged {
            self.changing.write().marks.clone_from(marks);
        }
    }

    fn told_to(&self, peer: Address) -> Hello {
        let changing = self.changing.read();
        let mark = changing.marks.get(&peer).map(|mark| mark.message().encode());
        Hello {
            chain_id: self.chain_id,
            genesis_hash: self.genesis_hash,
            rules: self.rules.clone(),
            head: changing.head,
            head_time: changing.head_time,
            epoch: changing.epoch,
            mark: mark.unwrap_or_default(),
        }
    }

    fn judge(&self, peer: Address, hello: &Hello) -> Result<(), String> {
        differ("chain id", &self.chain_id, &hello.chain_id)?;
        differ("genesis hash", &self.genesis_hash, &hello.genesis_hash)?;
        let differences: Vec<_> = self
            .rules
            .differences(&hello.rules)
            .into_iter()
            .map(|(key, ours, theirs)| format!("{key}: {ours} here, {theirs} there"))
            .collect();
        if !differences.is_empty() {
            return Err(format!("configuration differs: {}", differences.join("; ")));
        }
        self.judge_schedule(peer, hello)?;
        self.compare_epochs(peer, hello);
        Ok(())
    }

    fn judge_schedule(&self, peer: Address, hello: &Hello) -> Result<(), String> {
        let (number, time) = {
            let changing = self.changing.read();
            (changing.head.min(hello.head), changing.head_time.min(hello.head_time))
        };
        for rule in self.rules.scheduled_differences(&hello.rules) {
            if rule.activation.is_active(number, time) {
                return Err(format!("{} differs and is in force at block {number}", rule.name));
            }
            warn!(
                target: "consensus::engine",
                %peer,
                rule = rule.name,
                at = rule.activation.at,
                by_time = rule.activation.by_time,
                "a peer is not ready for a scheduled rule, or this node is not"
            );
        }
        Ok(())
    }

    fn compare_epochs(&self, peer: Address, hello: &Hello) {
        let ours = self.changing.read().epoch;
        let theirs = hello.epoch;
        if ours.number == theirs.number && ours != theirs {
            error!(
                target: "consensus::engine",
                %peer,
                number = ours.number,
                ours = %ours.validators,
                theirs = %theirs.validators,
                "another validator set or block at the last epoch: compare both chains"
            );
        }
    }
}

impl Handshake for LocalStatus {
    fn hello(&self, peer: &PeerIdentity) -> Bytes {
        let hello = self.told_to(peer.address);
        let mut out = Vec::with_capacity(hello.length());
        hello.encode(&mut out);
        out.into()
    }

    fn check(&self, peer: &PeerIdentity, hello: &Bytes) -> Result<(), Refusal> {
        Hello::decode_whole(hello)
            .map_err(|error| format!("malformed hello: {error}"))
            .and_then(|hello| self.judge(peer.address, &hello))
            .map_err(Refusal::new)
    }
}

fn differ<T: PartialEq + std::fmt::Display>(
    name: &str,
    ours: &T,
    theirs: &T,
) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("{name} differs: {ours} here, {theirs} there"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use peruri_chainspec::PILOT_JSON;

    fn status(edit: impl FnOnce(&mut serde_json::Value)) -> LocalStatus {
        let mut genesis: serde_json::Value = serde_json::from_str(PILOT_JSON).unwrap();
        edit(&mut genesis);
        LocalStatus::new(&ChainSpec::from_genesis_json(&genesis.to_string()).unwrap().0)
    }

    fn meet(ours: &LocalStatus, theirs: &LocalStatus) -> Result<(), String> {
        let bytes = alloy_rlp::encode(theirs.told_to(Address::ZERO));
        ours.judge(Address::ZERO, &Hello::decode_whole(&bytes).unwrap())
    }

    #[test]
    fn nodes_of_one_chain_meet() {
        assert_eq!(meet(&status(|_| {}), &status(|_| {})), Ok(()));
    }

    #[test]
    fn another_chain_or_configuration_is_refused_with_both_values() {
        let ours = status(|_| {});
        let other_id = status(|genesis| genesis["config"]["chainId"] = 9.into());
        let error = meet(&ours, &other_id).unwrap_err();
        assert!(error.contains("7251 here, 9 there"), "{error}");
        let other_genesis = status(|genesis| genesis["timestamp"] = "0x5".into());
        let error = meet(&ours, &other_genesis).unwrap_err();
        assert!(error.starts_with("genesis hash differs: 0x"), "{error}");
        let slower =
            status(|genesis| genesis["config"]["ibft2"]["requesttimeoutseconds"] = 9.into());
        let error = meet(&ours, &slower).unwrap_err();
        assert!(error.contains("ibft2.requesttimeoutseconds: 4 here, 9 there"), "{error}");
    }

    #[test]
    fn a_scheduled_rule_is_refused_only_when_both_have_reached_it() {
        let with = |period: u64| {
            status(|genesis| {
                genesis["config"]["transitions"]["ibft2"] =
                    serde_json::json!([{ "block": 100, "blockperiodseconds": period }]);
            })
        };
        let (ours, theirs) = (with(3), with(5));
        assert_eq!(meet(&ours, &theirs), Ok(()));
        for status in [&ours, &theirs] {
            let mut changing = status.changing.write();
            (changing.head, changing.head_time) = (1_900_000_000, 1_900_000_000);
        }
        assert!(meet(&ours, &theirs).unwrap_err().contains("transition 100"));
    }

    #[test]
    fn a_mark_that_cannot_be_read_is_none() {
        let mut hello = status(|_| {}).told_to(Address::ZERO);
        assert_eq!(hello.mark(), None);
        hello.mark = Bytes::from_static(&[9, 9]);
        assert_eq!(hello.mark(), None);
    }
}
