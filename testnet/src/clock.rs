//! Wall clocks of single processes that can be moved while they run.
//!
//! A small library, compiled from `clock/clock.c` when it is needed, stands between the process and the
//! system's clock; see there for why libfaketime does not do for a program with jemalloc.

use crate::{
    Result, TestnetError,
    command::{find_program, run},
};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCE: &str = include_str!("../clock/clock.c");

/// Why clocks cannot be moved here; `None` if they can.
pub(crate) fn clock_obstacle() -> Option<String> {
    find_program("cc").is_none().then(|| "cc, the C compiler, is missing".to_owned())
}

/// A wall clock for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// Compiles the library into `folder`, for all processes of a network.
    ///
    /// # Errors
    /// [`TestnetError::Command`] with the compiler's message.
    pub(crate) fn compile(folder: &Path) -> Result<PathBuf> {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, SOURCE).map_err(TestnetError::io(source.display().to_string()))?;
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source);
        run(&mut command)?;
        Ok(library)
    }

    /// A clock that shows the machine's time; `file` keeps its offset.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn new(library: &Path, file: &Path) -> Result<Self> {
        fs::write(file, 0i64.to_ne_bytes())
            .map_err(TestnetError::io(file.display().to_string()))?;
        Ok(Self { library: library.to_owned(), file: file.to_owned() })
    }

    /// Sets the clock `seconds` ahead, or behind if negative; at once, if the process runs.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn set(&self, seconds: i64) -> Result<()> {
        let io = || TestnetError::io(self.file.display().to_string());
        let file = File::options().write(true).open(&self.file).map_err(io())?;
        file.write_all_at(&seconds.to_ne_bytes(), 0).map_err(io())
    }

    /// Environment of the process.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("PERURI_TESTNET_CLOCK", &self.file)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn now() -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        i64::try_from(now.as_secs()).expect("before the end of time")
    }

    #[test]
    fn a_process_sees_its_own_time() {
        if let Some(reason) = clock_obstacle() {
            eprintln!("skipped: {reason}");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let library = Clock::compile(folder.path()).expect("compiled");
        let clock = Clock::new(&library, &folder.path().join("offset")).expect("clock");
        for offset in [0, 100_000, -100_000] {
            clock.set(offset).expect("set");
            let output = Command::new("date").arg("+%s").envs(clock.environment()).output();
            let shown = String::from_utf8(output.expect("date").stdout).expect("UTF-8");
            let shown: i64 = shown.trim().parse().expect("seconds");
            assert!((shown - now() - offset).abs() < 10, "{shown} with offset {offset}");
        }
        fs::remove_file(folder.path().join("offset")).expect("removed");
        let output = Command::new("date").envs(clock.environment()).output().expect("date");
        assert_eq!(output.status.code(), Some(127), "no clock is no silent real time");
    }
}
