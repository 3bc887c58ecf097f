//! All that the cases log, at every level.

use peruri_activity::source::LOG_DIRECTIVE;
use std::{
    io::Write,
    sync::{Arc, Mutex, OnceLock},
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

static LOG: OnceLock<Log> = OnceLock::new();

/// Begins. The filter is the one of the node whose operator asks for everything.
pub(crate) fn capture() {
    let log = LOG.get_or_init(Log::default).clone();
    let filter = EnvFilter::new("trace").add_directive(LOG_DIRECTIVE.parse().unwrap());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(log).init();
}

/// What was logged until now.
pub(crate) fn captured() -> Vec<u8> {
    LOG.get_or_init(Log::default).0.lock().unwrap().clone()
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
