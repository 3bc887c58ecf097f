//! Steps 7 to 9 for one header: what it is, which chain it is of, who sealed it.

use super::{
    fault::{Check, Fault},
    state::whole,
};
use crate::policy::Policy;
use alloy_primitives::B256;
use peruri_ibft2::{
    ExtraData, ExtraDataError, IbftHeader, SealDigest, ValidatorSet, hash::seal_digest_with,
    is_ibft2, quorum::quorum,
};

/// Which header of a receipt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The one whose state proves the log.
    Main,
    /// A change of validators.
    Change(usize),
}

/// A header that is well-formed.
pub(super) struct CheckedHeader {
    pub(super) header: IbftHeader,
    pub(super) set: ValidatorSet,
    extra: ExtraData,
    place: Place,
}

impl CheckedHeader {
    /// Step 7.
    pub(super) fn decode(bytes: &[u8], place: Place) -> Result<Self, Fault> {
        let fault = |sub, detail| place.fault(Check::Header, sub, detail);
        let header: IbftHeader = whole(bytes).map_err(|error| fault("RLP", error.to_string()))?;
        if alloy_rlp::encode(&header) != bytes {
            return Err(fault("RLP", "not in its canonical form".to_owned()));
        }
        let extra =
            ExtraData::decode(&header.extra_data).map_err(|error| place.extra_data(&error))?;
        let set: ValidatorSet = extra.validators.iter().copied().collect();
        if set.len() != extra.validators.len() {
            return Err(fault("VALIDATORS", "a validator is listed twice".to_owned()));
        }
        Ok(Self { header, set, extra, place })
    }

    /// Step 8: the header is an IBFT 2.0 block of the policy's chain. Gives its block hash.
    pub(super) fn block_hash(&self, policy: &Policy) -> Result<B256, Fault> {
        let fault = |sub, detail| self.place.fault(Check::Chain, sub, detail);
        if !is_ibft2(&self.header) {
            return Err(fault("NOT_IBFT2", "not a block that IBFT 2.0 made".to_owned()));
        }
        if policy.chain_bound && self.extra.vanity.as_ref() != policy.genesis_hash.as_slice() {
            let got = match B256::try_from(self.extra.vanity.as_ref()) {
                Ok(vanity) => vanity.to_string(),
                Err(_) => format!("of {} bytes", self.extra.vanity.len()),
            };
            let detail = format!("vanity {got}, expected the genesis hash {}", policy.genesis_hash);
            return Err(fault("VANITY", detail));
        }
        Ok(self.header.hash_slow())
    }

    /// Step 9: who sealed it. Each seal is another member's of the header's own set, and they are
    /// a quorum of it.
    pub(super) fn signers(&self) -> Result<ValidatorSet, Fault> {
        let digest = self.seal_digest();
        let mut signers = ValidatorSet::default();
        for (index, seal) in self.extra.seals.iter().enumerate() {
            let fault = |sub, detail| self.place.seal_fault(sub, detail);
            let signer = seal
                .recover(digest)
                .map_err(|error| fault("RECOVERY", format!("seal {index}: {error}")))?;
            if !self.set.contains(&signer) {
                let detail = format!("seal {index} is by {signer:?}, who is not in the set");
                return Err(fault("NOT_VALIDATOR", detail));
            }
            if !signers.insert(signer) {
                return Err(fault(
                    "DUPLICATE",
                    format!("seal {index} is the second by {signer:?}"),
                ));
            }
        }
        self.enough(signers.len(), quorum(self.set.len()))?;
        Ok(signers)
    }

    /// Step 9: that many seals suffice.
    pub(super) fn enough(&self, seals: usize, needed: usize) -> Result<(), Fault> {
        if seals >= needed {
            return Ok(());
        }
        let detail = format!("{seals} seals of {} validators, {needed} needed", self.set.len());
        Err(self.place.seal_fault("TOO_FEW", detail))
    }

    fn seal_digest(&self) -> SealDigest {
        seal_digest_with(&self.header, &self.extra)
    }
}

impl Place {
    fn fault(self, check: Check, sub: &'static str, detail: String) -> Fault {
        match self {
            Self::Main => Fault::new(check, sub, detail),
            Self::Change(index) => {
                Fault::new(check, sub, format!("validatorChanges[{index}]: {detail}"))
            }
        }
    }

    /// Seals of a change are a matter of trust.
    fn seal_fault(self, sub: &'static str, detail: String) -> Fault {
        let check = match self {
            Self::Main => Check::Seals,
            Self::Change(_) => Check::Trust,
        };
        self.fault(check, sub, detail)
    }

    fn extra_data(self, error: &ExtraDataError) -> Fault {
        let detail = error.to_string();
        match error {
            ExtraDataError::Seal(_) | ExtraDataError::Length { element: "seal", .. } => {
                self.seal_fault("FORM", detail)
            }
            ExtraDataError::Length { element: "round", .. } => {
                self.fault(Check::Header, "ROUND", detail)
            }
            ExtraDataError::Length { element: "validator", .. } => {
                self.fault(Check::Header, "VALIDATORS", detail)
            }
            _ => self.fault(Check::Header, "EXTRA_DATA", detail),
        }
    }
}
