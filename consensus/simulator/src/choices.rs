//! Every random decision of a run, in named streams.
//!
//! One 64-bit seed gives each stream its own generator, so that taking one kind of fault away does
//! not shift the decisions of the others. A decision is a number below a bound, and **0 is always
//! the harmless one** (no fault, the shortest delay, the first of a list): a tape of zeros is a run
//! without faults, and shrinking is replacing numbers by zeros.

/// What a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Stream {
    /// The shape of the run: sizes, rates, which faults are enabled.
    Config,
    /// Loss, delay, duplication and order of messages.
    Network,
    /// Partitions and links that are cut.
    Topology,
    /// Durations of writes, what a crash leaves of them, damage.
    Disk,
    /// When nodes crash and come back.
    Crash,
    /// Skew, drift and jumps of clocks.
    Clock,
    /// Pending work and votes.
    Workload,
    /// What Byzantine members do.
    Adversary,
}

/// All streams, in the order of their numbers.
pub const STREAMS: [Stream; 8] = [
    Stream::Config,
    Stream::Network,
    Stream::Topology,
    Stream::Disk,
    Stream::Crash,
    Stream::Clock,
    Stream::Workload,
    Stream::Adversary,
];

const COUNT: usize = STREAMS.len();

/// The decisions of each stream, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tape(pub [Vec<u32>; COUNT]);

impl Tape {
    /// Number of decisions that are not the harmless one.
    pub fn weight(&self) -> usize {
        self.0.iter().flatten().filter(|value| **value != 0).count()
    }
}

/// A source of decisions: a seed, or a tape recorded before.
#[derive(Debug, Clone)]
pub struct Choices {
    generators: [u64; COUNT],
    replay: Option<Tape>,
    position: [usize; COUNT],
    recorded: Option<Tape>,
}

impl Choices {
    /// Decisions drawn from `seed`; kept for [`Self::into_tape`] if `record`.
    pub fn from_seed(seed: u64, record: bool) -> Self {
        let mut state = seed ^ 0x7065_7275_7269_6962;
        let mut generators = [0; COUNT];
        for generator in &mut generators {
            *generator = split_mix(&mut state);
        }
        Self {
            generators,
            replay: None,
            position: [0; COUNT],
            recorded: record.then(Tape::default),
        }
    }

    /// Decisions read from `tape`; after its end all are 0.
    pub fn from_tape(tape: Tape) -> Self {
        Self {
            generators: [0; COUNT],
            replay: Some(tape),
            position: [0; COUNT],
            recorded: Some(Tape::default()),
        }
    }

    /// A number below `bound` (0 for a bound of 0 or 1, which is not a decision).
    pub fn draw(&mut self, stream: Stream, bound: u32) -> u32 {
        if bound <= 1 {
            return 0;
        }
        let index = stream as usize;
        let value = match &self.replay {
            Some(tape) => {
                let at = self.position[index];
                self.position[index] += 1;
                tape.0[index].get(at).copied().unwrap_or(0).min(bound - 1)
            }
            None => below(split_mix(&mut self.generators[index]), bound),
        };
        if let Some(recorded) = &mut self.recorded {
            recorded.0[index].push(value);
        }
        value
    }

    /// True in `per_mille` of 1,000 cases; not a decision when that is 0.
    pub fn chance(&mut self, stream: Stream, per_mille: u32) -> bool {
        per_mille > 0 && self.draw(stream, 1_000) >= 1_000_u32.saturating_sub(per_mille)
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, stream: Stream, low: u64, high: u64) -> u64 {
        let span = u32::try_from(high.saturating_sub(low)).unwrap_or(u32::MAX - 1);
        low + u64::from(self.draw(stream, span + 1))
    }

    /// One of `items`, the first being the harmless one.
    ///
    /// # Panics
    /// If `items` is empty.
    pub fn pick<T: Copy>(&mut self, stream: Stream, items: &[T]) -> T {
        items[self.draw(stream, u32::try_from(items.len()).unwrap_or(u32::MAX)) as usize]
    }

    /// The decisions made so far, if they were recorded.
    pub fn into_tape(self) -> Option<Tape> {
        self.recorded
    }
}

/// The SplitMix64 generator (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// 2014).
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps a random number to `0..bound` by its upper bits.
fn below(random: u64, bound: u32) -> u32 {
    let product = u128::from(random) * u128::from(bound);
    u32::try_from(product >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sample(choices: &mut Choices) -> Vec<u32> {
        (1..100).map(|bound| choices.draw(STREAMS[bound as usize % COUNT], bound)).collect()
    }

    #[test]
    fn tape_reproduces_the_seed() {
        let mut first = Choices::from_seed(7, true);
        let expected = sample(&mut first);
        let mut again = Choices::from_tape(first.into_tape().unwrap());
        assert_eq!(sample(&mut again), expected);
        assert!(expected.iter().any(|value| *value != 0));
    }

    #[test]
    fn streams_do_not_disturb_each_other() {
        let mut one = Choices::from_seed(3, false);
        let mut other = Choices::from_seed(3, false);
        other.draw(Stream::Crash, 100);
        assert_eq!(one.draw(Stream::Disk, 1 << 30), other.draw(Stream::Disk, 1 << 30));
    }

    #[test]
    fn end_of_the_tape_is_harmless() {
        let mut choices = Choices::from_tape(Tape::default());
        assert_eq!(sample(&mut choices), vec![0; 99]);
        assert!(!choices.chance(Stream::Disk, 999));
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut choices = Choices::from_seed(1, false);
        for bound in 1..2_000 {
            assert!(choices.draw(Stream::Network, bound) < bound);
            assert!((5..=9).contains(&choices.between(Stream::Network, 5, 9)));
        }
    }
}
