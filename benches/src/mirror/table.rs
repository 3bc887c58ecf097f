//! The rows of the table.

use super::{Batches, Burst, Mirror, Paced, stage::Cpu};
use crate::{
    report::line,
    stats::{Summary, number},
};

/// All rows that were measured.
pub(crate) fn lines(mirror: &Mirror) -> Vec<String> {
    let paced = mirror.paced.iter().flat_map(paced_lines);
    let burst = mirror.burst.iter().flat_map(burst_lines);
    paced.chain(burst).chain(mirror.batches.iter().flat_map(batch_lines)).collect()
}

fn paced_lines(row: &Paced) -> Vec<String> {
    let plan = &row.plan;
    let (id, period, offered) = (plan.id, plan.period as f64, number(plan.per_second as f64));
    let (published, median, most) = match id {
        "T13" => ("; Tessera's published: 10,600 at 3.1 s", "–", "≤ 1.25 ×"),
        _ => ("", "≤ 0.75 ×", "≤ 1.5 ×"),
    };
    let every = format!("block period: {period} s");
    let seconds = |what: &str, aim: &str, figure: Option<Summary>| {
        beside(&format!("| {id} | seconds {what}"), figure, &every, period, aim)
    };
    let mut lines = vec![
        beside(
            &format!("| {id} | activities final a second, 3 validators"),
            row.of(|it| it.final_per_second),
            &format!("offered: {offered}{published}"),
            plan.per_second as f64,
            "≥ 0.95 ×",
        ),
        seconds("from offer to final, p50", median, row.of(|it| it.to_final.p50)),
        seconds("from offer to final, p99", most, row.of(|it| it.to_final.p99)),
        seconds("until the caller is told, p50", "–", row.of(|it| it.to_told.p50)),
        seconds("until the caller is told, p99", "–", row.of(|it| it.to_told.p99)),
        own(id, "milliseconds to the durable answer, p99", row.of(|it| it.answer_ms.p99), "–"),
        own(id, "missed rounds", row.of(|it| it.missed_rounds as f64), "0"),
    ];
    if let Some(one_in) = plan.one_in {
        let proofs = |figure: fn(&super::Proofs) -> f64| {
            row.of(|it| it.proofs.as_ref().map_or(f64::NAN, figure))
        };
        let what = format!("proofs served meanwhile and verified, one in {one_in}");
        lines.push(own(id, &what, proofs(|it| it.count as f64), "–"));
        let what = "proofs a second over JSON-RPC meanwhile, one at a time";
        lines.push(own(id, what, proofs(|it| it.per_second), "–"));
        let to_proof = proofs(|it| it.to_proof.p99);
        lines.push(seconds("from offer to a served proof, p99", "–", to_proof));
    }
    lines.push(cpu_line(id, |figure| row.of(|it| figure(&it.cpu))));
    lines
}

fn burst_lines(row: &Burst) -> Vec<String> {
    let id = "burst";
    let what = format!(
        "{} activities as fast as they are taken, 3 validators: final a second",
        number(row.activities as f64)
    );
    vec![
        own(id, &what, row.of(|it| it.final_per_second), "≥ 5,000"),
        own(id, "the same until the caller is told", row.of(|it| it.told_per_second), "–"),
        own(id, "durably accepted a second meanwhile", row.of(|it| it.accepted_per_second), "–"),
        own(id, "missed rounds", row.of(|it| it.missed_rounds as f64), "0"),
        cpu_line(id, |figure| row.of(|it| figure(&it.cpu))),
    ]
}

fn batch_lines(row: &Batches) -> Vec<String> {
    let (id, peer) = ("submit-batch", "synced RocksDB batches of the same rows");
    vec![
        line(
            id,
            "activities of 256 B durably accepted a second by activity_submitBatch, 1,000 at a time, 4 connections",
            "≥ 0.5 ×",
            row.of(|it| it.0.per_second),
            peer,
            row.of(|it| it.1.per_second),
        ),
        line(
            id,
            "CPU µs of the node for each, sealing included",
            "–",
            row.of(|it| it.0.cpu.mirror),
            peer,
            row.of(|it| it.1.cpu_us),
        ),
        own(id, "CPU µs of the client for each", row.of(|it| it.0.cpu.client), "–"),
        own(id, "milliseconds of a request, p99", row.of(|it| it.0.answer_ms.p99), "–"),
    ]
}

