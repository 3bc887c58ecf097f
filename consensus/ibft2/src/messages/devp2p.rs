//! Message codes on a devp2p connection. Nothing here speaks devp2p; the function is kept for a
//! transport to Besu.

/// First code that capabilities may use; those below belong to the base protocol.
const FIRST_CODE: u64 = 16;

/// The first message code of each capability that two devp2p peers share.
///
/// Capabilities take their codes in ascending order of their names, compared as ASCII, so that "IBF"
/// comes before "eth". Each is given once, in the version that the peers have agreed on. `None` if
/// the message space of one of them is not known.
pub fn first_codes<'a>(capabilities: &[(&'a str, u64)]) -> Option<Vec<((&'a str, u64), u64)>> {
    let mut sorted = capabilities.to_vec();
    sorted.sort_unstable();
    let mut next = FIRST_CODE;
    sorted
        .into_iter()
        .map(|(name, version)| {
            let first = next;
            next = next.checked_add(message_space(name, version)?)?;
            Some(((name, version), first))
        })
        .collect()
}

/// How many message codes a capability has.
const fn message_space(name: &str, version: u64) -> Option<u64> {
    match (name.as_bytes(), version) {
        (b"IBF", 1) => Some(4),
        (b"eth", 66..=68) => Some(17),
        (b"snap", 1) => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn upper_case_comes_first() {
        let codes = first_codes(&[("snap", 1), ("eth", 68), ("IBF", 1)]).unwrap();
        assert_eq!(codes, [(("IBF", 1), 16), (("eth", 68), 20), (("snap", 1), 37)]);
    }

    #[test]
    fn unknown_capabilities_have_no_codes() {
        assert_eq!(first_codes(&[("eth", 1)]), None);
        assert_eq!(first_codes(&[]), Some(vec![]));
    }
}
