//! Answers to those who fetch blocks.

use crate::wire::GetBlocks;
use alloy_primitives::Bytes;
use alloy_rlp::Encodable;
use peruri_storage::{ProviderFactory, ProviderResult};

/// Bytes after which no further block is added to an answer.
const ANSWER_BYTES: usize = 8 << 20;
/// Blocks in an answer.
const ANSWER_BLOCKS: u64 = 256;

/// The blocks that `request` asks for; `None` if the first of them is not here. Blocking.
///
/// # Errors
/// If the database cannot be read.
pub(crate) fn answer(
    provider: &ProviderFactory,
    request: GetBlocks,
) -> ProviderResult<Option<Bytes>> {
    let mut out = Vec::new();
    let end = request.from.saturating_add(request.count.min(ANSWER_BLOCKS));
    for number in request.from..end {
        let Some(block) = provider.block_by_number(number)? else { break };
        if !out.is_empty() && out.len().saturating_add(block.length()) > ANSWER_BYTES {
            break;
        }
        block.encode(&mut out);
    }
    Ok((!out.is_empty()).then(|| out.into()))
}
