//! Which deliveries are open, and what may be acknowledged at once.

use std::collections::BTreeSet;

/// Deliveries under numbers that never come again, while delivery tags begin with 1 on each channel:
/// what was delivered on a channel that is gone can be told apart, and is never acknowledged on the
/// next one.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// What is added to the tags of the present channel.
    base: u64,
    highest: u64,
    open: BTreeSet<u64>,
}

/// Tags of the present channel.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Acks {
    /// This one and all before it.
    pub(super) up_to: Option<u64>,
    /// These alone: something before them is open.
    pub(super) single: Vec<u64>,
}

impl Tags {
    /// The number of a delivery of the present channel.
    pub(super) fn deliver(&mut self, tag: u64) -> u64 {
        self.highest = self.base + tag;
        self.open.insert(self.highest);
        self.highest
    }

    /// The channel is gone: the broker delivers again what was open.
    pub(super) fn forget(&mut self) {
        self.base = self.highest;
        self.open.clear();
    }

    /// Settles deliveries. Those of a channel that is gone are left out.
    pub(super) fn settle(&mut self, numbers: &[u64]) -> Acks {
        let mut known: Vec<u64> =
            numbers.iter().copied().filter(|number| self.open.remove(number)).collect();
        known.sort_unstable();
        let first_open = self.open.first().copied().unwrap_or(u64::MAX);
        let single = known.split_off(known.partition_point(|number| *number < first_open));
        let tag = |number: u64| number - self.base;
        Acks {
            up_to: known.last().copied().map(tag),
            single: single.into_iter().map(tag).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_open_is_not_acknowledged_with_what_follows() {
        let mut tags = Tags::default();
        let numbers: Vec<u64> = (1..=6).map(|tag| tags.deliver(tag)).collect();
        assert_eq!(tags.settle(&[2, 4]), Acks { up_to: None, single: vec![2, 4] });
        assert_eq!(tags.settle(&[1]), Acks { up_to: Some(1), single: vec![] });
        assert_eq!(tags.settle(&[6, 5]), Acks { up_to: None, single: vec![5, 6] });
        assert_eq!(tags.settle(&numbers), Acks { up_to: Some(3), single: vec![] });
        assert_eq!(tags.settle(&numbers), Acks::default());
    }

    #[test]
    fn a_channel_that_is_gone_is_told_apart() {
        let mut tags = Tags::default();
        let old = [tags.deliver(1), tags.deliver(2)];
        tags.forget();
        let new = tags.deliver(1);
        assert!(!old.contains(&new));
        assert_eq!(tags.settle(&old), Acks::default());
        assert_eq!(tags.settle(&[new]), Acks { up_to: Some(1), single: vec![] });
    }

    proptest! {
        /// A broker that follows the acknowledgements knows exactly what was settled.
        #[test]
        fn exactly_what_is_settled_is_acknowledged(
            steps in proptest::collection::vec(
                prop_oneof![
                    6 => (1u64..20).prop_map(Step::Deliver),
                    6 => proptest::collection::vec(any::<proptest::sample::Index>(), 1..20)
                        .prop_map(Step::Settle),
                    1 => Just(Step::Lose),
                ],
                1..40,
            )
        ) {
            let mut tags = Tags::default();
            let (mut next, mut unacked) = (1, BTreeSet::new());
            let (mut all, mut open) = (Vec::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Deliver(count) => {
                        for tag in next..next + count {
                            let number = tags.deliver(tag);
                            all.push((number, tag));
                            open.insert(number);
                            unacked.insert(tag);
                        }
                        next += count;
                    }
                    Step::Settle(indices) if !all.is_empty() => {
                        let chosen: Vec<(u64, u64)> =
                            indices.iter().map(|index| *index.get(&all)).collect();
                        let expected: BTreeSet<u64> = chosen
                            .iter()
                            .filter(|(number, _)| open.remove(number))
                            .map(|(_, tag)| *tag)
                            .collect();
                        let before = unacked.clone();
                        let numbers: Vec<u64> = chosen.iter().map(|(number, _)| *number).collect();
                        let acks = tags.settle(&numbers);
                        unacked.retain(|tag| acks.up_to.is_none_or(|end| *tag > end));
                        for tag in acks.single {
                            prop_assert!(unacked.remove(&tag));
                        }
                        let acked: BTreeSet<u64> = before.difference(&unacked).copied().collect();
                        prop_assert_eq!(acked, expected);
                    }
                    Step::Settle(_) => {}
                    Step::Lose => {
                        tags.forget();
                        next = 1;
                        open.clear();
                        unacked.clear();
                    }
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Deliver(u64),
        Settle(Vec<proptest::sample::Index>),
        Lose,
    }
}
