//! `plog-verify RECEIPT`, `consistency` and `policy-hash`.

use crate::{
    args::{ConsistencyArgs, ReceiptArgs},
    exit::{self, Failure},
    input::{DOCUMENT_BOUND, Input, PAYLOAD_BOUND, one_stdin},
    text,
};
use peruri_plog::{ConsistencyAnswer, Opening, Policy, Report, audit::check_consistency, verify};
use std::io::Write;

/// Verifies one receipt and prints the report. Returns the exit code: 0 if it holds, else 10 and the number
/// of the step that fails.
///
/// # Errors
/// A file that cannot be read, a policy that is none, an answer that cannot be written.
pub fn run(args: &ReceiptArgs, out: &mut impl Write) -> Result<u8, Failure> {
    one_stdin([&args.receipt, &args.policy].into_iter().chain(&args.payload))?;
    let policy = args.policy.policy()?;
    let document = args.receipt.read(DOCUMENT_BOUND)?;
    let payload = args.payload.as_ref().map(|input| input.read(PAYLOAD_BOUND)).transpose()?;
    let opening = match (&args.salt, &payload) {
        (Some(salt), Some(payload)) => Some(Opening { salt, payload }),
        _ => None,
    };
    let report = verify(&document, &policy, opening);
    if args.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        if args.explain {
            text::steps(&report, out)?;
        }
        text::verdict(&report, &policy, opening.is_some(), out)?;
    }
    Ok(exit::of_report(&report))
}

/// Verifies two receipts and that the second head extends the first.
pub(crate) fn consistency(args: &ConsistencyArgs, out: &mut impl Write) -> Result<u8, Failure> {
    one_stdin([&args.old, &args.new, &args.proof, &args.policy])?;
    let policy = args.policy.policy()?;
    let documents = [args.old.read(DOCUMENT_BOUND)?, args.new.read(DOCUMENT_BOUND)?];
    let proof = args.proof.read(DOCUMENT_BOUND)?;
    let reports = documents.map(|document| verify(&document, &policy, None));
    for (input, report) in [&args.old, &args.new].into_iter().zip(&reports) {
        if !report.ok() {
            return failed(input, report, &policy, out);
        }
    }
    let [Some(old), Some(new)] = reports.each_ref().map(Report::verified) else {
        return Ok(exit::of_report(&reports[0]));
    };
    let fits = ConsistencyAnswer::parse(&proof)
        .map_err(|error| error.to_string())
        .and_then(|answer| check_consistency(old, new, &answer).map_err(|it| it.to_string()));
    match fits {
        Ok(()) => {
            writeln!(
                out,
                "CONSISTENT: both receipts hold, and the later head extends the earlier"
            )?;
            text::head("earlier", old, out)?;
            text::head("later", new, out)?;
            text::notes(&policy, out)?;
            Ok(exit::OK)
        }
        Err(why) => {
            writeln!(out, "NOT CONSISTENT: both receipts hold, but {} does not fit", args.proof)?;
            writeln!(out, "  {why}")?;
            text::head("earlier", old, out)?;
            text::head("later", new, out)?;
            writeln!(
                out,
                "What to do: ask for plog_getConsistencyProof(log, {}, {}). If no node can give a \
                 proof\nthat fits, the log was rewritten: keep both receipts, they are the evidence.",
                old.size, new.size
            )?;
            Ok(exit::DOES_NOT_FIT)
        }
    }
}

/// Prints the hash of a policy.
pub(crate) fn policy_hash(input: &Input, out: &mut impl Write) -> Result<u8, Failure> {
    let policy = input.policy()?;
    writeln!(out, "{}", policy.hash())?;
    text::notes(&policy, &mut std::io::stderr())?;
    Ok(exit::OK)
}

/// Says that one of several receipts does not hold.
pub(crate) fn failed(
    input: &Input,
    report: &Report,
    policy: &Policy,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    writeln!(out, "{input}:")?;
    text::verdict(report, policy, false, out)?;
    Ok(exit::of_report(report))
}
