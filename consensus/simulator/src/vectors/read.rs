//! Reading the values of a vector.

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::Decodable;
use peruri_ibft2::{IbftHeader, ValidatorSet, Vote, VoteType};
use serde_json::Value;

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub(super) fn size(value: &Value) -> usize {
    usize::try_from(number(value)).unwrap()
}

pub(super) fn round(value: &Value) -> u32 {
    u32::try_from(number(value)).unwrap()
}

pub(super) fn bytes(value: &Value) -> Bytes {
    text(value).parse().unwrap()
}

pub(super) fn hash(value: &Value) -> B256 {
    text(value).parse().unwrap()
}

pub(super) fn address(value: &Value) -> Address {
    text(value).parse().unwrap()
}

pub(super) fn addresses(value: &Value) -> Vec<Address> {
    value.as_array().unwrap().iter().map(address).collect()
}

pub(super) fn set(value: &Value) -> ValidatorSet {
    addresses(value).into_iter().collect()
}

pub(super) fn vote_kind(value: &Value) -> VoteType {
    match text(value) {
        "ADD" => VoteType::Add,
        "DROP" => VoteType::Drop,
        other => panic!("unknown vote {other}"),
    }
}

pub(super) fn vote(value: &Value) -> Option<Vote> {
    (!value.is_null())
        .then(|| Vote { recipient: address(&value["recipient"]), kind: vote_kind(&value["type"]) })
}

pub(super) fn decode_header(value: &Value) -> IbftHeader {
    let rlp = bytes(value);
    let header = IbftHeader::decode(&mut rlp.as_ref()).unwrap();
    assert_eq!(alloy_rlp::encode(&header), rlp);
    header
}
