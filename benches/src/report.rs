//! The table that `make bench` prints, and the JSON beside it.

use crate::{
    activity::Activity,
    conformance::{self, Conformance},
    growth::Growth,
    import::Import,
    machine::Machine,
    mirror::{self, Mirror},
    network::Networks,
    plog::Plog,
    reads::{self, Answers, Asked},
    stats::{Summary, number},
    sync::Sync,
    throughput::{Throughput, of},
};
use eyre::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use std::{fs, path::Path};

/// Everything that one run measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The machine and the commit.
    pub machine: Machine,
    /// Rows of throughput.
    pub throughput: Vec<Throughput>,
    /// Rows of networks.
    pub networks: Option<Networks>,
    /// The rows of the transparency log.
    pub plog: Option<Plog>,
    /// The rows of the activity mirror beside a broker.
    pub activity: Option<Activity>,
    /// The rows of the activity mirror in a network.
    pub mirror: Mirror,
    /// The row of sync.
    pub sync: Option<Sync>,
    /// The row of block import.
    pub import: Option<Import>,
    /// Questions by JSON-RPC.
    pub reads: Vec<Answers>,
    /// How the node grows.
    pub growth: Option<Growth>,
    /// The row of conformance.
    pub conformance: Option<Conformance>,
    /// Medians of the criterion benches.
    pub parts: Vec<Part>,
}

/// A criterion bench.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Its group: `C1 sender recovery`.
    pub group: String,
    /// Its name in the group.
    pub name: String,
    /// Median time of one operation in microseconds.
    pub median_us: f64,
    /// Confidence interval of the median.
    pub low_us: f64,
    /// Confidence interval of the median.
    pub high_us: f64,
}

impl Report {
    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let machine = &self.machine;
        let mut lines = vec![
            format!(
                "Commit {}, {}; {} ({} logical processors, {} GiB), Linux {}. Median (min–max) of the rounds.",
                machine.commit,
                machine.date,
                machine.cpu,
                machine.cores,
                machine.memory_gib,
                machine.kernel
            ),
            String::new(),
            "| row | measured | peruri-chain | peer in the same run | ratio | aim |".to_owned(),
            "|---|---|---|---|---|---|".to_owned(),
        ];
        for row in &self.throughput {
            lines.extend(throughput_lines(row));
        }
        lines.extend(self.networks.iter().flat_map(network_lines));
        lines.extend(self.sync.iter().map(sync_line));
        lines.extend(self.plog.iter().flat_map(plog_lines));
        lines.extend(self.activity.iter().flat_map(activity_lines));
        lines.extend(mirror::lines(&self.mirror));
        lines.extend(self.import.iter().flat_map(import_lines));
        lines.extend(self.reads.iter().map(read_line));
        lines.extend(self.growth.iter().flat_map(growth_lines));
        lines.extend(self.conformance.iter().flat_map(conformance_lines));
        for part in &self.parts {
            let Part { group, name, median_us, low_us, high_us } = part;
            let (row, what) = group.split_once(' ').unwrap_or((group, ""));
            lines.push(format!(
                "| {row} | {what}: {name}, µs | {} ({}–{}) | – | – | – |",
                number(*median_us),
                number(*low_us),
                number(*high_us)
            ));
        }
        lines.join("\n")
    }

    /// Writes table and JSON into `folder`.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("bench.md"), self.table() + "\n")?;
        let json = serde_json::to_string_pretty(self)?;
        fs::write(folder.join("bench.json"), json + "\n").wrap_err("bench.json")
    }
}

fn throughput_lines(row: &Throughput) -> Vec<String> {
    let what = match row.id {
        "T1" => "transfers mined a second, batches of 100",
        "T2" => "transfers mined a second, single requests",
        "T3" => "ERC-20 mints to new holders mined a second",
        _ => "transactions mined a second",
    };
    let each = if row.id == "T3" { "mint" } else { "transfer" };
    let rate = line(
        row.id,
        what,
        "≥ 3 ×",
        of(&row.peruri, |s| s.per_second),
        "anvil",
        of(&row.anvil, |s| s.per_second),
    );
    let cpu = line(
        "T4",
        &format!("CPU µs per {each} ({})", row.id),
        "≤ 0.33 ×",
        of(&row.peruri, |s| s.cpu_us),
        "anvil",
        of(&row.anvil, |s| s.cpu_us),
    );
    vec![rate, cpu]
}

