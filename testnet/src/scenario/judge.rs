//! The end of a scenario: the network recovers, everything is downloaded, every property is checked.

use super::stage::Stage;
use crate::{
    GenesisFile, Judge, Observations, Result, TestnetError,
    check::{
        Bounds, Chain, Phase, SignatureLedger, differing_roots, forks, heads_that_went_back,
        late_blocks, lost_transactions, missing_receipts, read_message_log, signing_domain,
        slowest_block, summary,
    },
};
use std::time::{Duration, Instant};

/// How often heads are asked for.
const POLL: Duration = Duration::from_millis(100);
/// `roundtimeoutcapseconds` by default: five base timeouts, at least this.
const LEAST_CAP: Duration = Duration::from_secs(10);

const NO_FORK: &str = "no fork";
const EQUAL_ROOTS: &str = "roots are equal";
const NOTHING_LOST: &str = "no acknowledged transaction is lost";
const MONOTONE_HEADS: &str = "no head went back";
const NO_CONFLICT: &str = "no conflicting signatures";
/// What must hold whatever happens; other checks are about time and ends.
const SAFETY: [&str; 5] = [NO_FORK, EQUAL_ROOTS, NOTHING_LOST, MONOTONE_HEADS, NO_CONFLICT];

/// Whether a failed check of a scenario means that something acknowledged or signed was lost or
/// contradicted.
pub fn is_about_safety(check: &str) -> bool {
    SAFETY.iter().any(|property| check.ends_with(&format!(": {property}")))
}

/// A scenario after its last fault.
pub(super) struct Outcome {
    pub(super) stage: Stage,
    pub(super) phases: Vec<Phase>,
    /// Validators that may be away.
    pub(super) tolerated: usize,
    /// Seconds between blocks.
    pub(super) block_period: u64,
}

/// Judges every property; the first half needs the running network, the second its files.
///
/// # Errors
/// If a node does not answer; a property that does not hold is counted by the judge instead.
pub(super) async fn judge_outcome(
    name: &str,
    outcome: &mut Outcome,
    judge: &mut Judge,
) -> Result<()> {
    let bounds = outcome.bounds();
    let recovered = outcome.wait_for_new_block(bounds.healthy).await;
    let title = format!("{name}: all nodes have a new block within {} s", bounds.healthy.as_secs());
    if let Some(time) = judge.check(&title, recovered) {
        eprintln!("          after {:.1} s", time.as_secs_f64());
    }
    outcome.stage.load.set_rate(0.0, 1);
    let seen = outcome.stage.observer.seen();
    let end = outcome.stage.observer.now();
    // What is missing on a node is judged below all the same: it may be lost for good.
    let complete = outcome.wait_for_all(&seen, bounds.healthy).await;
    judge.check(&format!("{name}: all nodes have every block that was shown"), complete);
    let chains = outcome.download().await?;
    judge_chains(name, &chains, &seen, judge);
    outcome.judge_receipts(name, &seen, judge).await?;
    outcome.judge_progress(name, &seen, end, judge);
    let stopped = outcome.stage.cluster.stop_all().await;
    judge.check(&format!("{name}: all nodes stop cleanly"), stopped);
    let conflicts = outcome.signatures(&chains).map_err(|error| error.to_string());
    judge.check(&format!("{name}: {NO_CONFLICT}"), conflicts);
    Ok(())
}

fn judge_chains(name: &str, chains: &[Chain], seen: &Observations, judge: &mut Judge) {
    for (property, findings) in [
        (NO_FORK, forks(chains, seen)),
        (EQUAL_ROOTS, differing_roots(chains)),
        (NOTHING_LOST, lost_transactions(chains, seen)),
        (MONOTONE_HEADS, heads_that_went_back(seen)),
    ] {
        judge.expect(&format!("{name}: {property}"), findings.is_empty(), summary(&findings));
    }
    let head = chains.iter().map(Chain::head).max().unwrap_or_default();
    eprintln!("          {head} blocks, {} transactions", seen.transactions.len());
    for error in &seen.errors {
        eprintln!("          answered with an error: {error}");
    }
}

impl Outcome {
    fn bounds(&self) -> Bounds {
        let base = Duration::from_secs(self.block_period * 2);
        Bounds::new(self.tolerated, LEAST_CAP.max(base * 5), base)
    }

