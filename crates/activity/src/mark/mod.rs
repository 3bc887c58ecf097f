//! The sealer's mark: what this source has signed and told, beside the sign state and outside the
//! data folder, so that restoring a data folder can never restore it.

mod file;

pub use file::MarkFile;

use crate::rows::{Reader, Sealed, StoreError};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// Numbers by which [`Mark::highest`] is raised ahead of use.
pub(crate) const STEP: u64 = 1_024;

const SEALED: u8 = 1;
const EXPORTED: u8 = 2;

/// What must not be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Genesis hash of the chain.
    pub genesis: B256,
    /// Number of the source.
    pub source: u32,
    /// Address of the source's key.
    pub signer: Address,
    /// Counts starts. The inbox counts them too, first: one that is behind is older than the mark.
    pub session: u64,
    /// No number above this one was told. Raised in steps ahead of use, exact after a clean stop.
    pub highest: u64,
    /// Highest number in the inbox when the mark was written: an inbox without it is older.
    pub floor: u64,
    /// The last transaction that was sealed.
    pub sealed: Option<SealedMark>,
    /// The source was handed over: this node signs no more for it, whatever its data folder says.
    pub exported: bool,
}

/// The last transaction that was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedMark {
    /// Its nonce.
    pub nonce: u64,
    /// Its first number.
    pub first_seq: u64,
    /// Its hash.
    pub hash: B256,
}

/// Where the mark is kept.
pub trait MarkStore: Send + 'static {
    /// The mark as it was found, or as it was written last.
    fn read(&self) -> Option<Mark>;

    /// Writes and syncs.
    ///
    /// # Errors
    /// The write failed; nothing may be signed or told after it.
    fn write(&mut self, mark: &Mark) -> Result<(), StoreError>;
}

impl SealedMark {
    pub(crate) const fn of(sealed: &Sealed) -> Self {
        Self { nonce: sealed.nonce, first_seq: sealed.first_seq, hash: sealed.hash }
    }
}

impl Mark {
    /// The end of the nonces that were signed.
    pub fn nonces_end(&self) -> u64 {
        self.sealed.map_or(0, |sealed| sealed.nonce.saturating_add(1))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes =
            [self.genesis.as_slice(), &self.source.to_be_bytes(), self.signer.as_slice()].concat();
        bytes.extend(
            [self.session, self.highest, self.floor].into_iter().flat_map(u64::to_be_bytes),
        );
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        bytes.push(flag(self.sealed.is_some(), SEALED) | flag(self.exported, EXPORTED));
        if let Some(sealed) = &self.sealed {
            bytes.extend(sealed.nonce.to_be_bytes());
            bytes.extend(sealed.first_seq.to_be_bytes());
            bytes.extend(sealed.hash);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader::new(bytes, "mark");
        let (genesis, source, signer) = (reader.hash()?, reader.u32()?, reader.address()?);
        let (session, highest, floor) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let flags = reader.u8()?;
        let sealed = (flags & SEALED != 0)
            .then(|| {
                let (nonce, first_seq) = (reader.u64()?, reader.u64()?);
                Ok::<_, StoreError>(SealedMark { nonce, first_seq, hash: reader.hash()? })
            })
            .transpose()?;
        reader.end()?;
        let exported = flags & EXPORTED != 0;
        Ok(Self { genesis, source, signer, session, highest, floor, sealed, exported })
    }
}
