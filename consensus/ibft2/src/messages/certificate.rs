//! The proof that a round was prepared.

use core::num::NonZeroUsize;

use alloy_rlp::{BufMut, Encodable};

use super::{
    error::DecodeError,
    payload::{PreparePayload, ProposalPayload, RoundId},
    rlp,
    signed::Signed,
    wire::DecodeLimits,
};
use crate::hash::SealDigest;

/// Bytes of a signed Prepare.
const LEAST_PREPARE: NonZeroUsize = NonZeroUsize::new(117).expect("not zero");

/// A proposal and the Prepares of others for it. Valid if the Prepares are a prepare quorum, see
/// [`crate::certificates`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PreparedCertificate {
    /// The proposal of the round, by its proposer.
    pub proposal: Signed<ProposalPayload>,
    /// Prepares of other validators.
    pub prepares: Vec<Signed<PreparePayload>>,
}

impl PreparedCertificate {
    /// Height and round that were prepared.
    pub const fn id(&self) -> RoundId {
        self.proposal.payload.id
    }

    /// The digest that was prepared.
    pub const fn digest(&self) -> SealDigest {
        self.proposal.payload.digest
    }

    /// Reads a certificate from the start of `buf`, which is moved behind it.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that does not encode to the same bytes or exceeds `limits`.
    pub fn decode(buf: &mut &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let mut fields = rlp::list(buf, "PreparedCertificate")?;
        let proposal = Signed::decode(&mut fields, limits)?;
        let prepares =
            rlp::entries(&mut fields, "Prepares", limits.entries, LEAST_PREPARE, |buf| {
                Signed::decode(buf, limits)
            })?;
        rlp::end(fields, "PreparedCertificate")?;
        Ok(Self { proposal, prepares })
    }

    fn payload_length(&self) -> usize {
        rlp::sum([self.proposal.length(), rlp::entries_length(&self.prepares)])
    }
}

impl Encodable for PreparedCertificate {
    fn encode(&self, out: &mut dyn BufMut) {
        rlp::list_header(self.payload_length(), out);
        self.proposal.encode(out);
        rlp::write_entries(&self.prepares, out);
    }

    fn length(&self) -> usize {
        rlp::list_length(self.payload_length())
    }
}
