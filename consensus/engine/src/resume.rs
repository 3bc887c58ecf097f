//! A start after a stop or a crash: going on with what was signed.

use crate::{BlockImporter, EngineError, SignStateError, SignStore};
use peruri_storage::{CommitExtras, ProviderFactory};
use peruri_validation::decode_block;
use tracing::info;

/// Brings database and sign state together before anything is signed, and commits the block that was
/// signed but not committed. Returns its number if there was one. Blocking.
///
/// | database | sign state | outcome |
/// |---|---|---|
/// | ends at the signed block, or nothing was signed on a new chain | | goes on |
/// | ends one below it | holds the sealed block | the block is checked and committed |
/// | ends further below | | refused: an old data folder was put back |
/// | ends above, or knows a newer record | | refused: an old sign state was put back, or the key signs elsewhere |
///
/// # Errors
/// [`SignStateError`] when signing would not be safe; the failure of check or commit.
pub fn resume(
    sign_store: &SignStore,
    provider: &ProviderFactory,
    importer: &BlockImporter,
) -> Result<Option<u64>, EngineError> {
    let record = sign_store.record();
    let known = provider.sign_record_seq()?.unwrap_or(0);
    if known > record.sequence {
        return Err(SignStateError::BehindDatabase { expected: known, got: record.sequence }.into());
    }
    let head = provider.last_header()?;
    if head.number > record.height {
        return Err(SignStateError::BehindChain { head: head.number, signed: record.height }.into());
    }
    if head.number == record.height {
        let same = head.number == 0 || head.hash() == record.block_hash;
        return if same { Ok(None) } else { Err(conflict(sign_store, head.hash()).into()) };
    }
    if head.number.checked_add(1) != Some(record.height) {
        return Err(
            SignStateError::AheadOfDatabase { signed: record.height, head: head.number }.into()
        );
    }
    finish_signed_block(sign_store, provider, importer).map(Some)
}

const fn conflict(sign_store: &SignStore, stored: alloy_primitives::B256) -> SignStateError {
    let record = sign_store.record();
    SignStateError::Conflict { height: record.height, stored, signed: record.block_hash }
}

fn finish_signed_block(
    sign_store: &SignStore,
    provider: &ProviderFactory,
    importer: &BlockImporter,
) -> Result<u64, EngineError> {
    let record = sign_store.record();
    let damaged = |reason: String| EngineError::SignedBlock { hash: record.block_hash, reason };
    let bytes = sign_store
        .signed_block()?
        .ok_or_else(|| damaged("the record names no block".to_owned()))?;
    let block = decode_block(&bytes).map_err(|error| damaged(error.to_string()))?;
    let hash = block.header.hash_slow();
    if hash != record.block_hash {
        return Err(damaged(format!("it is block {hash}")));
    }
    let executed = importer.check_own(block)?;
    let extras = CommitExtras { sign_record_seq: Some(record.sequence), ..CommitExtras::default() };
    provider.commit_block_with(&executed, &extras)?;
    info!(
        target: "consensus::engine",
        number = record.height,
        %hash,
        "the block signed before the stop is committed"
    );
    Ok(record.height)
}
