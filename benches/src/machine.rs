//! What the machine is and how busy it is: noted before every round.

use eyre::{Context, OptionExt, Result};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Clock ticks a second in `/proc/PID/stat`; Linux has reported 100 to programs for decades.
const TICKS_PER_SECOND: f64 = 100.0;
/// A sync slower than this means that something else writes: the round would measure that.
const QUIET_SYNC: Duration = Duration::from_micros(500);
/// How often to look before a round, with a pause between.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);

/// How quiet the machine was before a round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quiet {
    /// One-minute load average.
    pub load_average: f64,
    /// Median of 101 synced writes of 4 KiB, in milliseconds.
    pub fdatasync_p50_ms: f64,
    /// False if the machine stayed busy: the round counts as disturbed.
    pub quiet: bool,
}

impl Quiet {
    /// Waits, within bounds, until synced writes in `folder` are fast.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn wait(folder: &Path) -> Result<Self> {
        let mut look = 1;
        loop {
            let sync = fdatasync_p50(folder)?;
            let quiet = sync <= QUIET_SYNC;
            if quiet || look == LOOKS {
                let load_average = load_average()?;
                let fdatasync_p50_ms = sync.as_secs_f64() * 1e3;
                return Ok(Self { load_average, fdatasync_p50_ms, quiet });
            }
            eprintln!("  busy: fdatasync p50 {sync:?}; look {look} of {LOOKS}");
            look += 1;
            std::thread::sleep(PAUSE);
        }
    }
}

/// Median time of a synced 4 KiB write.
///
/// # Errors
/// If the folder cannot be written.
pub fn fdatasync_p50(folder: &Path) -> Result<Duration> {
    let path = folder.join("fdatasync-probe");
    let mut file = File::create(&path).wrap_err_with(|| path.display().to_string())?;
    let mut times = Vec::new();
    for _ in 0..101 {
        file.write_all(&[0x5a; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort();
    Ok(times[times.len() / 2])
}

/// One-minute load average.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().ok_or_eyre("empty /proc/loadavg")?.parse()?)
}

/// Now, in Unix milliseconds.
pub fn unix_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// CPU time (user and system, all threads) that a process has used.
///
/// # Errors
/// If the process is gone.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).wrap_err("the process is gone")?;
    parse_cpu_time(&text).ok_or_eyre("an unknown form of /proc/PID/stat")
}

/// CPU time of this process.
///
/// # Errors
/// As [`cpu_time`].
pub fn own_cpu_time() -> Result<Duration> {
    cpu_time(std::process::id())
}

fn parse_cpu_time(stat: &str) -> Option<Duration> {
    // The program's name, in parentheses, may hold anything; fields count from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |n: usize| fields.split_whitespace().nth(n)?.parse::<f64>().ok();
    Some(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

/// Resident memory of a process in MiB.
///
/// # Errors
/// If the process is gone.
pub fn resident_mib(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).wrap_err("the process is gone")?;
    let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or_eyre("no VmRSS")?;
    Ok(kib.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Size of all files below a folder in MiB, without what is reserved for them in advance. One that is
/// removed meanwhile does not count.
///
/// # Errors
/// If the folder cannot be read.
pub fn disk_mib(folder: &Path) -> Result<f64> {
    let mut mib = 0.0;
    let entries = fs::read_dir(folder).wrap_err_with(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        mib += match metadata.is_dir() {
            true => disk_mib(&entry.path())?,
            false => metadata.len() as f64 / f64::from(1 << 20),
        };
    }
    Ok(mib)
}

/// The machine and what was measured on it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Commit of the project, with `+` if files differ from it.
    pub commit: String,
    /// Date, UTC.
    pub date: String,
    /// Processor.
    pub cpu: String,
    /// Number of logical processors.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// Kernel release.
    pub kernel: String,
}

impl Machine {
    /// Reads it off.
    ///
    /// # Errors
    /// If `/proc` cannot be read or a program is missing.
    pub fn read() -> Result<Self> {
        let cpu_info = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name"));
        let cpu = model.and_then(|rest| rest.split(": ").nth(1)).unwrap_or("unknown").to_owned();
        let memory = fs::read_to_string("/proc/meminfo")?;
        let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib: u64 = total.ok_or_eyre("no MemTotal")?.trim().trim_end_matches(" kB").parse()?;
        let dirty = !output("git", &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        let commit = output("git", &["rev-parse", "--short", "HEAD"])?;
        Ok(Self {
            commit: if dirty { format!("{commit}+") } else { commit },
            date: output("date", &["-u", "+%Y-%m-%d"])?,
            cpu,
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: output("uname", &["-r"])?,
        })
    }
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().wrap_err(program.to_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_counts_from_behind_the_name() {
        let stat = "42 (a ) name) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 1 0 1 2 3";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse_cpu_time("nonsense"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(own_cpu_time().is_ok());
        assert!(resident_mib(std::process::id()).expect("RSS") > 1.0);
        assert!(load_average().expect("load") >= 0.0);
    }

    #[test]
    fn files_of_all_folders_count() {
        let folder = tempfile::tempdir().expect("folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("folder");
        for path in [folder.path().join("a"), inner.join("b")] {
            fs::write(path, vec![1; 1 << 20]).expect("written");
        }
        assert_eq!(disk_mib(folder.path()).expect("readable"), 2.0);
    }

    #[test]
    fn a_sync_takes_time() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(fdatasync_p50(folder.path()).expect("writable") > Duration::ZERO);
    }
}