fn cpu_line(id: &str, of: impl Fn(fn(&Cpu) -> f64) -> Option<Summary>) -> String {
    let parts = [of(|cpu| cpu.mirror), of(|cpu| cpu.others), of(|cpu| cpu.client)].map(shown);
    let what = "CPU µs for each: the node that mirrors; the two others together; the client";
    format!("| {id} | {what} | {} | – | – | – |", parts.join("; "))
}

/// A figure beside a constant.
fn beside(row: &str, own: Option<Summary>, peer: &str, constant: f64, aim: &str) -> String {
    let ratio = own.map(|it| format!("{} ×", number(it.median / constant)));
    let ratio = ratio.unwrap_or_else(|| "–".to_owned());
    format!("{row} | {} | {peer} | {ratio} | {aim} |", shown(own))
}

fn own(id: &str, what: &str, figure: Option<Summary>, aim: &str) -> String {
    format!("| {id} | {what} | {} | – | – | {aim} |", shown(figure))
}

fn shown(figure: Option<Summary>) -> String {
    figure.map_or_else(|| "every round was disturbed".to_owned(), |it| it.show())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Plan, Proofs, Round, burst, paced::Figures},
        *,
    };
    use crate::{machine::Quiet, stats::Percentiles};

    const CPU: Cpu = Cpu { client: 1.0, mirror: 2.0, others: 3.0 };

    fn round<T>(figures: T) -> Round<T> {
        let quiet = Quiet { load_average: 0.0, fdatasync_p50_ms: 0.1, quiet: true };
        Round { quiet, figures }
    }

    fn paced(plan: Plan, p99: f64) -> Paced {
        let waits = Percentiles { p50: p99 / 2.0, p99 };
        let proofs = Proofs { count: 150, per_second: 900.0, ms: waits, to_proof: waits };
        let figures = Figures {
            final_per_second: plan.per_second as f64 * 0.98,
            to_final: waits,
            to_told: waits,
            answer_ms: waits,
            late_ms: waits,
            proofs: plan.one_in.map(|_| proofs),
            missed_rounds: 0,
            cpu: CPU,
        };
        Paced { plan, rounds: vec![round(figures)] }
    }

    #[test]
    fn waits_stand_beside_the_block_period() {
        let shown = paced_lines(&paced(Plan::t13(10_000, 15, 1), 1.2)).join("\n");
        for part in ["9,800", "10,600", "| 0.98 × | ≥ 0.95 × |", "| 1.20 × | ≤ 1.25 × |", "150"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let shown = paced_lines(&paced(Plan::steady(60), 2.4)).join("\n");
        for part in ["| 0.60 × | ≤ 0.75 × |", "block period: 2 s | 1.20 × | ≤ 1.5 × |"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("proof"), "{shown}");
    }

    #[test]
    fn disturbed_rounds_do_not_count() {
        let mut figures = round(burst::Figures {
            accepted_per_second: 1.0,
            final_per_second: 6_000.0,
            told_per_second: 1.0,
            blocks: 3,
            missed_rounds: 0,
            cpu: CPU,
        });
        let burst = |rounds| {
            lines(&Mirror {
                burst: Some(Burst { activities: 50_000, rounds }),
                ..Mirror::default()
            })
        };
        let shown = burst(vec![figures]).join("\n");
        assert!(shown.contains("50,000 activities") && shown.contains("6,000 (6,000"), "{shown}");
        assert!(shown.contains("| 2.00 (2.00–2.00); 3.00 (3.00–3.00); 1.00 (1.00–1.00) |"));
        figures.quiet.quiet = false;
        let shown = burst(vec![figures]).join("\n");
        assert!(shown.contains("disturbed") && !shown.contains("6,000 (6,000"), "{shown}");
    }
}
