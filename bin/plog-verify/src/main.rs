//! `plog-verify`: whether receipts and exports of a transparency log hold, offline.

#![forbid(unsafe_code)]

mod args;
mod exit;
mod input;
mod log;
mod receipt;
mod text;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic is a fault of this program, not of the receipt: exit code 1.
    std::panic::catch_unwind(args::main).unwrap_or(ExitCode::FAILURE)
}
