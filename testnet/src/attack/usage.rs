//! What processes and threads take of the machine, from `/proc`.

use crate::{Result, TestnetError};
use std::{fs, path::Path, time::Duration};

/// What a process or thread has taken so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time of all its threads.
    pub(crate) cpu: Duration,
    /// Bytes in memory now.
    pub(crate) resident: u64,
}

impl Usage {
    /// Of the process `id`.
    pub(crate) fn of(id: u32) -> Result<Self> {
        let path = format!("/proc/{id}/stat");
        let stat = fs::read_to_string(&path).map_err(TestnetError::io(path.clone()))?;
        Self::parse(&stat).ok_or_else(|| TestnetError::Answer {
            method: path,
            expected: "the fields of proc_pid_stat(5)",
            got: stat,
        })
    }

    /// Fields 14, 15 and 24; the second one is a name in parentheses that may contain anything.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)? + field(15)?;
        let per_second = rustix::param::clock_ticks_per_second();
        Some(Self {
            cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64),
            resident: field(24)? * rustix::param::page_size() as u64,
        })
    }
}

/// Processor time of the live threads of this process with that name.
pub(super) fn threads_cpu(name: &str) -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(|task| thread_cpu(&task.path(), name)).sum()
}

/// `None` for another name, and for a thread that has just ended.
fn thread_cpu(task: &Path, name: &str) -> Option<Duration> {
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    stat.contains(&format!("({name})")).then(|| Usage::parse(&stat))?.map(|usage| usage.cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_process_are_found() {
        let fields: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let stat = format!("1 (a) b) S {}", fields.join(" "));
        let usage = Usage::parse(&stat).expect("parses");
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(usage.cpu, Duration::from_secs_f64((14.0 + 15.0) / per_second));
        assert_eq!(usage.resident, 24 * rustix::param::page_size() as u64);
        assert_eq!(Usage::parse("1 (a) S 4 5"), None);
    }

    #[test]
    fn a_thread_that_works_is_seen_by_its_name() {
        let busy = std::thread::Builder::new().name("busy".to_owned()).spawn(|| {
            let mut sum = 0_u64;
            // Until the kernel's clock has noticed.
            while threads_cpu("busy").is_zero() {
                sum = (0..1_000_000).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
            }
            sum
        });
        busy.expect("a thread").join().expect("ended");
        assert!(threads_cpu("no such thread").is_zero());
        assert!(Usage::of(std::process::id()).expect("this process").resident > 1 << 20);
    }
}
