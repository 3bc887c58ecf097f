//! Where log lines go: standard error, so that standard output stays for answers.

use crate::cli::exit::OrUsage;
use clap::{Args, ValueEnum};
use peruri_activity::source::LOG_DIRECTIVE;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

/// Flags of the log.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// How much is logged, e.g. `info`, `debug` or `info,rpc=debug`; `RUST_LOG` does the same
    #[arg(
        long = "log.filter",
        value_name = "FILTER",
        env = "RUST_LOG",
        default_value = "info",
        global = true
    )]
    pub filter: String,

    /// Form of a log line
    #[arg(long = "log.format", value_enum, default_value_t = LogFormat::Terminal, global = true)]
    pub format: LogFormat,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Terminal,
    /// One JSON object a line.
    Json,
}

impl LogArgs {
    /// Installs the subscriber. Called once, at the start of a command.
    ///
    /// # Errors
    /// [`UsageError`](crate::cli::exit::UsageError) if the filter does not parse; if a subscriber is
    /// installed already.
    pub fn init(&self) -> eyre::Result<()> {
        let filter =
            EnvFilter::try_new(&self.filter).or_usage(format!("--log.filter {:?}", self.filter))?;
        let filter = filter.add_directive(LOG_DIRECTIVE.parse()?);
        let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let result = match self.format {
            LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
            LogFormat::Terminal => {
                lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init()
            }
        };
        result.map_err(|error| eyre::eyre!("log: {error}"))
    }
}
