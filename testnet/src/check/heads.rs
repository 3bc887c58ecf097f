//! No node's head goes back, restarts included.

use crate::Observations;
use std::collections::BTreeMap;

/// Heads lower than one that the same node showed before, unless its data was set back on purpose.
pub fn heads_that_went_back(seen: &Observations) -> Vec<String> {
    let mut highest: BTreeMap<(usize, u32), u64> = BTreeMap::new();
    let mut found = Vec::new();
    for sample in &seen.heads {
        let before = highest.entry((sample.node, sample.life)).or_insert(sample.head);
        if sample.head < *before {
            found.push(format!(
                "node {} showed block {before}, then {} after {:.1} s",
                sample.node,
                sample.head,
                sample.at.as_secs_f64()
            ));
        }
        *before = sample.head.max(*before);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeadSample;
    use std::time::Duration;

    #[test]
    fn heads_of_one_life_only_rise() {
        let mut seen = Observations::default();
        for (node, life, head) in [(0, 0, 5), (1, 0, 3), (0, 0, 6), (1, 1, 1), (1, 1, 2)] {
            seen.note_head(HeadSample { node, at: Duration::ZERO, life, head });
        }
        assert!(heads_that_went_back(&seen).is_empty());
        seen.note_head(HeadSample { node: 0, at: Duration::ZERO, life: 0, head: 4 });
        assert_eq!(heads_that_went_back(&seen), ["node 0 showed block 6, then 4 after 0.0 s"]);
    }
}
