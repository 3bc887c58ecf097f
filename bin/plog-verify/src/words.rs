//! What each step means, and what to do when it fails.

use peruri_plog::verify::Check;

/// What a step proves when it holds.
pub(crate) const fn meaning(check: Check) -> &'static str {
    match check {
        Check::Container => {
            "The document has exactly the members of a receipt; nothing in it is ignored."
        }
        Check::Entry => {
            "The bytes are an entry. Time, activity and flags in it are the source's claim."
        }
        Check::Leaf => "The entry's place in the tree is decided by its bytes alone.",
        Check::Inclusion => "The entry stands at this index in the tree with this root (RFC 9162).",
        Check::Storage => "The chain's state holds this size and this root for this log.",
        Check::Account => "That storage is the log's own account in the state of the block.",
        Check::Header => "Each header can be read in one way only.",
        Check::Chain => "Each header is a block of the chain that the policy names.",
        Check::Seals => "So many validators signed this very block; what they seal is final.",
        Check::Trust => {
            "Those validators are the ones that the policy trusts, or follow from them."
        }
        Check::Commitment => {
            "The entry was made for this payload: nobody can find another that fits."
        }
    }
}

/// What to do when a step fails.
pub(crate) const fn advice(check: Check) -> &'static str {
    match check {
        Check::Container => {
            "take the receipt as the node gave it (the value of \"result\", not the\n\
             whole answer), or get a newer plog-verify if its version is not known."
        }
        Check::Entry
        | Check::Leaf
        | Check::Inclusion
        | Check::Storage
        | Check::Account
        | Check::Header => {
            "the receipt was damaged or altered, or its node is faulty. Ask for it\n\
             again, best from another organisation's node, and keep this one."
        }
        Check::Chain => {
            "the receipt and the policy are about different chains. Compare\n\
             plog-verify policy-hash with what the organisations publish."
        }
        Check::Seals => {
            "if seals are too few, ask for plog_getReceipt(log, index, {\"seals\": N}).\n\
             Any other failure means that the header was altered."
        }
        Check::Trust => {
            "if the validators have changed since the policy was written, get the\n\
             newest policy from the organisations and compare its hash with what they publish."
        }
        Check::Commitment => {
            "check that payload and salt belong to this entry, byte for byte (a final\n\
             line break counts). If they do, the payload was altered."
        }
    }
}
