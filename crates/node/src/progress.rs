//! Progress of long work: a bar on a terminal, log lines otherwise.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};
use tracing::info;

/// Time between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Shows how far a command is.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    what: &'static str,
    bar: Option<ProgressBar>,
    last_log: Instant,
}

impl ProgressLine {
    /// A line for the work `what`, counted in `unit`.
    pub(crate) fn new(what: &'static str, unit: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = format!(
                "{what} [{{bar:40}}] {{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left"
            );
            let style = ProgressStyle::with_template(&template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Self { what, bar, last_log: Instant::now() }
    }

    /// `done` of about `total` are done.
    pub(crate) fn report(&mut self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
        } else if self.last_log.elapsed() >= LOG_INTERVAL {
            self.last_log = Instant::now();
            info!(target: "node::progress", what = self.what, done, total, "working");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
