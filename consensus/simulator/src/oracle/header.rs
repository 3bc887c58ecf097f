//! What the oracles read from a header, with hashes of their own.
//!
//! The block hash leaves round and seals out of `extraData`, the seal digest leaves out the seals;
//! a genesis is hashed as it stands.

use std::{cell::RefCell, collections::HashMap};

use alloy_primitives::{Address, B256, keccak256};

use super::rlp::{self, Item};
use crate::trace::Quick;

/// The fields of a header that the oracles use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Parent's block hash.
    pub parent: B256,
    /// The creator.
    pub coinbase: Address,
    /// State root.
    pub state_root: B256,
    /// Transactions root.
    pub transactions_root: B256,
    /// Height.
    pub number: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Vanity.
    pub vanity: Vec<u8>,
    /// Validators listed.
    pub validators: Vec<Address>,
    /// Vote: recipient and whether it is to be added.
    pub vote: Option<(Address, bool)>,
    /// Round.
    pub round: u32,
    /// Seals.
    pub seals: Vec<[u8; 65]>,
    /// Block hash.
    pub hash: B256,
    /// What seals sign.
    pub digest: B256,
}

impl View {
    /// Reads the RLP of a header.
    pub fn read(header: &[u8]) -> Option<Self> {
        Self::from_item(&rlp::whole(header)?)
    }

    /// Reads a header item.
    pub fn from_item(header: &Item<'_>) -> Option<Self> {
        let fields = header.items()?;
        if fields.len() < 15 {
            return None;
        }
        let extra = rlp::whole(fields[12].payload)?.items()?;
        let [vanity, validators, vote, round, seals] = extra.as_slice() else { return None };
        let number = fields[8].number()?;
        let hash_of = |elements: &[Item<'_>]| {
            if number == 0 { keccak256(header.raw) } else { hash_with(&fields, elements) }
        };
        Some(Self {
            parent: B256::new(fields[0].fixed()?),
            coinbase: Address::new(fields[2].fixed()?),
            state_root: B256::new(fields[3].fixed()?),
            transactions_root: B256::new(fields[4].fixed()?),
            number,
            timestamp: fields[11].number()?,
            vanity: vanity.payload.to_vec(),
            validators: validators
                .items()?
                .iter()
                .map(|item| item.fixed().map(Address::new))
                .collect::<Option<_>>()?,
            vote: read_vote(vote)?,
            round: u32::from_be_bytes(round.fixed()?),
            seals: seals.items()?.iter().map(Item::fixed).collect::<Option<_>>()?,
            hash: hash_of(&extra[..3]),
            digest: hash_of(&extra[..4]),
        })
    }
}

/// The vote in an `extraData`, as recipient and whether it is to be added.
pub fn vote_of(extra_data: &[u8]) -> Option<(Address, bool)> {
    read_vote(rlp::whole(extra_data)?.items()?.get(2)?)?
}

fn read_vote(item: &Item<'_>) -> Option<Option<(Address, bool)>> {
    if !item.list {
        return item.payload.is_empty().then_some(None);
    }
    let parts = item.items()?;
    let [recipient, kind] = parts.as_slice() else { return None };
    let add = match kind.fixed::<1>()? {
        [0xff] => true,
        [0x00] => false,
        _ => return None,
    };
    Some(Some((Address::new(recipient.fixed()?), add)))
}

thread_local! {
    /// Hashes of headers by their RLP: every node stores the same few blocks.
    static HASHES: RefCell<HashMap<Vec<u8>, B256, Quick>> = RefCell::default();
}

/// Headers whose hashes are remembered.
const REMEMBERED: usize = 2_000;

/// The hash of a header's RLP.
fn remembered_hash(rlp: Vec<u8>) -> B256 {
    HASHES.with_borrow_mut(|hashes| {
        if let Some(hash) = hashes.get(&rlp) {
            return *hash;
        }
        if hashes.len() >= REMEMBERED {
            hashes.clear();
        }
        let hash = keccak256(&rlp);
        hashes.insert(rlp, hash);
        hash
    })
}

/// Hash of the header whose `extraData` is the list of `elements`.
fn hash_with(fields: &[Item<'_>], elements: &[Item<'_>]) -> B256 {
    let elements: Vec<u8> = elements.iter().flat_map(|item| item.raw).copied().collect();
    let extra = rlp::string(&rlp::list(&elements));
    let mut payload = Vec::with_capacity(800);
    for (index, field) in fields.iter().enumerate() {
        payload.extend_from_slice(if index == 12 { &extra } else { field.raw });
    }
    remembered_hash(rlp::list(&payload))
}

/// Digest that seals of the same block would sign if its round were `round`.
pub fn digest_in_round(header: &[u8], round: u32) -> Option<B256> {
    let fields = rlp::whole(header)?.items()?;
    let extra = rlp::whole(fields.get(12)?.payload)?.items()?;
    let text = rlp::string(&round.to_be_bytes());
    let round = rlp::whole(&text)?;
    let elements = [*extra.first()?, *extra.get(1)?, *extra.get(2)?, round];
    Some(hash_with(&fields, &elements))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_consensus::Header;
    use peruri_ibft2::{ExtraData, Form, MIX_HASH, Vote, VoteType, block_hash, seal_digest};

    use super::*;

    #[test]
    fn hashes_agree_with_the_library() {
        let extra = ExtraData {
            vanity: vec![7; 32].into(),
            validators: vec![Address::with_last_byte(1), Address::with_last_byte(2)],
            vote: Some(Vote { recipient: Address::with_last_byte(9), kind: VoteType::Add }),
            round: 5,
            seals: Vec::new(),
        };
        let header = Header {
            number: 3,
            timestamp: 1_000,
            mix_hash: MIX_HASH,
            extra_data: extra.encode(Form::All),
            ..Header::default()
        };
        let bytes = alloy_rlp::encode(&header);
        let view = View::read(&bytes).unwrap();
        assert_eq!(view.hash, block_hash(&header).0);
        assert_eq!(view.digest, seal_digest(&header).unwrap().0);
        assert_eq!(digest_in_round(&bytes, 5).unwrap(), view.digest);
        assert_eq!((view.number, view.round, view.timestamp), (3, 5, 1_000));
        assert_eq!(view.vote, Some((Address::with_last_byte(9), true)));
    }
}
