//! `plog-verify`: whether receipts and exports of a transparency log hold, offline.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic is a fault of this program, not of the receipt: exit code 1.
    std::panic::catch_unwind(plog_verify::main).unwrap_or(ExitCode::FAILURE)
}