fn network_lines(networks: &Networks) -> Vec<String> {
    let rate = line(
        "T5",
        "transfers into 4 validators final a second",
        "≥ 0.7 ×",
        networks.of(|round| round.network.per_second),
        "anvil",
        networks.of(|round| round.anvil.per_second),
    );
    let own = |what: &str, figure: Option<Summary>, aim: &str| {
        let shown = figure.map_or_else(|| "every round was disturbed".to_owned(), |it| it.show());
        format!("| T5 | {what} | {shown} | – | – | {aim} |")
    };
    let agreement = &networks.agreement;
    vec![
        rate,
        own("missed rounds", networks.of(|round| round.missed_rounds as f64), "0"),
        own("seconds from pool to final, p50", networks.of(|round| round.to_final_p50), "–"),
        own("seconds from pool to final, p99", networks.of(|round| round.to_final_p99), "–"),
        own("memory of a validator, MiB", networks.of(|round| round.network.resident_mib), "≤ 600"),
        format!(
            "| T6 | agreement on an empty block, 4 validators, p50 of {} in ms | {} | 3 hops of {} and 5 syncs of {}: {} | {} × | ≤ 3 × |",
            agreement.blocks,
            number(agreement.p50),
            number(agreement.hop),
            number(agreement.sync),
            number(agreement.floor),
            number(agreement.p50 / agreement.floor)
        ),
        format!("| T6 | the same, p99 in ms | {} | – | – | ≤ 50 |", number(agreement.p99)),
    ]
}

fn sync_line(sync: &Sync) -> String {
    line(
        "sync",
        &format!("{} blocks of 500 ERC-20 transfers from a peer, blocks a second", sync.blocks),
        "≥ 0.8 ×",
        sync.of(|round| round.sync),
        "import from a file",
        sync.of(|round| round.import),
    )
}

fn plog_lines(plog: &Plog) -> Vec<String> {
    let shown = |figure: Option<Summary>| {
        figure.map_or_else(|| "every round was disturbed".to_owned(), |it| it.show())
    };
    let own = |row: &str, what: &str, value: &str, aim: &str| {
        format!("| {row} | {what} | {value} | – | – | {aim} |")
    };
    let proofs = &plog.proofs;
    let leaves = number(proofs.leaves as f64);
    let beside = |what: &str, rate: f64| {
        format!(
            "| T14 | inclusion proofs {what} at {leaves} entries, a second | {} | ct-merkle in memory: {} | {:.2} × | ≥ 1 × |",
            number(rate),
            number(proofs.ct_merkle_per_second),
            rate / proofs.ct_merkle_per_second
        )
    };
    let fed = number(plog.fed_leaves as f64);
    vec![
        own(
            "PLOG",
            "entries final a second, one validator",
            &shown(plog.of(|it| it.per_second)),
            "≥ 20,000",
        ),
        own("PLOG", "CPU µs per entry", &shown(plog.of(|it| it.cpu_us)), "–"),
        own("PLOG", "bytes of the index per entry", &number(plog.entries.bytes_per_entry), "≤ 400"),
        beside("over JSON-RPC, 4 connections,", proofs.rpc_per_second),
        beside("from the index in process", proofs.index_per_second),
        own(
            "T14",
            "nodes that a proof reads at most",
            &number(proofs.most_reads as f64),
            "2 log₂ n",
        ),
        own(
            "T14",
            &format!("p50 of a proof over JSON-RPC at {fed} entries, ms"),
            &number(plog.fed_ms[0]),
            "–",
        ),
        own(
            "T14",
            &format!("p99 of a proof over JSON-RPC at {fed} entries, ms"),
            &number(plog.fed_ms[1]),
            "≤ 2",
        ),
    ]
}

fn activity_lines(activity: &Activity) -> Vec<String> {
    let (published, peer) = (activity.of(|it| it.published), "RabbitMQ quorum queue, confirms");
    let what = |way: &str| format!("activities of 256 B durably accepted a second, {way}");
    vec![
        line(
            "T12",
            &what("in process, windows of 1,000"),
            "≥ 4 ×",
            activity.of(|it| it.native),
            peer,
            published,
        ),
        line(
            "T12",
            &what("published to RabbitMQ and taken in"),
            "≥ 0.9 ×",
            activity.of(|it| it.through),
            peer,
            published,
        ),
        line(
            "T12",
            &what("published to RabbitMQ and taken in"),
            "–",
            activity.of(|it| it.through),
            "published and acknowledged only",
            activity.of(|it| it.passed_through),
        ),
        line(
            "AMQP",
            "messages of a queue taken in durably, a second",
            "≥ 0.5 ×",
            activity.of(|it| it.taken_in),
            "the same messages acknowledged only",
            activity.of(|it| it.consumed),
        ),
    ]
}

