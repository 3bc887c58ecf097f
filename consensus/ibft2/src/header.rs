//! [`IbftHeader`]: an Ethereum header whose hash follows the IBFT 2.0 rule.
//!
//! Generic code seals headers by [`Sealable::hash_slow`]. On the plain alloy type that is the hash
//! of the full RLP, which is not the hash of an IBFT 2.0 block; on this type it is
//! [`block_hash`], which recognises IBFT 2.0 headers by themselves and
//! leaves all others at the Ethereum hash. Code that hashes raw RLP instead of the decoded header
//! is still wrong. Reth's `SealedBlock` does so in `decode_sealed` and in its RLP decoder: decode a
//! block, then seal it.

use core::ops::{Deref, DerefMut};

use alloy_consensus::{BlockHeader, Header, InMemorySize};
use alloy_eips::{BlockNumHash, eip1898::BlockWithParent};
use alloy_primitives::{
    Address, B64, B256, BlockNumber, Bloom, Bytes, Sealable, Sealed, U256, bytes::BufMut,
};
use alloy_rlp::{RlpDecodableWrapper, RlpEncodableWrapper};
use reth_codecs::Compact;
use reth_primitives_traits::{SealedHeader, header::HeaderMut};
use serde::{Deserialize, Serialize};

use crate::hash::block_hash;

/// A block header with the self-identifying hash rule of [`block_hash`].
///
/// Serialises (RLP, JSON, compact) exactly as the [`Header`] inside.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    RlpEncodableWrapper,
    RlpDecodableWrapper,
)]
#[serde(transparent)]
pub struct IbftHeader(pub Header);

impl IbftHeader {
    /// The Ethereum header inside.
    pub fn into_inner(self) -> Header {
        self.0
    }

    /// The block hash. Shadows the method of the same name of [`Header`], which does not know the
    /// rule and would otherwise be found through `Deref`.
    pub fn hash_slow(&self) -> B256 {
        block_hash(&self.0).into()
    }

    /// Number and hash of the block.
    pub fn num_hash_slow(&self) -> BlockNumHash {
        BlockNumHash { number: self.0.number, hash: self.hash_slow() }
    }

    /// Number and hash of the block with the hash of its parent.
    pub fn num_hash_with_parent_slow(&self) -> BlockWithParent {
        BlockWithParent::new(self.0.parent_hash, self.num_hash_slow())
    }

    /// Joins the header with a hash that is known to be its block hash.
    pub fn seal(self, hash: B256) -> Sealed<Self> {
        Sealed::new_unchecked(self, hash)
    }

    /// Computes the hash and keeps it beside the header, as Reth's sealed type.
    pub fn into_sealed(self) -> SealedHeader<Self> {
        SealedHeader::seal_slow(self)
    }
}

impl Sealable for IbftHeader {
    fn hash_slow(&self) -> B256 {
        Self::hash_slow(self)
    }
}

impl Deref for IbftHeader {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.0
    }
}

impl DerefMut for IbftHeader {
    fn deref_mut(&mut self) -> &mut Header {
        &mut self.0
    }
}

impl From<Header> for IbftHeader {
    fn from(header: Header) -> Self {
        Self(header)
    }
}

impl From<IbftHeader> for Header {
    fn from(header: IbftHeader) -> Self {
        header.0
    }
}

impl AsRef<Self> for IbftHeader {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl InMemorySize for IbftHeader {
    fn size(&self) -> usize {
        self.0.size()
    }
}

impl Compact for IbftHeader {
    fn to_compact<B>(&self, buf: &mut B) -> usize
    where
        B: BufMut + AsMut<[u8]>,
    {
        self.0.to_compact(buf)
    }

    fn from_compact(buf: &[u8], len: usize) -> (Self, &[u8]) {
        let (header, rest) = Header::from_compact(buf, len);
        (Self(header), rest)
    }
}

/// Delegates getters of [`BlockHeader`] to the header inside.
macro_rules! delegate {
    ($($name:ident: $ty:ty),* $(,)?) => {$(
        fn $name(&self) -> $ty {
            BlockHeader::$name(&self.0)
        }
    )*};
}

impl BlockHeader for IbftHeader {
    delegate! {
        parent_hash: B256,
        ommers_hash: B256,
        beneficiary: Address,
        state_root: B256,
        transactions_root: B256,
        receipts_root: B256,
        withdrawals_root: Option<B256>,
        logs_bloom: Bloom,
        difficulty: U256,
        number: BlockNumber,
        gas_limit: u64,
        gas_used: u64,
        timestamp: u64,
        mix_hash: Option<B256>,
        nonce: Option<B64>,
        base_fee_per_gas: Option<u64>,
        blob_gas_used: Option<u64>,
        excess_blob_gas: Option<u64>,
        parent_beacon_block_root: Option<B256>,
        requests_hash: Option<B256>,
        block_access_list_hash: Option<B256>,
        slot_number: Option<u64>,
        extra_data: &Bytes,
    }
}

impl reth_primitives_traits::BlockHeader for IbftHeader {}

/// Delegates setters of [`HeaderMut`] to the header inside.
macro_rules! delegate_mut {
    ($($name:ident: $ty:ty),* $(,)?) => {$(
        fn $name(&mut self, value: $ty) {
            self.0.$name(value);
        }
    )*};
}

impl HeaderMut for IbftHeader {
    delegate_mut! {
        set_parent_hash: B256,
        set_block_number: BlockNumber,
        set_timestamp: u64,
        set_state_root: B256,
        set_difficulty: U256,
        set_mix_hash: B256,
        set_extra_data: Bytes,
        set_parent_beacon_block_root: Option<B256>,
    }
}
