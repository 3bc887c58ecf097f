//! The section `[activity]` of the configuration file, and what it is checked for.

mod check;
mod keys;

pub use check::ConfigError;
pub use keys::{SourceKey, SubjectKey};

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The section `[activity]`. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityConfig {
    /// The log that is written.
    pub log: B256,
    /// Number of this node's source, from 1.
    pub source: u32,
    /// File with the source's private key.
    pub source_key: PathBuf,
    /// File with the organisation's key for pseudonyms; without it `activity_track` is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_key: Option<PathBuf>,
    /// Most entries of one transaction, 1 to 1,024.
    #[serde(default = "defaults::batch_max")]
    pub batch_max: u32,
    /// How long an entry waits for others, in milliseconds.
    #[serde(default = "defaults::batch_wait_ms")]
    pub batch_wait_ms: u64,
    /// Most rows that are accepted and not yet included.
    #[serde(default = "defaults::inbox_mark")]
    pub inbox_mark: u64,
    /// An activity that happened longer than this before its acceptance is flagged late.
    #[serde(default = "defaults::late_after")]
    pub late_after: String,
    /// What callers may send.
    #[serde(default, rename = "schema")]
    pub schemas: Vec<SchemaConfig>,
    /// A RabbitMQ queue to consume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amqp: Option<AmqpConfig>,
    /// A file to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileConfig>,
}

/// One type of activity: `[[activity.schema]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaConfig {
    /// Its name, which callers send.
    #[serde(rename = "type")]
    pub name: String,
    /// Type of its entries, 1 to 4.
    pub entry: u8,
    /// Number of its schema in entries.
    pub schema: u16,
    /// Most bytes of a payload.
    #[serde(default = "defaults::max_bytes")]
    pub max_bytes: u32,
}

/// A RabbitMQ queue: `[activity.amqp]`.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpConfig {
    /// Address of the broker, `amqp://USER:PASSWORD@HOST:PORT/VHOST`.
    pub url: String,
    /// Name of the queue, and of the exchange that it is bound to.
    #[serde(default = "defaults::queue")]
    pub queue: String,
    /// Messages that the broker sends ahead of acknowledgements.
    #[serde(default = "defaults::prefetch")]
    pub prefetch: u16,
}

impl std::fmt::Debug for AmqpConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        let Self { url: _, queue, prefetch } = self;
        f.debug_struct("AmqpConfig")
            .field("queue", queue)
            .field("prefetch", prefetch)
            .finish_non_exhaustive()
    }
}

/// A file with one CloudEvent per line: `[activity.file]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file, or `-` for standard input.
    pub path: PathBuf,
}

mod defaults {
    pub(super) const fn batch_max() -> u32 {
        256
    }

    pub(super) const fn batch_wait_ms() -> u64 {
        200
    }

    pub(super) const fn inbox_mark() -> u64 {
        200_000
    }

    pub(super) fn late_after() -> String {
        "24h".to_owned()
    }

    pub(super) const fn max_bytes() -> u32 {
        65_536
    }

    pub(super) fn queue() -> String {
        "peruri.activity".to_owned()
    }

    pub(super) const fn prefetch() -> u16 {
        1_000
    }
}
