//! What a configuration must fulfil beyond its form.

use super::{ActivityConfig, AmqpConfig, SchemaConfig};
use crate::request::{Schema, Schemas};
use jiff::SignedDuration;
use lapin::uri::AMQPUri;
use peruri_plog::EntryType;
use std::{ops::RangeInclusive, time::Duration};

/// Most bytes that a payload may be allowed to have.
const LARGEST_PAYLOAD: u32 = 16 << 20;

/// Longest name of a queue: names have up to 255 bytes, and `.dead` is added.
const LONGEST_QUEUE: usize = 250;

/// A value that cannot be used, or a key file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("activity.{field}: {reason}")]
pub struct ConfigError {
    /// The key in the section `[activity]`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    pub(super) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

impl ActivityConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] that names the first value that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("source", self.source, 1..=u32::MAX)?;
        within("batch_max", self.batch_max, 1..=1_024)?;
        within("batch_wait_ms", self.batch_wait_ms, 1..=60_000)?;
        let prefetch = self.amqp.as_ref().map_or(0, |amqp| u64::from(amqp.prefetch));
        within("inbox_mark", self.inbox_mark, prefetch.max(1)..=10_000_000)?;
        self.late_after()?;
        self.schemas()?;
        self.amqp.as_ref().map_or(Ok(()), check_amqp)
    }

    /// How long before its acceptance an activity may have happened without being late.
    ///
    /// # Errors
    /// [`ConfigError`] if it is no duration such as `24h` or `90m`.
    pub fn late_after(&self) -> Result<Duration, ConfigError> {
        let wrong =
            || ConfigError::new("late_after", "expected a duration like \"24h\" or \"90m\"");
        let duration: SignedDuration = self.late_after.parse().map_err(|_| wrong())?;
        Duration::try_from(duration).ok().filter(|it| !it.is_zero()).ok_or_else(wrong)
    }

    /// The types that callers may send.
    ///
    /// # Errors
    /// [`ConfigError`] if there is none, one is out of range, or two cannot be told apart.
    pub fn schemas(&self) -> Result<Schemas, ConfigError> {
        if self.schemas.is_empty() {
            return Err(ConfigError::new("schema", "at least one type is needed"));
        }
        let mut schemas = Schemas::default();
        for (at, config) in self.schemas.iter().enumerate() {
            let schema = check_schema(config)
                .map_err(|(key, reason)| ConfigError::new(format!("schema[{at}].{key}"), reason))?;
            // Two types with one number would look the same in an entry.
            let twin = schemas.find_numbers(schema.kind, schema.number).is_some();
            if twin || !schemas.insert(config.name.clone(), schema) {
                let reason = if twin { "entry and schema are taken" } else { "listed twice" };
                let key = if twin { "schema" } else { "type" };
                return Err(ConfigError::new(format!("schema[{at}].{key}"), reason));
            }
        }
        Ok(schemas)
    }
}

fn check_schema(config: &SchemaConfig) -> Result<Schema, (&'static str, String)> {
    if config.name.is_empty() || config.name.len() > 255 {
        return Err(("type", "expected 1 to 255 bytes".to_owned()));
    }
    let kind = EntryType::from_byte(config.entry).filter(|_| (1..=4).contains(&config.entry));
    let kind = kind.ok_or_else(|| ("entry", format!("{}: expected 1 to 4", config.entry)))?;
    if config.max_bytes > LARGEST_PAYLOAD {
        let reason = format!("{}: expected at most {LARGEST_PAYLOAD}", config.max_bytes);
        return Err(("max_bytes", reason));
    }
    Ok(Schema { kind, number: config.schema, max_bytes: config.max_bytes as usize })
}

fn check_amqp(config: &AmqpConfig) -> Result<(), ConfigError> {
    if !config.url.starts_with("amqp://") {
        return Err(ConfigError::new("amqp.url", "expected amqp://…"));
    }
    let uri = config.url.parse::<AMQPUri>();
    // The library's message may repeat the password, and it takes such a host for localhost.
    if uri.is_err() || config.url.contains('[') {
        return Err(ConfigError::new("amqp.url", "expected amqp://USER:PASSWORD@HOST:PORT/VHOST"));
    }
    if config.queue.is_empty() || config.queue.len() > LONGEST_QUEUE {
        let reason = format!("expected 1 to {LONGEST_QUEUE} bytes");
        return Err(ConfigError::new("amqp.queue", reason));
    }
    within("amqp.prefetch", config.prefetch, 1..=u16::MAX)
}

