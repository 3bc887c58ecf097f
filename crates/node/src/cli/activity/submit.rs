//! `activity submit`: activities from a file, in batches.

use crate::{
    cli::{
        client::ClientArgs,
        exit::{OrUsage, UsageError},
    },
    config::DataArgs,
    progress::ProgressLine,
};
use clap::Args;
use eyre::{WrapErr, bail};
use peruri_activity::request::params_of_cloud_event;
use peruri_rpc_api::{ActivityBatchItem, ActivityWriteApiClient};
use serde_json::value::RawValue;
use std::{fs, path::PathBuf, time::Duration};

/// Activities of a call.
const BATCH: usize = 1_000;
/// Bytes of a call: well below what a server takes.
const BATCH_BYTES: usize = 1 << 20;
/// Refusals that mean: not now.
const FULL: i32 = -32005;
/// How long to wait where the node does not say.
const PAUSE_MS: u64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A line of the file that is on its way.
struct Line {
    number: usize,
    params: Box<RawValue>,
}

/// What has to be sent again, and when.
#[derive(Default)]
struct Again {
    lines: Vec<Line>,
    pause_ms: u64,
}

/// What came of the lines.
#[derive(Debug, Default)]
struct Summary {
    accepted: usize,
    refused: usize,
}

impl SubmitArgs {
    pub(super) fn run(self, client: &ClientArgs, data: DataArgs) -> eyre::Result<()> {
        let name = self.file.display().to_string();
        let text = match name.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()).or_usage("standard input")?,
            _ => fs::read_to_string(&self.file).or_usage(&name)?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let summary = runtime.block_on(submit(&text, client, data))?;
        println!("{} accepted, {} refused", summary.accepted, summary.refused);
        match summary.refused {
            0 => Ok(()),
            _ => Err(UsageError::new(format!("{name}: some lines were refused")).into()),
        }
    }
}

async fn submit(text: &str, client: &ClientArgs, data: DataArgs) -> eyre::Result<Summary> {
    let mut summary = Summary::default();
    let mut progress = ProgressLine::new("submit", "activities");
    let total = text.lines().filter(|line| !line.trim().is_empty()).count();
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    while lines.peek().is_some() {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH
            && let Some((at, line)) =
                lines.next_if(|(_, line)| bytes + line.len() <= BATCH_BYTES || bytes == 0)
        {
            bytes += line.len();
            match params(line) {
                Ok(params) => batch.push(Line { number: at + 1, params }),
                Err(reason) => summary.refuse(at + 1, &reason),
            }
        }
        // A token is good for a minute: each call gets its own.
        while !batch.is_empty() {
            let (url, http) = client.connect(data.clone())?;
            let params = batch.iter().map(|line| line.params.clone()).collect();
            let answers = http.submit_batch(params).await;
            let answers = answers.wrap_err_with(|| format!("node at {url}"))?;
            let again = summary.note(batch, answers)?;
            if !again.lines.is_empty() {
                tokio::time::sleep(Duration::from_millis(again.pause_ms)).await;
            }
            batch = again.lines;
        }
        progress.report((summary.accepted + summary.refused) as u64, total as u64);
    }
    Ok(summary)
}

/// The params that a line stands for.
fn params(line: &str) -> Result<Box<RawValue>, String> {
    let value: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|_| "not a JSON object".to_owned())?;
    if value.contains_key("specversion") {
        let params = params_of_cloud_event(line).map_err(|error| error.to_string())?;
        return RawValue::from_string(params.to_string()).map_err(|error| error.to_string());
    }
    RawValue::from_string(line.trim().to_owned()).map_err(|error| error.to_string())
}

impl Summary {
    fn refuse(&mut self, number: usize, reason: &str) {
        self.refused += 1;
        eprintln!("line {number}: {reason}");
    }

    /// Returns what had no room.
    fn note(&mut self, lines: Vec<Line>, answers: Vec<ActivityBatchItem>) -> eyre::Result<Again> {
        if answers.len() != lines.len() {
            bail!("{} answers to {} activities", answers.len(), lines.len());
        }
        let mut again = Again::default();
        for (line, answer) in lines.into_iter().zip(answers) {
            match answer {
                ActivityBatchItem::Accepted(_) => self.accepted += 1,
                ActivityBatchItem::Refused { error } if error.code == FULL => {
                    let told = error.data.as_ref().and_then(|data| data["retryAfterMs"].as_u64());
                    again.pause_ms = again.pause_ms.max(told.unwrap_or(PAUSE_MS));
                    again.lines.push(line);
                }
                ActivityBatchItem::Refused { error } => self.refuse(line.number, &error.message),
            }
        }
        Ok(again)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use peruri_rpc_api::ActivityRefusal;

    fn line(number: usize) -> Line {
        Line { number, params: RawValue::from_string("{}".to_owned()).unwrap() }
    }

    #[test]
    fn what_has_no_room_is_sent_again_and_what_is_wrong_is_not() {
        let refused = |code, data| ActivityBatchItem::Refused {
            error: ActivityRefusal { code, message: "no".to_owned(), data },
        };
        let later = Some(serde_json::json!({"retryAfterMs": 2_000}));
        let mut summary = Summary::default();
        let answers = vec![refused(FULL, later), refused(-32602, None)];
        let again = summary.note(vec![line(1), line(2)], answers).unwrap();
        let numbers: Vec<_> = again.lines.iter().map(|line| line.number).collect();
        assert_eq!((numbers, again.pause_ms, summary.refused), (vec![1], 2_000, 1));
        let again = summary.note(vec![line(3)], vec![refused(FULL, None)]).unwrap();
        assert_eq!(again.pause_ms, PAUSE_MS);
        assert!(summary.note(vec![line(1)], vec![]).is_err());
    }

    #[test]
    fn a_line_is_params_or_a_cloud_event() {
        let event = r#"{"specversion":"1.0","id":"6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01","source":"/x",
            "type":"t","time":"1970-01-01T00:00:01.5Z","data":{"salt":"s"}}"#;
        let params: serde_json::Value = serde_json::from_str(params(event).unwrap().get()).unwrap();
        let expected = serde_json::json!({
            "activityId": "6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01",
            "type": "t", "occurredAt": 1_500, "salt": "s",
        });
        assert_eq!(params, expected);
        assert_eq!(super::params(r#" {"a":1} "#).unwrap().get(), r#"{"a":1}"#);
        assert!(super::params("[1]").is_err() && super::params("{").is_err());
        assert!(super::params(r#"{"specversion":"2"}"#).is_err());
    }
}
