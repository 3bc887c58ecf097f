//! Other programs: mount, mkfs, ip, iptables.

use crate::{Result, TestnetError};
use std::{path::PathBuf, process::Command};

/// Runs a program to its end; its error output becomes the error's text.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// As [`run`], and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(TestnetError::io(shown.clone()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(TestnetError::Command { command: shown, status: output.status, stderr })
}

/// Runs a command line whose words contain no spaces, as `ip` and `tc` take them.
pub(crate) fn run_words(line: &str) -> Result<()> {
    output_words(line).map(drop)
}

/// As [`run_words`], and returns what it printed.
pub(crate) fn output_words(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    let program = find_program(name).unwrap_or_else(|| PathBuf::from(name));
    output(Command::new(program).args(words))
}

/// Administrators' programs are often outside a plain user's search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name() {
        assert!(find_program("cp").is_some());
        assert!(find_program("no-such-program-here").is_none());
    }

    #[test]
    fn a_failure_carries_the_error_output() {
        let error = run_words("ls /no/such/folder").expect_err("missing").to_string();
        assert!(error.contains("/no/such/folder") && error.contains("No such file"), "{error}");
        assert_eq!(output_words("echo a b").expect("echo"), "a b\n");
    }
}
