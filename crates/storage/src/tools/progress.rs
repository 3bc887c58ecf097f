//! Progress of long work.

/// Told from time to time how far long work is. Totals may be estimates.
pub trait Progress {
    /// `done` of about `total` rows are done.
    fn report(&mut self, done: u64, total: u64);
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&mut self, _done: u64, _total: u64) {}
}

impl<F: FnMut(u64, u64)> Progress for F {
    fn report(&mut self, done: u64, total: u64) {
        self(done, total);
    }
}

/// Counts rows and reports every few thousand.
pub(crate) struct Counter<'a> {
    progress: &'a mut dyn Progress,
    pub(crate) done: u64,
    total: u64,
}

impl<'a> Counter<'a> {
    const STRIDE: u64 = 4096;

    pub(crate) const fn new(progress: &'a mut dyn Progress, total: u64) -> Self {
        Self { progress, done: 0, total }
    }

    pub(crate) fn step(&mut self) {
        self.done = self.done.saturating_add(1);
        if self.done.is_multiple_of(Self::STRIDE) {
            self.progress.report(self.done, self.total.max(self.done));
        }
    }

    pub(crate) fn finish(&mut self) {
        self.progress.report(self.done, self.done);
    }
}
