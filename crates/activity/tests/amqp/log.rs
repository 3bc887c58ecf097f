//! All that the cases log, at every level.

use peruri_activity::source::LOG_DIRECTIVE;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, OnceLock},
};
use tracing_subscriber::EnvFilter;

static LOG: OnceLock<File> = OnceLock::new();

/// A file without a name: nothing is left of it.
fn log() -> &'static File {
    LOG.get_or_init(|| tempfile::tempfile().unwrap())
}

/// Begins. The filter is the one of the node whose operator asks for everything.
pub(crate) fn capture() {
    let filter = EnvFilter::new("trace").add_directive(LOG_DIRECTIVE.parse().unwrap());
    let writer = Arc::new(log().try_clone().unwrap());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer).init();
}

/// What was logged until now.
pub(crate) fn captured() -> Vec<u8> {
    let mut bytes = vec![0; log().metadata().unwrap().len() as usize];
    log().read_exact_at(&mut bytes, 0).unwrap();
    bytes
}
