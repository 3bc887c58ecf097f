//! What is printed for people.

use crate::words;
use alloy_primitives::{B256, hex};
use jiff::Timestamp;
use peruri_plog::{Policy, Report, Verified};
use std::io::{self, Write};

/// Whether the receipt holds, and what that means.
pub(crate) fn verdict(
    report: &Report,
    policy: &Policy,
    opened: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    match report.verified() {
        Some(verified) => proven(verified, opened, out)?,
        None => failed(report, out)?,
    }
    notes(policy, out)
}

fn proven(verified: &Verified, opened: bool, out: &mut impl Write) -> io::Result<()> {
    let entry = &verified.entry;
    writeln!(out, "VERIFIED: entry {} of the log {}", verified.index, log(&verified.log_id))?;
    let (kind, seq, source) = (entry.kind.name(), entry.source_seq, entry.source_id);
    writeln!(
        out,
        "  entry       {kind}, number {seq} of source {source}, schema {}",
        entry.schema
    )?;
    if entry.flags != 0 {
        writeln!(out, "  flags       {}", flags(entry.flags))?;
    }
    writeln!(out, "  occurred    {}, as the source claims", time(entry.occurred_at))?;
    writeln!(out, "  activity    {}", uuid(&entry.activity_id))?;
    writeln!(out, "  subject     {}", entry.subject)?;
    let opened = if opened { "opened by salt and payload" } else { "not opened" };
    writeln!(out, "  commitment  {}, {opened}", entry.commitment)?;
    head("log", verified, out)?;
    let (block, seals) = (verified.block_number, verified.seals);
    writeln!(out, "  block       {block}, {}", time(verified.block_time.saturating_mul(1000)))?;
    writeln!(out, "  block hash  {}", verified.block_hash)?;
    writeln!(out, "  sealed by   {seals} of {} validators", verified.validators)
}

fn failed(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Some(step) = report.failure() else { return writeln!(out, "NOT VERIFIED") };
    let check = step.check;
    writeln!(out, "NOT VERIFIED: step {} ({}) fails", check.number(), check.name())?;
    writeln!(out, "  {}: {}", step.code.as_deref().unwrap_or_default(), step.detail)?;
    writeln!(out, "What to do: {}", words::advice(check))
}

/// Each step, what was found and what it proves.
pub(crate) fn steps(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for step in report.steps() {
        let state = if step.ok() { "holds" } else { "FAILS" };
        let check = step.check;
        writeln!(out, "{:>2} {:<11} {state}  {}", check.number(), check.name(), step.detail)?;
        writeln!(out, "{:22}{}", "", words::meaning(check))?;
    }
    writeln!(out)
}

/// Size and root of a log.
pub(crate) fn head(name: &str, verified: &Verified, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "  {name:<11} {} entries, root {}", verified.size, verified.root)
}

/// What the policy does not ask for.
pub(crate) fn notes(policy: &Policy, out: &mut impl Write) -> io::Result<()> {
    if let Some(note) = policy.seals_note() {
        writeln!(out, "note: {note}")?;
    }
    if let Some(note) = policy.chain_note() {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

/// A UUID in its canonical form.
pub(crate) fn uuid(bytes: &[u8; 16]) -> String {
    let text = hex::encode(bytes);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// A log's id, with its name if it is one.
fn log(id: &B256) -> String {
    let name = String::from_utf8_lossy(id.as_slice());
    let name = name.trim_end_matches('\0');
    let readable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if readable { format!("{name} ({id})") } else { id.to_string() }
}

fn flags(flags: u8) -> String {
    let names = [(1, "has an effect on chain"), (2, "late"), (4, "TEST DATA")];
    let set = names.into_iter().filter(|(bit, _)| flags & bit != 0);
    set.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

/// A time in UTC.
fn time(unix_ms: u64) -> String {
    let timestamp = i64::try_from(unix_ms).ok().and_then(|it| Timestamp::from_millisecond(it).ok());
    timestamp.map_or_else(|| format!("{unix_ms} ms"), |timestamp| timestamp.to_string())
}
