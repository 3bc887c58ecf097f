//! A line per step, for people.

/// Prints the steps. People read standard output; with `--check` that is the judge's.
pub(crate) struct Steps {
    check: bool,
    done: usize,
}

impl Steps {
    const TOTAL: usize = 22;

    pub(crate) const fn new(check: bool) -> Self {
        Self { check, done: 0 }
    }

    /// A step that is done.
    pub(crate) fn done(&mut self, text: &str) {
        self.done += 1;
        self.say(&format!("[{:>2}/{}] {text}", self.done, Self::TOTAL));
    }

    /// What belongs to the step before.
    pub(crate) fn detail(&self, text: &str) {
        self.say(&format!("        {text}"));
    }

    pub(crate) fn say(&self, text: &str) {
        if self.check { eprintln!("{text}") } else { println!("{text}") }
    }
}
