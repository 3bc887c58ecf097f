//! What calls cost. Prices are by declared length and known before anything is copied or read, but
//! for what depends on a log's mode and size.

use alloy_primitives::hex;

use super::{call::Call, stop::Stop};

/// Every call, before the first check, so that a refusal is not free.
pub(super) const ENTRY: u64 = 200;

const APPEND: u64 = 75_000;
const PEAK_WORD: u64 = 22_100;
const LEAF: u64 = 400;
const SUBJECT: u64 = 44_400;
const NOTICE: u64 = 1_700;
const CREATE_LOG: u64 = 80_000;
const SET_SOURCE: u64 = 50_000;
const SET: u64 = 30_000;
const READ: u64 = 4_200;
const FRONTIER: u64 = 2_100;
const PEAK_READ: u64 = 2_100;
const VERIFY: u64 = 3_000;
const INCLUSION_HASH: u64 = 120;
const CONSISTENCY_HASH: u64 = 240;

/// Types of the entries that have an event of their own: 7D erasure notice, 7E VOID.
const NOTICE_TYPES: [u8; 2] = hex!("7d7e");

/// Gas of one call.
#[derive(Debug)]
pub(super) struct Meter {
    limit: u64,
    used: u64,
}

impl Meter {
    /// Nothing used of `limit`.
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Gas used so far.
    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    /// Takes `gas`, or stops.
    pub(super) const fn charge(&mut self, gas: u64) -> Result<(), Stop> {
        let used = self.used.saturating_add(gas);
        if used > self.limit {
            return Err(Stop::OutOfGas);
        }
        self.used = used;
        Ok(())
    }
}

/// The table's price of a call.
pub(super) fn price(call: &Call<'_>) -> u64 {
    match call {
        Call::Append(append) => appends(append.entries.len()),
        Call::AppendRoot(_) => appends(1),
        Call::CreateLog { .. } => CREATE_LOG,
        Call::SetSource { .. } => SET_SOURCE,
        Call::SetGateway { .. } | Call::SetWriter { .. } | Call::SetGovernance { .. } => SET,
        Call::Frontier { .. } => FRONTIER,
        Call::Head { .. }
        | Call::RootAt { .. }
        | Call::SourceState { .. }
        | Call::SubjectHead { .. } => READ,
        Call::VerifyInclusion(proof) => verify(proof.path.len(), INCLUSION_HASH),
        Call::VerifyConsistency(proof) => verify(proof.path.len(), CONSISTENCY_HASH),
    }
}

/// The peaks of a log, charged after its size is known.
pub(super) const fn peaks(size: u64) -> u64 {
    PEAK_READ.saturating_mul(size.count_ones() as u64)
}

/// Gas that a call of `append` with these entries uses inside the precompile: what a sealer plans
/// with.
pub fn append_gas<const N: usize>(entries: &[[u8; N]], subject_chains: bool) -> u64 {
    ENTRY.saturating_add(appends(entries.len())).saturating_add(content(entries, subject_chains))
}

/// G(m): m entries without what their content adds.
fn appends(entries: usize) -> u64 {
    let levels = u64::from(entries.checked_ilog2().unwrap_or_default());
    let words = PEAK_WORD.saturating_mul(levels.saturating_add(2));
    APPEND.saturating_add(words).saturating_add(LEAF.saturating_mul(entries as u64))
}

/// X: what mode of the log and types of the entries add.
pub(super) fn content<const N: usize>(entries: &[[u8; N]], subject_chains: bool) -> u64 {
    let is_notice = |entry: &&[u8; N]| entry.get(4).is_some_and(|it| NOTICE_TYPES.contains(it));
    let notices = entries.iter().filter(is_notice).count() as u64;
    let chains = if subject_chains { entries.len() as u64 } else { 0 };
    SUBJECT.saturating_mul(chains).saturating_add(NOTICE.saturating_mul(notices))
}

const fn verify(hashes: usize, each: u64) -> u64 {
    VERIFY.saturating_add(each.saturating_mul(hashes as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_of_appends_are_those_of_the_table() {
        for (entries, expected) in [
            (1, 75_000 + 22_100 * 2 + 400),
            (2, 75_000 + 22_100 * 3 + 800),
            (3, 75_000 + 22_100 * 3 + 1_200),
            (256, 75_000 + 22_100 * 10 + 102_400),
            (1_024, 75_000 + 22_100 * 12 + 409_600),
        ] {
            assert_eq!(appends(entries), expected, "{entries}");
        }
    }

    #[test]
    fn subject_chains_and_notices_cost_more() {
        let entry = |kind: u8| [b'P', b'L', b'G', b'1', kind];
        let entries = [1, 2, 0x7d, 0x7e, 0x20].map(entry);
        assert_eq!(content(&entries, false), 2 * 1_700);
        assert_eq!(content(&entries, true), 5 * 44_400 + 2 * 1_700);
        assert_eq!(content::<5>(&[], true), 0);
        assert_eq!(append_gas(&entries, false), 200 + appends(5) + 2 * 1_700);
    }

    #[test]
    fn a_meter_stops_at_its_limit_and_keeps_what_was_charged() {
        let mut meter = Meter::new(300);
        assert_eq!(meter.charge(200), Ok(()));
        assert_eq!(meter.charge(101), Err(Stop::OutOfGas));
        assert_eq!(meter.charge(u64::MAX), Err(Stop::OutOfGas));
        assert_eq!((meter.used(), meter.charge(100)), (200, Ok(())));
    }
}
