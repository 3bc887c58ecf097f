//! The header type inside alloy's and Reth's generic blocks: its hash must survive every way in
//! which a block is decoded and sealed.

#![allow(clippy::unwrap_used)]

use alloy_consensus::{Block, BlockBody, EthereumTxEnvelope, Header, Sealable, TxEip4844};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use peruri_ibft2::{ExtraData, Form, IbftHeader, MIX_HASH, Seal, is_ibft2};
use proptest::prelude::*;
use reth_codecs::Compact;
use reth_primitives_traits::{
    Block as _, FullBlock, FullBlockHeader, RecoveredBlock, SealedBlock, SealedHeader,
};

type TestBlock = Block<EthereumTxEnvelope<TxEip4844>, IbftHeader>;

const fn is_full_block<B: FullBlock>() {}
const fn is_full_header<H: FullBlockHeader>() {}
const _: () = is_full_block::<TestBlock>();
const _: () = is_full_header::<IbftHeader>();

fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::new)
}

fn ibft2_extra() -> impl Strategy<Value = Bytes> {
    let validators = proptest::collection::vec(any::<[u8; 20]>().prop_map(Address::new), 0..4);
    (validators, any::<u32>(), 0usize..3).prop_map(|(validators, round, seals)| {
        let seals = vec![Seal::new([1; 65]).unwrap(); seals];
        ExtraData { validators, round, seals, ..ExtraData::default() }.encode(Form::All)
    })
}

/// Headers of any fork: the optional fields are a prefix of their list.
fn header() -> impl Strategy<Value = IbftHeader> {
    let numbers = (1..u64::MAX, any::<u64>(), any::<u64>(), any::<u64>(), any::<[u8; 32]>());
    let extra = prop_oneof![
        ibft2_extra(),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
    ];
    let mix = prop_oneof![Just(MIX_HASH), hash()];
    (numbers, (hash(), hash(), hash()), extra, mix, any::<u64>(), 0usize..=8).prop_map(
        |(
            (number, gas_limit, gas_used, timestamp, word),
            hashes,
            extra_data,
            mix_hash,
            nonce,
            fork,
        )| {
            let mut header = Header {
                parent_hash: hashes.0,
                state_root: hashes.1,
                receipts_root: hashes.2,
                beneficiary: Address::from_slice(&word[..20]),
                logs_bloom: Bloom::repeat_byte(word[0]),
                difficulty: U256::from_be_bytes(word),
                number,
                gas_limit,
                gas_used,
                timestamp,
                extra_data,
                mix_hash,
                nonce: B64::from(nonce),
                ..Header::default()
            };
            with_fork_fields(&mut header, fork, hashes.0, nonce);
            IbftHeader(header)
        },
    )
}

/// Fills the first `count` of the optional fields.
fn with_fork_fields(header: &mut Header, count: usize, hash: B256, value: u64) {
    header.base_fee_per_gas = (count > 0).then_some(value);
    header.withdrawals_root = (count > 1).then_some(hash);
    header.blob_gas_used = (count > 2).then_some(value);
    header.excess_blob_gas = (count > 3).then_some(value);
    header.parent_beacon_block_root = (count > 4).then_some(hash);
    header.requests_hash = (count > 5).then_some(hash);
    header.block_access_list_hash = (count > 6).then_some(hash);
    header.slot_number = (count > 7).then_some(value);
}

fn block(header: IbftHeader) -> TestBlock {
    let withdrawals = header.withdrawals_root.is_some().then(Default::default);
    Block { header, body: BlockBody { transactions: vec![], ommers: vec![], withdrawals } }
}

proptest! {
    #[test]
    fn compact_round_trip(header in header()) {
        let mut buffer = Vec::new();
        let length = header.to_compact(&mut buffer);
        prop_assert_eq!(length, buffer.len());
        let (decoded, rest) = IbftHeader::from_compact(&buffer, length);
        prop_assert!(rest.is_empty());
        prop_assert_eq!(decoded.hash_slow(), header.hash_slow());
        prop_assert_eq!(decoded, header);
    }

    #[test]
    fn json_and_rlp_are_those_of_the_header_inside(header in header()) {
        prop_assert_eq!(alloy_rlp::encode(&header), alloy_rlp::encode(&header.0));
        let json = serde_json::to_value(&header).unwrap();
        prop_assert_eq!(&json, &serde_json::to_value(&header.0).unwrap());
        prop_assert_eq!(serde_json::from_value::<IbftHeader>(json).unwrap(), header);
    }

    #[test]
    fn hash_survives_decoding_and_sealing(header in header()) {
        let expected = header.hash_slow();
        let plain = keccak256(alloy_rlp::encode(&header));
        prop_assert_eq!(expected != plain, is_ibft2(&header));

        let block = block(header.clone());
        let rlp = alloy_rlp::encode(&block);
        let decoded = TestBlock::decode(&mut rlp.as_slice()).unwrap();
        prop_assert_eq!(&decoded, &block);
        prop_assert_eq!(reth_primitives_traits::Block::seal_slow(decoded.clone()).hash(), expected);
        prop_assert_eq!(SealedBlock::<TestBlock>::seal_slow(decoded.clone()).hash(), expected);
        prop_assert_eq!(decoded.clone().try_into_recovered().unwrap().hash(), expected);
        prop_assert_eq!(RecoveredBlock::new_unhashed(decoded, vec![]).hash(), expected);

        let sealed = SealedHeader::seal_slow(header.clone());
        prop_assert_eq!(sealed.hash(), expected);
        let json = serde_json::to_value(&sealed).unwrap();
        let decoded: SealedHeader<IbftHeader> = serde_json::from_value(json).unwrap();
        prop_assert_eq!(decoded.hash(), expected);
        prop_assert_eq!(header.clone().into_sealed().hash(), expected);
        prop_assert_eq!(Sealable::seal_slow(header).hash(), expected);
    }
}

#[test]
fn every_way_to_hash_is_the_rule() {
    let header = IbftHeader(Header {
        number: 3,
        mix_hash: MIX_HASH,
        extra_data: ExtraData::default().encode(Form::All),
        ..Header::default()
    });
    let expected = peruri_ibft2::block_hash(&header).0;
    assert_ne!(expected, keccak256(alloy_rlp::encode(&header)));
    assert_eq!(header.hash_slow(), expected);
    assert_eq!(Sealable::hash_slow(&header), expected);
    assert_eq!(header.num_hash_slow().hash, expected);
    assert_eq!(header.num_hash_with_parent_slow().block.hash, expected);
}