    /// Waits until every node has a block that is newer than any now; returns how long it took.
    async fn wait_for_new_block(&mut self, limit: Duration) -> Result<Duration, TestnetError> {
        let start = Instant::now();
        let newest = self.stage.observer.seen().heads.iter().map(|it| it.head).max();
        self.wait_for(newest.unwrap_or_default() + 1, limit).await?;
        Ok(start.elapsed())
    }

    /// Waits until every node has every block that any node showed.
    async fn wait_for_all(&mut self, seen: &Observations, limit: Duration) -> Result<()> {
        let newest = seen.blocks.keys().map(|(_, height)| *height).max();
        self.wait_for(newest.unwrap_or_default(), limit).await
    }

    async fn wait_for(&mut self, height: u64, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        for node in 0..self.stage.cluster.len() {
            self.stage.cluster.running(node)?.alive()?;
            let member = self.stage.cluster.member(node);
            let (client, name) = (member.client(), member.name.clone());
            loop {
                let head = client.block_number().await?;
                if head >= height {
                    break;
                }
                if Instant::now() >= end {
                    let what = format!("block {height} on {name}, which has {head},");
                    return Err(TestnetError::Timeout { what, limit });
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    async fn download(&self) -> Result<Vec<Chain>> {
        let mut chains = Vec::new();
        for member in self.stage.cluster.members() {
            chains.push(Chain::download(&member.name, &member.client()).await?);
        }
        Ok(chains)
    }

    async fn judge_receipts(
        &self,
        name: &str,
        seen: &Observations,
        judge: &mut Judge,
    ) -> Result<()> {
        let mut missing = Vec::new();
        for member in self.stage.cluster.members() {
            missing.extend(missing_receipts(&member.name, &member.client(), seen).await?);
        }
        let title = format!("{name}: every acknowledged transaction has its receipt on all nodes");
        judge.expect(&title, missing.is_empty(), summary(&missing));
        if self.stage.rate > 0.0 {
            let (accepted, included) = (self.stage.load.accepted(), seen.transactions.len());
            let title = format!("{name}: the load was included");
            judge.expect(&title, included > 0, format!("{accepted} accepted, none included"));
        }
        Ok(())
    }

    fn judge_progress(&self, name: &str, seen: &Observations, end: Duration, judge: &mut Judge) {
        let progress: Vec<_> = seen.progress().into_iter().map(|(at, _)| at).collect();
        let late = late_blocks(&progress, &self.phases, end, self.bounds());
        judge.expect(&format!("{name}: blocks go on in time"), late.is_empty(), summary(&late));
        let slowest = slowest_block(&progress, &self.phases, end);
        eprintln!("          the slowest block took {:.1} s", slowest.as_secs_f64());
    }

    /// Reads the message logs of all nodes. No message at all is an error, except of a lone validator,
    /// which has nobody to talk to: nothing was judged then.
    fn signatures(&self, chains: &[Chain]) -> Result<(), TestnetError> {
        let finding = |expected, got| TestnetError::Answer {
            method: "the message logs".to_owned(),
            expected,
            got,
        };
        let genesis = chains.first().and_then(|chain| chain.block(0));
        let genesis = genesis.ok_or_else(|| finding("a genesis block", "none".to_owned()))?;
        let domain = signing_domain(GenesisFile::pilot().chain_id, genesis.hash);
        let members = self.stage.cluster.members();
        let mut ledger =
            SignatureLedger::new(domain, members.iter().map(|member| member.address).collect());
        for member in members {
            for path in member.message_logs() {
                let records = read_message_log(&path)?;
                records.iter().filter_map(|it| it.message.as_ref()).for_each(|it| ledger.note(it));
            }
        }
        eprintln!("          {} distinct signed statements", ledger.statements());
        if !ledger.conflicts().is_empty() {
            return Err(finding("no conflicts", summary(ledger.conflicts())));
        }
        if ledger.statements() == 0 && self.stage.cluster.options().validators > 1 {
            return Err(finding("signed messages of validators", "none".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safety_is_told_from_time() {
        assert!(is_about_safety("power cut: no head went back"));
        assert!(!is_about_safety("power cut: blocks go on in time"));
        assert!(!is_about_safety("power cut: played to its end"));
    }
}