fn import_lines(import: &Import) -> Vec<String> {
    let transfers = format!(
        "{} ERC-20 transfers over {} accounts",
        import.transactions,
        number(import.accounts as f64)
    );
    let peer = "bare revm with recovery";
    vec![
        line(
            "T15",
            &format!("import of a block of {transfers}, Mgas a second"),
            "≥ 0.5 ×",
            import.of(|round| round.import.mgas_per_second),
            peer,
            import.of(|round| round.bare.mgas_per_second),
        ),
        line(
            "T15",
            "CPU µs per transaction",
            "–",
            import.of(|round| round.import.cpu_us),
            peer,
            import.of(|round| round.bare.cpu_us),
        ),
        line(
            "T15",
            "ms a block, the peer without recovery",
            "–",
            import.of(|round| round.import.block_ms),
            "bare revm",
            import.of(|round| round.bare_run_only_ms),
        ),
    ]
}

fn read_line(answers: &Answers) -> String {
    let Answers { row, what, aim, block_transactions, .. } = answers;
    let of_block = match *row {
        "T11" => format!("block of {}: ", number(*block_transactions as f64)),
        _ => String::new(),
    };
    let side = |by: fn(&reads::Round) -> Asked| {
        let rate = answers.of(|round| by(round).per_second);
        let cpu = answers.of(|round| by(round).cpu_us);
        let shown = match (rate, cpu) {
            (Some(rate), Some(cpu)) => format!("{}; {} µs", rate.show(), cpu.show()),
            _ => "no undisturbed answer in time".to_owned(),
        };
        (rate, shown)
    };
    let ((own, shown), (other, theirs)) = (side(|round| round.peruri), side(|round| round.anvil));
    let ratio = match (own, other) {
        (Some(own), Some(other)) => format!("{} ×", number(own.median / other.median)),
        _ => "–".to_owned(),
    };
    let aim = aim.map_or_else(|| "any".to_owned(), |aim| format!("≥ {aim} ×"));
    format!(
        "| {row} | {of_block}{what}, a second; CPU µs each | {shown} | anvil: {theirs} | {ratio} | {aim} |"
    )
}

fn growth_lines(growth: &Growth) -> Vec<String> {
    let Growth { idle, once, tenfold } = growth;
    let row =
        |what: String, own: f64, rest: &str| format!("| T16 | {what} | {} | {rest} |", number(own));
    let (first, all) = (number(once.transfers as f64), number(tenfold.transfers as f64));
    let beside = |before: f64, ratio: f64, aim: &str| {
        format!("after {first}: {} | {} × | {aim}", number(before), number(ratio))
    };
    let memory = tenfold.resident_mib / once.resident_mib;
    let disk = tenfold.disk_mib / once.disk_mib;
    vec![
        row("memory of an idle validator, MiB".to_owned(), idle.resident_mib, "– | – | ≤ 150"),
        row(
            format!("memory after {all} transfers, MiB (≤ 500)"),
            tenfold.resident_mib,
            &beside(once.resident_mib, memory, "≤ 2 ×"),
        ),
        row(
            format!("disk after {all} transfers, MiB"),
            tenfold.disk_mib,
            &beside(once.disk_mib, disk, "–"),
        ),
        row(
            "bytes on disk for each transfer between the two".to_owned(),
            growth.disk_bytes_per_transfer(),
            "– | – | –",
        ),
    ]
}

fn conformance_lines(conformance: &Conformance) -> Vec<String> {
    let cases = |run: fn(&conformance::Round) -> conformance::Run| {
        let last = conformance.rounds.last().map(run);
        last.map_or_else(
            || "–".to_owned(),
            |run| format!("{} passed, {} failed", run.passed, run.failed),
        )
    };
    let seconds = |run: fn(&conformance::Round) -> conformance::Run| {
        conformance.of(|round| run(round).seconds)
    };
    vec![
        format!(
            "| T17 | Ethereum's blockchain tests, one thread: cases | {} | revme: {} | – | 0 failures |",
            cases(|round| round.peruri),
            cases(|round| round.revme)
        ),
        line(
            "T17",
            "the same: seconds",
            "≤ 2 ×",
            seconds(|round| round.peruri),
            "revme",
            seconds(|round| round.revme),
        ),
    ]
}

pub(crate) fn line(
    id: &str,
    what: &str,
    aim: &str,
    own: Option<Summary>,
    peer: &str,
    other: Option<Summary>,
) -> String {
    let show = |summary: Option<Summary>| match summary {
        Some(summary) => summary.show(),
        None => "every round was disturbed".to_owned(),
    };
    let ratio = match (own, other) {
        (Some(own), Some(other)) => format!("{} ×", number(own.median / other.median)),
        _ => "–".to_owned(),
    };
    format!("| {id} | {what} | {} | {peer}: {} | {ratio} | {aim} |", show(own), show(other))
}

