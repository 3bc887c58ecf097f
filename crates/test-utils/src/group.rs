//! A program and all that it starts, as one process group.

use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

/// Lines of output that are kept for an error message.
const LAST_LINES: usize = 20;

/// Runs its arguments. Its standard input is never written to: the end of it, which the death of the
/// test process brings about too, ends the whole group.
const GUARD: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(cat <&3 >/dev/null; kill -9 0) &
wait "$program"
kill -9 0"#;

/// A running process group. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Group {
    guard: Child,
    /// Ends when the last process of the group has closed its output, with the last lines.
    output: Option<JoinHandle<String>>,
    /// Told once, when the awaited line came.
    pub(crate) ready: Receiver<()>,
}

impl Group {
    /// Starts `program` with `arguments` and `environment` in `folder`; [`ready`](Self::ready) is told
    /// of the first line of output that has `awaited`.
    pub(crate) fn start<'a>(
        program: &Path,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a str, String)>,
        folder: &Path,
        awaited: &'static str,
    ) -> io::Result<Self> {
        let mut guard = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{GUARD}"), "guard"])
            .arg(program)
            .args(arguments)
            .envs(environment)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (sender, ready) = channel();
        let output = guard.stdout.take();
        let output = std::thread::spawn(move || {
            output.map_or_else(String::new, |output| follow(output, awaited, &sender))
        });
        Ok(Self { guard, output: Some(output), ready })
    }

    /// Kills every process of the group and waits until they are gone. Returns the last lines of their
    /// output.
    pub(crate) fn kill(&mut self) -> String {
        if let Some(group) = i32::try_from(self.guard.id()).ok().and_then(Pid::from_raw) {
            // Already gone: that is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.wait()
    }

    /// Waits until the program has ended by itself, and with it the group.
    pub(crate) fn wait(&mut self) -> String {
        // `wait` would close it and so kill the group.
        let input = self.guard.stdin.take();
        let _ = self.guard.wait();
        drop(input);
        let output = self.output.take().map(JoinHandle::join);
        output.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.output.is_some() {
            self.kill();
        }
    }
}

fn follow(output: impl Read, awaited: &str, ready: &Sender<()>) -> String {
    let mut last = VecDeque::with_capacity(LAST_LINES);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if line.contains(awaited) {
            // Nobody waits for a second time.
            let _ = ready.send(());
        }
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.make_contiguous().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_group_dies_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sleep 1000 & echo $! started; wait";
        let mut group =
            Group::start(Path::new("sh"), &["-c", script], [], folder.path(), "started").unwrap();
        group.ready.recv().unwrap();
        let output = group.kill();
        let pid = output.split(' ').next().unwrap();
        // It may wait for somebody to ask for its end, but runs nothing any more.
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(command.is_empty(), "{}", String::from_utf8_lossy(&command));
    }

    #[test]
    fn the_end_of_a_program_ends_its_group() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sleep 1000 & echo why it ended; exit 3";
        let mut group =
            Group::start(Path::new("sh"), &["-c", script], [], folder.path(), "never").unwrap();
        assert_eq!(group.wait(), "why it ended");
        assert!(group.ready.recv().is_err());
    }

    #[test]
    fn the_end_of_the_test_process_ends_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let mut group =
            Group::start(Path::new("sleep"), &["1000"], [], folder.path(), "never").unwrap();
        // What the system does to a process that has died.
        drop(group.guard.stdin.take());
        assert!(!group.guard.wait().unwrap().success());
    }
}
