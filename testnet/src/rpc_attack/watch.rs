//! What the node does while it is attacked.

use super::arena::Arena;
use crate::{
    Result, TestnetError,
    attack::{Finding, MIB, Usage},
};
use std::{fmt, pin::pin, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the head is asked for.
const ASK: Duration = Duration::from_millis(20);
/// How many questions for the head there are to one look at the memory.
const MEMORY: u32 = 10;

/// What an attack may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    /// Mean time to a block, as a multiple of the time without an attack.
    pub(super) interval: f64,
    /// Memory on top of what the node had before, in MiB.
    pub(super) memory: f64,
}

/// What was seen in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Watch {
    /// Blocks seen, the first one not counted.
    blocks: u64,
    /// From the first to the last of them.
    span: Duration,
    /// Longest time without a new one.
    longest: Duration,
    /// Whether the head was ever lower than before.
    went_back: bool,
    /// Longest wait for an answer.
    slowest: Duration,
    /// Most memory on top, in MiB.
    growth: f64,
}

impl Watch {
    /// Watches until `work` has ended and there were two blocks.
    pub(super) async fn during<T>(
        arena: &Arena,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(Self, T)> {
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let work = async {
            let outcome = work.await;
            // Nobody watches any more if watching failed.
            let _ = stop.send(true);
            outcome
        };
        let watching = async {
            let mut eye = Eye::open(arena).await?;
            let mut ticks = interval(ASK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !(*stopped.borrow_and_update() && eye.watch.blocks >= 2) {
                ticks.tick().await;
                eye.look().await?;
            }
            Ok::<_, TestnetError>(eye.finish())
        };
        let (work, watching) = (pin!(work), pin!(watching));
        let (watch, outcome) = tokio::join!(watching, work);
        Ok((watch?, outcome?))
    }

    /// With the time since the last block, which counts as a block if it is longer than all others.
    fn until(mut self, since_last: Duration) -> Self {
        if since_last > self.longest {
            self.blocks += 1;
            self.span += since_last;
            self.longest = since_last;
        }
        self
    }

    /// Mean time to a block in seconds.
    fn mean(&self) -> f64 {
        self.span.as_secs_f64() / self.blocks.max(1) as f64
    }

    /// What holds of it beside the time without an attack.
    pub(super) fn findings(&self, limits: Limits, baseline: &Self) -> Vec<Finding> {
        let Limits { interval, memory } = limits;
        let ratio = self.mean() / baseline.mean();
        vec![
            Finding::new(
                format!("a block takes at most {interval:.2} times as long"),
                self.blocks > 0 && ratio <= interval,
                format!("{:.3} s, then {:.3} s: {ratio:.2} times", baseline.mean(), self.mean()),
            ),
            Finding::new(
                format!("at most {memory:.0} MiB of memory on top"),
                self.growth <= memory,
                format!("{:.1} MiB", self.growth),
            ),
            Finding::new(
                "the head never goes back",
                !self.went_back,
                if self.went_back { "a lower one was seen" } else { "it never did" },
            ),
        ]
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} blocks, {:.3} s each, the longest {:.2} s; slowest answer {:.0} ms; {:.1} MiB on top",
            self.blocks,
            self.mean(),
            self.longest.as_secs_f64(),
            self.slowest.as_secs_f64() * 1e3,
            self.growth
        )
    }
}

/// What looks at the node, over a connection of its own.
struct Eye<'a> {
    arena: &'a Arena,
    client: crate::Client,
    /// Memory at the beginning, in bytes.
    before: u64,
    looks: u32,
    head: u64,
    first: Option<Instant>,
    last: Instant,
    watch: Watch,
}

impl<'a> Eye<'a> {
    async fn open(arena: &'a Arena) -> Result<Self> {
        let client = arena.client();
        let head = client.block_number().await?;
        let watch = Watch {
            blocks: 0,
            span: Duration::ZERO,
            longest: Duration::ZERO,
            went_back: false,
            slowest: Duration::ZERO,
            growth: 0.0,
        };
        let before = Usage::of(arena.pid())?.resident;
        Ok(Self { arena, client, before, looks: 0, head, first: None, last: Instant::now(), watch })
    }

    fn finish(self) -> Watch {
        self.watch.until(self.last.elapsed())
    }

    async fn look(&mut self) -> Result<()> {
        let asked = Instant::now();
        let head = self.client.block_number().await?;
        let now = Instant::now();
        let watch = &mut self.watch;
        watch.slowest = watch.slowest.max(now - asked);
        watch.went_back |= head < self.head;
        if head > self.head {
            if let Some(first) = self.first {
                watch.blocks += head - self.head;
                watch.span = now - first;
                watch.longest = watch.longest.max(now - self.last);
            } else {
                self.first = Some(now);
            }
            (self.head, self.last) = (head, now);
        }
        self.looks += 1;
        if self.looks.is_multiple_of(MEMORY) {
            let resident = Usage::of(self.arena.pid())?.resident;
            let growth = resident.saturating_sub(self.before) as f64 / MIB;
            watch.growth = watch.growth.max(growth);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_does_not_come_counts() {
        let watch = CALM.until(Duration::from_millis(900));
        assert_eq!(watch, CALM);
        let watch = CALM.until(Duration::from_secs(30));
        assert_eq!((watch.blocks, watch.span.as_secs(), watch.longest.as_secs()), (11, 40, 30));
    }

    const CALM: Watch = Watch {
        blocks: 10,
        span: Duration::from_secs(10),
        longest: Duration::from_secs(1),
        went_back: false,
        slowest: Duration::ZERO,
        growth: 0.0,
    };

    fn held(watch: Watch) -> Vec<bool> {
        let limits = Limits { interval: 1.2, memory: 8.0 };
        watch.findings(limits, &CALM).iter().map(|finding| finding.holds).collect()
    }

    #[test]
    fn each_limit_is_judged() {
        assert_eq!(held(Watch { span: Duration::from_millis(11_900), ..CALM }), [true; 3]);
        assert_eq!(
            held(Watch { span: Duration::from_millis(12_100), ..CALM }),
            [false, true, true]
        );
        assert_eq!(held(Watch { blocks: 0, ..CALM }), [false, true, true]);
        assert_eq!(held(Watch { growth: 8.1, ..CALM }), [true, false, true]);
        assert_eq!(held(Watch { went_back: true, ..CALM }), [true, true, false]);
    }
}
