//! The mirror of a node: its keys and the section `[activity]` of its configuration file.

use crate::{Member, Network, Result, TestnetError, Wallet, free_port, write_secret};
use alloy_primitives::{Address, B256};
use std::fmt::Write;

/// What a node mirrors, as which source.
#[derive(Debug, Clone)]
pub struct MirrorSetup {
    /// Number of the source.
    pub source: u32,
    /// Key of the source.
    pub key: B256,
    /// The organisation's key.
    pub subject_key: B256,
    /// Rows that are accepted and not included.
    pub inbox_mark: u64,
    /// How long an entry waits for others, ms.
    pub batch_wait_ms: u64,
    /// Lines of `[activity.amqp]` or `[activity.file]`, as they stand in the file.
    pub queues: String,
}

impl MirrorSetup {
    /// Source `source` with new keys and the defaults of the node.
    pub fn new(source: u32) -> Self {
        Self {
            source,
            key: B256::new(rand::random()),
            subject_key: B256::new(rand::random()),
            inbox_mark: 200_000,
            batch_wait_ms: 200,
            queues: String::new(),
        }
    }

    /// The source's signer.
    ///
    /// # Errors
    /// As [`Wallet::new`].
    pub fn signer(&self) -> Result<Address> {
        Ok(Wallet::new(&self.key, Network { chain_id: 0, max_fee_per_gas: 0 })?.address())
    }

    /// Makes the node mirror from its next start on: keys beside the node's own key, the section in
    /// its `peruri.toml`, the namespace on its public server, an authenticated server on a port that
    /// stays.
    ///
    /// # Errors
    /// [`TestnetError::Io`], also if it was done before.
    pub fn install(&self, member: &mut Member) -> Result<()> {
        write_secret(&member.folder.join("source-key"), &self.key)?;
        write_secret(&member.folder.join("subject-key"), &self.subject_key)?;
        let path = member.options.datadir.join("peruri.toml");
        std::fs::write(&path, self.to_toml(member))
            .map_err(TestnetError::io(path.display().to_string()))?;
        member.options.ports.authrpc = Some(free_port()?);
        member.add_namespace("activity");
        Ok(())
    }

    fn to_toml(&self, member: &Member) -> String {
        let key = |name: &str| member.folder.join(name).display().to_string();
        let mut text = format!(
            "[activity]\nlog = \"{}\"\nsource = {}\nsource_key = {:?}\nsubject_key = {:?}\n\
             inbox_mark = {}\nbatch_wait_ms = {}\n",
            crate::ACTIVITY_LOG,
            self.source,
            key("source-key"),
            key("subject-key"),
            self.inbox_mark,
            self.batch_wait_ms,
        );
        for (name, entry, schema) in [("attendance", 1, 1), ("training", 1, 2), ("document", 4, 1)]
        {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "[[activity.schema]]\ntype = \"id.peruri.{name}.v1\"\nentry = {entry}\nschema = {schema}\n"
            );
        }
        text + &self.queues
    }
}
