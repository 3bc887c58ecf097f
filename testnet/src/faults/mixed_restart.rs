//! All nodes restarted one after the other, as in an upgrade.

use crate::{Cluster, Result};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use std::{path::Path, time::Duration};

/// How long a restarted node may take to catch up before the next one is stopped.
const CAUGHT_UP: Duration = Duration::from_secs(20);

/// Restarts each of `group` in random order, some asked to stop and some killed, with `program` if one
/// is given. The next one waits until the one before has the chain of the others.
///
/// # Errors
/// As [`Cluster::stop`] and [`Cluster::start`]; [`crate::TestnetError::Timeout`] if a node does not
/// catch up.
pub async fn restart_in_turn(
    cluster: &mut Cluster,
    group: &[usize],
    program: Option<&Path>,
    random: &mut StdRng,
) -> Result<()> {
    let mut order = group.to_vec();
    order.shuffle(random);
    for node in order {
        if random.random_bool(0.5) {
            cluster.stop(node).await?;
        } else {
            cluster.kill(node).await?;
        }
        if let Some(program) = program {
            cluster.set_program(node, program);
        }
        cluster.start(node).await?;
        let mut head = 0;
        for other in group.iter().filter(|other| **other != node) {
            head = head.max(cluster.member(*other).client().block_number().await?);
        }
        cluster.member(node).client().wait_block(head, CAUGHT_UP).await?;
    }
    Ok(())
}