/// Reads criterion's results: `FOLDER/GROUP/NAME/new/{benchmark,estimates}.json`.
///
/// # Errors
/// If a file is damaged.
pub fn criterion_parts(folder: &Path) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    collect(folder, &mut parts)?;
    parts.sort_by(|a, b| (row_number(&a.group), &a.name).cmp(&(row_number(&b.group), &b.name)));
    Ok(parts)
}

fn row_number(group: &str) -> u32 {
    let digits: String = group.chars().skip(1).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(u32::MAX)
}

fn collect(folder: &Path, parts: &mut Vec<Part>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let benchmark = folder.join("benchmark.json");
    if folder.ends_with("new") && benchmark.is_file() {
        let read = |path: &Path| -> Result<Value> {
            let text = fs::read_to_string(path)?;
            serde_json::from_str(&text).wrap_err_with(|| path.display().to_string())
        };
        parts.push(part(&read(&benchmark)?, &read(&folder.join("estimates.json"))?));
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        collect(&entry?.path(), parts)?;
    }
    Ok(())
}

fn part(benchmark: &Value, estimates: &Value) -> Part {
    // Figures are per element where the bench names how many it handles.
    let elements = benchmark["throughput"]["Elements"].as_f64().unwrap_or(1.0);
    let median = &estimates["median"];
    let us = |value: &Value| value.as_f64().unwrap_or(f64::NAN) / 1e3 / elements;
    let interval = &median["confidence_interval"];
    Part {
        group: benchmark["group_id"].as_str().unwrap_or_default().to_owned(),
        name: benchmark["function_id"].as_str().unwrap_or_default().to_owned(),
        median_us: us(&median["point_estimate"]),
        low_us: us(&interval["lower_bound"]),
        high_us: us(&interval["upper_bound"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Quiet;
    use serde_json::json;

    #[test]
    fn a_ratio_is_of_medians() {
        let summary = |median| Some(Summary { median, min: median, max: median });
        let shown = line("T1", "x", "≥ 3 ×", summary(30.0), "anvil", summary(10.0));
        assert!(shown.contains("| 3.00 × |"), "{shown}");
        let disturbed = line("T1", "x", "≥ 3 ×", None, "anvil", summary(10.0));
        assert!(disturbed.contains("disturbed"), "{disturbed}");
    }

    #[test]
    fn a_question_without_an_answer_has_no_ratio() {
        let quiet = Quiet { load_average: 0.0, fdatasync_p50_ms: 0.1, quiet: true };
        let asked =
            |rate: Option<f64>| Asked { per_second: rate, cpu_us: rate, client_cpu_us: rate };
        let answers = |anvil| Answers {
            row: "T11",
            what: "full block",
            aim: Some(50.0),
            block_transactions: 4_032,
            rounds: vec![reads::Round { quiet, peruri: asked(Some(100.0)), anvil: asked(anvil) }],
        };
        let shown = read_line(&answers(Some(2.0)));
        assert!(
            shown.contains("block of 4,032: full block") && shown.contains("| 50.0 × |"),
            "{shown}"
        );
        let shown = read_line(&answers(None));
        assert!(shown.contains("anvil: no undisturbed answer in time | – |"), "{shown}");
    }

    #[test]
    fn criterion_results_are_per_element() {
        let benchmark = json!({ "group_id": "C5 incremental root", "function_id": "two threads",
                                "throughput": { "Elements": 10_000 } });
        let estimates = json!({ "median": { "point_estimate": 4e7,
            "confidence_interval": { "lower_bound": 3e7, "upper_bound": 5e7 } } });
        let part = part(&benchmark, &estimates);
        assert_eq!((part.median_us, part.low_us, part.high_us), (4.0, 3.0, 5.0));
    }

    #[test]
    fn criterions_folders_are_walked() {
        let folder = tempfile::tempdir().expect("folder");
        for (group, name) in [("C10 pool", "b"), ("C2 decode", "a")] {
            let path = folder.path().join(group).join(name).join("new");
            fs::create_dir_all(&path).expect("folder");
            let benchmark = json!({ "group_id": group, "function_id": name });
            fs::write(path.join("benchmark.json"), benchmark.to_string()).expect("file");
            fs::write(path.join("estimates.json"), "{}").expect("file");
        }
        let parts = criterion_parts(folder.path()).expect("read");
        let groups: Vec<&str> = parts.iter().map(|part| part.group.as_str()).collect();
        assert_eq!(groups, ["C2 decode", "C10 pool"]);
    }
}
