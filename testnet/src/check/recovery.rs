//! Blocks go on in time, whatever the length of the outage before.
//!
//! While more validators are hit than the network tolerates, nothing is promised. From the end of such
//! a time on, the next block is due within a bound: one while a tolerated fault is in force, another
//! when all members are back.

use std::time::Duration;

/// From `at` on, until the next phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Since the start of the observation.
    pub at: Duration,
    /// More validators are hit than the network tolerates.
    pub obstructed: bool,
    /// Some fault is in force.
    pub faulty: bool,
}

/// How long a block may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// With all members back.
    pub healthy: Duration,
    /// While some are away, no more than tolerated.
    pub tolerated: Duration,
}

impl Bounds {
    /// 20 s, and (f + 1)·cap + 3·base.
    pub fn new(faulty: usize, cap: Duration, base: Duration) -> Self {
        let rounds = u32::try_from(faulty.saturating_add(1)).unwrap_or(u32::MAX);
        let tolerated = cap.saturating_mul(rounds).saturating_add(base.saturating_mul(3));
        Self { healthy: Duration::from_secs(20), tolerated }
    }
}

/// A time without a new block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from: Duration,
    to: Duration,
    faulty: bool,
}

impl Gap {
    fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

/// Times without a new block that are longer than the bound. `progress` are the times at which the
/// network's head rose, `end` is when the observation ended.
pub fn late_blocks(
    progress: &[Duration],
    phases: &[Phase],
    end: Duration,
    bounds: Bounds,
) -> Vec<String> {
    gaps(progress, phases, end)
        .into_iter()
        .filter_map(|gap| {
            let bound = if gap.faulty { bounds.tolerated } else { bounds.healthy };
            (gap.length() > bound).then(|| {
                format!(
                    "no block for {:.1} s from {:.1} s on, at most {:.1} s are allowed",
                    gap.length().as_secs_f64(),
                    gap.from.as_secs_f64(),
                    bound.as_secs_f64()
                )
            })
        })
        .collect()
}

/// The longest time without a new block while the network should have made one.
pub fn slowest_block(progress: &[Duration], phases: &[Phase], end: Duration) -> Duration {
    gaps(progress, phases, end).iter().map(Gap::length).max().unwrap_or_default()
}

/// Times without a new block in each unobstructed stretch.
fn gaps(progress: &[Duration], phases: &[Phase], end: Duration) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut from = None;
    let ends = phases.iter().skip(1).map(|phase| phase.at).chain([end]);
    let mut faulty = false;
    for (phase, until) in phases.iter().zip(ends) {
        if phase.obstructed {
            if let Some(from) = from.take() {
                gaps.push(Gap { from, to: phase.at, faulty });
            }
            continue;
        }
        let mut start = *from.get_or_insert_with(|| {
            faulty = false;
            phase.at
        });
        faulty |= phase.faulty;
        for at in progress.iter().filter(|at| (phase.at..until).contains(*at)) {
            gaps.push(Gap { from: start, to: *at, faulty });
            start = *at;
            faulty = phase.faulty;
        }
        from = Some(start);
    }
    if let Some(from) = from {
        gaps.push(Gap { from, to: end, faulty });
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn phase(at: u64, obstructed: bool, faulty: bool) -> Phase {
        Phase { at: s(at), obstructed, faulty }
    }

    fn late(progress: &[u64], phases: &[Phase], end: u64) -> usize {
        let progress: Vec<_> = progress.iter().copied().map(s).collect();
        let bounds = Bounds::new(1, s(10), s(2));
        assert_eq!(bounds, Bounds { healthy: s(20), tolerated: s(26) });
        late_blocks(&progress, phases, s(end), bounds).len()
    }

    #[test]
    fn a_healthy_network_has_20_seconds() {
        let phases = [phase(0, false, false)];
        assert_eq!(late(&[20, 40], &phases, 60), 0);
        assert_eq!(late(&[20, 41], &phases, 60), 1);
        assert_eq!(late(&[], &phases, 21), 1, "the end counts");
    }

    #[test]
    fn a_tolerated_fault_allows_more() {
        let phases = [phase(0, false, false), phase(10, false, true), phase(30, false, false)];
        assert_eq!(late(&[9, 35, 50], &phases, 60), 0, "the fault was in force in the gap");
        assert_eq!(late(&[9, 36, 50], &phases, 60), 1);
        assert_eq!(late(&[9, 29, 31, 52], &phases, 60), 1, "the fault is over");
    }

    #[test]
    fn the_bound_starts_when_the_obstruction_ends() {
        let phases = [phase(0, false, false), phase(5, true, true), phase(500, false, false)];
        assert_eq!(late(&[4, 519, 530], &phases, 540), 0);
        assert_eq!(late(&[4, 521, 530], &phases, 540), 1);
        assert_eq!(late(&[4, 300, 521, 530], &phases, 540), 1, "blocks in between do not count");
        let slowest = slowest_block(&[s(4), s(519)], &phases, s(520));
        assert_eq!(slowest, s(19));
    }
}
