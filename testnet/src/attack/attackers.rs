//! Threads of the attackers.
//!
//! Nodes and attackers share the machine's few processors. The attackers run at the lowest
//! priority: they get what the nodes leave, so that a slower network is the attack's work and not
//! the lack of a second machine.

use super::usage::threads_cpu;
use crate::{Result, TestnetError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// Name of the threads.
const NAME: &str = "attacker";
/// Number of threads.
const THREADS: usize = 2;
/// Their priority, as nice(1) counts: the lowest.
pub(super) const NICE: i32 = 19;

/// A runtime of its own for attackers.
#[derive(Debug)]
pub(crate) struct Attackers {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Attackers {
    pub(crate) fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(NAME)
            .on_thread_start(|| {
                // On Linux the priority is the calling thread's.
                if let Err(error) = rustix::process::setpriority_process(None, NICE) {
                    eprintln!("attackers run at ordinary priority: {error}");
                }
            })
            .enable_all()
            .build()
            .map_err(TestnetError::io("threads for attackers"))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Where attackers run.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Processor time of all attackers so far.
    pub(crate) fn cpu() -> Duration {
        threads_cpu(NAME)
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        // A runtime may not be waited for from within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
