//! Delays, losses and cuts between instances.

use crate::choices::{Choices, Stream};

/// How long messages take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// Between two times in microseconds.
    Uniform(u64, u64),
    /// Geometric: doubled from the least by a fair coin, at most this many times.
    Tail(u64, u32),
}

/// The rules of a network; they change when a run heals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// Messages lost, per mille.
    pub loss: u32,
    /// Messages delivered twice, per mille.
    pub duplicate: u32,
    /// How long messages take.
    pub delay: Delay,
    /// Added to each link's delay: a number below this, in microseconds.
    pub skew: u64,
}

impl Rates {
    /// A network without faults.
    pub const CALM: Self =
        Self { loss: 0, duplicate: 0, delay: Delay::Uniform(1_000, 5_000), skew: 0 };
}

/// Links between `count` instances.
#[derive(Debug, Clone)]
pub struct Network {
    count: usize,
    /// Whether messages from the row's instance reach the column's.
    open: Vec<bool>,
    /// Extra delay of each link.
    extra: Vec<u64>,
    /// The rules.
    pub rates: Rates,
}

impl Network {
    /// A full mesh.
    pub fn new(count: usize, rates: Rates, choices: &mut Choices) -> Self {
        let extra = (0..count * count)
            .map(|_| match rates.skew {
                0 => 0,
                skew => choices.between(Stream::Topology, 0, skew),
            })
            .collect();
        Self { count, open: vec![true; count * count], extra, rates }
    }

    fn link(&self, from: usize, to: usize) -> usize {
        from * self.count + to
    }

    /// Whether messages from one instance reach another.
    pub fn is_open(&self, from: usize, to: usize) -> bool {
        self.open[self.link(from, to)]
    }

    /// Opens or cuts one direction.
    pub fn set(&mut self, from: usize, to: usize, open: bool) {
        let link = self.link(from, to);
        self.open[link] = open;
    }

    /// Opens all links and takes the faults away.
    pub fn heal(&mut self) {
        self.open.fill(true);
        self.extra.fill(0);
        self.rates = Rates::CALM;
    }

    /// Cuts everything between instances of different groups; `groups[i]` is the group of `i`.
    pub fn divide(&mut self, groups: &[u32]) {
        for from in 0..self.count {
            for to in 0..self.count {
                self.set(from, to, groups[from] == groups[to]);
            }
        }
    }

    /// When copies of a message sent now arrive, as delays in microseconds; none if it is lost.
    pub fn deliveries(&self, from: usize, to: usize, choices: &mut Choices) -> [Option<u64>; 2] {
        if !self.is_open(from, to) || choices.chance(Stream::Network, self.rates.loss) {
            return [None, None];
        }
        let first = self.delay(from, to, choices);
        let second = choices
            .chance(Stream::Network, self.rates.duplicate)
            .then(|| self.delay(from, to, choices));
        [Some(first), second]
    }

    /// How long a reliable transfer takes.
    pub fn delay(&self, from: usize, to: usize, choices: &mut Choices) -> u64 {
        let own = match self.rates.delay {
            Delay::Uniform(low, high) => choices.between(Stream::Network, low, high),
            Delay::Tail(least, doublings) => {
                let coins = choices.draw(Stream::Network, 1 << doublings.min(20));
                least << coins.trailing_ones()
            }
        };
        own + self.extra[self.link(from, to)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_do_not_hear_each_other_until_healed() {
        let mut choices = Choices::from_seed(1, false);
        let mut network = Network::new(3, Rates::CALM, &mut choices);
        network.divide(&[0, 1, 0]);
        assert!(network.is_open(0, 2) && !network.is_open(0, 1) && !network.is_open(1, 2));
        assert_eq!(network.deliveries(0, 1, &mut choices), [None, None]);
        network.heal();
        assert!(network.deliveries(0, 1, &mut choices)[0].is_some());
    }

    #[test]
    fn loss_is_as_configured() {
        let mut choices = Choices::from_seed(2, false);
        let rates = Rates { loss: 300, ..Rates::CALM };
        let network = Network::new(2, rates, &mut choices);
        let lost =
            (0..10_000).filter(|_| network.deliveries(0, 1, &mut choices)[0].is_none()).count();
        assert!((2_700..3_300).contains(&lost), "{lost}");
    }
}