fn within<T: PartialOrd + std::fmt::Display>(
    field: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    Err(ConfigError::new(field, format!("{value}: expected {low} to {high}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const EXAMPLE: &str = r#"
        log = "0x6163746976697479000000000000000000000000000000000000000000000000"
        source = 1
        source_key = "keys/source-1"
        subject_key = "keys/subject"
        batch_max = 256
        batch_wait_ms = 200
        inbox_mark = 200000
        late_after = "24h"
        [[schema]]
        type = "id.peruri.attendance.v1"
        entry = 1
        schema = 1
        max_bytes = 65536
        [amqp]
        url = "amqp://localhost:5672/%2f"
        queue = "peruri.activity"
        prefetch = 1000
        [file]
        path = "activities.ndjson"
    "#;

    fn with(from: &str, to: &str) -> ConfigError {
        assert!(EXAMPLE.contains(from), "{from}");
        let config: ActivityConfig = toml::from_str(&EXAMPLE.replace(from, to)).unwrap();
        config.validate().unwrap_err()
    }

    #[test]
    fn the_example_is_taken_and_what_it_leaves_out_has_the_same_value() {
        let config: ActivityConfig = toml::from_str(EXAMPLE).unwrap();
        config.validate().unwrap();
        assert_eq!(config.late_after().unwrap(), Duration::from_secs(86_400));
        let required = ["log", "source", "source_key", "subject_key", "path", "url"];
        let kept = |line: &&str| {
            let key = line.trim().split(' ').next().unwrap_or_default();
            required.contains(&key)
                || ["[", "type", "entry", "schema "].iter().any(|it| line.trim().starts_with(it))
        };
        let short: Vec<_> = EXAMPLE.lines().filter(kept).collect();
        assert!(short.len() < EXAMPLE.lines().count() - 6, "{short:?}");
        assert_eq!(toml::from_str::<ActivityConfig>(&short.join("\n")).unwrap(), config);
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        for (from, to, field) in [
            ("source = 1", "source = 0", "source"),
            ("batch_max = 256", "batch_max = 1025", "batch_max"),
            ("batch_max = 256", "batch_max = 0", "batch_max"),
            ("batch_wait_ms = 200", "batch_wait_ms = 0", "batch_wait_ms"),
            ("inbox_mark = 200000", "inbox_mark = 999", "inbox_mark"),
            ("\"24h\"", "\"soon\"", "late_after"),
            ("\"24h\"", "\"-1h\"", "late_after"),
            ("\"24h\"", "\"0s\"", "late_after"),
            ("entry = 1", "entry = 16", "schema[0].entry"),
            ("entry = 1", "entry = 0", "schema[0].entry"),
            ("\"id.peruri.attendance.v1\"", "\"\"", "schema[0].type"),
            ("max_bytes = 65536", "max_bytes = 99999999", "schema[0].max_bytes"),
            ("amqp://", "http://", "amqp.url"),
            ("localhost:5672", "localhost:port", "amqp.url"),
            ("localhost:5672", "[::1]:5672", "amqp.url"),
            ("\"peruri.activity\"", "\"\"", "amqp.queue"),
            ("prefetch = 1000", "prefetch = 0", "amqp.prefetch"),
        ] {
            assert_eq!(with(from, to).field, field, "{to}");
        }
    }

    #[test]
    fn types_can_be_told_apart() {
        let again = |name, number| {
            format!("[amqp]\n[[schema]]\ntype = \"{name}\"\nentry = 1\nschema = {number}\n")
                .replace("[amqp]\n", "")
                + "[amqp]"
        };
        let twice = with("[amqp]", &again("id.peruri.attendance.v1", 2));
        assert_eq!(twice.field, "schema[1].type");
        assert_eq!(with("[amqp]", &again("other", 1)).field, "schema[1].schema");
        let mut none: ActivityConfig = toml::from_str(EXAMPLE).unwrap();
        none.schemas.clear();
        assert_eq!(none.validate().unwrap_err().field, "schema");
    }

    #[test]
    fn unknown_keys_are_errors() {
        for (from, to) in [
            ("source = 1", "source = 1\nsources = 1"),
            ("entry = 1", "entry = 1\nflags = 0"),
            ("prefetch = 1000", "prefetch = 1000\ntls = true"),
            ("path =", "follow = true\npath ="),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            let error = toml::from_str::<ActivityConfig>(&text).unwrap_err();
            assert!(error.to_string().contains("unknown field"), "{error}");
        }
    }
}
