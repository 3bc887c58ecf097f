//! Counting checks: the last line on standard output is `N passed, N failed[, N skipped]`.

use std::{fmt::Display, process::ExitCode};

/// Collects the outcome of a scenario's checks. Progress goes to standard error.
#[derive(Debug, Default)]
pub struct Judge {
    passed: usize,
    failed: Vec<String>,
    skipped: usize,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `outcome`; returns the value of a passed check.
    pub fn check<T, E: Display>(&mut self, name: &str, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.passed += 1;
                eprintln!("ok    {name}");
                Some(value)
            }
            Err(error) => {
                self.failed.push(name.to_owned());
                eprintln!("FAIL  {name}: {error}");
                None
            }
        }
    }

    /// Counts a condition, with what was seen for when it does not hold.
    pub fn expect(&mut self, name: &str, holds: bool, seen: impl Display) -> bool {
        self.check(name, if holds { Ok(()) } else { Err(seen) }).is_some()
    }

    /// Counts a check that could not run here.
    pub fn skip(&mut self, name: &str, reason: impl Display) {
        self.skipped += 1;
        eprintln!("skip  {name}: {reason}");
    }

    /// True if nothing failed.
    pub const fn is_clean(&self) -> bool {
        self.failed.is_empty()
    }

    /// Names of the failed checks.
    pub fn failed(&self) -> &[String] {
        &self.failed
    }

    /// The closing line.
    pub fn line(&self) -> String {
        let skipped = match self.skipped {
            0 => String::new(),
            n => format!(", {n} skipped"),
        };
        format!("{} passed, {} failed{skipped}", self.passed, self.failed.len())
    }

    /// Prints the closing line. Success needs no failure and at least one passed check.
    pub fn finish(self) -> ExitCode {
        println!("{}", self.line());
        let judged = self.passed > 0;
        if self.failed.is_empty() && judged { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_prints_the_line() {
        let mut judge = Judge::new();
        assert_eq!(judge.check("a", Ok::<_, String>(7)), Some(7));
        assert!(!judge.expect("b", false, "seen"));
        assert_eq!(judge.line(), "1 passed, 1 failed");
        judge.skip("c", "not here");
        assert_eq!(judge.line(), "1 passed, 1 failed, 1 skipped");
        assert!(!judge.is_clean());
        assert_eq!(judge.failed(), ["b"]);
    }

    #[test]
    fn success_needs_a_judgement() {
        let code = |judge: Judge| format!("{:?}", judge.finish());
        let failure = format!("{:?}", ExitCode::FAILURE);
        assert_eq!(code(Judge::new()), failure);
        let mut failed = Judge::new();
        failed.check("a", Ok::<_, String>(()));
        failed.check("b", Err::<(), _>("no"));
        assert_eq!(code(failed), failure);
        let mut skipped = Judge::new();
        skipped.skip("a", "not here");
        assert_eq!(code(skipped), failure);
        let mut passed = Judge::new();
        passed.check("a", Ok::<_, String>(()));
        passed.skip("b", "not here");
        assert_ne!(code(passed), failure);
    }
}
