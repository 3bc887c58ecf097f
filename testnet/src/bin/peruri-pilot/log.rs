//! The transparency log: a source appends, auditors verify receipts without a node and without a network.

use crate::{
    LIMIT,
    network::{NOTA, Pilot},
    steps::Steps,
    verifier::Verifier,
};
use eyre::{Result, bail, ensure};
use peruri_testnet::{
    ACTIVITY_LOG, Client, LogSource, Network, SourceEntry, TestnetError, quantity,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// Appends in the beginning, and entries in each.
const BATCHES: u64 = 4;
const BATCH: u64 = 10;
/// What the recommended policy asks for with three validators.
const ALL_SEALS: u64 = 3;
/// Blocks after which a header with all seals must be there.
const SOON: u64 = 2;
/// Code of `not enough seals yet`.
const NOT_ENOUGH_SEALS: i64 = -32010;

/// The log of a running pilot network, with the files of an auditor.
pub(crate) struct ShownLog {
    source: LogSource,
    verifier: Verifier,
    /// Where receipts and what opens their commitments lie.
    folder: PathBuf,
    /// An entry that was appended while a validator was down.
    late: Option<u64>,
}

/// Appends entries through the transaction node, takes a receipt of each from there, verifies them.
pub(crate) async fn show(pilot: &Pilot, steps: &mut Steps) -> Result<ShownLog> {
    let (client, folder) = (pilot.gateway(), pilot.folder());
    let verifier = Verifier::new(pilot, &client).await?;
    let source = LogSource::new(&pilot.source_key(), Network::of(&client).await?)?;
    let mut log = ShownLog { source, verifier, folder, late: None };
    for name in ["receipts", "payloads"] {
        fs::create_dir_all(log.folder.join(name))?;
    }
    let mut block = 0;
    for batch in 0..BATCHES {
        block = log.append(&client, batch * BATCH, BATCH).await?;
    }
    let size = BATCHES * BATCH;
    let head = client.call("plog_getLog", json!([ACTIVITY_LOG])).await?;
    ensure!(head["size"] == size, "{size} entries were appended: {head}");
    steps.done(&format!(
        "log: source 1 appends {size} entries in {BATCHES} calls, the last in block {block}"
    ));
    client.wait_block(block + SOON, LIMIT).await?;
    for index in 0..size {
        let receipt = receipt(&client, index, json!({ "seals": ALL_SEALS })).await?;
        fs::write(log.receipt(index), format!("{receipt}\n"))?;
        log.verifier.both_policies(&log.receipt(index))?;
    }
    steps.done(&format!(
        "the transaction node has receipts with all {ALL_SEALS} seals {SOON} blocks later; plog-verify \
         accepts {size}"
    ));
    log.offline(steps)?;
    Ok(log)
}

/// While a validator is down no header has all seals.
pub(crate) async fn while_down(log: &mut ShownLog, pilot: &Pilot, steps: &mut Steps) -> Result<()> {
    let client = pilot.gateway();
    let index = BATCHES * BATCH;
    let block = log.append(&client, index, 1).await?;
    client.wait_block(block + SOON, LIMIT).await?;
    let refused = match receipt(&client, index, json!({ "seals": ALL_SEALS })).await {
        Err(TestnetError::Rpc { code: NOT_ENOUGH_SEALS, message, .. }) => message,
        other => bail!("a dead validator has sealed: {other:?}"),
    };
    let receipt = receipt(&client, index, json!({})).await?;
    fs::write(log.receipt(index), format!("{receipt}\n"))?;
    log.verifier.quorum(&log.receipt(index))?;
    steps.done(&format!(
        "an entry appended meanwhile has a receipt of the quorum; with {ALL_SEALS} seals: error \
         {NOT_ENOUGH_SEALS}, {refused}"
    ));
    log.late = Some(index);
    Ok(())
}

/// After its return the same entry has a receipt with all seals, older ones still hold, and the heads
/// before and after are of one log.
pub(crate) async fn after_return(log: &ShownLog, pilot: &Pilot, steps: &mut Steps) -> Result<()> {
    let Some(late) = log.late else { bail!("no entry was appended while a validator was down") };
    let client = pilot.gateway();
    let head = client.block_number().await?;
    client.wait_block(head + SOON, LIMIT).await?;
    for (index, client) in [(late, &client), (0, &pilot.client(NOTA))] {
        let file = log.named(&format!("{index:03}-after"));
        let receipt = receipt(client, index, json!({ "seals": ALL_SEALS })).await?;
        fs::write(&file, format!("{receipt}\n"))?;
        log.verifier.both_policies(&file)?;
    }
    for index in 0..BATCHES * BATCH {
        log.verifier.both_policies(&log.receipt(index))?;
    }
    let sizes = json!([ACTIVITY_LOG, BATCHES * BATCH, BATCHES * BATCH + 1]);
    let proof = client.call("plog_getConsistencyProof", sizes).await?;
    let file = log.folder.join("consistency.json");
    fs::write(&file, format!("{proof}\n"))?;
    log.verifier.consistent(&log.receipt(0), &log.named("000-after"), &file)?;
    steps.done(&format!(
        "with NOTA back entry {late} has {ALL_SEALS} seals, older receipts hold, the new head extends \
         the old one"
    ));
    Ok(())
}

impl ShownLog {
    pub(crate) const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Where a receipt with a name lies.
    pub(crate) fn named(&self, name: &str) -> PathBuf {
        self.folder.join(format!("receipts/{name}.json"))
    }

    fn receipt(&self, index: u64) -> PathBuf {
        self.named(&format!("{index:03}"))
    }

    /// Appends entries, the first of which gets this index; returns their block.
    async fn append(&mut self, client: &Client, first: u64, count: u64) -> Result<u64> {
        let entries = self.source.next_entries(count);
        let transaction = self.source.append(&entries)?;
        client.send_raw(&transaction.raw).await?;
        let receipt = client.wait_receipt(transaction.hash, LIMIT).await?;
        ensure!(receipt["status"] == "0x1", "the append was refused: {receipt}");
        for (index, entry) in (first..).zip(&entries) {
            self.keep(index, entry)?;
        }
        Ok(quantity("eth_getTransactionReceipt", &receipt["blockNumber"])?)
    }

    /// What the source keeps, for whoever may see the payload.
    fn keep(&self, index: u64, entry: &SourceEntry) -> Result<()> {
        let path = self.folder.join("payloads");
        fs::write(path.join(format!("{index:03}.json")), &entry.payload)?;
        fs::write(path.join(format!("{index:03}.salt")), format!("{}\n", entry.salt_hex()))?;
        Ok(())
    }

    /// One receipt without any network, with its payload.
    fn offline(&self, steps: &mut Steps) -> Result<()> {
        let payload = self.folder.join("payloads/017.json");
        let salt = fs::read_to_string(self.folder.join("payloads/017.salt"))?;
        let receipt = self.receipt(17);
        match self.verifier.without_network(&receipt, &payload, salt.trim())? {
            Ok(lines) => {
                steps.done("one of them without any network (unshare -n), with its payload:");
                lines.lines().for_each(|line| steps.detail(line));
            }
            Err(obstacle) => {
                steps.done(&format!("NOT shown without a network: unshare -n: {obstacle}"));
            }
        }
        Ok(())
    }
}

/// Asks for the receipt of an entry.
pub(crate) async fn receipt(
    client: &Client,
    index: u64,
    options: Value,
) -> Result<Value, TestnetError> {
    client.call("plog_getReceipt", json!([ACTIVITY_LOG, index, options])).await
}
