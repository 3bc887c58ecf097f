//! What an attack may cost, and the table of what it cost.

use super::{Attack, attackers::NICE, intervals::Summary, window::Window};
use crate::Judge;
use std::fmt;

/// Mebibytes in bytes.
pub(crate) const MIB: f64 = (1 << 20) as f64;

/// What an attack may cost. Each figure is compared with the same network without the attack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    /// Mean time to a block, as a multiple.
    pub(super) interval: f64,
    /// Processor time of the node that is hit hardest, in cores on top; `None`: only shown.
    pub(super) cpu: Option<f64>,
    /// Memory of the node that is hit hardest, in MiB above what it had before.
    pub(super) memory: f64,
}

/// Something that must hold besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) name: String,
    pub(crate) holds: bool,
    pub(crate) seen: String,
}

impl Finding {
    pub(crate) fn new(name: impl Into<String>, holds: bool, seen: impl Into<String>) -> Self {
        Self { name: name.into(), holds, seen: seen.into() }
    }

    /// Counts it as a finding about the attack `id`, and shows what was seen in any case.
    pub(crate) fn judge(&self, id: &str, judge: &mut Judge) -> bool {
        let passed = judge.expect(&format!("{id}: {}", self.name), self.holds, &self.seen);
        if passed {
            eprintln!("      {}", self.seen);
        }
        passed
    }
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    id: &'static str,
    name: &'static str,
    limits: Limits,
    baseline: Summary,
    attacked: Summary,
    /// Cores that a node takes without and under the attack, where the difference is greatest.
    cpu: (f64, f64),
    /// MiB that a node took at most on top of what it had before.
    memory: f64,
    /// Cores that the attackers took.
    attackers: f64,
    passed: bool,
}

impl Row {
    /// Judges an attack by its two windows and what it found out by itself.
    pub(super) fn judge(
        attack: &Attack,
        baseline: &Window,
        attacked: &Window,
        findings: &[Finding],
        judge: &mut Judge,
    ) -> Self {
        let pairs = baseline.nodes.iter().zip(&attacked.nodes);
        let cpu = pairs.map(|(before, under)| (before.cpu, under.cpu));
        let cpu = cpu.max_by(|a, b| f64::total_cmp(&(a.1 - a.0), &(b.1 - b.0)));
        let memory = attacked.nodes.iter().map(|node| node.growth).max().unwrap_or_default();
        let mut row = Self {
            id: attack.id,
            name: attack.name,
            limits: attack.limits,
            baseline: Summary::of(&baseline.intervals),
            attacked: Summary::of(&attacked.intervals),
            cpu: cpu.unwrap_or_default(),
            memory: memory as f64 / MIB,
            attackers: attacked.attackers,
            passed: true,
        };
        for check in row.checks().iter().chain(findings) {
            row.passed &= check.judge(row.id, judge);
        }
        row
    }

    fn ratio(&self) -> f64 {
        self.attacked.mean / self.baseline.mean
    }

    fn checks(&self) -> Vec<Finding> {
        let Limits { interval, cpu, memory } = self.limits;
        let Summary { count, mean, .. } = self.attacked;
        let mut checks = vec![
            Finding::new(
                format!("a block takes at most {interval:.2} times as long"),
                self.baseline.count > 0 && count > 0 && self.ratio() <= interval,
                format!("{:.3} s, then {mean:.3} s ({count} blocks)", self.baseline.mean),
            ),
            Finding::new(
                format!("no node takes more than {memory:.0} MiB on top"),
                self.memory <= memory,
                format!("{:.1} MiB", self.memory),
            ),
        ];
        if let Some(limit) = cpu {
            checks.push(Finding::new(
                format!("no node takes more than {:.0} % of a core on top", limit * 100.0),
                self.cpu.1 - self.cpu.0 <= limit,
                format!("{:.1} %, then {:.1} %", self.cpu.0 * 100.0, self.cpu.1 * 100.0),
            ));
        }
        checks
    }

    /// The table's head.
    pub(super) fn head() -> String {
        format!(
            "{:4} {:50} {:>22} {:>13} {:>6} {:>6} {:>15} {:>6} {:>8} {:>6} {:>9}  verdict\n\
             each figure: without the attack → under it; CPU in % of a core; attackers at nice {NICE}",
            "id",
            "attack",
            "interval mean, p50 s",
            "p99 s",
            "ratio",
            "limit",
            "node CPU",
            "limit",
            "+MiB",
            "limit",
            "attackers",
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { baseline, attacked, limits, .. } = self;
        let intervals = format!(
            "{:.2}, {:.2} → {:.2}, {:.2}",
            baseline.mean, baseline.p50, attacked.mean, attacked.p50
        );
        let p99 = format!("{:.2} → {:.2}", baseline.p99, attacked.p99);
        let cpu = format!("{:.1} → {:.1}", self.cpu.0 * 100.0, self.cpu.1 * 100.0);
        let cpu_limit =
            limits.cpu.map_or_else(|| "–".to_owned(), |limit| format!("+{:.0}", limit * 100.0));
        write!(
            f,
            "{:4} {:50} {intervals:>22} {p99:>13} {:>6.2} {:>6.2} {cpu:>15} {cpu_limit:>6} {:>8.1} {:>6.0} {:>9.0}  {}",
            self.id,
            self.name,
            self.ratio(),
            limits.interval,
            self.memory,
            limits.memory,
            self.attackers * 100.0,
            if self.passed { "pass" } else { "FAIL" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::window::NodeUse, *};
    use std::time::Duration;

    fn window(interval: f64, cpu: [f64; 2], growth: u64) -> Window {
        let nodes = cpu.map(|cpu| NodeUse { cpu, growth }).to_vec();
        Window { intervals: vec![Duration::from_secs_f64(interval); 5], nodes, attackers: 0.5 }
    }

    fn judged(attacked: &Window, findings: &[Finding]) -> (Row, String) {
        let limits = Limits { interval: 1.2, cpu: Some(0.1), memory: 8.0 };
        let attack = Attack { limits, ..*super::super::ATTACKS[0] };
        let mut judge = Judge::new();
        let baseline = window(1.0, [0.05, 0.05], 1 << 20);
        let row = Row::judge(&attack, &baseline, attacked, findings, &mut judge);
        (row, judge.line())
    }

    #[test]
    fn a_cheap_attack_passes_and_each_limit_is_judged() {
        let (row, line) = judged(&window(1.1, [0.05, 0.14], 8 << 20), &[]);
        assert_eq!(line, "3 passed, 0 failed");
        assert!(row.to_string().ends_with("pass"), "{row}");
        for attacked in [
            window(1.3, [0.05, 0.05], 0),
            window(1.0, [0.05, 0.16], 0),
            window(1.0, [0.05, 0.05], 9 << 20),
            Window { intervals: Vec::new(), ..window(1.0, [0.05, 0.05], 0) },
        ] {
            let (row, line) = judged(&attacked, &[]);
            assert_eq!(line, "2 passed, 1 failed", "{row}");
            assert!(row.to_string().ends_with("FAIL"), "{row}");
        }
    }

    #[test]
    fn what_an_attack_finds_out_counts() {
        let cheap = window(1.0, [0.05, 0.05], 0);
        let (row, line) = judged(&cheap, &[Finding::new("no stream", false, "1 stream")]);
        assert_eq!((line.as_str(), row.passed), ("3 passed, 1 failed", false));
    }
}
