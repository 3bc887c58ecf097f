//! Bindings of the contracts in `contracts/`, made from the artifacts that are checked in there.
//!
//! `IPlog` is what the precompile answers to, and what its callers encode with. The artifacts hold
//! no NatSpec: read `contracts/src/IPlog.sol` for what each function does.

#![allow(missing_docs, clippy::too_many_arguments)]

alloy_sol_types::sol!(
    #[derive(Debug, PartialEq, Eq)]
    IPlog,
    "../../contracts/artifacts/IPlog.json"
);

alloy_sol_types::sol!(
    #[derive(Debug, PartialEq, Eq)]
    PlogGovernance,
    "../../contracts/artifacts/PlogGovernance.json"
);

#[cfg(test)]
mod tests {
    use alloy_primitives::{b256, hex};
    use alloy_sol_types::{SolCall, SolError, SolEvent};

    use super::IPlog;

    #[test]
    fn selectors_of_functions_are_those_of_the_specification() {
        for (got, expected) in [
            (IPlog::appendCall::SELECTOR, hex!("a1c57792")),
            (IPlog::appendRootCall::SELECTOR, hex!("78875f84")),
            (IPlog::createLogCall::SELECTOR, hex!("51e14013")),
            (IPlog::setSourceCall::SELECTOR, hex!("9799a615")),
            (IPlog::setGatewayCall::SELECTOR, hex!("abc9aba3")),
            (IPlog::setWriterCall::SELECTOR, hex!("da1a4b75")),
            (IPlog::setGovernanceCall::SELECTOR, hex!("ab033ea9")),
            (IPlog::headCall::SELECTOR, hex!("f339e3b2")),
            (IPlog::rootAtCall::SELECTOR, hex!("930b6ace")),
            (IPlog::frontierCall::SELECTOR, hex!("2c09506e")),
            (IPlog::sourceStateCall::SELECTOR, hex!("73a2f786")),
            (IPlog::subjectHeadCall::SELECTOR, hex!("a4903ef6")),
            (IPlog::verifyInclusionCall::SELECTOR, hex!("3db5ada7")),
            (IPlog::verifyConsistencyCall::SELECTOR, hex!("750dbc72")),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn selectors_of_errors_are_those_of_the_specification() {
        for (got, expected) in [
            (IPlog::BadSeq::SELECTOR, hex!("e430287c")),
            (IPlog::BadEntry::SELECTOR, hex!("a330c84f")),
            (IPlog::NotSource::SELECTOR, hex!("632fd737")),
            (IPlog::NotGovernance::SELECTOR, hex!("b56f932c")),
            (IPlog::UnknownLog::SELECTOR, hex!("743573b1")),
            (IPlog::UnknownSize::SELECTOR, hex!("37e3cbba")),
            (IPlog::LogExists::SELECTOR, hex!("d89f90cc")),
            (IPlog::TooLarge::SELECTOR, hex!("218e0a07")),
            (IPlog::ReadOnly::SELECTOR, hex!("d42876b8")),
            (IPlog::DirectCallOnly::SELECTOR, hex!("cba87daa")),
            (IPlog::BadCall::SELECTOR, hex!("cf0e4328")),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn topics_of_events_are_those_of_the_specification() {
        for (got, expected) in [
            (
                IPlog::Appended::SIGNATURE_HASH,
                b256!("e58d285967d127547cc48ae1a80c2826b9350d412b3085a128732cf887dc6d5c"),
            ),
            (
                IPlog::Voided::SIGNATURE_HASH,
                b256!("cfd5c55666a277616f5e5bd9692eba3bbf29296570f5bb04ea6bb0e2ef1e55c3"),
            ),
            (
                IPlog::Erased::SIGNATURE_HASH,
                b256!("088c79c5c2e40bcd4964f4c78e9d39e130ca5a21916cd045759320d877aa1580"),
            ),
            (
                IPlog::LogCreated::SIGNATURE_HASH,
                b256!("638b5dd50debd413fb22dad2cb222ea6940a1ca3961c752ff9e23b60836c9dc1"),
            ),
            (
                IPlog::SourceSet::SIGNATURE_HASH,
                b256!("ffa81b3df3be0a59919bb2ba62ad6c4ec2524162f4b967060b5e215fb338f30f"),
            ),
            (
                IPlog::GatewaySet::SIGNATURE_HASH,
                b256!("5ccb69f085b1908728cb21f62c14e74774e4d2911f35a4ffef8dad678379d117"),
            ),
            (
                IPlog::WriterSet::SIGNATURE_HASH,
                b256!("248f488cb77674e6bd38e54113afa921f1b0a8a0c5792cff4b0d0364c66f724e"),
            ),
            (
                IPlog::GovernanceSet::SIGNATURE_HASH,
                b256!("1f0197ebb487f4765d78b41dfb879aa28ddc72d049449d1fd6cd6272a880b86d"),
            ),
        ] {
            assert_eq!(got, expected);
        }
    }
}
