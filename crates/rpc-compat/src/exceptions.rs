//! What is not replayed, and what may be absent, each with its reason.

/// Files that are skipped: the beginning of their path, and why.
const SKIPPED: [(&str, &str); 1] = [(
    "testing_",
    "the namespace `testing` builds blocks outside consensus; this node has no such method",
)];

/// Members that may be there or not, in answers that are compared in shape.
const OPTIONAL: [(&str, &str); 3] = [
    ("deleteStrategy", "only where history is deleted, which this node does not do by default"),
    ("blobVersionedHashes", "the pool of the recorded client lists no blob transactions"),
    ("maxFeePerBlobGas", "the pool of the recorded client lists no blob transactions"),
];

/// Why the file `name` is skipped, if it is.
pub(crate) fn skipped(name: &str) -> Option<&'static str> {
    SKIPPED.into_iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, reason)| reason)
}

/// Whether a member may be there or not.
pub(crate) fn is_optional(member: &str) -> bool {
    OPTIONAL.iter().any(|(optional, _)| *optional == member)
}
