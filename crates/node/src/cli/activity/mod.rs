//! `activity`: the activity mirror of a running node, and moving it to another one.
//!
//! | module | what is there |
//! |---|---|
//! | `submit` | activities from a file |
//! | `handover` | the source of a stopped node, to and from a file |

mod handover;
mod submit;

use crate::{
    cli::{client::ClientArgs, exit::UsageError},
    config::{Config, DataArgs, NodeArgs},
};
use clap::{Args, Subcommand};
use handover::{AdoptArgs, ExportArgs};
use jsonrpsee::http_client::HttpClient;
use peruri_activity::{ActivityId, source::requeue};
use peruri_rpc_api::{ActivityApiClient, ActivityWriteApiClient};
use serde::Serialize;
use serde_json::{Value, json};
use std::{io::Write, str::FromStr};
use submit::SubmitArgs;

/// Look after the activity mirror.
///
/// The mirror turns activities into entries of the transparency log, each exactly once. It is configured
/// in the section [activity] of peruri.toml.
#[derive(Debug, Args)]
pub struct ActivityCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How the mirror is doing, or what became of one activity
    Status {
        /// The activity
        #[arg(value_name = "ID", value_parser = activity_id)]
        id: Option<ActivityId>,
    },
    /// Hand in activities from a file
    ///
    /// One JSON object a line: the params of activity_submit or activity_track, or a CloudEvent as queues
    /// carry them. What was accepted before is recognised, so that a file can be handed in again.
    Submit(SubmitArgs),
    /// Why messages of queues were rejected: reasons and SHA-256, the oldest first
    DeadLetters {
        /// Most that are shown
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        limit: u64,
    },
    /// Move the messages of RabbitMQ's dead-letter queue back, when their cause was mended
    ///
    /// Speaks to the broker of [activity.amqp], not to the node.
    Requeue,
    /// Close what was accepted and is not included, with a VOID entry in its place
    ///
    /// When the mirror is in doubt (see status), name exactly the numbers that it is in doubt about: what was
    /// signed for them is given up.
    ///
    /// Example: peruri-node activity void 901-1024 --reason 4
    Void(VoidArgs),
    /// Append the notice that salt and payload of an included activity were destroyed
    Erase {
        /// The activity
        #[arg(value_name = "ID", value_parser = activity_id)]
        id: ActivityId,
    },
    /// Try again what the chain has refused twice (`append refused`), when its cause was mended
    Retry,
    /// Write what is accepted and not included to a file, for another node, and end the source here
    ///
    /// The node must be stopped. What ends is this node's right to sign for the source, for good, also with an
    /// older or a new data folder; with [activity] it still answers what became of activities. The file keeps
    /// numbers, entries and signed bytes, for `activity adopt` on the node that takes over.
    ///
    /// Example: peruri-node activity export source-1.handover
    Export(ExportArgs),
    /// Take over what another node has exported: same source, same key
    ///
    /// The node must be stopped, its chain at least where the exporting node's was. Numbers that were told,
    /// acceptance promises and signed bytes stay valid. Refused, and nothing is written, if the rows do not
    /// continue the chain or this node's own inbox. It can be done again after a crash. Take one file over on
    /// one node only.
    ///
    /// Example: peruri-node activity adopt source-1.handover
    Adopt(AdoptArgs),
}

#[derive(Debug, Args)]
struct VoidArgs {
    /// An activity, or numbers of the source
    #[arg(value_name = "ID|FROM-TO")]
    what: Target,
    /// 1 invalid, 2 withdrawn, 3 duplicate, 4 closed by an operator, 5 source closed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=5))]
    reason: u64,
}

/// What to close.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Activity(ActivityId),
    Numbers(u64, u64),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = activity_id(text) {
            return Ok(Self::Activity(id));
        }
        let numbers = text.split_once('-').unwrap_or((text, text));
        match (numbers.0.parse(), numbers.1.parse()) {
            (Ok(from), Ok(to)) if 1 <= from && from <= to => Ok(Self::Numbers(from, to)),
            _ => Err("expected a UUID, or numbers like 901-1024".to_owned()),
        }
    }
}

fn activity_id(text: &str) -> Result<ActivityId, String> {
    ActivityId::parse("ID", text).map_err(|error| error.to_string())
}

impl ActivityCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the node cannot be asked or refuses; [`UsageError`] if there is no queue to speak to.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let Self { action, client } = self;
        match action {
            Action::Status { id } => client.run(data, |node| status(node, id)),
            Action::Submit(args) => args.run(&client, data),
            Action::DeadLetters { limit } => client.run(data, |node| dead_letters(node, limit)),
            Action::Requeue => move_back(data),
            Action::Void(args) => client.run(data, |node| void(node, args)),
            Action::Erase { id } => client.run(data, |node| erase(node, id)),
            Action::Retry => client.run(data, retry),
            Action::Export(args) => handover::export(args, data),
            Action::Adopt(args) => handover::adopt(&args, data),
        }
    }
}

async fn status(node: HttpClient, id: Option<ActivityId>) -> eyre::Result<()> {
    match id {
        None => print(&node.get_queue().await?),
        Some(id) => print(&node.get_status(json!(id.to_string())).await?),
    }
}

async fn dead_letters(node: HttpClient, limit: u64) -> eyre::Result<()> {
    node.dead_letters(Some(json!(limit))).await?.iter().try_for_each(print)
}

async fn void(node: HttpClient, VoidArgs { what, reason }: VoidArgs) -> eyre::Result<()> {
    node.void(what.params(reason)).await?;
    println!("closed; the VOID entries go into the next block");
    Ok(())
}

async fn erase(node: HttpClient, id: ActivityId) -> eyre::Result<()> {
    let notice = node.erase(json!({ "activityId": id.to_string() })).await?;
    println!("the notice is accepted as number {}", notice.source_seq);
    Ok(())
}

async fn retry(node: HttpClient) -> eyre::Result<()> {
    node.retry_refused().await?;
    print(&node.get_queue().await?)
}

impl Target {
    fn params(&self, reason: u64) -> Value {
        match self {
            Self::Activity(id) => json!({ "activityId": id.to_string(), "reason": reason }),
            Self::Numbers(from, to) => json!({ "from": from, "to": to, "reason": reason }),
        }
    }
}

fn move_back(data: DataArgs) -> eyre::Result<()> {
    let config = Config::load(data, NodeArgs::default())?;
    let amqp = config.activity.and_then(|activity| activity.amqp);
    let amqp = amqp.ok_or_else(|| UsageError::new("the configuration has no [activity.amqp]"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let moved = runtime.block_on(requeue(&amqp))?;
    println!("{moved} messages were moved back to {}", amqp.queue);
    Ok(())
}

/// One JSON document a line, for people and programs.
fn print(value: &impl Serialize) -> eyre::Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(value)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_activity_or_numbers_are_closed() {
        let id = "6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01";
        let target: Target = id.parse().unwrap();
        assert_eq!(target.params(2), json!({"activityId": id, "reason": 2}));
        assert_eq!("5-9".parse(), Ok(Target::Numbers(5, 9)));
        assert_eq!("7".parse(), Ok(Target::Numbers(7, 7)));
        for bad in ["", "0", "9-5", "a-b", "6F1F9F0E-6f0b-4d53-9a5e-0a4b8f0c7d01"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
