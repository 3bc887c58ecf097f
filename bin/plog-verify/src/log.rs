//! `plog-verify log`.

use crate::{
    args::LogArgs,
    exit::{self, Failure},
    input::{DOCUMENT_BOUND, Input, one_stdin},
    receipt, text,
};
use alloy_primitives::hex;
use peruri_plog::{
    VoidReason,
    audit::{ExportAudit, ExportError, ExportSummary},
    verify,
};
use std::io::{BufRead, Read, Write};

/// Most bytes of a line with an entry; longer ones are no entry.
const LINE_BOUND: u64 = 1024;

/// Checks an exported log.
pub(crate) fn run(args: &LogArgs, out: &mut impl Write) -> Result<u8, Failure> {
    one_stdin([&args.export, &args.policy])?;
    let policy = args.policy.policy()?;
    let mut lines = Lines { reader: args.export.open()?, input: &args.export };
    let document = lines.next(DOCUMENT_BOUND)?.unwrap_or_default();
    let report = verify(&document, &policy, None);
    let Some(last) = report.verified() else {
        return receipt::failed(&args.export, &report, &policy, out);
    };
    match audit(ExportAudit::new(last), &mut lines)? {
        Ok(summary) => {
            let whole = summary.gaps.is_empty();
            let verdict = if whole { "WHOLE" } else { "NOT WHOLE" };
            writeln!(out, "{verdict}: the entries are those of the log that the receipt proves")?;
            text::head("log", last, out)?;
            list(&summary, out)?;
            text::notes(&policy, out)?;
            Ok(if whole { exit::OK } else { exit::DOES_NOT_FIT })
        }
        Err(why) => {
            writeln!(out, "NOT THE LOG: the receipt holds, but the entries do not fit it")?;
            writeln!(out, "  {why}")?;
            text::head("log", last, out)?;
            writeln!(out, "What to do: export the log again, if need be from another node.")?;
            Ok(exit::DOES_NOT_FIT)
        }
    }
}

/// The lines to the end, or why they are not the log.
fn audit(
    audit: Result<ExportAudit, ExportError>,
    lines: &mut Lines<'_>,
) -> Result<Result<ExportSummary, ExportError>, Failure> {
    let mut audit = match audit {
        Ok(audit) => audit,
        Err(error) => return Ok(Err(error)),
    };
    while let Some(line) = lines.next(LINE_BOUND)? {
        if let Err(error) = audit.line(&line) {
            return Ok(Err(error));
        }
    }
    Ok(audit.finish())
}

fn list(summary: &ExportSummary, out: &mut impl Write) -> Result<(), Failure> {
    for (source, count) in &summary.sources {
        writeln!(out, "  source {source}: {count} entries")?;
    }
    for gap in &summary.gaps {
        writeln!(
            out,
            "  GAP at index {}: source {} goes on with number {}, expected {}",
            gap.index, gap.source_id, gap.got, gap.expected
        )?;
    }
    for void in &summary.voids {
        writeln!(
            out,
            "  VOID at index {}: number {} of source {}, {}",
            void.index,
            void.source_seq,
            void.source_id,
            reason(void.reason)
        )?;
    }
    for repeat in &summary.repeats {
        writeln!(
            out,
            "  activity {} at index {} was there at index {}",
            text::uuid(&repeat.activity_id),
            repeat.index,
            repeat.first
        )?;
    }
    if !summary.gaps.is_empty() {
        writeln!(
            out,
            "What to do: a source numbers its entries across all logs it writes. If it writes this \
             one only,\na gap means that entries are missing: ask the operator of the source."
        )?;
    }
    Ok(())
}

fn reason(number: u16) -> String {
    match VoidReason::from_number(number) {
        Some(VoidReason::Invalid) => "invalid".to_owned(),
        Some(VoidReason::Withdrawn) => "withdrawn".to_owned(),
        Some(VoidReason::Duplicate) => "duplicate".to_owned(),
        Some(VoidReason::Operator) => "closed by an operator".to_owned(),
        Some(VoidReason::SourceClosed) => "source closed".to_owned(),
        None => format!("reason {}", hex::encode_prefixed(number.to_be_bytes())),
    }
}

/// Lines of a file, without their end, each read up to a bound.
struct Lines<'a> {
    reader: Box<dyn BufRead>,
    input: &'a Input,
}

impl Lines<'_> {
    fn next(&mut self, bound: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        let read = self
            .reader
            .by_ref()
            .take(bound)
            .read_until(b'\n', &mut line)
            .map_err(|error| self.input.unreadable(&error))?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok((read > 0).then_some(line))
    }
}
