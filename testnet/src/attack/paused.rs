//! P15: a node is stopped where it is, and its connections stay half open.

use super::{
    Attack, Finding, Limits, Seat,
    scene::{Scene, Target, failed, until},
};
use crate::Result;
use futures::FutureExt;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The node that is stopped: not the one that tells the proposers of the blocks afterwards.
const STOPPED: usize = 3;
/// How long the others may take to notice.
const NOTICED: Duration = Duration::from_secs(15);
/// How long what must come is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const ATTACK: Attack = Attack {
    id: "P15",
    name: "a node is stopped, its connections half open",
    seat: Seat::Listed,
    limits: Limits { interval: 1.2, cpu: Some(0.1), memory: 64.0 },
    least: Duration::from_secs(20),
    stops: Some(STOPPED),
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let end = Instant::now() + length;
    let stopped = scene.targets[STOPPED];
    let others: Vec<_> = scene.targets.iter().filter(|it| it.pid != stopped.pid).collect();
    signal(&stopped, Signal::STOP)?;
    let noticed = until(PATIENCE, || async { none_connected(&others, &stopped).await }).await?;
    sleep_until(end).await;
    signal(&stopped, Signal::CONT)?;
    let back = until(PATIENCE, || async { all_connected(&others, &stopped).await }).await?;
    Ok(vec![
        Finding::new(
            format!("all others notice within {} s", NOTICED.as_secs()),
            noticed.is_some_and(|noticed| noticed <= NOTICED),
            format!("{noticed:.1?}"),
        ),
        Finding::new("it comes back", back.is_some(), format!("{back:.1?}")),
    ])
}

fn signal(target: &Target, signal: Signal) -> Result<()> {
    let Some(pid) = Pid::from_raw(target.pid.cast_signed()) else { return Ok(()) };
    kill_process(pid, signal).map_err(failed("a signal"))
}

async fn none_connected(others: &[&Target], stopped: &Target) -> Result<bool> {
    for other in others {
        if other.connection(stopped.peer.peer_id).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn all_connected(others: &[&Target], stopped: &Target) -> Result<bool> {
    for other in others {
        if other.connection(stopped.peer.peer_id).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
